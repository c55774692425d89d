// The journal, recomputed: every frame's place in the chain, every epoch record from the pinned key, and what it holds
// of each session. The chain is taken up again behind damage where a segment's opening or a signed epoch names the head,
// so that one bad byte is one finding and not the end of the report.
import { type EpochFault, EpochChain, parseEpoch } from '../ledger/epoch.ts'
import { hashBytes } from '../ledger/merkle.ts'
import { ContentTree } from './content-tree.ts'
import type { FindingCode, ReportBuilder } from './finding.ts'
import { type FrameHeader, genesisHead, leafOf, nextHead } from './frame.ts'
import type { KnownHead } from './ledger-check.ts'
import { type JournalMark, JournalMarks } from './journal-mark.ts'
import { parseObject } from './proof.ts'
import { type HeldFrame, readSegment, type SegmentPart } from './segment-frames.ts'

/** A segment as an archive hands it in. It may be read more than once. */
export interface JournalSegment {
  /** From the file's name: 1, 2, 3 … */
  readonly number: number
  /** Such as `00000001.seg`. */
  readonly name: string
  readonly read: () => AsyncIterable<Uint8Array>
}

/** What the journal holds of a session. */
export interface JournalledSession {
  readonly tree: ContentTree
  readonly firstSeq: number
  lastSeq: number
  readonly firstSegment: number
  lastSegment: number
  /** Some of its lines are in a skeleton: their leaves alone are left. */
  isReduced: boolean
}

export interface JournalFacts {
  readonly frames: number
  readonly sessions: ReadonlyMap<string, JournalledSession>
  /** The ledger heads that epochs signed. */
  readonly heads: readonly KnownHead[]
  /** Frames up to and with the newest epoch record. */
  readonly provenFrames: number
  readonly isDamaged: boolean
}

/**
 * Reads the segments in order and reports what does not follow. `genesis`: the pinned key of epoch 0, raw; `marks`: heads
 * that the ledger tells of.
 */
export async function checkJournal(
  segments: readonly JournalSegment[],
  genesis: Buffer | undefined,
  report: ReportBuilder,
  marks: readonly JournalMark[] = [],
): Promise<JournalFacts> {
  const reading = new JournalReading(genesis, report, marks)
  for (const segment of segments.toSorted((a, b) => a.number - b.number)) {
    reading.open(segment)
    for await (const part of readSegment(segment.read())) reading.take(part)
  }
  return reading.facts()
}

/** The leaf hashes of one session's lines, in order, from the segments it stands in. */
export async function* journalLeaves(
  segments: readonly JournalSegment[],
  session: string,
  { firstSegment, lastSegment }: JournalledSession,
): AsyncGenerator<Buffer, void> {
  for (const segment of segments.toSorted((a, b) => a.number - b.number)) {
    if (segment.number < firstSegment || segment.number > lastSegment) continue
    for await (const part of readSegment(segment.read()))
      if (part.kind === 'frame' && part.frame.header.session === session) yield leafOf(part.frame)
  }
}

class JournalReading {
  readonly #genesis: Buffer | undefined
  readonly #report: ReportBuilder
  readonly #marks: JournalMarks
  readonly #sessions = new Map<string, JournalledSession>()
  readonly #heads: KnownHead[] = []
  #segment = { number: 0, name: 'no segment' }
  #head = genesisHead
  #frames = 0
  #provenFrames = 0
  /** Lines of sessions since the newest epoch record. */
  #tailLines = 0
  /** Since damage the head is unknown until somebody names it. */
  #isHeadKnown = true
  #isDamaged = false
  #epochs: EpochChain | undefined
  #isPinnedKeySeen = false
  /** Under a segment's end that holds no frame: only a tear if no frame ever follows. */
  #torn: { readonly name: string; readonly from: number } | undefined

  constructor(genesis: Buffer | undefined, report: ReportBuilder, marks: readonly JournalMark[]) {
    this.#genesis = genesis
    this.#report = report
    this.#marks = new JournalMarks(marks)
  }

  open({ number, name }: JournalSegment): void {
    if (number !== this.#segment.number + 1) {
      const [from, to] = [this.#segment.number + 1, number - 1]
      this.#fault('missing', `segment ${from === to ? from : `${from} to ${to}`} is not there`, 'journal')
    }
    this.#segment = { number, name }
  }

  take(part: SegmentPart): void {
    switch (part.kind) {
      case 'frame':
        return this.#frame(part.offset, part.frame)
      case 'unreadable':
        return this.#fault('content_altered', `bytes ${part.from} to ${part.to - 1} are no frames`)
      case 'torn':
        this.#torn = { name: this.#segment.name, from: part.from }
        return
      case 'failed':
        return this.#fault('missing', `it cannot be read: ${part.error.message}`)
    }
  }

  #frame(offset: number, frame: HeldFrame): void {
    const { header, headerBytes } = frame
    if (this.#torn !== undefined) {
      const { name, from } = this.#torn
      this.#torn = undefined
      this.#fault(
        'content_altered',
        `from byte ${from} there are no frames, but the journal goes on`,
        `journal ${name}`,
      )
    }
    const leaf = leafOf(frame)
    if (frame.kind === 'frame' && header.type === 'segment') this.#opening(offset, frame.line)
    if (frame.kind === 'frame' && header.type === 'epoch') this.#epoch(offset, frame.line)
    if (header.type === 'line') this.#line(header, leaf, frame.kind === 'leaf')
    this.#head = nextHead(this.#head, headerBytes, leaf)
    this.#frames += 1
    this.#marks.at(this.#frames, this.#isHeadKnown ? this.#head : undefined)
    if (header.type === 'line') this.#tailLines += 1
    if (header.type !== 'epoch' || !this.#isHeadKnown || this.#epochs === undefined) return
    this.#provenFrames = this.#frames
    this.#tailLines = 0
  }

