// Reads from a stream when asked, with a bound: for the steps before a relay takes over. It keeps what came too early.

import type { Duplex } from 'node:stream'
import { HalliganError, ProtocolViolation } from '../errors.ts'

/** Typed messages of a start-up are small: SASL, parameters, an error. */
const MAX_MESSAGE_BYTES = 65_536

export interface Message {
  readonly type: number
  readonly body: Buffer
}

export class ByteReader {
  readonly #stream: Duplex
  #early: Buffer

  constructor(stream: Duplex, early: Buffer = Buffer.alloc(0)) {
    this.#stream = stream
    this.#early = early
  }

  /** Bytes read and not asked for; the reader is empty then. */
  takeRest(): Buffer {
    const rest = this.#early
    this.#early = Buffer.alloc(0)
    return rest
  }

  /** The next bytes, as they come; undefined when the peer is gone. */
  async chunk(): Promise<Buffer | undefined> {
    if (this.#early.length > 0) return this.takeRest()
    for (;;) {
      const bytes = this.#stream.read() as Buffer | null
      if (bytes !== null) return bytes
      if (this.#stream.readableEnded || this.#stream.destroyed) return undefined
      await readable(this.#stream)
    }
  }

  /**
   * Reads on while something else is waited for, and keeps what comes: true when the peer is gone, false once `until` has
   * aborted, or so much has come that reading on would keep too much. Only one may read at a time.
   */
  async isGone(until: AbortSignal): Promise<boolean> {
    while (!until.aborted && this.#early.length < MAX_MESSAGE_BYTES) {
      const bytes = this.#stream.read() as Buffer | null
      if (bytes !== null) this.#early = Buffer.concat([this.#early, bytes])
      else if (this.#stream.readableEnded || this.#stream.destroyed) return true
      else await readable(this.#stream, until)
    }
    return false
  }

  /** The next whole typed message. Throws `unreachable` when the peer goes, ProtocolViolation when it is too long. */
  async message(): Promise<Message> {
    let bytes = this.takeRest()
    for (;;) {
      if (bytes.length >= 5) {
        const length = bytes.readUInt32BE(1)
        if (length < 4 || length > MAX_MESSAGE_BYTES) throw new ProtocolViolation(`start-up message of ${length} bytes`)
        if (bytes.length > length) {
          this.#early = bytes.subarray(length + 1)
          return { type: bytes[0] as number, body: bytes.subarray(5, length + 1) }
        }
      }
      const more = await this.chunk()
      if (more === undefined) throw new HalliganError('unreachable', 'the connection was closed')
      bytes = bytes.length === 0 ? more : Buffer.concat([bytes, more])
    }
  }
}

function readable(stream: Duplex, until?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const events = ['readable', 'end', 'close', 'error'] as const
    const done = () => {
      for (const event of events) stream.off(event, done)
      until?.removeEventListener('abort', done)
      resolve()
    }
    for (const event of events) stream.on(event, done)
    until?.addEventListener('abort', done, { once: true })
  })
}
