// What is durable before what goes on (design §8): a relay hands every byte and fact to its session's recorder and
// forwards only when the promise it got has resolved. The first failure ends the session; there is no other mode.

import type { EventCode, LineBody } from '../recording/event-line.ts'

export type { LineBody } from '../recording/event-line.ts'

/** Where a session's lines become durable. `journal/` implements it. */
export interface Journal {
  /**
   * Appends one line of a session and resolves when it is durable. Lines of one session become durable in the order of
   * the calls. Rejects with `journal_failed`, then and for ever after, when the disk did not take it.
   */
  append(entry: JournalEntry): Promise<void>
  /** Every durable line of a session in order, without its newline: for sealing and for late watchers. */
  lines(session: string): AsyncIterable<{ readonly seq: number; readonly line: Buffer }>
  /** The chain's head after the last durable frame. */
  head(): { readonly seq: number; readonly head: string }
  /** Writes an epoch record over the present heads and turns to the next key. Resolves when durable. */
  epoch(ledger: { readonly size: number; readonly root: string }): Promise<void>
  close(): Promise<void>
}

export interface JournalEntry {
  readonly session: string
  /** 0, 1, 2 … within the session. */
  readonly seq: number
  readonly monotonicUs: number
  readonly wallMs: number
  /** Seconds since the session's previous line, from differences of rounded absolute times. */
  readonly interval: number
  readonly body: LineBody
}

/** One session's way into the journal. Every method resolves when durable, rejects with `recorder_failed`. */
export interface Recorder {
  readonly session: string
  /** Bytes the user sent (`i`), the target wrote (`o`) or wrote as error (`e`). A character split over two chunks makes the first wait for the second, for a few milliseconds at most. */
  bytes(stream: 'i' | 'o' | 'e', bytes: Uint8Array): Promise<void>
  /** Bulk data kept whole, as base64. */
  bulk(stream: 'i' | 'o' | 'e', bytes: Uint8Array): Promise<void>
  /** Any other event: `q p d t f c h n r m x` with its data. */
  fact(code: EventCode, data: unknown): Promise<void>
  /** Bytes handed over and not durable yet: a relay pauses its source above `recorderHighWaterBytes`. */
  readonly pendingBytes: number
}

/** One relay may have this much waiting for the disk before it pauses its source: a slow disk must not fill memory. */
export const recorderHighWaterBytes: number = 1 << 20
