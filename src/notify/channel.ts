// A way to tell people. Each kind of channel is a file beside this one.

import type { Alert } from '../session/state.ts'

export interface Channel {
  /** As policies name it. */
  readonly name: string
  /** True when it ends outside the machine and its administrator's reach: only such a channel opens an alert gate. */
  readonly outside: boolean
  /**
   * Sends once and resolves when the receiver has taken responsibility; `receipt` is what it said, one printable line for
   * the ledger. Rejects when it did not, or when `signal` aborted first. The alert's id is the same at every attempt, so
   * that a receiver can drop what it has already.
   */
  deliver(alert: Alert, signal: AbortSignal): Promise<{ readonly receipt: string }>
}
