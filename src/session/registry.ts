// Who is inside, and until when. Deadlines and revocations are decided here, in memory: ending a session never waits for
// the disk. A grant that is not tracked here opens nothing, whatever the store says.

import { isLive, type Grant } from '../access/grant.ts'
import type { Clock, Timer } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { Session, SessionEnd } from './session.ts'

/** How often deadlines are looked at: expiry must reach every socket within a second, clock steps included. */
const TICK_MS = 200

/** Remaining minutes at which the people inside are warned. */
const WARN_MINUTES = [10, 5, 1] as const

/** Ended grants remembered: an activation is heard of within moments, not after so many others. */
const MAX_OVER = 1_000

export interface Held {
  readonly session: Session
  /** Closes sockets at once; called once. */
  end(end: SessionEnd): void
  /** Shows a line to the user. */
  notice(text: string): void
}

interface Tracked {
  grant: Grant
  /** The earlier of wall clock and this ends it, so that no clock step extends anything. */
  readonly monotonicDeadlineUs: number
  readonly warned: Set<number>
}

export class Registry {
  readonly #clock: Clock
  readonly #onExpired: (grant: Grant) => void
  /** Live grants by id; changed only by `track`, `endGrant` and the tick. */
  readonly #grants = new Map<string, Tracked>()
  /** Grants that were ended and are written so: an activation heard of late must not open them again. Oldest first. */
  readonly #over = new Set<string>()
  /** Sessions by id; changed only by `hold` and `release`. */
  readonly #held = new Map<string, Held>()
  #timer: Timer | undefined
  #closed: SessionEnd | undefined

  /** `onExpired` is told of each grant whose time is over, after its sessions have been ended. */
  constructor(clock: Clock, onExpired: (grant: Grant) => void) {
    this.#clock = clock
    this.#onExpired = onExpired
  }

  /** Takes up an active grant: its doors open, its deadline runs. Tracking it again keeps the earlier deadline. */
  track(grant: Grant): void {
    if (this.#over.has(grant.id)) throw new HalliganError('grant_expired', `grant ${grant.id} has been ended`)
    if (!isLive(grant, this.#clock.now()) || grant.expiresAt === null)
      throw new HalliganError('grant_expired', `grant ${grant.id} is over`)
    if (this.#grants.has(grant.id)) return
    const remainingMs = grant.expiresAt - this.#clock.now()
    const warned = new Set<number>(WARN_MINUTES.filter((minutes) => remainingMs <= minutes * 60_000))
    this.#grants.set(grant.id, {
      grant,
      monotonicDeadlineUs: this.#clock.monotonicUs() + remainingMs * 1000,
      warned,
    })
    this.#schedule()
  }

  /** The grant if it opens doors now, by memory alone. */
  live(grantId: string): Grant | undefined {
    const tracked = this.#grants.get(grantId)
    return tracked !== undefined && !this.#isOver(tracked) ? tracked.grant : undefined
  }

  /** Live grants, for finding the one that covers a login. */
  liveGrants(): readonly Grant[] {
    return [...this.#grants.values()].filter((tracked) => !this.#isOver(tracked)).map((tracked) => tracked.grant)
  }

  /** Takes a session in before anything is dialled. Throws `no_grant` or `unavailable` when its grant is over or Halligan stops. */
  hold(held: Held): void {
    if (this.#closed !== undefined)
      throw new HalliganError('unavailable', 'halligan is stopping', { hint: 'try again in a moment' })
    if (this.live(held.session.grant) === undefined)
      throw new HalliganError('no_grant', `grant ${held.session.grant} is not live`)
    this.#held.set(held.session.id, held)
  }

  /** Forgets a session that has ended. */
  release(sessionId: string): void {
    this.#held.delete(sessionId)
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
    this.#over.add(grantId)
    const [oldest] = this.#over
    if (this.#over.size > MAX_OVER && oldest !== undefined) this.#over.delete(oldest)
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
          message: `grant ${grant.id} expired at ${new Date(grant.expiresAt ?? 0).toISOString().slice(11, 16)} UTC`,
        })
        this.#onExpired(grant)
      } else this.#warn(tracked)
    }
  }

  #warn({ grant, monotonicDeadlineUs, warned }: Tracked): void {
    const leftMs = Math.min(
      (grant.expiresAt ?? 0) - this.#clock.now(),
      (monotonicDeadlineUs - this.#clock.monotonicUs()) / 1000,
    )
    for (const minutes of WARN_MINUTES) {
      if (leftMs > minutes * 60_000 || warned.has(minutes)) continue
      warned.add(minutes)
      this.notice(grant.id, `grant ${grant.id} ends in ${minutes} min`)
    }
  }
}
