// The journal's one writer: builds lines, frames and the chain, writes a batch at once and syncs once. It runs in a
// thread of its own and knows neither promises nor clock. The first failure is the last: a failed sync may have dropped
// pages that a second one would call durable, so nothing is tried again.

import type { KeyObject } from 'node:crypto'
import { errorCodes } from '../errors.ts'
import { encodeEpoch, longestEpochLine, signEpoch } from '../ledger/epoch.ts'
import { encodeLine } from '../recording/event-line.ts'
import {
  encodeFrame,
  frameOverheadBytes,
  type FrameType,
  headerBytesOf,
  leafHash,
  nextHead,
} from '../recording/frame.ts'
import type { EpochKey } from './epoch-key.ts'
import type { Extent, Extents } from './extents.ts'
import type { EntryMessage, Head, Times } from './messages.ts'
import { encodeOpening, longestOpening } from './own-frames.ts'
import type { SegmentTail } from './segment-tail.ts'
import type { Skeletons } from './skeletons.ts'

/** A batch beyond this is written in parts: it is in memory twice. */
const longestBatchBytes = 8 << 20

/** Where writing goes on after a start. */
export interface WriterStart {
  readonly tail: SegmentTail
  readonly extents: Extents
  readonly skeletons: Skeletons
  readonly key: EpochKey
  readonly head: Buffer
  readonly seq: number
  /** Number of the next epoch record. */
  readonly epoch: number
  /** The next segment's opening names the key: a new journal, or a key that was lost. */
  readonly namesGenesis: boolean
}

/** A frame of the batch being built, and whose line it is; null for the journal's own. */
interface Placed {
  readonly frame: Buffer
  readonly entry: (Pick<EntryMessage, 'session' | 'seq' | 'isExit'> & Times) | null
}

export class JournalWriter {
  readonly #tail: SegmentTail
  readonly #extents: Extents
  readonly #skeletons: Skeletons
  readonly #key: EpochKey
  /** After the last durable frame. */
  #durable: { readonly head: Buffer; readonly seq: number }
  /** After the last frame built: the batch under way. */
  #built: { readonly head: Buffer; readonly seq: number }
  #epoch: number
  #namesGenesis: boolean
  #batch: Placed[] = []
  #batchBytes = 0
  /** Sessions with lines of this run and no `x` line yet: they get last words. */
  readonly #open = new Map<string, { readonly seq: number; readonly times: Times }>()

  constructor(start: WriterStart) {
    this.#tail = start.tail
    this.#extents = start.extents
    this.#skeletons = start.skeletons
    this.#key = start.key
    this.#durable = { head: start.head, seq: start.seq }
    this.#built = this.#durable
    this.#epoch = start.epoch
    this.#namesGenesis = start.namesGenesis
  }

  /** After the last durable frame. */
  head(): Head {
    return { seq: this.#durable.seq, head: this.#durable.head.toString('hex') }
  }

  /** Where the durable lines of a session stand. */
  extents(session: string): Extent[] {
    return this.#extents.of(session)
  }

  forget(session: string): void {
    this.#extents.forget(session)
    this.#skeletons.forget(session)
    this.#open.delete(session)
  }

  /** Adds an entry to the batch; `durable` hears how many entries each write made durable. */
  append(entry: EntryMessage, bytes: Uint8Array, durable: (count: number) => void): void {
    const { form, interval, stream, session, seq } = entry
    const line = form === 'line' ? bytes : encodeLine(interval, { kind: form, stream, bytes })
    const length = frameOverheadBytes + line.length
    if (this.#batchBytes + length > longestBatchBytes) this.flush(durable)
    this.#makeRoom(length, entry, durable)
    this.#place({ frame: this.#build('line', session, seq, entry, line), entry })
  }

  /** Writes the batch and syncs. */
  flush(durable: (count: number) => void): void {
    if (this.#batch.length === 0) return
    const batch = this.#batch
    const { segment, from } = this.#tail.write(Buffer.concat(batch.map(({ frame }) => frame)))
    this.#durable = this.#built
    this.#dropBatch()
    let at = from
    for (const { frame, entry } of batch) {
      if (entry !== null) this.#note(entry, segment, at, at + frame.length)
      at += frame.length
    }
    const count = batch.filter(({ entry }) => entry !== null).length
    if (count > 0) durable(count)
  }

  #note(entry: NonNullable<Placed['entry']>, segment: number, from: number, to: number): void {
    this.#extents.note(entry.session, segment, from, to)
    this.#skeletons.note(entry.session, segment)
    if (entry.isExit) this.#open.delete(entry.session)
    else this.#open.set(entry.session, { seq: entry.seq, times: entry })
  }

  /** One frame of the journal's own, durable. Only between batches. */
  writeOwn(type: Exclude<FrameType, 'line'>, times: Times, line: Buffer): void {
    this.#makeRoom(frameOverheadBytes + line.length, times, nobody)
    this.#place({ frame: this.#build(type, '', this.#built.seq, times, line), entry: null })
    this.flush(nobody)
  }

  /** Signs the present heads with the present key and turns to the next one. Only between batches. */
  epoch(ledger: { readonly size: number; readonly root: string }, times: Times): void {
    this.#key.turn((nextPublicKey: Buffer, key: KeyObject) => {
      // A new segment's opening stands before the record, so it is written before the record names the head.
      this.#makeRoom(frameOverheadBytes + longestEpochLine, times, nobody)
      this.flush(nobody)
      const claim = {
        epoch: this.#epoch,
        journalSeq: this.#durable.seq,
        journalHead: this.#durable.head,
        ledgerSize: ledger.size,
        ledgerRoot: Buffer.from(ledger.root, 'hex'),
        nextPublicKey,
      }
      this.writeOwn('epoch', times, encodeEpoch(signEpoch(claim, key)))
      this.#epoch += 1
    })
  }

