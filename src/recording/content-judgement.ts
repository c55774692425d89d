// What happened to a recording: its facts against its seal, and the first place where the two part. The verdict comes
// from the seal alone; the proof's frames and the journal's leaves only make the place exact.
import { ByteSource } from './byte-source.ts'
import { readLines, type ContentFacts } from './content.ts'
import { contentRoot, type FrameDigest, LineClock } from './content-tree.ts'
import { leafHash } from './frame.ts'
import type { FindingCode, Place } from './finding.ts'
import { Frontier } from '../ledger/merkle.ts'

/** What the seal leaf says of the file. */
export interface SealedAs {
  /** 32 bytes. */
  readonly root: Buffer
  readonly lines: number
  readonly sizeBytes: number
  /** Hex. */
  readonly sha256: string
}

export interface Judgement {
  readonly code: FindingCode
  readonly detail: string
  readonly place?: Place
}

/** What helps to find the place, as far as it is at hand. */
export interface Known {
  /** From the `.proof`; passed over unless their roots lead to the sealed root. */
  readonly frames?: readonly FrameDigest[] | undefined
  /** Leaf hashes of the session's lines, from the journal. */
  readonly leaves?: (() => AsyncIterable<Uint8Array>) | undefined
}

/** Compares a file with its seal. Undefined when every byte is as sealed. Reads it a second time only when it is not. */
export async function judgeContent(
  read: () => AsyncIterable<Uint8Array>,
  facts: ContentFacts,
  sealed: SealedAs,
  known: Known,
): Promise<Judgement | undefined> {
  const hasLines = facts.lines === sealed.lines && facts.root.equals(sealed.root)
  const hasBytes = facts.sizeBytes === sealed.sizeBytes && facts.sha256 === sealed.sha256
  if (hasLines && hasBytes && facts.broken === undefined) return undefined
  if (hasLines) return judgeContainer(facts, sealed)
  const frames = known.frames !== undefined && contentRoot(known.frames).equals(sealed.root) ? known.frames : []
  const first = await locate(read(), frames, known.leaves?.(), sealed.lines)
  const isCompared = frames.length > 0 || known.leaves !== undefined
  if (first.kind === 'end' && isTruncated(facts, sealed, isCompared)) {
    const detail = `${facts.lines} of ${sealed.lines} events and ${facts.sizeBytes} of ${sealed.sizeBytes} bytes are left`
    return { code: 'truncated', detail, place: first.place }
  }
  const detail = hasBytes
    ? 'the sealed file never held the sealed events'
    : 'it does not hold the events that were sealed'
  // Where nothing could be compared on the way, the end of the lines is no place.
  return first.kind === 'bad' || isCompared
    ? { code: 'content_altered', detail, place: first.place }
    : { code: 'content_altered', detail }
}

/** Lines that could not be compared were cut off only if the file itself breaks off. */
function isTruncated(facts: ContentFacts, sealed: SealedAs, isCompared: boolean): boolean {
  if (facts.lines >= sealed.lines || facts.sizeBytes >= sealed.sizeBytes) return false
  return facts.broken === 'cut' || (facts.broken === undefined && isCompared)
}

/** Every line is there: only the bytes around them can differ. */
function judgeContainer(facts: ContentFacts, sealed: SealedAs): Judgement {
  const isCut = facts.broken === 'cut' || (facts.broken === undefined && facts.seekTable === 'none')
  if (isCut && facts.sizeBytes < sealed.sizeBytes && facts.wholeBytes === sealed.sizeBytes) {
    const detail = `${facts.sizeBytes} of ${sealed.sizeBytes} bytes are left; every event is there`
    return { code: 'truncated', detail }
  }
  return facts.broken !== undefined || facts.seekTable === 'other'
    ? { code: 'container_altered', detail: 'every event is as sealed, but the bytes around them are not' }
    : { code: 'repacked', detail: 'every event is as sealed, in another compression than the sealed one' }
}

/** `end`: all that could be read is as sealed. */
type Located = { readonly kind: 'bad' | 'end'; readonly place: Place }

/** The first frame, or with leaves the first line, that is not as sealed. */
async function locate(
  chunks: AsyncIterable<Uint8Array>,
  frames: readonly FrameDigest[],
  leaves: AsyncIterable<Uint8Array> | undefined,
  sealedLines: number,
): Promise<Located> {
  const search = new Search(frames, leaves?.[Symbol.asyncIterator](), sealedLines)
  const source = new ByteSource(chunks, { isHashed: false })
  try {
    for await (const part of readLines(source)) {
      // A cut may be no more than that; anything else that cannot be read was sound once.
      if (part.kind === 'broken' && part.why !== 'cut') return { kind: 'bad', place: search.place() }
      if (part.kind !== 'lines') continue
      for (const line of part.lines) {
        const place = await search.take(line)
        if (place !== undefined) return { kind: 'bad', place }
      }
    }
    return { kind: 'end', place: search.place() }
  } finally {
    await search.end()
    await source.close()
  }
}

class Search {
  readonly #frames: readonly FrameDigest[]
  readonly #leaves: AsyncIterator<Uint8Array> | undefined
  readonly #sealedLines: number
  readonly #clock = new LineClock()
  #frame = 0
  /** First line of the frame, and the time before it. */
  #start = { line: 0, ms: 0 }
  #open = new Frontier()

  constructor(frames: readonly FrameDigest[], leaves: AsyncIterator<Uint8Array> | undefined, sealedLines: number) {
    this.#frames = frames
    this.#leaves = leaves
    this.#sealedLines = sealedLines
  }

  /** Takes the next line; gives the place when it, or the frame it ends, is bad. */
  async take(line: Buffer): Promise<Place | undefined> {
    const number = this.#start.line + this.#open.size
    if (number >= this.#sealedLines) return { firstEvent: number, fromMs: this.#clock.ms }
    const leaf = leafHash(line)
    if (!(await this.#isKnown(leaf))) return { ...this.place(), event: number }
    this.#open.append(leaf)
    this.#clock.pass(line)
    const frame = this.#frames[this.#frame]
    if (frame === undefined || this.#open.size < frame.lines) return undefined
    const place = this.place()
    if (!this.#open.root().equals(frame.root)) return place
    this.#frame += 1
    this.#start = { line: number + 1, ms: this.#clock.ms }
    this.#open = new Frontier()
    return undefined
  }

  async #isKnown(leaf: Buffer): Promise<boolean> {
    if (this.#leaves === undefined) return true
    const { done, value } = await this.#leaves.next()
    return done !== true && leaf.equals(value)
  }

  /** Where reading stands: the frame that is open; without frames, the next line. */
  place(): Place {
    const frame = this.#frames[this.#frame]
    if (frame === undefined) return { firstEvent: this.#start.line + this.#open.size, fromMs: this.#clock.ms }
    const { line, ms } = this.#start
    return { frame: this.#frame, firstEvent: line, lastEvent: line + frame.lines - 1, fromMs: ms, toMs: frame.endMs }
  }

  async end(): Promise<void> {
    await this.#leaves?.return?.()
  }
}
