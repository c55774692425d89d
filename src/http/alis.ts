// ALiS v1, asciinema's live stream, as its player 3.17 reads it: a magic, then frames of a type byte, unsigned LEB128
// numbers and length-prefixed UTF-8. Times are µs, relative to the frame before.

/** Sent first, once per connection. */
export const ALIS_MAGIC: Buffer = Buffer.from('ALiS\x01', 'latin1')

/** The subprotocol's name. */
export const ALIS_PROTOCOL = 'v1.alis'

/** The stream is over. */
export const ALIS_EOT: Buffer = Buffer.from([0x04])

/** Starts or restarts a stream at `timeUs` with a terminal of that size showing what `init` draws. */
export function resetFrame(state: {
  readonly id: number
  readonly timeUs: number
  readonly cols: number
  readonly rows: number
  readonly init: string
}): Buffer {
  return Buffer.concat([
    Buffer.from([0x01]),
    leb128(state.id),
    leb128(state.timeUs),
    leb128(state.cols),
    leb128(state.rows),
    // No theme: the page's own.
    Buffer.from([0]),
    prefixed(Buffer.from(state.init)),
  ])
}

/** Output (`o`), input (`i`) or a marker's label (`m`), `deltaUs` after the frame before. */
export function textFrame(code: 'o' | 'i' | 'm', id: number, deltaUs: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(code), leb128(id), leb128(deltaUs), prefixed(bytes)])
}

export function resizeFrame(id: number, deltaUs: number, cols: number, rows: number): Buffer {
  return Buffer.concat([Buffer.from('r'), leb128(id), leb128(deltaUs), leb128(cols), leb128(rows)])
}

export function exitFrame(id: number, deltaUs: number, status: number): Buffer {
  return Buffer.concat([Buffer.from('x'), leb128(id), leb128(deltaUs), leb128(status)])
}

function prefixed(bytes: Uint8Array): Buffer {
  return Buffer.concat([leb128(bytes.length), bytes])
}

/** Unsigned LEB128 of a safe integer; anything below zero counts as zero. */
export function leb128(value: number): Buffer {
  const bytes: number[] = []
  let rest = Math.max(0, Math.floor(value))
  do {
    const low = rest % 128
    rest = Math.floor(rest / 128)
    bytes.push(rest === 0 ? low : low | 0x80)
  } while (rest > 0)
  return Buffer.from(bytes)
}
