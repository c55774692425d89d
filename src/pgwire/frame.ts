// Finds the messages in one direction of a connection: type byte, Int32 length, body. It never builds a frame anew: it
// says up to which byte of the stream everything has been reported, so that a relay forwards the original bytes.

import { ProtocolViolation } from '../errors.ts'
import { handling } from './message-type.ts'

const HEADER_BYTES = 5

/** PostgreSQL's own bound on a message (PQ_LARGE_MESSAGE_LIMIT = MaxAllocSize, just under 1 GiB). */
const MAX_LENGTH = 1 << 30

/** A message up to here is handed over whole; a longer one in parts of this size, so that memory stays bounded. */
export const maxWholeBytes: number = 1 << 20

/** What an accumulator starts with: a peer that announces a megabyte and sends nothing costs only this. */
const FIRST_ALLOCATION_BYTES = 4096

/** Told about each message. `bytes` may be used only during the call; the body is `bytes[start, end)`. */
export interface FrameSink {
  /** A whole message of a type with handling `whole`. */
  message(type: number, bytes: Buffer, start: number, end: number): void
  /** A message with handling `count`, when its header has been read. */
  counted(type: number, bodyBytes: number): void
  /**
   * A piece of the body of a message with handling `stream`, or of a `whole` one that is too long. `index` counts from 0;
   * pieces of too long messages end between two characters of UTF-8 where the bytes allow it.
   */
  part(type: number, bytes: Buffer, start: number, end: number, index: number, last: boolean): void
}

type Mode = 'header' | 'skip' | 'whole' | 'stream'

/** One direction's scanner. Throws ProtocolViolation on a type that `handlingOf` refuses or an impossible length. */
export class FrameScanner {
  readonly #handlingOf: Uint8Array
  readonly #sink: FrameSink
  readonly #maxWholeBytes: number
  readonly #header = Buffer.alloc(HEADER_BYTES)
  #headerFill = 0
  #mode: Mode = 'header'
  #type = 0
  /** Bytes of the present body not seen yet. */
  #left = 0
  #gathered: Buffer = Buffer.alloc(0)
  #gatheredFill = 0
  #partIndex = 0
  #scanned = 0
  #settled = 0

  constructor(handlingOf: Uint8Array, sink: FrameSink, options: { readonly maxWholeBytes?: number } = {}) {
    this.#handlingOf = handlingOf
    this.#sink = sink
    this.#maxWholeBytes = options.maxWholeBytes ?? maxWholeBytes
  }

  /** Bytes of the stream seen so far. */
  get scanned(): number {
    return this.#scanned
  }

  /** Every byte of the stream below this offset belongs to something the sink has been told. */
  get settled(): number {
    return this.#settled
  }

  /** True between two messages. */
  get isBetweenMessages(): boolean {
    return this.#mode === 'header' && this.#headerFill === 0
  }

