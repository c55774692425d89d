// Bytes that come in chunks of any size, read by the piece: for parsers over files too large for memory. It counts and
// hashes everything that passes, and keeps apart what a parser must not mix up: the end of the bytes and a failed read.
import { createHash, type Hash } from 'node:crypto'

/** Reads pieces from a stream of chunks. Not for concurrent use. Whoever does not read to the end closes it. */
export class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #hash: Hash | undefined
  #held: Buffer[] = []
  #heldBytes = 0
  #readBytes = 0
  #takenBytes = 0
  #isOver = false
  #failure: Error | undefined

  /** `isHashed: false` saves the hash where nobody asks `finish` for it. */
  constructor(chunks: AsyncIterable<Uint8Array>, { isHashed = true }: { readonly isHashed?: boolean } = {}) {
    this.#chunks = chunks[Symbol.asyncIterator]()
    this.#hash = isHashed ? createHash('sha256') : undefined
  }

  /** Offset of the next byte `take` gives. */
  get offset(): number {
    return this.#takenBytes
  }

  /** Why reading stopped early; undefined while it has not. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** The next `length` bytes, or undefined when fewer are left; then nothing is taken. */
  async take(length: number): Promise<Buffer | undefined> {
    while (this.#heldBytes < length) if (!(await this.#pull())) return undefined
    this.#heldBytes -= length
    this.#takenBytes += length
    return this.#split(length)
  }

  /** Up to `length` of the next bytes, fewer only at the end; they stay to be taken. */
  async peek(length: number): Promise<Buffer> {
    while (this.#heldBytes < length) if (!(await this.#pull())) break
    const [first] = this.#held
    const all = first !== undefined && first.length >= length ? first : Buffer.concat(this.#held)
    if (all !== first) this.#held = [all]
    return all.subarray(0, length)
  }

  /** Whether no byte is left. */
  async isAtEnd(): Promise<boolean> {
    while (this.#heldBytes === 0) if (!(await this.#pull())) return true
    return false
  }

  /** Reads to the end, keeping nothing, and gives the length and SHA-256 (hex) of all that ever passed. */
  async finish(): Promise<{ readonly sizeBytes: number; readonly sha256: string }> {
    do {
      this.#held = []
      this.#heldBytes = 0
    } while (await this.#pull())
    return { sizeBytes: this.#readBytes, sha256: this.#hash?.copy().digest('hex') ?? '' }
  }

  /** Lets go of the source, read to its end or not: a file behind it is closed. */
  async close(): Promise<void> {
    this.#isOver = true
    await this.#chunks.return?.()
  }

  async #pull(): Promise<boolean> {
    if (this.#isOver) return false
    const next = await this.#next()
    if (next === undefined) {
      this.#isOver = true
      return false
    }
    const chunk = Buffer.from(next.buffer, next.byteOffset, next.byteLength)
    this.#hash?.update(chunk)
    this.#readBytes += chunk.length
    if (chunk.length > 0) this.#held.push(chunk)
    this.#heldBytes += chunk.length
    return true
  }

  async #next(): Promise<Uint8Array | undefined> {
    try {
      const { done, value } = await this.#chunks.next()
      return done === true ? undefined : value
    } catch (error) {
      // The caller sees the end of the bytes and then asks why.
      this.#failure = error instanceof Error ? error : new Error(String(error))
      return undefined
    }
  }

  #split(length: number): Buffer {
    const [first] = this.#held
    if (first !== undefined && first.length > length) {
      this.#held[0] = first.subarray(length)
      return first.subarray(0, length)
    }
    if (first !== undefined && first.length === length) {
      this.#held.shift()
      return first
    }
    const all = Buffer.concat(this.#held)
    this.#held = all.length > length ? [all.subarray(length)] : []
    return all.subarray(0, length)
  }
}
