// Data waiting its turn. A peer may cut what it sends into packets of a byte each, and each piece kept costs a hundred
// times its size: what a window bounds would not be bounded in memory. So small pieces are put together.

/** Pieces below this are joined: a window's worth is at most some thousand pieces. */
const PIECE_BYTES = 1 << 10

/** `before` with `bytes` behind it, when that is at most one small piece (and `mostBytes`); undefined: they stay two. */
export function joinedPiece(before: Buffer, bytes: Buffer, mostBytes: number = PIECE_BYTES): Buffer | undefined {
  const size = before.length + bytes.length
  return size > Math.min(PIECE_BYTES, mostBytes) ? undefined : Buffer.concat([before, bytes], size)
}
