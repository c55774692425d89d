// A signal that follows another, but never so often that working on it eats the page.

import { createEffect, createSignal, on, onCleanup, type Accessor } from 'solid-js'

/** At least this long (ms) between two values, and longer when the page was slow with the last one. */
const LEAST_MS = 120
const MOST_MS = 3_000

export function throttled<T>(source: Accessor<T>): Accessor<T> {
  const [value, setValue] = createSignal<T>(source())
  let timer: ReturnType<typeof setTimeout> | undefined
  let pauseMs = 0
  const take = () => {
    const before = performance.now()
    setValue(() => source())
    pauseMs = Math.min(MOST_MS, Math.max(LEAST_MS, 8 * (performance.now() - before)))
    timer = setTimeout(() => {
      timer = undefined
      if (source() !== value()) take()
    }, pauseMs)
  }
  createEffect(
    on(source, () => {
      if (timer === undefined) take()
    }),
  )
  onCleanup(() => clearTimeout(timer))
  return value
}