  /**
   * Where in `chunk`, the stream's next bytes, the present message ends; undefined: not in it. The sink is told nothing;
   * only further calls of this may follow.
   */
  boundary(chunk: Buffer): number | undefined {
    let at = 0
    if (this.#mode === 'header' && this.#headerFill > 0) {
      at = chunk.copy(this.#header, this.#headerFill, 0, HEADER_BYTES - this.#headerFill)
      this.#headerFill += at
      if (this.#headerFill < HEADER_BYTES) return undefined
      this.#headerFill = 0
      this.#mode = 'skip'
      this.#left = bodyLength(this.#header, 1)
    }
    const taken = Math.min(this.#left, chunk.length - at)
    this.#left -= taken
    return this.#left === 0 ? at + taken : undefined
  }

  /** Takes the next bytes of the stream; the sink is called before it returns. */
  scan(chunk: Buffer): void {
    const origin = this.#scanned
    let at = 0
    while (at < chunk.length) {
      switch (this.#mode) {
        case 'header':
          at = this.#scanHeaders(chunk, at, origin)
          break
        case 'skip':
          at = this.#skip(chunk, at)
          this.#settled = origin + at
          break
        case 'whole':
          at = this.#gather(chunk, at, origin)
          break
        case 'stream':
          at = this.#streamOn(chunk, at)
          this.#settled = origin + at
          break
      }
    }
    this.#scanned = origin + chunk.length
  }

  // The hot loop: whole messages inside one chunk never leave it.
  #scanHeaders(chunk: Buffer, from: number, origin: number): number {
    const sink = this.#sink
    const handlingOf = this.#handlingOf
    let at = from
    if (this.#headerFill > 0) return this.#finishHeader(chunk, at, origin)
    while (at + HEADER_BYTES <= chunk.length) {
      const type = chunk[at] as number
      const body = bodyLength(chunk, at + 1)
      const kind = handlingOf[type]
      at += HEADER_BYTES
      const end = at + body
      if (kind === handling.count) {
        sink.counted(type, body)
        if (end > chunk.length) return this.#enter('skip', type, body, at, origin)
        at = end
      } else if (kind === handling.whole && end <= chunk.length && body <= this.#maxWholeBytes) {
        sink.message(type, chunk, at, end)
        at = end
      } else if (kind === handling.stream && end <= chunk.length) {
        sink.part(type, chunk, at, end, 0, true)
        at = end
      } else {
        if (kind === handling.refuse) throw new ProtocolViolation(`unexpected message type 0x${type.toString(16)}`)
        this.#settled = origin + at - HEADER_BYTES
        return this.#enter(kind === handling.stream ? 'stream' : 'whole', type, body, at, origin)
      }
    }
    this.#settled = origin + at
    if (at < chunk.length) {
      this.#headerFill = chunk.copy(this.#header, 0, at)
      return chunk.length
    }
    return at
  }

  #finishHeader(chunk: Buffer, from: number, origin: number): number {
    const taken = chunk.copy(this.#header, this.#headerFill, from, from + HEADER_BYTES - this.#headerFill)
    this.#headerFill += taken
    const at = from + taken
    if (this.#headerFill < HEADER_BYTES) return at
    this.#headerFill = 0
    const type = this.#header[0] as number
    const body = bodyLength(this.#header, 1)
    const kind = this.#handlingOf[type]
    if (kind === handling.refuse) throw new ProtocolViolation(`unexpected message type 0x${type.toString(16)}`)
    if (kind === handling.count) {
      this.#sink.counted(type, body)
      this.#settled = origin + at
      if (body > 0) this.#enter('skip', type, body, at, origin)
      return at
    }
    if (body > 0) return this.#enter(kind === handling.stream ? 'stream' : 'whole', type, body, at, origin)
    if (kind === handling.stream) this.#sink.part(type, chunk, at, at, 0, true)
    else this.#sink.message(type, chunk, at, at)
    this.#settled = origin + at
    return at
  }

  #enter(mode: Mode, type: number, body: number, at: number, origin: number): number {
    this.#mode = mode
    this.#type = type
    this.#left = body
    this.#partIndex = 0
    this.#gatheredFill = 0
    if (mode === 'skip' || mode === 'stream') this.#settled = origin + at
    if (mode === 'whole') this.#gathered = Buffer.allocUnsafe(Math.min(body, FIRST_ALLOCATION_BYTES))
    return at
  }

  #skip(chunk: Buffer, at: number): number {
    const take = Math.min(this.#left, chunk.length - at)
    this.#left -= take
    if (this.#left === 0) this.#mode = 'header'
    return at + take
  }

  #streamOn(chunk: Buffer, at: number): number {
    const take = Math.min(this.#left, chunk.length - at)
    this.#left -= take
    this.#sink.part(this.#type, chunk, at, at + take, this.#partIndex++, this.#left === 0)
    if (this.#left === 0) this.#mode = 'header'
    return at + take
  }

  #gather(chunk: Buffer, at: number, origin: number): number {
    const take = Math.min(this.#left, chunk.length - at, this.#maxWholeBytes - this.#gatheredFill)
    this.#reserve(this.#gatheredFill + take)
    chunk.copy(this.#gathered, this.#gatheredFill, at, at + take)
    this.#gatheredFill += take
    this.#left -= take
    const end = at + take
    const fill = this.#gatheredFill
    if (this.#left === 0) {
      if (this.#partIndex === 0) this.#sink.message(this.#type, this.#gathered, 0, fill)
      else this.#sink.part(this.#type, this.#gathered, 0, fill, this.#partIndex, true)
      this.#settled = origin + end
      this.#mode = 'header'
      this.#gathered = Buffer.alloc(0)
    } else if (fill === this.#maxWholeBytes) {
      const cut = characterBoundary(this.#gathered, fill)
      this.#sink.part(this.#type, this.#gathered, 0, cut, this.#partIndex++, false)
      this.#gathered.copy(this.#gathered, 0, cut, fill)
      this.#gatheredFill = fill - cut
      this.#settled = origin + end - this.#gatheredFill
    }
    return end
  }

  #reserve(size: number): void {
    if (size <= this.#gathered.length) return
    const bigger = Math.min(Math.max(size, this.#gathered.length * 2), this.#maxWholeBytes)
    const grown = Buffer.allocUnsafe(bigger)
    this.#gathered.copy(grown, 0, 0, this.#gatheredFill)
    this.#gathered = grown
  }
}

function bodyLength(bytes: Buffer, at: number): number {
  const length =
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  if (length < 4 || length > MAX_LENGTH) throw new ProtocolViolation(`impossible message length ${length}`)
  return length - 4
}

/** Where to cut `bytes[0, end)` so that no UTF-8 character is split; `end` when its tail is no started character. */
function characterBoundary(bytes: Buffer, end: number): number {
  for (let back = 1; back <= 3 && back < end; back++) {
    const byte = bytes[end - back] as number
    if ((byte & 0xc0) === 0x80) continue
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return needed > back ? end - back : end
  }
  return end
}
