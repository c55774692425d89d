// Reading a sealed recording out of its folder for an export: verified against its proof first, or not at all.

import { basename, dirname, join } from 'node:path'
import { HalliganError } from '../errors.ts'
import type { InstallationKey } from '../ledger/note-key.ts'
import { disclose, type Disclosure } from '../recording/disclosure.ts'
import { openProof } from '../recording/proof-check.ts'
import { longestProofText } from '../recording/proof.ts'
import { proofName } from '../recording/verify-file.ts'
import { recordingFolder } from './recording-folder.ts'
import { storedText } from './stored-file.ts'
import { VerifiedRecording } from './verified-recording.ts'

/** Path of the sealed recording of `session` below `directory`. Throws `not_found` when there is none. */
export async function findRecording(directory: string, session: string): Promise<string> {
  const { names } = await recordingFolder(directory).list()
  const name = names.find((each) => basename(each) === `${session}.cast.zst`)
  if (name === undefined)
    throw new HalliganError('not_found', `no sealed recording of ${session} below ${directory}`, {
      hint: 'a session that runs is sealed when it ends; name another folder with --recordings',
    })
  return join(directory, name)
}

/** A recording opened for export, with the text of its proof; whoever opened it closes it. */
export interface OpenedForExport {
  readonly recording: VerifiedRecording
  readonly proof: string
  readonly session: string
}

/** Opens the recording at `path` and its proof. Throws `not_found`, `recording_altered`. */
export async function openForExport(path: string, key: InstallationKey | undefined): Promise<OpenedForExport> {
  const directory = dirname(path)
  const file = basename(path)
  const stored = await storedText(join(directory, proofName(file)), longestProofText)
  if (stored.kind === 'absent')
    throw new HalliganError('not_found', `the proof of ${file} is ${stored.why}`, {
      hint: 'without it nobody can tell whether the recording is whole',
    })
  const opened = openProof(stored.text, key)
  if (opened.kind === 'refused')
    throw new HalliganError('recording_altered', `${opened.code}: ${opened.detail}`, {
      hint: 'run halligan verify --all',
    })
  const { seal } = opened
  const recording = await VerifiedRecording.open(directory, { ...seal, root: seal.root.toString('hex'), file })
  return { recording, proof: stored.text, session: seal.session }
}

/** The event with the number `seq`, with its proof. Throws `not_found` when there is none. */
export async function discloseEvent({ recording, proof, session }: OpenedForExport, seq: number): Promise<Disclosure> {
  const at = recording.frames.findIndex(({ firstLine, lines }) => seq >= firstLine && seq < firstLine + lines)
  const frame = recording.frames[at]
  if (frame === undefined) throw new HalliganError('not_found', `session ${session} has no event ${seq}`)
  const lines = await Array.fromAsync(recording.lines(at, at + 1))
  return disclose(lines, seq - frame.firstLine, frame.firstLine, proof)
}
