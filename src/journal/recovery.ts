// What a start finds in the segments: the chain recomputed frame by frame, the epoch records checked, where each
// session's lines stand. It reads and never writes; a torn tail and damage are named here and dealt with by the writer.

import { EpochChain, parseEpoch } from '../ledger/epoch.ts'
import { anyMagic, type FrameRead, genesisHead, leafOf, nextHead, readFrame } from '../recording/frame.ts'
import { Extents } from './extents.ts'
import { parseOpening, parseRecovered } from './own-frames.ts'
import { segmentName } from './segment-file.ts'
import { Skeletons } from './skeletons.ts'

/** What a start found; plain data. */
export interface Recovery {
  /** True when there was no journal. */
  readonly created: boolean
  /** Hex of the raw Ed25519 key that the first epoch record must be signed with: what a verifier pins. */
  readonly genesisPublicKey: string
  /** Every session that has lines, also those sealed before: `forget` them. */
  readonly sessions: readonly RecoveredSession[]
  /** Bytes behind the last whole frame that a crash left; copied aside. */
  readonly tornBytes: number
  readonly damage: readonly Damage[]
  /** Newest wall-clock time in the journal, ms; 0 when there is none. */
  readonly newestWallMs: number
}

export interface RecoveredSession {
  readonly session: string
  readonly lines: number
  readonly firstSeq: number
  readonly lastSeq: number
  /** False: it stands in skeletons alone, which only holds what is sealed. */
  readonly hasLines: boolean
  /** Lines of it may be missing or changed: a gap in its numbers, or it stands in a damaged segment. */
  readonly damaged: boolean
}

export interface Damage {
  /**
   * `unreadable`: no frame where one must be. `chain_broken`: frames changed, dropped or moved. `epoch_broken`: an epoch
   * record that does not follow. `missing`: a whole segment. `key_lost`: no file holds the key that must sign next.
   */
  readonly kind: 'unreadable' | 'chain_broken' | 'epoch_broken' | 'missing' | 'key_lost'
  /** Such as `00000001.seg`. */
  readonly segment: string
  /** Bytes of the segment, `to` exclusive. */
  readonly from: number
  readonly to: number
  readonly sessions: readonly string[]
  /** Noted in the journal by an earlier start. */
  readonly known: boolean
}

/** How a segment ends. */
export interface SegmentEnd {
  readonly used: number
  /** What a crash left behind the last frame, `to` exclusive. Only ever in the last segment. */
  readonly torn: { readonly from: number; readonly to: number } | null
  readonly damaged: boolean
}

type Frame = Extract<FrameRead, { kind: 'frame' }>
type HeldFrame = Extract<FrameRead, { kind: 'frame' | 'leaf' }>
type SessionLines = { lines: number; firstSeq: number; lastSeq: number; hasGap: boolean; hasLines: boolean }

/** Takes the segments in order. */
export class JournalScan {
  readonly extents = new Extents()
  readonly skeletons = new Skeletons()
  readonly #sessions = new Map<string, SessionLines>()
  readonly #damage: { kind: Damage['kind']; segment: number; from: number; to: number; sessions: Set<string> }[] = []
  readonly #known = new Set<string>()
  #head = genesisHead
  #seq = 0
  #epochs: EpochChain | null = null
  #genesisPublicKey: Buffer | null = null
  #newestWallUs = 0
  /** Since damage, the head is a guess until a segment's opening or a signed epoch names it. */
  #headIsProven = true
  /** Where the chain was last compared with a head that somebody wrote down. */
  #anchored = { segment: 1, offset: 0 }
  /** Behind the last frame of the segment before. */
  #end = 0
  #segmentSessions = new Set<string>()

  get head(): Buffer {
    return this.#head
  }

  /** Frames so far. */
  get seq(): number {
    return this.#seq
  }

  /** The chain of epoch records; null when it is broken or never began. */
  get epochs(): EpochChain | null {
    return this.#epochs
  }

  get genesisPublicKey(): Buffer | null {
    return this.#genesisPublicKey
  }

  /** The next segment, whole. `isLast`: no later segment holds anything, so a crash may have torn its end. */
  segment(number: number, bytes: Buffer, isLast: boolean): SegmentEnd {
    const before = this.#damage.length
    this.extents.interrupt()
    let offset = 0
    let torn: SegmentEnd['torn'] = null
    for (;;) {
      const read = readFrame(bytes, offset)
      if (read.kind === 'frame' || read.kind === 'leaf') {
        this.#take(number, offset, read)
        offset = read.next
        continue
      }
      const rubbishEnd = lastNonZero(bytes, offset)
      if (rubbishEnd === offset) break
      const next = nextFrame(bytes, offset)
      if (next === null && isLast) torn = { from: offset, to: rubbishEnd }
      else this.damaged('unreadable', number, offset, next ?? rubbishEnd)
      if (next === null) break
      offset = next
    }
    // A segment opens with its own frame: without one, what came before it cannot be told.
    if (offset === 0 && torn === null) this.damaged('unreadable', number, 0, bytes.length)
    this.#end = offset
    return { used: offset, torn, damaged: this.#damage.length > before }
  }

  /** Notes damage that `segment` did not see itself. */
  damaged(kind: Damage['kind'], segment: number, from: number, to: number): void {
    this.#damage.push({ kind, segment, from, to, sessions: this.#segmentSessions })
    this.skeletons.keepWhole(segment)
    if (kind === 'unreadable' || kind === 'missing') this.#headIsProven = false
    this.extents.interrupt()
  }

  #take(segment: number, offset: number, frame: HeldFrame): void {
    if (offset === 0) this.#openSegment(segment, frame)
    if (frame.kind === 'frame') this.#takeOwn(segment, offset, frame)
    if (frame.header.type === 'line') this.#note(segment, offset, frame)
    this.#head = nextHead(this.#head, frame.headerBytes, leafOf(frame))
    this.#seq += 1
    this.#newestWallUs = Math.max(this.#newestWallUs, frame.header.wallUs)
  }

