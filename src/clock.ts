/** Time as everything below main.ts sees it: handed in, so that tests can move it. */
export interface Clock {
  /** Wall clock, ms since the epoch. Can step. */
  now(): number
  /** Monotonic time, µs since an arbitrary start. Never steps. */
  monotonicUs(): number
  /** Calls `run` once after `delayMs` of monotonic time; the timer does not keep the process alive. */
  after(delayMs: number, run: () => void): Timer
}

export interface Timer {
  cancel(): void
}

/** setTimeout takes a signed 32-bit delay and fires at once beyond it. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1

/** The machine's own clock. */
export function systemClock(): Clock {
  return {
    now: () => Date.now(),
    monotonicUs: () => Math.round(performance.now() * 1000),
    after: (delayMs, run) => {
      const timer = setTimeout(run, Math.min(Math.max(0, delayMs), LONGEST_TIMEOUT_MS)).unref()
      return { cancel: () => clearTimeout(timer) }
    },
  }
}
