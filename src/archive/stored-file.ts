// Files of the archive, opened without trusting what stands under a name: no link is followed, no pipe waited for, and
// everything that is no plain file is said to be what it is.
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { StoredFile } from '../recording/recording-check.ts'
import type { StoredText } from '../recording/verify-file.ts'

/** One read: a frame of a recording fits, and a walk over gigabytes takes few calls. */
const chunkBytes = 256 * 1024

/** A pipe or device under a recording's name must not hold up anyone: opened without waiting, then looked at. */
const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

export type Opened =
  | { readonly kind: 'file'; readonly handle: FileHandle; readonly sizeBytes: number }
  | { readonly kind: 'absent'; readonly why: string }

/** Opens a plain file; the caller closes the handle. Never throws for what stands under the name. */
export async function openPlainFile(path: string): Promise<Opened> {
  let handle: FileHandle
  try {
    handle = await open(path, readFlags)
  } catch (error) {
    return { kind: 'absent', why: whyAbsent(error) }
  }
  try {
    const stat = await handle.stat()
    if (stat.isFile()) return { kind: 'file', handle, sizeBytes: stat.size }
    await handle.close()
    return { kind: 'absent', why: stat.isDirectory() ? 'a directory' : 'not a plain file' }
  } catch (error) {
    await handle.close()
    return { kind: 'absent', why: whyAbsent(error) }
  }
}

/** What the system says in one phrase that follows "is". */
export function whyAbsent(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'not there'
    case 'ELOOP':
      return 'a symbolic link'
    default:
      return `unreadable (${code})`
  }
}

/** A file for verification: looked at now, read when asked, as often as asked. */
export async function storedFile(path: string): Promise<StoredFile> {
  const opened = await openPlainFile(path)
  if (opened.kind === 'absent') return opened
  await opened.handle.close()
  return { kind: 'file', read: () => readChunks(path) }
}

/** A file's bytes in chunks. Throws when the file cannot be opened or read. */
export async function* readChunks(path: string): AsyncGenerator<Uint8Array, void> {
  const opened = await openPlainFile(path)
  if (opened.kind === 'absent') throw new Error(`it is ${opened.why}`)
  try {
    for (;;) {
      // Each chunk is a new buffer: readers keep parts of them.
      const { bytesRead, buffer } = await opened.handle.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes)
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await opened.handle.close()
  }
}

/** A small text file, at most `longest` bytes. Never throws. */
export async function storedText(path: string, longest: number): Promise<StoredText> {
  const opened = await openPlainFile(path)
  if (opened.kind === 'absent') return opened
  try {
    if (opened.sizeBytes > longest) return { kind: 'absent', why: `longer than ${longest} bytes` }
    return { kind: 'text', text: await opened.handle.readFile('utf8') }
  } catch (error) {
    return { kind: 'absent', why: whyAbsent(error) }
  } finally {
    await opened.handle.close()
  }
}
