// Browser sessions: an opaque token in a cookie, its SHA-256 here in memory. Revocable at once, gone with the process.
// A session only reads; what takes access away needs a second factor given in this very session.

import { createHash } from 'node:crypto'
import type { Clock, Timer } from '../clock.ts'
import type { User } from '../identity/user.ts'
import { freshMs } from '../procedure/mfa.ts'

export const COOKIE_NAME = '__Host-halligan'

const TOKEN_BYTES = 32

/** Without a request for this long the session is over. */
export const IDLE_MS = 30 * 60_000

/** Whatever happens, a session ends after this: one shift. */
export const ABSOLUTE_MS = 8 * 3_600_000

/** How long a code given in this session serves what only takes access away. */
export const REMEMBERED_MS = 10 * 60_000

/** Sessions of one person at once; the oldest ends first. */
const SESSIONS_PER_USER = 20

/** How often sessions that are over are dropped from memory, and their sockets with them. */
const SWEEP_MS = 30_000

export interface WebSession {
  readonly user: User
  readonly address: string
  /** Aborted when the session is over: its sockets close. */
  readonly signal: AbortSignal
}

interface Held extends WebSession {
  readonly controller: AbortController
  readonly openedMs: number
  seenMs: number
  steppedUpMs: number | undefined
  sockets: number
}

export class WebSessions {
  readonly #clock: Clock
  readonly #random: (bytes: number) => Buffer
  /** By SHA-256 of the token, oldest first; changed only by `open`, `close` and the sweep. */
  readonly #sessions = new Map<string, Held>()
  #sweep: Timer | undefined

  constructor(clock: Clock, random: (bytes: number) => Buffer) {
    this.#clock = clock
    this.#random = random
  }

  /** Opens a session and gives its token, for the cookie and nowhere else. */
  open(user: User, address: string): string {
    const token = this.#random(TOKEN_BYTES).toString('base64url')
    const controller = new AbortController()
    const nowMs = this.#nowMs()
    const own = [...this.#sessions].filter(([, held]) => held.user.name === user.name)
    const [oldest] = own
    if (own.length >= SESSIONS_PER_USER && oldest !== undefined) this.#end(oldest[0], oldest[1])
    this.#sessions.set(digest(token), {
      user,
      address,
      controller,
      signal: controller.signal,
      openedMs: nowMs,
      seenMs: nowMs,
      steppedUpMs: undefined,
      sockets: 0,
    })
    this.#schedule()
    return token
  }

  /** The session of a cookie's token, kept alive by being asked for; undefined when there is none or it is over. */
  find(token: string | undefined): WebSession | undefined {
    if (token === undefined || token.length > 64) return undefined
    const key = digest(token)
    const held = this.#sessions.get(key)
    if (held === undefined) return undefined
    if (this.#isOver(held)) {
      this.#end(key, held)
      return undefined
    }
    held.seenMs = this.#nowMs()
    return held
  }

  /** Ends a session, by its own token. */
  close(token: string): void {
    const key = digest(token)
    const held = this.#sessions.get(key)
    if (held !== undefined) this.#end(key, held)
  }

  /** Ends every session of the people `isOver` names; their sockets close with them. */
  closeOf(isOver: (user: User) => boolean): void {
    for (const [key, held] of this.#sessions) if (isOver(held.user)) this.#end(key, held)
  }

  /** Keeps a session alive without a request: someone is watching. */
  touch(session: WebSession): void {
    const held = session as Held
    if (!this.#isOver(held)) held.seenMs = this.#nowMs()
  }

  /** Marks that the person has just given a second factor here. */
  stepUp(session: WebSession): void {
    ;(session as Held).steppedUpMs = this.#nowMs()
  }

  /** How long (ms) the code given here still opens what needs a fresh one, and what only takes access away. */
  steppedUp(session: WebSession): { readonly freshForMs: number; readonly rememberedForMs: number } {
    const { steppedUpMs } = session as Held
    if (steppedUpMs === undefined) return { freshForMs: 0, rememberedForMs: 0 }
    const ageMs = this.#nowMs() - steppedUpMs
    return { freshForMs: Math.max(0, freshMs - ageMs), rememberedForMs: Math.max(0, REMEMBERED_MS - ageMs) }
  }

  /** Counts a socket in unless there are `limit` already; `release` counts it out. */
  takeSocket(session: WebSession, limit: number): (() => void) | undefined {
    const held = session as Held
    if (held.sockets >= limit) return undefined
    held.sockets++
    return () => {
      held.sockets--
    }
  }

  /** Ends every session. */
  closeAll(): void {
    for (const [key, held] of this.#sessions) this.#end(key, held)
    this.#sweep?.cancel()
    this.#sweep = undefined
  }

  #isOver(held: Held): boolean {
    if (held.user.isDisabled === true) return true
    const nowMs = this.#nowMs()
    return nowMs - held.seenMs >= IDLE_MS || nowMs - held.openedMs >= ABSOLUTE_MS || held.controller.signal.aborted
  }

  #end(key: string, held: Held): void {
    this.#sessions.delete(key)
    held.controller.abort()
  }

  #schedule(): void {
    this.#sweep ??= this.#clock.after(SWEEP_MS, () => {
      this.#sweep = undefined
      for (const [key, held] of this.#sessions) if (this.#isOver(held)) this.#end(key, held)
      if (this.#sessions.size > 0) this.#schedule()
    })
  }

  // Monotonic: a step of the wall clock extends no session.
  #nowMs(): number {
    return this.#clock.monotonicUs() / 1000
  }
}

function digest(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
