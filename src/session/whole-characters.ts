// Where a chunk of UTF-8 may be cut. A character split over two lines would make both of them raw bytes.

import { isUtf8 } from 'node:buffer'

/** A continuation byte is 10xxxxxx (RFC 3629 §3). */
function continues(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80
}

/** How many bytes a character has that starts with this byte; 1 where none can start. */
function lengthByLead(byte: number): number {
  if (byte >= 0xc2 && byte <= 0xdf) return 2
  if (byte >= 0xe0 && byte <= 0xef) return 3
  return byte >= 0xf0 && byte <= 0xf4 ? 4 : 1
}

/** How many bytes (0 to 3) at the end begin a character whose rest is missing; 0 when what is before is no UTF-8. */
export function splitCharacterBytes(bytes: Uint8Array): number {
  for (let length = 1; length <= Math.min(3, bytes.length); length++) {
    const byte = bytes[bytes.length - length] ?? 0
    if (continues(byte)) continue
    const isSplit = lengthByLead(byte) > length
    return isSplit && isUtf8(bytes.subarray(0, bytes.length - length)) ? length : 0
  }
  return 0
}

/**
 * Cuts bytes into pieces of at most `longest` (at least 4), never inside a character. The end of a character whose
 * beginning is already recorded is a piece of its own, so that only it is raw.
 */
export function* pieces(bytes: Uint8Array, longest: number): Generator<Uint8Array> {
  let at = orphans(bytes)
  if (at > 0) yield bytes.subarray(0, at)
  while (at < bytes.length) {
    const end = cut(bytes, at, longest)
    yield bytes.subarray(at, end)
    at = end
  }
}

/** Continuation bytes in front of what is otherwise whole UTF-8. */
function orphans(bytes: Uint8Array): number {
  let count = 0
  while (count < 3 && continues(bytes[count])) count += 1
  return count > 0 && isUtf8(bytes.subarray(count)) ? count : 0
}

function cut(bytes: Uint8Array, from: number, longest: number): number {
  const end = from + longest
  if (end >= bytes.length) return bytes.length
  for (let back = 0; back < 4; back++) if (!continues(bytes[end - back])) return end - back
  // No UTF-8: any cut is as good.
  return end
}
