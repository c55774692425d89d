// Live watching: what the recorder has made durable, fanned out to watchers. A slow watcher is dropped, never waited for.

import type { LineBody } from './recorder.ts'

export interface LiveEvent {
  readonly session: string
  readonly seq: number
  /** µs since the session's header line. */
  readonly sinceOpenUs: number
  readonly body: LineBody
}

export type LiveListener = (event: LiveEvent) => void

/** Fan-out per session. Publishing never blocks and never throws. */
export class Live {
  readonly #listeners = new Map<string, Set<LiveListener>>()

  publish(event: LiveEvent): void {
    for (const listener of this.#listeners.get(event.session) ?? []) listener(event)
  }

  /** Calls `listener` for every event made durable from now on; the returned function ends it. */
  watch(session: string, listener: LiveListener): () => void {
    const listeners = this.#listeners.get(session) ?? new Set()
    this.#listeners.set(session, listeners)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0) this.#listeners.delete(session)
    }
  }

  watchers(session: string): number {
    return this.#listeners.get(session)?.size ?? 0
  }
}
