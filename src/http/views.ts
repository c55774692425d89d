// Who has looked: a leaf in the ledger before anything is shown. One leaf covers what one person does with one session in
// one browser session within a minute, so that a reconnect or a second pane does not read like a second viewing.

import type { AuditEvent } from '../audit.ts'
import type { Clock } from '../clock.ts'
import type { Caller } from './route.ts'
import type { WebSession } from './web-session.ts'

type How = Extract<AuditEvent, { type: 'session-viewed' }>['how']

const COVERED_MS = 60_000

export class Views {
  readonly #clock: Clock
  readonly #leaf: (events: readonly AuditEvent[]) => Promise<void>
  /** By browser session, then `how session`; forgotten with the browser session. */
  readonly #seen = new WeakMap<WebSession, Map<string, { readonly atMs: number; readonly written: Promise<void> }>>()

  constructor(clock: Clock, leaf: (events: readonly AuditEvent[]) => Promise<void>) {
    this.#clock = clock
    this.#leaf = leaf
  }

  /** Resolves when the ledger says that `caller` looks at `session` this way. Throws when it could not be written. */
  async record(caller: Caller, session: string, how: How): Promise<void> {
    const seen = this.#seen.get(caller.session) ?? new Map()
    this.#seen.set(caller.session, seen)
    const key = `${how} ${session}`
    const nowMs = this.#clock.monotonicUs() / 1000
    const last = seen.get(key)
    if (last !== undefined && nowMs - last.atMs < COVERED_MS) return last.written
    const written = this.#leaf([{ type: 'session-viewed', session, by: caller.identity.user.name, how }])
    seen.set(key, { atMs: nowMs, written })
    try {
      await written
    } catch (error) {
      // What was not written covers nothing.
      seen.delete(key)
      throw error
    }
  }
}