  /** Opens the first segment, so that no keystroke waits for it. Only between batches. */
  openAhead(times: Times): void {
    this.#makeRoom(0, times, nobody)
    this.flush(nobody)
  }

  /** A segment before the present one that may become a skeleton, or undefined. */
  nextSkeleton(): number | undefined {
    return this.#skeletons.next(this.#tail.number)
  }

  /** `done`: the segment is a skeleton now. Otherwise it could not become one, and stays as it is. */
  skeletonOver(segment: number, isDone: boolean): void {
    if (isDone) this.#skeletons.done(segment)
    else this.#skeletons.keepWhole(segment)
  }

  /** One step of making the next segment ahead, when it is time for one; whether it was. */
  prepareSpare(): boolean {
    return this.#tail.prepareSpare()
  }

  /**
   * After a failure elsewhere than in the present segment: says in each running session's recording that and why it
   * ends, in the room kept for that. The batch under way was never written; nobody was told that it is durable.
   */
  lastWords(reason: string): void {
    this.#dropBatch()
    this.#built = this.#durable
    if (!this.#tail.isBegun) return
    let free = this.#tail.freeBytes
    for (const [session, { seq, times }] of this.#open) {
      const words = [
        encodeLine(0, { kind: 'fact', code: 'n', data: { kind: 'end', reason: 'recorder-failed', message: reason } }),
        encodeLine(0, { kind: 'fact', code: 'x', data: String(errorCodes.recorder_failed.exit) }),
      ]
      free -= words.reduce((sum, line) => sum + frameOverheadBytes + line.length, 0)
      if (free < 0) break
      for (const [index, line] of words.entries()) {
        const { monotonicUs, wallMs } = times
        const entry = { session, seq: seq + 1 + index, monotonicUs, wallMs, isExit: index === 1 }
        this.#place({ frame: this.#build('line', session, entry.seq, times, line), entry })
      }
    }
    this.flush(nobody)
  }

  /** Gives back what is reserved and unused. */
  releaseSpace(): void {
    this.#tail.releaseSpace()
  }

  close(): void {
    this.#tail.close()
  }

  #makeRoom(length: number, times: Times, durable: (count: number) => void): void {
    if (this.#tail.hasRoom(this.#batchBytes + length)) return
    // The old segment is whole on the disk before the next one begins: a tear is only ever at the journal's end.
    this.flush(durable)
    if (this.#tail.hasRoom(length)) return
    const segment = this.#tail.advance(length + frameOverheadBytes + longestOpening)
    const genesisPublicKey = this.#namesGenesis ? this.#key.publicKey : null
    const line = encodeOpening({ segment, head: this.#built.head, seq: this.#built.seq, genesisPublicKey })
    this.#place({ frame: this.#build('segment', '', this.#built.seq, times, line), entry: null })
    this.#namesGenesis = false
  }

  #build(type: FrameType, session: string, seq: number, times: Times, line: Uint8Array): Buffer {
    const { monotonicUs, wallMs } = times
    const frame = encodeFrame({ type, session, seq, monotonicUs, wallUs: wallMs * 1000 }, line)
    this.#built = {
      head: nextHead(this.#built.head, headerBytesOf(frame), leafHash(line)),
      seq: this.#built.seq + 1,
    }
    return frame
  }

  #place(placed: Placed): void {
    this.#batch.push(placed)
    this.#batchBytes += placed.frame.length
  }

  #dropBatch(): void {
    this.#batch = []
    this.#batchBytes = 0
  }
}

function nobody(): void {
  // The journal's own frames are waited for by returning.
}
