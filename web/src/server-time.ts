// The server's clock. Countdowns hang on it alone: a browser's may be wrong by a day.

import { createSignal, type Accessor } from 'solid-js'

const [offsetMs, setOffsetMs] = createSignal(0)
const [tick, setTick] = createSignal(0)

setInterval(() => setTick((n) => n + 1), 1_000)

/** Takes the server's `now` of an answer that has just arrived. */
export function learnTime(now: number): void {
  setOffsetMs(now - Date.now())
}

/** The server's time (ms), as a signal that moves each second. */
export const serverNow: Accessor<number> = () => {
  tick()
  return Date.now() + offsetMs()
}
