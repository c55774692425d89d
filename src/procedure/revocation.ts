// What a grant's end must take away on its target, although the target may not be reachable just then: queued in the very
// transaction that ends the grant, tried at once and then with back-off until it is done, across crashes and restarts.

import { randomUUID } from 'node:crypto'
import type { Grant } from '../access/grant.ts'
import type { AuditEvent } from '../audit.ts'
import type { Clock, Timer } from '../clock.ts'
import { safeError } from '../errors.ts'
import { sessionLog } from '../log.ts'
import type { Backend } from '../session/registry.ts'
import type { SessionRecord } from '../session/session.ts'
import type { Revocation, State } from '../session/state.ts'
import { alertsTo } from './alert.ts'

/** The first tries come quickly: a target is often just restarting. */
const FIRST_RETRY_MS = 2_000
/** A target that is down for days is asked twice an hour; each attempt is a leaf. */
const LONGEST_RETRY_MS = 30 * 60_000
/** Up to this part more, at random: targets that came back are not asked by all at once. */
const JITTER = 0.2
/** Looked at in one go; the rest follows at once. */
const BATCH = 20
/** How long after a failing store the queue is read again. */
const STORE_RETRY_MS = 5_000
/** More than one target is asked at a time, so that one that hangs does not hold up the others. */
const AT_ONCE = 4
/** When Halligan stops, an attempt under way has this long; what it has not written is tried again. */
const CLOSE_MS = 3_000
/** What a ledger leaf keeps of a target's complaint. */
const MAX_DETAIL = 300

/** PostgreSQL backends of a grant's sessions, still at work although our connection to them is gone. */
export interface BackendsLeft {
  readonly kind: 'postgres-backends'
  readonly account: string
  /** Backends whose session is known from memory, oldest first; a name in pg_stat_activity finds the others. */
  readonly backends: readonly { readonly pid: number; readonly openedAt: number }[]
}

/**
 * What must be taken away when `grant` ends at `at`, or undefined. Ssh targets and commands have nothing yet: Halligan's
 * connection was all there was, and what was detached there is for the review to ask about (design P5).
 */
export function revocationOf(
  grant: Grant,
  newest: Pick<SessionRecord, 'protocol'> | undefined,
  backends: readonly Backend[],
  at: number,
): Revocation | undefined {
  if (newest?.protocol !== 'postgres' && backends.length === 0) return undefined
  const what: BackendsLeft = {
    kind: 'postgres-backends',
    account: grant.account,
    backends: backends.map(({ pid, openedAt }) => ({ pid, openedAt })),
  }
  return {
    id: `r-${randomUUID()}`,
    grant: grant.id,
    target: grant.target,
    what: { ...what },
    queuedAt: at,
    attempts: 0,
    nextAt: at,
    lastError: null,
    doneAt: null,
  }
}

export function queuedLeaf(revocation: Revocation): AuditEvent {
  return leafOf(revocation, 'queued', '')
}

function leafOf(
  { id, grant, target, what }: Revocation,
  state: 'queued' | 'failing' | 'done',
  detail: string,
): AuditEvent {
  return {
    type: 'revocation',
    revocation: id,
    grant,
    target,
    what: `${what.kind} of ${accountOf(what)}`,
    state,
    detail: detail.slice(0, MAX_DETAIL),
  }
}

function accountOf(what: Revocation['what']): string {
  return typeof what['account'] === 'string' ? what['account'] : ''
}

export interface RevocationPorts {
  readonly clock: Clock
  /** 0 to 1. */
  readonly random: () => number
  readonly state: Pick<State, 'commit' | 'revocations'>
  /** Read each time: the configuration may change. */
  readonly channels: readonly string[]
  readonly nudge: () => void
  /** Does it, and says what was done; rejects when something is left. Bounded in time by whoever implements it. */
  readonly revoke: (revocation: Revocation) => Promise<string>
}