  /** The first frame of each segment says which it is, the head before it and how many frames came before. */
  #opening(offset: number, line: Buffer): void {
    const opening = parseObject(line.toString('utf8')) ?? {}
    const head = Buffer.from(String(opening['head']), 'hex')
    const { segment, seq, genesisPublicKey } = opening
    if (offset !== 0 || head.length !== hashBytes || !Number.isSafeInteger(seq))
      return this.#fault('content_altered', `byte ${offset}: no opening of a segment`)
    if (segment !== this.#segment.number) this.#fault('wrong_name', `it opens as segment ${String(segment)}`)
    this.#follow(head, seq as number, `before ${this.#segment.name}`)
    if (typeof genesisPublicKey === 'string') this.#startEpochs(Buffer.from(genesisPublicKey, 'hex'))
  }

  #startEpochs(key: Buffer): void {
    const isPinned = this.#genesis === undefined || key.equals(this.#genesis)
    if (isPinned && !this.#isPinnedKeySeen) {
      this.#isPinnedKeySeen = true
      this.#epochs = new EpochChain(key)
      return
    }
    this.#epochs = undefined
    // Before the pinned key's time others may have signed; after it nobody else may begin.
    if (this.#isPinnedKeySeen) this.#fault('unknown_key', 'epochs begin anew under a key that does not follow')
  }

  #epoch(offset: number, line: Buffer): void {
    const record = parseEpoch(line)
    if (record === undefined) return this.#fault('content_altered', `byte ${offset}: no epoch record`)
    const fault = this.#epochs?.accept(record)
    if (fault !== undefined) {
      this.#epochs = undefined
      return this.#fault(epochCodes[fault], `epoch ${record.epoch} does not follow: ${fault.replaceAll('_', ' ')}`)
    }
    if (this.#epochs === undefined) return
    this.#follow(record.journalHead, record.journalSeq, `before epoch ${record.epoch}`)
    const [size, root] = [record.ledgerSize, record.ledgerRoot]
    // The chain of epochs makes sure that a ledger of the same size is the same: once is enough.
    if (this.#heads.at(-1)?.size !== size)
      this.#heads.push({ size, root, source: `epoch ${record.epoch}`, isOutside: false })
  }

  /** Compares the chain with a head that was written down, and goes on from that. */
  #follow(head: Buffer, frames: number, where: string): void {
    const isSame = head.equals(this.#head) && frames === this.#frames
    if (!isSame && this.#isHeadKnown)
      this.#fault('content_altered', `the chain ${where} is not the one that was written: frames were changed or moved`)
    this.#head = head
    this.#frames = frames
    this.#isHeadKnown = true
  }

  #line({ session, seq, length }: FrameHeader, leaf: Buffer, isReduced: boolean): void {
    const segment = this.#segment.number
    const found = this.#sessions.get(session)
    const place = { firstSeq: seq, lastSeq: seq, firstSegment: segment, lastSegment: segment }
    const start = { tree: new ContentTree(), ...place, isReduced }
    const held = found ?? start
    if (found === undefined) this.#sessions.set(session, held)
    held.tree.appendLeaf(leaf, length)
    held.lastSeq = seq
    held.lastSegment = segment
    held.isReduced ||= isReduced
  }

  #fault(code: FindingCode, detail: string, subject = `journal ${this.#segment.name}`): void {
    this.#isDamaged = true
    this.#isHeadKnown = false
    this.#report.find({ code, subject, detail })
  }

  facts(): JournalFacts {
    for (const finding of this.#marks.findings(this.#frames)) this.#report.find(finding)
    if (this.#torn !== undefined)
      this.#report.doubt(`tail not proven: ${this.#torn.name} ends in a torn write at byte ${this.#torn.from}`)
    if (this.#genesis !== undefined && !this.#isPinnedKeySeen && this.#frames > 0)
      this.#fault('unknown_key', 'no segment opens the epochs of the pinned key', 'journal')
    const [frames, provenFrames, isDamaged] = [this.#frames, this.#provenFrames, this.#isDamaged]
    if (frames > provenFrames)
      this.#report.doubt(`tail not proven after journal frame ${provenFrames - 1} of ${frames}`)
    return { frames, provenFrames, isDamaged, sessions: this.#sessions, heads: this.#heads }
  }
}

const epochCodes: Readonly<Record<EpochFault, FindingCode>> = {
  bad_signature: 'unknown_key',
  epoch_skipped: 'missing',
  journal_shrank: 'forked',
  ledger_shrank: 'forked',
  ledger_forked: 'forked',
}
