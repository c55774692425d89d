// How one stream of a session is written down (design §8): every byte as text while people could have typed or read it;
// past the first megabyte of a stream without terminal it is bulk, kept whole or as running hashes, as the policy says.
import { createHash } from 'node:crypto'
import type { Recorder } from '../session/recorder.ts'

/** Where bulk begins in a stream without terminal. */
export const BULK_AFTER_BYTES: number = 1 << 20
/** `full` keeps this much of a stream whole and hashes what follows. */
export const FULL_UP_TO_BYTES: number = 10 << 20
/** One line of text or of whole bytes: small enough to be written in one go, large enough to be few. */
const LINE_BYTES = 128 << 10
/** One hash line stands for at most this much. */
const HASH_LINE_BYTES = 1 << 20

export interface StreamOptions {
  readonly recorder: Recorder
  readonly stream: 'i' | 'o' | 'e'
  readonly hasTerminal: boolean
  /** What becomes of bulk, by the grant's policy. */
  readonly bulk: 'full' | 'hash'
}

export class StreamRecord {
  readonly #options: StreamOptions
  /** Over the whole stream, so that the last hash line speaks for all of it. */
  readonly #hash = createHash('sha256')
  #offset = 0

  constructor(options: StreamOptions) {
    this.#options = options
  }

  get maxLineBytes(): number {
    return this.#form() === 'hash' ? HASH_LINE_BYTES : LINE_BYTES
  }

  /** Resolves when the bytes, or what stands for them, are durable. */
  record(chunks: readonly Buffer[]): Promise<void> {
    const { recorder, stream, hasTerminal } = this.#options
    const form = this.#form()
    const offset = this.#offset
    for (const chunk of chunks) {
      this.#offset += chunk.length
      if (!hasTerminal) this.#hash.update(chunk)
    }
    switch (form) {
      case 'text':
        return recorder.bytes(stream, joined(chunks))
      case 'full':
        return recorder.bulk(stream, joined(chunks))
      case 'hash':
        return recorder.fact('h', {
          stream,
          offset,
          length: this.#offset - offset,
          sha256: this.#hash.copy().digest('hex'),
        })
    }
  }

  #form(): 'text' | 'full' | 'hash' {
    if (this.#options.hasTerminal || this.#offset < BULK_AFTER_BYTES) return 'text'
    return this.#options.bulk === 'full' && this.#offset < FULL_UP_TO_BYTES ? 'full' : 'hash'
  }
}

function joined(chunks: readonly Buffer[]): Buffer {
  const [only] = chunks
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks)
}
