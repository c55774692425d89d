// Tells when a file has changed and has been left alone since. It looks rather than listens: what notifies of changes
// misses files behind links, on network disks and in mounted secrets.

import type { Clock, Timer } from '../clock.ts'
import { mainLog } from '../log.ts'

/** A change is in force within two looks; each costs one stat. */
const LOOK_MS = 2000

/**
 * Calls `run` once at first and once after each change of what `state` gives, when it is the same at two looks in a row.
 * Gives what stops it.
 */
export function watchFile(clock: Clock, state: () => string, run: () => Promise<unknown>): () => Promise<void> {
  // Nothing has been acted on yet: what changed since the start read it is found at the first looks.
  let acted: string | undefined
  let last = state()
  let timer: Timer | undefined
  let running: Promise<unknown> | undefined
  let isStopped = false
  const look = async (): Promise<void> => {
    const now = state()
    const isSettled = now === last
    last = now
    if (!isSettled || now === acted) return
    acted = now
    await run()
  }
  const wait = (): void => {
    timer = clock.after(LOOK_MS, () => {
      running = look()
        .catch((error: unknown) => mainLog.error('configuration.watch-failed', { error }))
        .finally(() => {
          running = undefined
          if (!isStopped) wait()
        })
    })
  }
  wait()
  return async () => {
    isStopped = true
    timer?.cancel()
    await running
  }
}
