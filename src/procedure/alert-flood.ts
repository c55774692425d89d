// Alerts of a kind that somebody can make many of: the first goes out at once, the others of the same minutes are counted
// and told together. What each of them tells of is in the ledger by itself, and stays there when Halligan stops in between;
// activations never come this way (design §4).

import type { Clock, Timer } from '../clock.ts'

/** Kinds remembered at once; beyond it a new one is told at once, as the first of its kind. */
const MAX_KEYS = 1_000

interface Window {
  /** Not told yet. */
  count: number
  readonly timer: Timer
}

export class AlertFlood<Fact> {
  readonly #clock: Clock
  readonly #windowMs: number
  readonly #tellRest: (last: Fact, count: number) => void
  /** By key; changed only by `take` and its timers. */
  readonly #windows = new Map<string, Window & { last: Fact }>()

  /** `tellRest` is called when a window is over in which more came: with the last of them, and how many. It must not throw. */
  constructor(clock: Clock, windowMs: number, tellRest: (last: Fact, count: number) => void) {
    this.#clock = clock
    this.#windowMs = windowMs
    this.#tellRest = tellRest
  }

  /** True: tell it now. False: it is counted, and told when the window of its key is over. */
  take(key: string, fact: Fact): boolean {
    const window = this.#windows.get(key)
    if (window === undefined) {
      if (this.#windows.size < MAX_KEYS) this.#open(key, fact)
      return true
    }
    window.count++
    window.last = fact
    return false
  }

  #open(key: string, last: Fact): void {
    const timer = this.#clock.after(this.#windowMs, () => {
      const window = this.#windows.get(key)
      this.#windows.delete(key)
      if (window === undefined || window.count === 0) return
      // It goes on: the next ones are counted again.
      this.#open(key, window.last)
      this.#tellRest(window.last, window.count)
    })
    this.#windows.set(key, { count: 0, timer, last })
  }
}
