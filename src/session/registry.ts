// Who is inside, and until when. Deadlines and revocations are decided here, in memory: ending a session never waits for
// the disk. A grant that is not tracked here opens nothing, whatever the store says.

import { isLive, type Grant } from '../access/grant.ts'
import type { Clock, Timer } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { isUnder, lockedError, Locks } from './locks.ts'
import type { Session, SessionEnd } from './session.ts'
import type { Lock } from './state.ts'

/** How often deadlines are looked at: expiry must reach every socket within a second, clock steps included. */
const TICK_MS = 200

/** Remaining minutes at which the people inside are warned. */
const WARN_MINUTES = [10, 5, 1] as const

/** Server processes remembered for one grant: many times the connections it may have open at once. */
const MAX_BACKENDS = 1_000

/** Ended grants remembered: an activation is heard of within moments, not after so many others. */
const MAX_OVER = 1_000

export interface Held {
  readonly session: Session
  /** Closes sockets at once; called once. */
  end(end: SessionEnd): void
  /** Shows a line to the user. */
  notice(text: string): void
}

/** A process that works for a session on its target, such as a PostgreSQL backend: what may be left when sockets close. */
export interface Backend {
  readonly session: string
  readonly pid: number
  readonly openedAt: number
}

interface Tracked {
  grant: Grant
  /** The earlier of wall clock and this ends it, so that no clock step extends anything. */
  monotonicDeadlineUs: number
  warned: Set<number>
}

/** How a warning ends, such as the command that asks for more time; undefined when there is nothing to do. */
export type WarningHint = (grant: Grant) => string | undefined

/** Told of each warning, with the minutes that are left. Must not throw. */
export type WarningListener = (grant: Grant, minutes: number) => void

export class Registry {
  readonly #clock: Clock
  readonly #onExpired: (grant: Grant) => void
  readonly #hintOf: WarningHint
  readonly #onWarned: WarningListener
  /** What is locked; `lock` adds to it, whoever has written an unlock removes from it. */
  readonly locks: Locks = new Locks()
  /** Live grants by id; changed only by `track`, `extend`, `endGrant` and the tick. */
  readonly #grants = new Map<string, Tracked>()
  /** Grants that were ended and are written so: an activation heard of late must not open them again. Oldest first. */
  readonly #over = new Set<string>()
  /** Sessions by id; changed only by `hold` and `release`. */
  readonly #held = new Map<string, Held>()
  /** By grant, oldest first; changed only by `reached` and `bury`. */
  readonly #backends = new Map<string, Backend[]>()
  #timer: Timer | undefined
  #closed: SessionEnd | undefined

  /** `onExpired` is told of each grant whose time is over, after its sessions have been ended. */
  constructor(
    clock: Clock,
    onExpired: (grant: Grant) => void,
    hintOf: WarningHint = () => undefined,
    onWarned: WarningListener = () => {},
  ) {
    this.#clock = clock
    this.#onExpired = onExpired
    this.#hintOf = hintOf
    this.#onWarned = onWarned
  }

