// What the journal's front (journal.ts, in the caller's thread) and its writer (its own thread) say to each other.
// Messages are handled in the order they were posted; `durable` counts entries in that same order.

import type { Stream } from '../recording/event-line.ts'
import type { Extent } from './extents.ts'
import type { Recovery } from './recovery.ts'

/** What the writer is started with. Times are those of the start: the writer has no clock. */
export interface WriterSetup {
  readonly directory: string
  readonly segmentBytes: number
  readonly epochKeyFile: string
  readonly times: Times
}

export interface Times {
  readonly monotonicUs: number
  readonly wallMs: number
}

export interface EntryMessage extends Times {
  readonly session: string
  readonly seq: number
  readonly interval: number
  /** How many of the message's bytes are this entry's. */
  readonly length: number
  /** `line`: the bytes are the ready line. */
  readonly form: 'line' | 'bytes' | 'bulk'
  readonly stream: Stream
  /** The session's last line: it needs no last words. */
  readonly isExit: boolean
}

export type ToWriter =
  /** The bytes of all entries, one behind the other; the buffer is handed over, not copied. */
  | { readonly kind: 'append'; readonly entries: readonly EntryMessage[]; readonly bytes: ArrayBuffer }
  | {
      readonly kind: 'epoch'
      readonly id: number
      readonly times: Times
      readonly ledger: { readonly size: number; readonly root: string }
    }
  | { readonly kind: 'extents'; readonly id: number; readonly session: string }
  | { readonly kind: 'forget'; readonly session: string }
  | { readonly kind: 'close' }

export interface Head {
  /** Frames in the journal. */
  readonly seq: number
  /** Hex. */
  readonly head: string
}

export type FromWriter =
  | { readonly kind: 'ready'; readonly recovery: Recovery; readonly head: Head }
  /** The next `count` entries are on the disk. */
  | { readonly kind: 'durable'; readonly count: number; readonly head: Head }
  /** Nothing more will be durable. `system` is such as `ENOSPC`. */
  | { readonly kind: 'failed'; readonly message: string; readonly system: string }
  | { readonly kind: 'epoch'; readonly id: number; readonly head: Head }
  | { readonly kind: 'extents'; readonly id: number; readonly extents: readonly Extent[] }
  /** A segment is a skeleton now; with a `problem` it could not become one and stays as it is. */
  | { readonly kind: 'skeleton'; readonly segment: number; readonly problem: string | null }
  | { readonly kind: 'closed' }
