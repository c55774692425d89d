import type { Clock, Timer } from '../../src/clock.ts'

/** A clock that tests move: wall and monotonic time go together with `advance`, apart with `step`. */
export class FakeClock implements Clock {
  #now: number
  #monotonicUs = 1_000_000
  #timers: { readonly atUs: number; readonly run: () => void }[] = []

  constructor(now = Date.UTC(2026, 10, 21, 3, 0, 0)) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  monotonicUs(): number {
    return this.#monotonicUs
  }

  after(delayMs: number, run: () => void): Timer {
    const timer = { atUs: this.#monotonicUs + delayMs * 1000, run }
    this.#timers.push(timer)
    return { cancel: () => (this.#timers = this.#timers.filter((other) => other !== timer)) }
  }

  /** Lets time pass; timers due on the way fire in order, each at its own time. */
  advance(ms: number): void {
    const end = this.#monotonicUs + ms * 1000
    for (;;) {
      const next = this.#timers.filter((timer) => timer.atUs <= end).sort((a, b) => a.atUs - b.atUs)[0]
      if (next === undefined) break
      this.#timers = this.#timers.filter((timer) => timer !== next)
      this.#move(Math.max(next.atUs, this.#monotonicUs))
      next.run()
    }
    this.#move(end)
  }

  /** Moves the wall clock alone, as an administrator or NTP does. */
  step(ms: number): void {
    this.#now += ms
  }

  #move(toUs: number): void {
    this.#now += (toUs - this.#monotonicUs) / 1000
    this.#monotonicUs = toUs
  }
}
