// The client's bytes on their way: in order, each piece waiting for its record, and an unfinished message for its end.
// Pieces that became free together go on together. The bytes are the ones that came; nothing is made anew.

import { joinedPiece } from '../session/joined-piece.ts'

/** Held beyond this, the client is not read from: one message of a megabyte fits, with what came behind it. */
const MAX_HELD_BYTES = 2 << 20

const NOTHING = Buffer.alloc(0)

interface Piece {
  readonly chunks: readonly Buffer[]
  readonly bytes: number
  readonly lastId: number
  isDurable: boolean
}

export class HeldBytes {
  readonly #forward: (chunks: readonly Buffer[], lastId: number) => void
  /** Settled pieces in order; the first is the oldest. */
  #pieces: Piece[] = []
  /** Bytes of a message whose end has not come. */
  #unsettled: Buffer[] = []
  #unsettledBytes = 0
  #heldBytes = 0
  /** Bytes of the stream handed over so far, pieces and unsettled together. */
  #pushed = 0

  constructor(forward: (chunks: readonly Buffer[], lastId: number) => void) {
    this.#forward = forward
  }

  /** Nothing that could go on is waiting; an unfinished message does not count. */
  get isEmpty(): boolean {
    return this.#pieces.length === 0
  }

  get isFull(): boolean {
    return this.#heldBytes > MAX_HELD_BYTES
  }

  /**
   * Takes the next chunk. Bytes below `settled` (offset in the stream) may go on when `durable` resolves, or as soon as
   * nothing is before them when it is undefined.
   */
  push(chunk: Buffer, settled: number, lastId: number, durable: Promise<void> | undefined): void {
    const chunks = this.#settle(chunk, settled)
    if (chunks.length === 0 && durable === undefined) return
    if (durable === undefined && this.#pieces.length === 0) return this.#forward(chunks, lastId)
    const bytes = chunks.reduce((sum, piece) => sum + piece.length, 0)
    const piece: Piece = { chunks, bytes, lastId, isDurable: durable === undefined }
    this.#pieces.push(piece)
    this.#heldBytes += bytes
    durable?.then(
      () => {
        piece.isDurable = true
        this.#release()
      },
      () => {
        // The recorder's failure ends the session; these bytes stay here.
      },
    )
  }

  #settle(chunk: Buffer, settled: number): Buffer[] {
    this.#pushed += chunk.length
    const left = this.#pushed - settled
    if (this.#unsettledBytes === 0 && left === 0) return [chunk]
    const joined = joinedPiece(this.#unsettled.at(-1) ?? NOTHING, chunk)
    if (joined === undefined) this.#unsettled.push(chunk)
    else this.#unsettled.splice(-1, 1, joined)
    this.#unsettledBytes += chunk.length
    let free = this.#unsettledBytes - left
    this.#unsettledBytes = left
    const chunks: Buffer[] = []
    let whole = 0
    for (let first = this.#unsettled[0]; first !== undefined && free > 0; first = this.#unsettled[whole]) {
      if (first.length <= free) {
        chunks.push(first)
        whole++
      } else {
        chunks.push(first.subarray(0, free))
        this.#unsettled[whole] = first.subarray(free)
      }
      free -= Math.min(first.length, free)
    }
    // Taken out together: a message may have come a byte at a time, and a million moves of a million would stop everyone.
    this.#unsettled.splice(0, whole)
    return chunks
  }

  #release(): void {
    let free = 0
    while (this.#pieces[free]?.isDurable === true) free++
    if (free === 0) return
    const pieces = this.#pieces.splice(0, free)
    for (const piece of pieces) this.#heldBytes -= piece.bytes
    const chunks = pieces.length === 1 ? (pieces[0] as Piece).chunks : pieces.flatMap((piece) => piece.chunks)
    this.#forward(chunks, (pieces.at(-1) as Piece).lastId)
  }
}
