// A way to tell people. Each kind of channel is a file beside this one.

import { HalliganError } from '../errors.ts'
import type { Alert } from '../session/state.ts'

export interface Channel {
  /** As policies name it. */
  readonly name: string
  /** True when it ends outside the machine and its administrator's reach: only such a channel opens an alert gate. */
  readonly outside: boolean
  /** The same for the same configuration (procedure/announcement.ts); absent: none that an alert could be written for. */
  readonly configuration?: string
  /**
   * Sends once and resolves when the receiver has taken responsibility; `receipt` is what it said, one printable line for
   * the ledger. Rejects when it did not (`Busy`: not now), or when `signal` aborted first. The alert's id is the same at
   * every attempt, so that a receiver can drop what it has already.
   */
  deliver(alert: Alert, signal: AbortSignal): Promise<{ readonly receipt: string }>
}

/** The receiver asks to be left alone for a while: nothing is sent to this channel until then. */
export class Busy extends HalliganError {
  /** ms from now, as the receiver said; it is not believed without bound. */
  readonly retryAfterMs: number

  constructor(message: string, retryAfterMs: number) {
    super('unreachable', message)
    this.retryAfterMs = retryAfterMs
  }
}
