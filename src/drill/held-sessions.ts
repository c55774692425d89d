// The sessions that a story keeps open, and how soon each was closed when its access ended.

import type { Clock } from '../clock.ts'
import type { Outcome } from './world.ts'

/** A client's end of a running session. */
export interface Held {
  /** Resolves when it is closed: the monotonic time (µs), and what its client was told. */
  readonly ended: Promise<{ readonly atUs: number; readonly said: string }>
  readonly isOpen: () => boolean
  close(): void
}

/** An end reaches every session within a second (P5); a second more, to see one that is late. */
const GRACE_MS = 1_000

/** Timers may fire a moment early; clients see an end no sooner than that. */
const EARLY_MS = 50

export class HeldSessions {
  /** Those that no step has seen ending yet. */
  #held: Held[] = []

  add(held: Held): void {
    this.#held.push(held)
  }

  stillRunning(): Outcome {
    return this.#held.length > 0 && this.#held.every((held) => held.isOpen())
      ? { kind: 'so', detail: `${this.#held.length} running` }
      : { kind: 'not-so', detail: 'a session has ended' }
  }

  /** Every session was closed within `withinMs` of `overUs` (monotonic), and none before. */
  async allEnded(clock: Clock, overUs: number, withinMs: number): Promise<Outcome> {
    if (this.#held.length === 0) return { kind: 'not-so', detail: 'no session was running' }
    const { promise: late, resolve } = Promise.withResolvers<undefined>()
    const timer = clock.after(withinMs + GRACE_MS, () => resolve(undefined))
    const ends = await Promise.race([Promise.all(this.#held.map(({ ended }) => ended)), late])
    timer.cancel()
    if (ends === undefined) return { kind: 'not-so', detail: `still running ${withinMs + GRACE_MS} ms later` }
    const times = ends.map(({ atUs }) => Math.round((atUs - overUs) / 1000))
    const [first, last] = [Math.min(...times), Math.max(0, ...times)]
    const figure = { figure: { what: 'kill', ms: last } as const }
    if (first < -EARLY_MS) return { kind: 'not-so', detail: `a session ended ${-first} ms too early`, ...figure }
    this.#held = []
    if (last > withinMs) return { kind: 'not-so', detail: `the last ended after ${last} ms`, ...figure }
    return { kind: 'so', detail: `${ends.length} ended, the last after ${last} ms`, ...figure }
  }

  close(): void {
    for (const held of this.#held) held.close()
  }
}
