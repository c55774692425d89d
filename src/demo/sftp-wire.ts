// SFTP version 3 on the wire (draft-ietf-secsh-filexfer-02): numbers, fields read within their bounds, values written.
// Imports nothing of ours: it is copied beside the server that runs under another account.
import type { Stats } from 'node:fs'

/** Packet types. */
export const packet = {
  INIT: 1,
  VERSION: 2,
  OPEN: 3,
  CLOSE: 4,
  READ: 5,
  WRITE: 6,
  LSTAT: 7,
  FSTAT: 8,
  SETSTAT: 9,
  FSETSTAT: 10,
  OPENDIR: 11,
  READDIR: 12,
  REMOVE: 13,
  MKDIR: 14,
  RMDIR: 15,
  REALPATH: 16,
  STAT: 17,
  RENAME: 18,
  READLINK: 19,
  SYMLINK: 20,
  STATUS: 101,
  HANDLE: 102,
  DATA: 103,
  NAME: 104,
  ATTRS: 105,
  EXTENDED: 200,
} as const

/** Status codes. */
export const status = {
  OK: 0,
  EOF: 1,
  NO_SUCH_FILE: 2,
  PERMISSION_DENIED: 3,
  FAILURE: 4,
  BAD_MESSAGE: 5,
  UNSUPPORTED: 8,
} as const

/** A request that ends with a status rather than with what was asked. */
export class Refusal extends Error {
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

/** Reads a packet's fields, each within its bounds. */
export class Fields {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** The next `length` bytes. */
  take(length: number): Buffer {
    if (length > this.#bytes.length - this.#at) throw new Refusal(status.BAD_MESSAGE, 'packet too short')
    return this.#bytes.subarray(this.#at, (this.#at += length))
  }

  uint32(): number {
    return this.take(4).readUInt32BE()
  }

  uint64(): number {
    const value = this.take(8).readBigUInt64BE()
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Refusal(status.FAILURE, 'offset too large')
    return Number(value)
  }

  string(): Buffer {
    return this.take(this.uint32())
  }

  path(): string {
    const text = this.string().toString('utf8')
    if (text.includes('\0')) throw new Refusal(status.BAD_MESSAGE, 'path contains NUL')
    return text === '' ? '.' : text
  }

  attributes(): Attributes {
    const flags = this.uint32()
    const sizeBytes = flags & 1 ? this.uint64() : undefined
    if (flags & 2) this.take(8) // uid and gid: one account owns everything here
    const mode = flags & 4 ? this.uint32() & 0o7777 : undefined
    const times = flags & 8 ? ([this.uint32(), this.uint32()] as const) : undefined
    return { sizeBytes, mode, times }
  }
}

export interface Attributes {
  readonly sizeBytes: number | undefined
  readonly mode: number | undefined
  /** Seconds: access, modification. */
  readonly times: readonly [number, number] | undefined
}

/** uint32. */
export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

/** string: length and bytes. */
export function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([u32(bytes.length), bytes])
}

/** ATTRS with size, owner, mode and times. */
export function attrs(stat: Stats): Buffer {
  const size = Buffer.alloc(8)
  size.writeBigUInt64BE(BigInt(stat.size))
  const seconds = [stat.atimeMs, stat.mtimeMs].map((ms) => u32(Math.floor(ms / 1000)))
  return Buffer.concat([u32(0b1111), size, u32(stat.uid), u32(stat.gid), u32(stat.mode), ...seconds])
}
