// Reading a session's lines back from the segments, in the caller's thread, so that sealing a long recording never keeps
// the writer from a keystroke. Only durable ranges are read; one extent is in memory at a time.

import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { HalliganError } from '../errors.ts'
import { readFrame } from '../recording/frame.ts'
import type { Extent } from './extents.ts'
import { segmentName } from './segment-file.ts'

/** The lines of `session` in order. Throws `journal_failed` when a frame that was durable no longer reads back. */
export async function* readLines(
  directory: string,
  session: string,
  extents: readonly Extent[],
): AsyncGenerator<{ readonly seq: number; readonly line: Buffer }> {
  let opened = 0
  let handle: FileHandle | undefined
  try {
    for (const { segment, from, to } of extents) {
      if (handle === undefined || opened !== segment) {
        await handle?.close()
        handle = undefined
        handle = await open(join(directory, segmentName(segment)), 'r')
        opened = segment
      }
      yield* linesOf(session, await readExtent(handle, from, to), segment)
    }
  } finally {
    await handle?.close()
  }
}

async function readExtent(handle: FileHandle, from: number, to: number): Promise<Buffer> {
  const bytes = Buffer.alloc(to - from)
  let done = 0
  while (done < bytes.length) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, from + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return bytes.subarray(0, done)
}

function* linesOf(
  session: string,
  bytes: Buffer,
  segment: number,
): Generator<{ readonly seq: number; readonly line: Buffer }> {
  let offset = 0
  while (offset < bytes.length) {
    const read = readFrame(bytes, offset)
    if (read.kind !== 'frame') {
      throw new HalliganError('journal_failed', `${segmentName(segment)} no longer holds what was written`, {
        hint: 'the segment was changed or damaged while Halligan ran; keep it, and restart to have the damage named',
      })
    }
    if (read.header.type === 'line' && read.header.session === session) yield { seq: read.header.seq, line: read.line }
    offset = read.next
  }
}
