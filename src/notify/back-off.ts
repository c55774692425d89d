// How long a failed alert waits for its next attempt.

/** The first retries come within the seconds that an alert gate waits. */
const shortestMs = 1_000
/** A receiver that comes back after days learns of everything within this. */
export const longestBackOffMs: number = 3600_000
/** Doublings after which the longest wait is passed anyway: keeps the power finite for any number of attempts. */
const mostDoublings = 12

/**
 * Delay (ms) after `failures` failed attempts (1, 2, …): doubles from one second to one hour. `random` (0 to 1) takes up to
 * half of it away, so that alerts which failed together do not come back together.
 */
export function backOffMs(failures: number, random: number): number {
  const wholeMs = Math.min(longestBackOffMs, shortestMs * 2 ** Math.min(failures - 1, mostDoublings))
  return Math.round(wholeMs * (1 - random / 2))
}
