import { hash } from 'node:crypto'
import { readContent } from '../../src/recording/content.ts'
import { judgeContent, type Judgement, type Known } from '../../src/recording/content-judgement.ts'
import { encodeLine } from '../../src/recording/event-line.ts'
import { type SealedContent, Sealing } from '../../src/recording/seal.ts'

/** Lines of a small session: a header and `count` outputs of `bytes` characters, a quarter of a second apart. */
export function sessionLines(count: number, bytes = 40): Buffer[] {
  const header = encodeLine(0, { kind: 'header', header: { version: 3, term: { cols: 80, rows: 24 } } })
  const events = Array.from({ length: count }, (_, at) => {
    // Hardly compressible and the same in every run.
    let text = ''
    while (text.length < bytes) text += hash('sha512', `${at} ${text.length}`, 'base64')
    return encodeLine(0.25, { kind: 'bytes', stream: 'o', bytes: Buffer.from(text.slice(0, bytes)) })
  })
  return [header, ...events]
}

/** The sealed file and what the seal says of it. */
export async function sealed(lines: readonly Buffer[]): Promise<{ file: Buffer; content: SealedContent }> {
  const sealing = new Sealing(lines)
  const chunks = await Array.fromAsync(sealing.chunks())
  return { file: Buffer.concat(chunks), content: sealing.sealed() }
}

/** A source of a file's bytes in chunks of `size`. */
export function chunksOf(file: Buffer, size = 4096): () => AsyncIterable<Uint8Array> {
  return async function* () {
    for (let at = 0; at < file.length; at += size) yield file.subarray(at, at + size)
  }
}

/** The verdict over `file` as if it had been sealed as `content`. */
export async function judge(file: Buffer, content: SealedContent, known: Known = {}): Promise<Judgement | undefined> {
  const read = chunksOf(file)
  return await judgeContent(read, await readContent(read()), content, known)
}