/** Works the queue off. One per installation; nothing is kept here that is not in the state. */
export class Revocations {
  readonly #ports: RevocationPorts
  #timer: Timer | undefined
  #running: Promise<void> | undefined
  /** Something was queued while the queue was being worked off. */
  #again = false
  #isClosed = false

  constructor(ports: RevocationPorts) {
    this.#ports = ports
  }

  /** Looks at the queue now; harmless at any time. */
  nudge(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#isClosed) return
    if (this.#running !== undefined) {
      this.#again = true
      return
    }
    this.#running = this.#work()
      .catch((error: unknown) => {
        sessionLog.error('revocation.queue-failed', { error })
        return STORE_RETRY_MS
      })
      .then((waitMs) => {
        this.#running = undefined
        if (this.#again) {
          this.#again = false
          this.nudge()
        } else if (waitMs !== undefined && !this.#isClosed)
          this.#timer = this.#ports.clock.after(waitMs, () => this.nudge())
      })
  }

  /** Resolves when what is under way has ended. For tests and the end. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  /** Starts no more attempts and waits a little for those under way; the queue goes on at the next start. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = this.#ports.clock.after(CLOSE_MS, resolve)
    await Promise.race([this.settled(), late])
    timer.cancel()
  }

  /** Tries everything that is due; gives how long to wait for the next (ms), undefined when nothing waits. */
  async #work(): Promise<number | undefined> {
    for (;;) {
      const waiting = await this.#ports.state.revocations({ limit: BATCH })
      const now = this.#ports.clock.now()
      // Due further away than any back-off: planned before the clock was set back.
      const due = waiting.filter(({ nextAt }) => nextAt <= now || nextAt > now + LONGEST_RETRY_MS * (1 + JITTER))
      if (due.length === 0 || this.#isClosed) {
        const [next] = waiting
        return next === undefined ? undefined : Math.max(0, next.nextAt - now)
      }
      const left = [...due]
      const lane = async (): Promise<void> => {
        for (let one = left.shift(); one !== undefined && !this.#isClosed; one = left.shift()) await this.#attempt(one)
      }
      await Promise.all(Array.from({ length: AT_ONCE }, lane))
    }
  }

  async #attempt(revocation: Revocation): Promise<void> {
    let done: string
    try {
      done = await this.#ports.revoke(revocation)
    } catch (error) {
      return this.#failed(revocation, error)
    }
    const { clock, state, channels, nudge } = this.#ports
    const at = clock.now()
    await state.commit({
      at,
      writes: [{ kind: 'revocation-done', id: revocation.id, at }],
      leaves: [leafOf(revocation, 'done', done)],
      // Good news only where there was bad news.
      alerts: revocation.attempts === 0 ? [] : alertsTo(channels, 'revocation.done', factsOf(revocation, done), at),
    })
    nudge()
  }

  async #failed(revocation: Revocation, error: unknown): Promise<void> {
    const { clock, state, channels, nudge } = this.#ports
    sessionLog.warn('revocation.failed', { revocation: revocation.id, target: revocation.target, error })
    const { message } = safeError(error)
    const at = clock.now()
    const isFirst = revocation.attempts === 0
    await state.commit({
      at,
      writes: [
        { kind: 'revocation-failed', id: revocation.id, nextAt: at + this.#backOffMs(revocation), error: message },
      ],
      leaves: isFirst ? [leafOf(revocation, 'failing', message)] : [],
      alerts: isFirst ? alertsTo(channels, 'revocation.failing', factsOf(revocation, message), at) : [],
    })
    nudge()
  }

  #backOffMs({ attempts }: Revocation): number {
    const ms = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempts, 20))
    return Math.round(ms * (1 + JITTER * this.#ports.random()))
  }
}

function factsOf({ id, grant, target, what }: Revocation, detail: string): Readonly<Record<string, unknown>> {
  return { revocation: id, grant, target, what: what.kind, account: accountOf(what), detail }
}
