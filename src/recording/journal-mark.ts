// Journal heads that the ledger has written down. A checkpoint that was kept outside covers them, and so the frames before
// each: a journal cut or rewritten below one does not give it any more.
import { hashBytes } from '../ledger/merkle.ts'
import type { Finding } from './finding.ts'
import { parseObject } from './proof.ts'

/** What a row says: after so many frames the chain's head was this. */
export interface JournalMark {
  readonly row: number
  readonly frames: number
  readonly head: Buffer
}

/** The mark of a ledger row; undefined for other rows, and for one that says nothing to hold a journal to. */
export function parseJournalMark(row: number, leaf: Uint8Array): JournalMark | undefined {
  const text = Buffer.from(leaf.buffer, leaf.byteOffset, leaf.byteLength)
  if (!text.includes('"type":"journal-head"')) return undefined
  const { type, seq, head } = parseObject(text.toString('utf8')) ?? {}
  const bytes = Buffer.from(String(head), 'hex')
  if (type !== 'journal-head' || !Number.isSafeInteger(seq) || bytes.length !== hashBytes) return undefined
  return { row, frames: seq as number, head: bytes }
}

/** Compares a chain with the marks as it grows; the first that differs is enough. */
export class JournalMarks {
  readonly #marks: readonly JournalMark[]
  #next = 0
  #wrong: JournalMark | undefined

  constructor(marks: readonly JournalMark[]) {
    this.#marks = marks.toSorted((a, b) => a.frames - b.frames)
  }

  /** The chain after `frames` frames; `head` is undefined where it is not known. Frames may be passed over. */
  at(frames: number, head: Buffer | undefined): void {
    for (let mark = this.#marks[this.#next]; mark !== undefined; mark = this.#marks[this.#next]) {
      if (mark.frames > frames) return
      this.#next += 1
      if (mark.frames === frames && head !== undefined && !mark.head.equals(head)) this.#wrong ??= mark
    }
  }

  /** What does not agree with a journal of so many frames. */
  findings(frames: number): Finding[] {
    const findings: Finding[] = []
    if (this.#wrong !== undefined) {
      const detail = `its first ${this.#wrong.frames} frames are not those that ledger row ${this.#wrong.row} tells of`
      findings.push({ code: 'content_altered', subject: 'journal', detail })
    }
    const beyond = this.#marks.at(-1)
    if (beyond !== undefined && beyond.frames > frames) {
      const detail = `it ends after ${frames} frames, and ledger row ${beyond.row} tells of ${beyond.frames}`
      findings.push({ code: 'truncated', subject: 'journal', detail })
    }
    return findings
  }
}
