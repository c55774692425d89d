// Reads the fields of a message body (PostgreSQL "Message Data Types"). One reader is reused for a connection's lifetime.

import { ProtocolViolation } from '../errors.ts'

export class FieldReader {
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  #end = 0

  /** Reads `bytes[start, end)` from now on. */
  over(bytes: Buffer, start: number, end: number): this {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
    return this
  }

  get position(): number {
    return this.#at
  }

  get left(): number {
    return this.#end - this.#at
  }

  byte(): number {
    this.#need(1)
    return this.#bytes[this.#at++] as number
  }

  int16(): number {
    this.#need(2)
    const value = this.#bytes.readInt16BE(this.#at)
    this.#at += 2
    return value
  }

  /** Counts are unsigned: a Bind takes up to 65535 values. */
  uint16(): number {
    return this.int16() & 0xffff
  }

  int32(): number {
    this.#need(4)
    const value = this.#bytes.readInt32BE(this.#at)
    this.#at += 4
    return value
  }

  uint32(): number {
    return this.int32() >>> 0
  }

  /** The bytes of a String without its NUL, as a view. */
  string(): Buffer {
    const start = this.#at
    const nul = this.#nul()
    this.#at = nul + 1
    return this.#bytes.subarray(start, nul)
  }

  /** A String of ours or the server's that is ASCII by nature (names, tags, field codes): each byte one character. */
  latin1(): string {
    const start = this.#at
    if (start < this.#end && this.#bytes[start] === 0) {
      this.#at = start + 1
      return ''
    }
    const nul = this.#nul()
    this.#at = nul + 1
    return this.#bytes.toString('latin1', start, nul)
  }

  /** The next `length` bytes as a view. */
  take(length: number): Buffer {
    this.#need(length)
    const start = this.#at
    this.#at += length
    return this.#bytes.subarray(start, this.#at)
  }

  /** The server refuses a message with bytes left over; so do we, or they would go unrecorded. */
  finish(what: string): void {
    if (this.#at !== this.#end) throw new ProtocolViolation(`${this.left} bytes too many in ${what}`)
  }

  #nul(): number {
    const nul = this.#bytes.indexOf(0, this.#at)
    if (nul < 0 || nul >= this.#end) throw new ProtocolViolation('string without end in a message')
    return nul
  }

  #need(length: number): void {
    if (length < 0 || this.#end - this.#at < length) throw new ProtocolViolation('message shorter than its fields')
  }
}
