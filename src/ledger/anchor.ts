// The port to a place that keeps checkpoints: what this machine can no longer take back once it was acknowledged there.
// notify/ has the webhook and the mail; an archive with retention of its own is another.

export interface Anchor {
  /** As the configuration calls it. */
  readonly name: string
  /** True when it ends outside the machine and its administrator's reach: only such a place shows that a tail was cut. */
  readonly outside: boolean
  /**
   * Hands a checkpoint (c2sp.org/tlog-checkpoint) over and resolves when the place has taken it; `receipt` is what it said,
   * one printable line. The same checkpoint twice is fine. Rejects (`unreachable`) when it did not, or `signal` aborted.
   */
  publish(checkpoint: string, signal: AbortSignal): Promise<{ readonly receipt: string }>
  /** The newest checkpoint the place holds, undefined when it holds none; absent where a place cannot be read. Rejects likewise. */
  readonly read?: (signal: AbortSignal) => Promise<string | undefined>
}