  #takeOwn(segment: number, offset: number, frame: Frame): void {
    if (frame.header.type === 'epoch') this.#checkEpoch(segment, offset, frame)
    if (frame.header.type === 'recovered') for (const key of parseRecovered(frame.line)) this.#known.add(key)
  }

  #openSegment(segment: number, frame: HeldFrame): void {
    const opening = frame.kind === 'frame' && frame.header.type === 'segment' ? parseOpening(frame.line) : null
    const isSame = opening !== null && opening.head.equals(this.#head) && opening.seq === this.#seq
    if (opening?.segment !== segment || (!isSame && this.#headIsProven)) {
      // The frames since the last comparison are not those that were written.
      const at = this.#anchored
      this.damaged('chain_broken', at.segment, at.offset, this.#end)
    }
    this.#segmentSessions = new Set()
    this.#anchored = { segment, offset: 0 }
    if (opening === null) return
    this.#head = opening.head
    this.#seq = opening.seq
    this.#headIsProven = true
    if (opening.genesisPublicKey === null) return
    this.#genesisPublicKey = opening.genesisPublicKey
    this.#epochs = new EpochChain(opening.genesisPublicKey)
  }

  #checkEpoch(segment: number, offset: number, frame: Frame): void {
    if (this.#epochs === null) return
    const record = parseEpoch(frame.line)
    if (record === undefined || this.#epochs.accept(record) !== undefined) {
      this.damaged('epoch_broken', segment, offset, frame.next)
      this.#epochs = null
      return
    }
    const isSame = record.journalHead.equals(this.#head) && record.journalSeq === this.#seq
    if (!isSame && this.#headIsProven) this.damaged('chain_broken', segment, this.#anchored.offset, offset)
    this.#head = record.journalHead
    this.#seq = record.journalSeq
    this.#headIsProven = true
    this.#anchored = { segment, offset }
  }

  #note(segment: number, offset: number, frame: HeldFrame): void {
    const { session, seq } = frame.header
    const none = { lines: 0, firstSeq: seq, lastSeq: -1, hasGap: false, hasLines: false }
    const lines = this.#sessions.get(session) ?? none
    if (seq !== lines.lastSeq + 1) lines.hasGap = true
    lines.lines += 1
    lines.lastSeq = seq
    this.#sessions.set(session, lines)
    this.#segmentSessions.add(session)
    if (frame.kind === 'leaf') return
    lines.hasLines = true
    this.extents.note(session, segment, offset, frame.next)
    this.skeletons.note(session, segment)
  }

  /** What was found, once every segment has been taken. */
  result(extra: Pick<Recovery, 'created' | 'tornBytes'>): Omit<Recovery, 'genesisPublicKey'> {
    const damage = this.#damage.map(({ kind, segment, from, to, sessions }) => {
      const found = { kind, segment: segmentName(segment), from, to, sessions: [...sessions] }
      return { ...found, known: this.#known.has(damageKey(found)) }
    })
    const touched = new Set(damage.flatMap(({ sessions }) => sessions))
    const sessions = [...this.#sessions].map(([session, { lines, firstSeq, lastSeq, hasGap, hasLines }]) => {
      return { session, lines, firstSeq, lastSeq, hasLines, damaged: hasGap || touched.has(session) }
    })
    return { ...extra, sessions, damage, newestWallMs: Math.floor(this.#newestWallUs / 1000) }
  }
}

/** What one damage is called in the frame that notes it. */
export function damageKey(damage: Pick<Damage, 'kind' | 'segment' | 'from'>): string {
  return `${damage.kind} ${damage.segment} ${damage.from}`
}

const blank = Buffer.alloc(64 << 10)

/** The offset behind the last byte that is not zero, at least `from`. */
export function lastNonZero(bytes: Buffer, from: number): number {
  let end = bytes.length
  while (end > from) {
    const start = Math.max(from, end - blank.length)
    if (!blank.subarray(0, end - start).equals(bytes.subarray(start, end))) break
    end = start
  }
  while (end > from && bytes[end - 1] === 0) end -= 1
  return end
}

/** Where the next whole frame stands behind `from`, or null. */
function nextFrame(bytes: Buffer, from: number): number | null {
  for (let at = bytes.indexOf(anyMagic, from + 1); at >= 0; at = bytes.indexOf(anyMagic, at + 1)) {
    if (['frame', 'leaf'].includes(readFrame(bytes, at).kind)) return at
  }
  return null
}
