// Sealed recordings on disk: `<directory>/2026/11/21/<session>.cast.zst`, 0444, and the `.proof` beside each. Sealing the
// same session again is harmless; putting other bytes under its name is refused.
import { join } from 'node:path'
import { assert, HalliganError } from '../errors.ts'
import { ByteSource } from '../recording/byte-source.ts'
import { encodeProof, type RecordingProof } from '../recording/proof.ts'
import { type SealedContent, Sealing } from '../recording/seal.ts'
import { proofName } from '../recording/verify-file.ts'
import { discard, keep, writeTemporary } from './durable-file.ts'
import { openPlainFile, readChunks } from './stored-file.ts'

/** Path below the recordings directory, by the day the session opened (ms, UTC): the seal leaf's `file`. */
export function recordingPath(session: string, openedAt: number): string {
  assert(/^[A-Za-z0-9_-]{1,16}$/.test(session), `${JSON.stringify(session)} is the id of a session`)
  const day = new Date(openedAt).toISOString().slice(0, 10)
  return `${day.replaceAll('-', '/')}/${session}.cast.zst`
}

/**
 * Seals a session's lines (in order, header first, without newlines) into the archive and gives what its seal leaf says
 * of the file. Durable when it resolves. Throws `conflict` when other bytes stand under the name, `store_failed` when the
 * disk did not take it.
 */
export async function sealRecording(
  directory: string,
  session: string,
  openedAt: number,
  lines: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<{ readonly file: string; readonly content: SealedContent }> {
  const sealing = new Sealing(lines)
  const file = await writeRecording(directory, session, openedAt, sealing.chunks())
  return { file, content: sealing.sealed() }
}

/** Writes a sealed file, durably; gives its path below `directory`. Errors as `sealRecording`. */
export async function writeRecording(
  directory: string,
  session: string,
  openedAt: number,
  chunks: AsyncIterable<Uint8Array>,
): Promise<string> {
  const file = recordingPath(session, openedAt)
  const path = join(directory, file)
  const temporary = await named(file, () => writeTemporary(path, chunks))
  const standing = await openPlainFile(path)
  if (standing.kind === 'file') {
    await standing.handle.close()
    const isSame = (await fileHash(path)) === (await fileHash(temporary))
    await named(file, () => discard(temporary))
    if (isSame) return file
  } else if (standing.why === 'not there') {
    await named(file, () => keep(temporary, path))
    return file
  } else {
    await named(file, () => discard(temporary))
  }
  throw new HalliganError('conflict', `recording ${file} is there already and holds something else`, {
    hint: 'verify it and move it aside; nothing is ever written over a recording',
  })
}

/** Writes the `.proof` beside a recording, over an older one. `file`: what `writeRecording` gave. Throws `store_failed`. */
export async function writeProof(directory: string, file: string, proof: RecordingProof): Promise<void> {
  const name = proofName(file)
  const path = join(directory, name)
  async function* text() {
    yield Buffer.from(encodeProof(proof))
  }
  await named(name, async () => keep(await writeTemporary(path, text()), path))
}

async function named<T>(file: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    // The system's errors become ours; a broken promise of the code stays what it is.
    if (!(error instanceof Error && 'code' in error) || error instanceof HalliganError) throw error
    throw new HalliganError('store_failed', `cannot write ${file} (${String(error.code)})`, { cause: error })
  }
}

async function fileHash(path: string): Promise<string> {
  const source = new ByteSource(readChunks(path))
  const { sha256 } = await source.finish()
  if (source.failure !== undefined) throw source.failure
  return sha256
}
