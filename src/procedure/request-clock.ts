// How long requests have waited, by a clock that nobody can step. What only a wait opens (an override) must not be opened
// by moving the wall clock, nor kept shut by moving it back.

import type { Clock } from '../clock.ts'

/** Requests remembered; one that was forgotten is measured by the wall clock from then on. Far above what ever waits. */
const MAX_REQUESTS = 10_000

export class RequestClock {
  readonly #clock: Clock
  /** When each request was first seen by this process, oldest first; changed only by `now`. */
  readonly #seen = new Map<string, { readonly wallMs: number; readonly monotonicUs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** What time it is for this request (ms): the wall clock when it was first seen, plus what has really passed since. */
  now(request: string): number {
    const monotonicUs = this.#clock.monotonicUs()
    const seen = this.#seen.get(request) ?? { wallMs: this.#clock.now(), monotonicUs }
    this.#seen.set(request, seen)
    const oldest = this.#seen.size > MAX_REQUESTS ? this.#seen.keys().next().value : undefined
    if (oldest !== undefined) this.#seen.delete(oldest)
    return seen.wallMs + Math.floor((monotonicUs - seen.monotonicUs) / 1000)
  }
}
