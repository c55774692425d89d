import { performance } from 'node:perf_hooks'
import type { Clock, Timer } from '../../src/clock.ts'

interface Waiting {
  readonly dueUs: number
  readonly run: () => void
  real: ReturnType<typeof setTimeout>
}

/**
 * The machine's clock, and it can be moved ahead: real clients and servers go on beside it, and what was due on the way
 * fires at once, in order.
 */
export class MovingClock implements Clock {
  readonly #startMs = Date.now()
  readonly #startUs = performance.now() * 1000
  #aheadMs = 0
  readonly #waiting = new Set<Waiting>()

  now(): number {
    return Math.round(this.#startMs + (this.monotonicUs() - this.#startUs) / 1000)
  }

  monotonicUs(): number {
    return Math.round(performance.now() * 1000 + this.#aheadMs * 1000)
  }

  after(delayMs: number, run: () => void): Timer {
    const waiting: Waiting = {
      dueUs: this.monotonicUs() + Math.max(0, delayMs) * 1000,
      run,
      real: setTimeout(() => this.#fire(waiting), Math.min(Math.max(0, delayMs), 2 ** 31 - 1)).unref(),
    }
    this.#waiting.add(waiting)
    return { cancel: () => this.#cancel(waiting) }
  }

  /** Moves wall and monotonic time ahead by `ms`. */
  advance(ms: number): void {
    this.#aheadMs += ms
    for (;;) {
      const now = this.monotonicUs()
      const [next] = [...this.#waiting].filter(({ dueUs }) => dueUs <= now).sort((a, b) => a.dueUs - b.dueUs)
      if (next === undefined) break
      this.#fire(next)
    }
    for (const waiting of this.#waiting) {
      clearTimeout(waiting.real)
      const leftMs = Math.max(0, (waiting.dueUs - this.monotonicUs()) / 1000)
      waiting.real = setTimeout(() => this.#fire(waiting), Math.min(leftMs, 2 ** 31 - 1)).unref()
    }
  }

  #fire(waiting: Waiting): void {
    if (!this.#waiting.has(waiting)) return
    this.#cancel(waiting)
    waiting.run()
  }

  #cancel(waiting: Waiting): void {
    clearTimeout(waiting.real)
    this.#waiting.delete(waiting)
  }
}
