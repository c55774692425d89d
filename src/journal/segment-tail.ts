// The end of the journal on disk: the segment being written, the next one made ahead, and how much room there is. What
// it writes is durable when `write` returns.

import { type FileSystem, writeAll } from './file-port.ts'
import { type Segment, SegmentReservation } from './segment-file.ts'

/** Kept free at the end of each segment for last words: several hundred sessions, but never most of a small segment. */
const mostReserveBytes = 64 << 10

export class SegmentTail {
  readonly #files: FileSystem
  readonly #directory: string
  readonly #segmentBytes: number
  #current: { readonly segment: Segment; used: number } | null
  #spare: SegmentReservation | null = null
  #nextNumber: number
  /** While set, a failure is the current descriptor's own: nothing is written to it again. */
  #isWriting = false

  /** `current`: null when the next frame opens segment `nextNumber`. */
  constructor(
    files: FileSystem,
    directory: string,
    segmentBytes: number,
    current: { readonly segment: Segment; readonly used: number } | null,
    nextNumber: number,
  ) {
    this.#files = files
    this.#directory = directory
    this.#segmentBytes = segmentBytes
    this.#current = current === null ? null : { ...current }
    this.#nextNumber = nextNumber
  }

  /** The segment being written; 0 when none is. */
  get number(): number {
    return this.#current?.segment.number ?? 0
  }

  /** Whether frames of so many bytes go into the present segment. */
  hasRoom(bytes: number): boolean {
    return this.#current !== null && bytes <= this.freeBytes - reserveBytes(this.#segmentBytes)
  }

  /** Whether the present segment has its opening: nothing else may stand first. */
  get isBegun(): boolean {
    return this.#current !== null && this.#current.used > 0
  }

  /** With the reserve; 0 when the present segment must not be written to any more. */
  get freeBytes(): number {
    if (this.#current === null || this.#isWriting) return 0
    return this.#current.segment.sizeBytes - this.#current.used
  }

  /** Goes on to the next segment, which has room for at least `bytes`; gives its number. */
  advance(bytes: number): number {
    const needed = bytes + reserveBytes(this.#segmentBytes)
    // A frame longer than a segment gets one of its own size.
    if (needed > this.#segmentBytes) this.releaseSpace()
    this.#spare ??= this.#reserve(Math.max(needed, this.#segmentBytes))
    const next = this.#spare.finish()
    const before = this.#current
    this.#current = { segment: next, used: 0 }
    this.#spare = null
    this.#nextNumber += 1
    // All of it was synced: what is left to go wrong here costs nothing but the descriptor.
    if (before !== null) this.#files.close(before.segment.fd)
    return next.number
  }

  /** One write, one sync; says where the bytes stand. */
  write(bytes: Uint8Array): { readonly segment: number; readonly from: number } {
    const current = this.#current
    if (current === null) throw new Error('no segment is open')
    const from = current.used
    this.#isWriting = true
    writeAll(this.#files, current.segment.fd, bytes, from)
    this.#files.datasync(current.segment.fd)
    this.#isWriting = false
    current.used += bytes.length
    return { segment: current.segment.number, from }
  }

  /**
   * Makes the next segment ahead, in step with how the present one fills: it is ready when that is half full, however
   * fast that goes, and somebody who types pays for one small step in many thousand keystrokes. True when it did a step.
   */
  prepareSpare(): boolean {
    const used = this.#current?.used ?? 0
    if (this.#spare !== null && (this.#spare.isReady || this.#spare.reservedBytes > 2 * used)) return false
    this.#spare ??= this.#reserve(this.#segmentBytes)
    this.#spare.step()
    return true
  }

  /** Gives back the segment made ahead: it is blank. */
  releaseSpace(): void {
    const spare = this.#spare
    this.#spare = null
    spare?.abandon()
  }

  close(): void {
    if (this.#current !== null) this.#files.close(this.#current.segment.fd)
    this.#current = null
    this.releaseSpace()
  }

  #reserve(sizeBytes: number): SegmentReservation {
    return new SegmentReservation(this.#files, this.#directory, this.#nextNumber, sizeBytes)
  }
}

function reserveBytes(segmentBytes: number): number {
  return Math.min(mostReserveBytes, segmentBytes / 4)
}
