// A directory of recordings and a directory of journal segments, as verification reads them. Walking follows no links,
// and a name is never more than a path below the directory.
import type { Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { JournalSegment } from '../recording/journal-check.ts'
import { longestProofText } from '../recording/proof.ts'
import { type FolderListing, proofName, type RecordingFolder, type StoredRecording } from '../recording/verify-file.ts'
import { readChunks, storedFile, storedText, whyAbsent } from './stored-file.ts'

/** The archive is three folders deep; copies a little deeper are found as well, a maze is not walked. */
const deepestFolder = 8

/** Recordings below `directory`, by date or in any other folders. */
export function recordingFolder(directory: string): RecordingFolder {
  return {
    list: () => listRecordings(directory),
    open: (name) => openStored(directory, name),
  }
}

/** One recording and its proof, by its path below `directory`; a name that leads out of it is nothing's. */
export async function openStored(directory: string, name: string): Promise<StoredRecording> {
  if (!isBelow(name)) {
    const absent = { kind: 'absent', why: 'named by no path below the archive' } as const
    return { name, file: absent, proof: absent }
  }
  const file = await storedFile(join(directory, name))
  const proof = await storedText(join(directory, proofName(name)), longestProofText)
  return { name, file, proof }
}

function isBelow(name: string): boolean {
  const parts = name.split('/')
  return name.endsWith('.cast.zst') && !/[\0\\]/.test(name) && parts.every((part) => !['', '.', '..'].includes(part))
}

async function listRecordings(directory: string): Promise<FolderListing> {
  const names = new Set<string>()
  const unreadable: { name: string; why: string }[] = []
  const walk = async (folder: string, depth: number): Promise<void> => {
    let entries: Dirent[]
    try {
      entries = await readdir(join(directory, folder), { withFileTypes: true })
    } catch (error) {
      unreadable.push({ name: folder === '' ? directory : folder, why: whyAbsent(error) })
      return
    }
    for (const entry of entries) {
      const name = folder === '' ? entry.name : `${folder}/${entry.name}`
      // Whatever has a recording's name is looked at as one, also if it is a directory.
      if (/^[^.].*\.(cast\.zst|proof)$/.test(entry.name)) names.add(name.replace(/\.proof$/, '.cast.zst'))
      else if (entry.isDirectory() && depth < deepestFolder) await walk(name, depth + 1)
    }
  }
  await walk('', 0)
  return { names: [...names].toSorted(), unreadable }
}

/**
 * The segments of a journal directory. Empty when there is none: then the ledger's sessions miss their events. A
 * directory that cannot be listed is one segment that cannot be read: a finding, not a crash.
 */
export async function journalSegments(directory: string): Promise<readonly JournalSegment[]> {
  let names: string[]
  try {
    names = await readdir(directory)
  } catch (error) {
    if (whyAbsent(error) === 'not there') return []
    async function* unreadable(): AsyncGenerator<Uint8Array, void> {
      throw error
    }
    return [{ number: 1, name: directory, read: unreadable }]
  }
  return names
    .filter((name) => /^\d{8,15}\.seg$/.test(name))
    .map((name) => ({ number: Number(name.slice(0, -4)), name, read: () => readChunks(join(directory, name)) }))
}
