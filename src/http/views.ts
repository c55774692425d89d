// Who has looked: a leaf in the ledger before anything is shown. One leaf covers what one person does with one session in
// one browser session within a minute, so that a reconnect or a second pane does not read like a second viewing. And how
// much of a sealed recording went out: what a verdict on it is held to.

import type { AuditEvent } from '../audit.ts'
import type { Clock } from '../clock.ts'
import { httpLog } from '../log.ts'
import type { State } from '../session/state.ts'
import type { Caller } from './route.ts'
import type { WebSession } from './web-session.ts'

type How = Extract<AuditEvent, { type: 'session-viewed' }>['how']

const COVERED_MS = 60_000

export class Views {
  readonly #clock: Clock
  readonly #leaf: (events: readonly AuditEvent[]) => Promise<void>
  readonly #state: Pick<State, 'commit' | 'views'>
  /** Shares on their way to the disk; `settled` waits for them. */
  readonly #writing = new Set<Promise<void>>()
  /** By browser session, then `how session`; forgotten with the browser session. */
  readonly #seen = new WeakMap<WebSession, Map<string, { readonly atMs: number; readonly written: Promise<void> }>>()

  constructor(
    clock: Clock,
    leaf: (events: readonly AuditEvent[]) => Promise<void>,
    state: Pick<State, 'commit' | 'views'>,
  ) {
    this.#clock = clock
    this.#leaf = leaf
    this.#state = state
  }

  /**
   * Notes that `share` (0 to 1) of a sealed recording was served to `user`; 0: it was asked for and could not be shown.
   * Written in its own time; one that is not written counts as not seen.
   */
  served(user: string, session: string, share: number): void {
    const writing = this.#write(user, session, share).catch((error: unknown) => {
      httpLog.error('http.share-not-written', { user, session, error })
    })
    this.#writing.add(writing)
    void writing.then(() => this.#writing.delete(writing))
  }

  /** Resolves when every share noted so far is written. */
  async settled(): Promise<void> {
    await Promise.all(this.#writing)
  }

  /** Only more than was seen before is worth a row: asking again and again fills nothing. */
  async #write(user: string, session: string, share: number): Promise<void> {
    const seen = (await this.#state.views([session])).filter((view) => view.user === user)
    if (seen.some((view) => view.share >= share)) return
    const at = this.#clock.now()
    await this.#state.commit({ at, writes: [{ kind: 'view', view: { session, user, at, share } }], leaves: [] })
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
