// The Merkle tree of a recording: leaf = line (without its newline), subtree = frame, root = recording. A frame's root
// is the RFC 6962 root of its lines; the recording's is the RFC 6962 root with the frames' roots standing as leaf hashes.
// Where frames end follows from the lines alone, so the root is a function of the lines however they are compressed.
import { Frontier, leafHash, treeRoot } from '../ledger/merkle.ts'

/** A frame holds whole lines up to this many bytes with their newlines; a longer line is a frame of its own. */
export const frameContentBytes: number = 64 * 1024

/** One frame as the tree has it. The root is bound by the recording's root; the rest names lines and times. */
export interface FrameDigest {
  /** 32 bytes. */
  readonly root: Buffer
  readonly lines: number
  /** ms since the header line, at the frame's last line. */
  readonly endMs: number
}

/** Grows a recording's tree line by line and ends its frames where they end. */
export class ContentTree {
  readonly #digests: FrameDigest[] = []
  readonly #clock = new LineClock()
  #open = new Frontier()
  #openBytes = 0
  #lines = 0

  /** Lines so far. */
  get lines(): number {
    return this.#lines
  }

  /** ms since the header line, at the last line. */
  get ms(): number {
    return this.#clock.ms
  }

  /** Whether the next line, of `length` bytes without newline, goes into the frame that is open. */
  fits(length: number): boolean {
    return this.#openBytes === 0 || this.#openBytes + length + 1 <= frameContentBytes
  }

  /** Takes the next line, without newline. */
  append(line: Buffer): void {
    this.appendLeaf(leafHash(line), line.length)
    this.#clock.pass(line)
  }

  /** Takes the next line by its leaf hash and length: all that is left of it in the journal's skeleton. It takes no time. */
  appendLeaf(leaf: Uint8Array, length: number): void {
    if (!this.fits(length)) this.#endFrame()
    this.#open.append(leaf)
    this.#openBytes += length + 1
    this.#lines += 1
  }

  /** All frames of the lines so far, the open one ended. No line may follow. */
  finish(): readonly FrameDigest[] {
    if (this.#openBytes > 0) this.#endFrame()
    return this.#digests
  }

  #endFrame(): void {
    this.#digests.push({ root: this.#open.root(), lines: this.#open.size, endMs: this.#clock.ms })
    this.#open = new Frontier()
    this.#openBytes = 0
  }
}

/** The recording's root over its frames' roots. */
export function contentRoot(frames: readonly FrameDigest[]): Buffer {
  return treeRoot(frames.map(({ root }) => root))
}

/** Adds up the intervals of event lines: where in the session a line stands. Lines need not be well-formed. */
export class LineClock {
  #seconds = 0

  /** ms since the header line. */
  get ms(): number {
    return Math.round(this.#seconds * 1000)
  }

  /** Takes the next line. The header line, and any without a possible interval, take no time. */
  pass(line: Buffer): void {
    // `[interval, …`: the number is all that is wanted, so the line is not parsed.
    const [, seconds] = /^\[(\d{1,10}(?:\.\d{1,9})?),/.exec(line.toString('latin1', 0, longestInterval)) ?? []
    if (seconds !== undefined) this.#seconds += Number(seconds)
  }
}

const longestInterval = 32
