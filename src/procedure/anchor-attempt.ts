// One attempt to have a checkpoint kept: bounded in time, believed where it can be seen, and the pause after it failed.

import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { Anchor } from '../ledger/anchor.ts'

/** Longer than a busy receiver takes. */
const ATTEMPT_MS = 10_000
const FIRST_RETRY_MS = 5_000
/** A place that was away for a day has the newest checkpoint soon after it is back. */
const LONGEST_RETRY_MS = 5 * 60_000
/** Doublings after which the longest wait is passed anyway. */
const MOST_DOUBLINGS = 8

/** An acknowledgement of a place that can be read counts when it then holds what it was given. */
export async function publishAndSee(
  anchor: Anchor,
  checkpoint: string,
  signal: AbortSignal,
): Promise<{ readonly receipt: string }> {
  const acknowledged = await anchor.publish(checkpoint, signal)
  if (anchor.read === undefined || (await anchor.read(signal)) === checkpoint) return acknowledged
  throw new HalliganError('unreachable', `anchor ${anchor.name} acknowledged a checkpoint that it does not hold`)
}

/** The pause (ms) after so many failures in a row. */
export function retryMs(failures: number): number {
  return Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, MOST_DOUBLINGS))
}

/** Runs it for `ATTEMPT_MS` at most, or until `leaving` aborts. Rejects with `unreachable` when it took longer. */
export async function bounded<T>(
  clock: Clock,
  leaving: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const giveUp = new AbortController()
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = clock.after(ATTEMPT_MS, () => {
    giveUp.abort()
    reject(new HalliganError('unreachable', `no answer within ${ATTEMPT_MS} ms`))
  })
  try {
    return await Promise.race([run(AbortSignal.any([giveUp.signal, leaving])), late])
  } finally {
    timer.cancel()
  }
}
