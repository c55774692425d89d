// Writing a file that is either there whole or not there: temporary name, bytes, fsync, rename, fsync of the directory.
// Nothing here knows what the bytes are.
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Nobody edits what is sealed: against accidents, not against root. */
const sealedMode = 0o444

/** The names under which a crash leaves half a file behind; no recording and no proof ends so. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.${basename(path)}.tmp`)
}

/** Writes a temporary file durably and gives its name; `keep` or `discard` must follow. One writer per name. */
export async function writeTemporary(path: string, chunks: AsyncIterable<Uint8Array>): Promise<string> {
  await makeDirectories(dirname(path))
  const temporary = temporaryName(path)
  // Left by a crash: nobody has it open, as one process owns the state directory.
  await discard(temporary)
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  const file = await open(temporary, flags, 0o600)
  try {
    for await (const chunk of chunks) await writeAll(file, chunk)
    await file.chmod(sealedMode)
    await file.sync()
  } catch (error) {
    await file.close()
    await discard(temporary)
    throw error
  }
  await file.close()
  return temporary
}

/** Gives a temporary file its name, durably; whatever had the name before is gone. */
export async function keep(temporary: string, path: string): Promise<void> {
  await rename(temporary, path)
  await syncDirectory(dirname(path))
}

/** Removes a temporary file that may or may not be there. */
export async function discard(temporary: string): Promise<void> {
  try {
    await unlink(temporary)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done)
    if (bytesWritten === 0) throw new Error(`write of ${bytes.length - done} bytes took none`)
    done += bytesWritten
  }
}

/** Creates what is missing, each name durable in its parent. */
async function makeDirectories(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  for (let at = path; at.length >= first.length; at = dirname(at)) await syncDirectory(dirname(at))
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
