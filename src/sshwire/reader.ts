// The data types of RFC 4251 §5, read with a bound and written back. Knows bytes, not messages.
import { ProtocolViolation } from '../errors.ts'

/** No string inside an SSH message may claim more: RFC 4253 §6.1 packets are at most 35,000 bytes, ours are read whole. */
export const MAX_STRING_BYTES = 256 * 1024

/** Reads one message front to back. Every method throws ProtocolViolation instead of reading past the end. */
export class SshReader {
  readonly #bytes: Buffer
  #at: number

  /** `bytes` is not copied; `start` skips a message number. */
  constructor(bytes: Buffer, start = 0) {
    this.#bytes = bytes
    this.#at = start
  }

  #take(count: number, what: string): Buffer {
    if (count > this.#bytes.length - this.#at) {
      throw new ProtocolViolation(`${what} of ${count} bytes runs past the end of a ${this.#bytes.length} byte message`)
    }
    const from = this.#at
    this.#at += count
    return this.#bytes.subarray(from, this.#at)
  }

  /** byte */
  byte(): number {
    return this.#take(1, 'byte').readUInt8()
  }

  /** boolean: any value but 0 is true */
  boolean(): boolean {
    return this.byte() !== 0
  }

  /** uint32 */
  uint32(): number {
    return this.#take(4, 'uint32').readUInt32BE()
  }

  /** uint64 */
  uint64(): bigint {
    return this.#take(8, 'uint64').readBigUInt64BE()
  }

  /** string: a view into the message, not a copy */
  string(maxBytes: number = MAX_STRING_BYTES): Buffer {
    const length = this.uint32()
    if (length > maxBytes) throw new ProtocolViolation(`string of ${length} bytes, at most ${maxBytes} are taken here`)
    return this.#take(length, 'string')
  }

  /** string holding a US-ASCII name: algorithm, method, request type (RFC 4250 §4.6.1: at most 64 printable characters) */
  name(): string {
    const text = this.string().toString('latin1')
    if (!/^[\x21-\x7e]{1,64}$/.test(text))
      throw new ProtocolViolation('a name is not 1 to 64 printable ASCII characters')
    return text
  }

  /** mpint that is not negative: its magnitude, without leading zeros; a padded or negative one is refused */
  magnitude(): Buffer {
    const bytes = this.string()
    const [first = 0, second = 0] = bytes
    if (first & 0x80) throw new ProtocolViolation('mpint is negative')
    if (bytes.length > 0 && first === 0 && !(second & 0x80)) throw new ProtocolViolation('mpint has superfluous zeros')
    return first === 0 ? bytes.subarray(1) : bytes
  }

  /** Bytes not read yet, as a view. */
  rest(): Buffer {
    return this.#bytes.subarray(this.#at)
  }

  /** Refuses trailing bytes: what we did not read, we did not check. */
  end(what: string): void {
    const left = this.#bytes.length - this.#at
    if (left > 0) throw new ProtocolViolation(`${left} bytes after the end of the ${what}`)
  }
}

/** uint32 in network order. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** string: length and bytes; text goes out as UTF-8. */
export function string(value: Buffer | string): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value
  return Buffer.concat([uint32(bytes.length), bytes])
}

/** mpint of a magnitude: leading zeros cut, one added where the top bit is set. */
export function mpint(magnitude: Buffer): Buffer {
  const first = magnitude.findIndex((byte) => byte !== 0)
  if (first < 0) return string(Buffer.alloc(0))
  const digits = magnitude.subarray(first)
  return string((digits[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.of(0), digits]) : digits)
}
