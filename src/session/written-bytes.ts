// Who has written how much in the last minute: when there is no room left for all, the one who takes most leaves first.

import type { Clock } from '../clock.ts'

/** The minute, in steps of which the oldest is dropped. */
const STEP_MS = 10_000
const STEPS = 6

/** Whoever writes less in a minute only types or asks; to end them would free nothing. */
const LEAST_BYTES = 256 << 10

export class WrittenBytes {
  readonly #clock: Clock
  /** By session, oldest step first, for as many steps as there are; changed only by `add`, `forget` and `#turn`. */
  readonly #written = new Map<string, number[]>()
  #step = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A session has written so many bytes, now. */
  add(session: string, bytes: number): void {
    this.#turn()
    const steps = this.#written.get(session) ?? Array.from({ length: STEPS }, () => 0)
    steps[STEPS - 1] = (steps[STEPS - 1] ?? 0) + bytes
    this.#written.set(session, steps)
  }

  forget(session: string): void {
    this.#written.delete(session)
  }

  /** The session that has written most in the last minute; undefined when none has written much. */
  largest(): { readonly session: string; readonly bytes: number } | undefined {
    this.#turn()
    let largest: { readonly session: string; readonly bytes: number } | undefined
    for (const [session, steps] of this.#written) {
      const bytes = steps.reduce((sum, step) => sum + step, 0)
      if (bytes >= LEAST_BYTES && bytes > (largest?.bytes ?? 0)) largest = { session, bytes }
    }
    return largest
  }

  #turn(): void {
    const step = Math.floor(this.#clock.monotonicUs() / 1000 / STEP_MS)
    const passed = Math.min(step - this.#step, STEPS)
    this.#step = step
    if (passed <= 0) return
    for (const [session, steps] of this.#written) {
      steps.splice(0, passed)
      while (steps.length < STEPS) steps.push(0)
      if (steps.every((bytes) => bytes === 0)) this.#written.delete(session)
    }
  }
}