  /**
   * Takes up an active grant: its doors open, its deadline runs. Tracking it again keeps the earlier deadline. Throws
   * `grant_expired` when it is over, `denied` under a lock.
   */
  track(grant: Grant): void {
    const lock = this.locks.on(grant.user, grant.target)
    if (lock !== undefined) throw lockedError(lock)
    if (this.#over.has(grant.id)) throw new HalliganError('grant_expired', `grant ${grant.id} has been ended`)
    if (!isLive(grant, this.#clock.now()) || grant.expiresAt === null)
      throw new HalliganError('grant_expired', `grant ${grant.id} is over`)
    if (this.#grants.has(grant.id)) return
    const remainingMs = grant.expiresAt - this.#clock.now()
    this.#grants.set(grant.id, {
      grant,
      monotonicDeadlineUs: this.#clock.monotonicUs() + remainingMs * 1000,
      warned: notDue(remainingMs),
    })
    this.#schedule()
  }

  /**
   * Moves the end of a live grant to `grant.expiresAt`: running sessions keep their connection, warnings start anew, and
   * each of its sessions shows and records a line. Throws `conflict` when it has ended meanwhile: nothing revives it.
   */
  extend(grant: Grant): void {
    const tracked = this.#grants.get(grant.id)
    if (tracked === undefined || this.#isOver(tracked))
      throw new HalliganError('conflict', `grant ${grant.id} has ended meanwhile`, { hint: 'request a new grant' })
    const { expiresAt } = grant
    // Both deadlines move by as much, so that a wall clock that was set back gives no more than was asked for.
    const byMs = (expiresAt ?? 0) - (tracked.grant.expiresAt ?? 0)
    tracked.grant = grant
    tracked.monotonicDeadlineUs += byMs * 1000
    tracked.warned = notDue(this.#leftMs(tracked))
    this.notice(grant.id, `grant ${grant.id} now ends ${clockTime(expiresAt ?? 0)}`)
  }

  /** The grant if it opens doors now, by memory alone. */
  live(grantId: string): Grant | undefined {
    const tracked = this.#grants.get(grantId)
    return tracked !== undefined && this.#opensDoors(tracked) ? tracked.grant : undefined
  }

  /** Live grants, for finding the one that covers a login. */
  liveGrants(): readonly Grant[] {
    return [...this.#grants.values()].filter((tracked) => this.#opensDoors(tracked)).map((tracked) => tracked.grant)
  }

  /**
   * Takes a session in before anything is dialled. Throws `no_grant` when its grant is over, `denied` under a lock,
   * `unavailable` when Halligan stops.
   */
  hold(held: Held): void {
    if (this.#closed !== undefined)
      throw new HalliganError('unavailable', 'halligan is stopping', { hint: 'try again in a moment' })
    const lock = this.locks.on(held.session.user, held.session.target)
    if (lock !== undefined) throw lockedError(lock)
    if (this.live(held.session.grant) === undefined)
      throw new HalliganError('no_grant', `grant ${held.session.grant} is not live`)
    this.#held.set(held.session.id, held)
  }

  /** Forgets a session that has ended. */
  release(sessionId: string): void {
    this.#held.delete(sessionId)
  }

  /** A session has a process of its own on its target (a PostgreSQL backend): remembered until its grant's end is written. */
  reached(session: Session, pid: number): void {
    const backends = this.#backends.get(session.grant) ?? []
    backends.push({ session: session.id, pid, openedAt: session.openedAt })
    if (backends.length > MAX_BACKENDS) backends.shift()
    this.#backends.set(session.grant, backends)
  }

  /** Processes on the target that sessions of this grant had, ended sessions included. */
  backendsOf(grantId: string): readonly Backend[] {
    return this.#backends.get(grantId) ?? []
  }

  /** Processes of sessions that are inside now, on this target. */
  backendsInside(target: string): ReadonlySet<number> {
    const inside = [...this.#held.values()].filter(({ session }) => session.target === target)
    return new Set(
      inside.flatMap(({ session }) =>
        this.backendsOf(session.grant).flatMap((backend) => (backend.session === session.id ? [backend.pid] : [])),
      ),
    )
  }

  sessions(): readonly Session[] {
    return [...this.#held.values()].map((held) => held.session)
  }

  /** Ends one session; false when it is not inside. */
  endSession(sessionId: string, end: SessionEnd): boolean {
    const held = this.#held.get(sessionId)
    held?.end(end)
    return held !== undefined
  }

  /** Ends a grant and all that runs under it, now. Gives how many sessions it ended. */
  endGrant(grantId: string, end: SessionEnd): number {
    this.#grants.delete(grantId)
    const inside = [...this.#held.values()].filter((held) => held.session.grant === grantId)
    for (const held of inside) held.end(end)
    return inside.length
  }

  /** The end of a grant is written: whoever tracks it from now on is too late. */
  bury(grantId: string): void {
    this.#backends.delete(grantId)
    this.#over.add(grantId)
    const [oldest] = this.#over
    if (this.#over.size > MAX_OVER && oldest !== undefined) this.#over.delete(oldest)
  }

  /** Locks a person, a target or everything, now: what runs there ends before this returns. Gives how many sessions. */
  lock(lock: Lock, end: SessionEnd): number {
    this.locks.add(lock)
    const inside = [...this.#held.values()].filter(({ session: { user, target } }) => isUnder(lock.scope, user, target))
    for (const held of inside) held.end(end)
    return inside.length
  }

  /** Ends everything that runs; grants stay, and new sessions are for the admission check to refuse. */
  endAll(end: SessionEnd): void {
    for (const held of this.#held.values()) held.end(end)
  }

  /** Shows a line in every session of a grant. */
  notice(grantId: string, text: string): void {
    for (const held of this.#held.values()) if (held.session.grant === grantId) held.notice(text)
  }

  /** Ends everything and lets nobody in any more. */
  close(end: SessionEnd): void {
    this.#closed = end
    this.#timer?.cancel()
    this.endAll(end)
  }

  #opensDoors(tracked: Tracked): boolean {
    return !this.#isOver(tracked) && this.locks.on(tracked.grant.user, tracked.grant.target) === undefined
  }

  #isOver(tracked: Tracked): boolean {
    return !isLive(tracked.grant, this.#clock.now()) || this.#clock.monotonicUs() >= tracked.monotonicDeadlineUs
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#closed !== undefined || this.#grants.size === 0) return
    this.#timer = this.#clock.after(TICK_MS, () => {
      this.#timer = undefined
      this.#tick()
      this.#schedule()
    })
  }

  #tick(): void {
    for (const tracked of this.#grants.values()) {
      if (this.#isOver(tracked)) {
        const { grant } = tracked
        this.endGrant(grant.id, {
          reason: 'expired',
          code: 'grant_expired',
          message: `grant ${grant.id} expired at ${clockTime(grant.expiresAt ?? 0)}`,
        })
        this.#onExpired(grant)
      } else this.#warn(tracked)
    }
  }

  #leftMs({ grant, monotonicDeadlineUs }: Tracked): number {
    return Math.min(
      (grant.expiresAt ?? 0) - this.#clock.now(),
      (monotonicDeadlineUs - this.#clock.monotonicUs()) / 1000,
    )
  }

  #warn(tracked: Tracked): void {
    const { grant, warned } = tracked
    const leftMs = this.#leftMs(tracked)
    for (const minutes of WARN_MINUTES) {
      if (leftMs > minutes * 60_000 || warned.has(minutes)) continue
      warned.add(minutes)
      this.#onWarned(grant, minutes)
      const hint = this.#hintOf(grant)
      this.notice(grant.id, `grant ${grant.id} ends in ${minutes} min${hint === undefined ? '' : `; ${hint}`}`)
    }
  }
}

/** Warnings that are past by now: nobody is greeted with them. */
function notDue(remainingMs: number): Set<number> {
  return new Set<number>(WARN_MINUTES.filter((minutes) => remainingMs <= minutes * 60_000))
}

function clockTime(at: number): string {
  return `${new Date(at).toISOString().slice(11, 16)} UTC`
}
