// Data of the server as signals: asked for at once, again when what it hangs on changes, the old shown meanwhile.

import { createEffect, createSignal, on, onCleanup, type Accessor } from 'solid-js'

export interface Query<T> {
  readonly data: Accessor<T | undefined>
  readonly error: Accessor<unknown>
  readonly again: () => void
}

/** Asks with `ask` whenever `key` changes; answers that arrive out of turn are dropped. */
export function createQuery<K, T>(key: Accessor<K>, ask: (key: K) => Promise<T>): Query<T> {
  const [data, setData] = createSignal<T>()
  const [error, setError] = createSignal<unknown>()
  const [turn, setTurn] = createSignal(0)
  let latest = 0
  createEffect(
    on([key, turn], ([now]) => {
      const mine = ++latest
      ask(now).then(
        (value) => {
          if (mine !== latest) return
          setData(() => value)
          setError(undefined)
        },
        (reason: unknown) => {
          if (mine === latest) setError(reason)
        },
      )
    }),
  )
  onCleanup(() => latest++)
  return { data, error, again: () => setTurn((n) => n + 1) }
}
