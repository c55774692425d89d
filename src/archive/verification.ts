// `halligan verify` on this machine's files: hands paths to the pure verification in recording/ and reads nothing else.
import { lstat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { longestDisclosure } from '../recording/disclosure.ts'
import type { VerifyReport } from '../recording/finding.ts'
import type { LedgerRow } from '../recording/ledger-check.ts'
import { verifyAll } from '../recording/verify-all.ts'
import { type Trust, verifyDisclosure, verifyFile, verifyFolder } from '../recording/verify-file.ts'
import { journalSegments, openStored, recordingFolder } from './recording-folder.ts'
import { storedText } from './stored-file.ts'

/** Where an installation's evidence lies. */
export interface Installation {
  readonly recordings: string
  readonly journal: string
  /** Every row of the ledger in order; may be read more than once. */
  readonly ledger: () => AsyncIterable<LedgerRow>
  /** Text of the newest stored checkpoint. */
  readonly checkpoint: string | undefined
}

/** Verifies a recording (or the one a `.proof` belongs to), a directory of them, or one disclosed event, whichever is at `path`. */
export async function verifyPath(path: string, trust: Trust): Promise<VerifyReport> {
  if (path.endsWith('.event.json'))
    return verifyDisclosure(basename(path), await storedText(path, longestDisclosure), trust)
  const isDirectory = await isDirectoryAt(path)
  const isNamedAsFile = /\.(cast\.zst|proof)$/.test(basename(path))
  if (isDirectory && !isNamedAsFile) return await verifyFolder(recordingFolder(path), trust)
  const name = basename(path).replace(/\.proof$/, '.cast.zst')
  return await verifyFile(await openStored(dirname(path), name), trust)
}

/** Verifies everything an installation has. */
export async function verifyInstallation(installation: Installation, trust: Trust): Promise<VerifyReport> {
  const { recordings, journal, ledger, checkpoint } = installation
  const segments = await journalSegments(journal)
  return await verifyAll({ ledger, checkpoint, journal: segments, recordings: recordingFolder(recordings) }, trust)
}

async function isDirectoryAt(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isDirectory()
  } catch {
    // What cannot be looked at is reported as a recording that is missing.
    return false
  }
}
