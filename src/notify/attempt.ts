// One attempt at one alert: bounded in time, and its outcome as data.

import type { Clock, Timer } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { notifyLog } from '../log.ts'
import type { Alert } from '../session/state.ts'
import { Busy, type Channel } from './channel.ts'

/** Longer than a busy receiver takes, shorter than people wait at an alert gate. */
export const attemptTimeoutMs: number = 10_000
/** What a channel's error may take in a row. */
const longestError = 500

export type Outcome =
  | { readonly kind: 'accepted'; readonly receipt: string }
  /** `retryAfterMs`: how long the receiver asked to be left alone. */
  | { readonly kind: 'failed'; readonly error: string; readonly retryAfterMs?: number }

/** Delivers once, within `attemptTimeoutMs`, whatever the channel does. Never throws. */
export async function attempt(channel: Channel | undefined, alert: Alert, clock: Clock): Promise<Outcome> {
  if (channel === undefined) return { kind: 'failed', error: `no channel ${alert.channel} is configured` }
  const timeout = new AbortController()
  let timer: Timer | undefined
  const late = new Promise<never>((_, reject) => {
    timer = clock.after(attemptTimeoutMs, () => {
      timeout.abort()
      reject(new HalliganError('unreachable', `no answer within ${attemptTimeoutMs} ms`))
    })
  })
  try {
    const { receipt } = await Promise.race([channel.deliver(alert, timeout.signal), late])
    return { kind: 'accepted', receipt }
  } catch (error) {
    notifyLog.warn('notify.attempt-failed', { alert: alert.id, channel: alert.channel, error })
    const failed = { kind: 'failed', error: describe(error) } as const
    return error instanceof Busy ? { ...failed, retryAfterMs: error.retryAfterMs } : failed
  } finally {
    timer?.cancel()
  }
}

/** Our own errors are made to be read; others may hold anything, such as a URL with a token. */
function describe(error: unknown): string {
  return (error instanceof HalliganError ? error.message : 'the channel failed').slice(0, longestError)
}
