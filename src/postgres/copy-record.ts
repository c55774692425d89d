// The record of COPY data from the client: per forwarded piece one hash line (offset, length, SHA-256 of all so far), and
// the bytes themselves up to a bound where policy keeps them.

import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'

/** Design §8: bulk is kept whole up to here, then by hash. */
const KEPT_BYTES = 10 << 20

/** Pieces smaller than this are put together before they are hashed: rows come one message each. */
const BATCH_BYTES = 65_536

/** Pieces of this size are hashed where they lie: putting them together would cost more than a call each. */
const LARGE_BYTES = 2048

export interface CopyRecordOptions {
  readonly keepsBytes: boolean
  readonly bulk: (bytes: Buffer) => void
  readonly fact: (data: Readonly<Record<string, unknown>>) => void
}

export class CopyRecord {
  readonly #options: CopyRecordOptions
  #hash: Hash = createHash('sha256')
  #id = 0
  #offset = 0
  #length = 0
  #batch: Buffer[] = []

  constructor(options: CopyRecordOptions) {
    this.#options = options
  }

  /** Whether there is data whose line is not written. */
  get hasData(): boolean {
    return this.#length > 0
  }

  /** Data of the statement `id`; `bytes` may be a view that is valid until `flush`. */
  data(id: number, bytes: Buffer): void {
    if (id !== this.#id) this.#begin(id)
    this.#batch.push(bytes)
    this.#length += bytes.length
    if (this.#length >= BATCH_BYTES * 16) this.flush()
  }

  /** The client said that its data is complete, or gave up. */
  end(id: number, failure: string | null): void {
    if (id !== this.#id) this.#begin(id)
    this.flush()
    this.#options.fact({
      id,
      end: true,
      length: this.#offset,
      sha256: this.#hash.digest('hex'),
      failure: failure ?? undefined,
    })
    this.#id = 0
    this.#begin(0)
  }

  /** The end of a piece that goes on as one: its line is written. */
  flush(): void {
    if (this.#length === 0) return
    const isKept = this.#options.keepsBytes && this.#offset < KEPT_BYTES
    if (!isKept && this.#length >= this.#batch.length * LARGE_BYTES)
      for (const bytes of this.#batch) this.#hash.update(bytes)
    else {
      const bytes = this.#batch.length === 1 ? (this.#batch[0] as Buffer) : Buffer.concat(this.#batch, this.#length)
      this.#hash.update(bytes)
      if (isKept) this.#options.bulk(bytes.subarray(0, KEPT_BYTES - this.#offset))
    }
    this.#options.fact({
      id: this.#id,
      offset: this.#offset,
      length: this.#length,
      sha256: this.#hash.copy().digest('hex'),
    })
    this.#offset += this.#length
    this.#length = 0
    this.#batch = []
  }

  #begin(id: number): void {
    this.flush()
    this.#id = id
    this.#offset = 0
    this.#hash = createHash('sha256')
  }
}
