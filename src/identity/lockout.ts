// Guessing is slowed, people are not locked out. Wrong codes count against the person together with the key that was
// proven, so nobody without that key can aim a lock-out; everything before a proven key counts against the address
// alone, as delay. Nothing here locks for ever, and nothing grows without bound. Pure: time comes in.

import { addressBlock } from './address.ts'

/** Wrong codes in a row before waiting begins (design §5). */
export const FREE_CODE_FAILURES = 5

/** The waits after the 5th, 6th, … wrong code; the last one stays. */
const CODE_WAITS_MS: readonly number[] = [1, 2, 4, 8, 15].map((minutes) => minutes * 60_000)

/** Wrong codes are forgotten after a day without another: at most some hundred guesses of 10^6 a day until then. */
const CODE_MEMORY_MS = 24 * 3_600_000

/** Failures an address may make before it is slowed: an agent that offers several keys, a typing error in the name. */
export const FREE_ADDRESS_FAILURES = 5

/** The longest an answer is held back: beyond it clients give up, and a whole office behind one address suffers. */
export const MAX_ADDRESS_DELAY_MS = 10_000
const FIRST_ADDRESS_DELAY_MS = 500

/** One failure is forgotten for each minute that passes. */
const ADDRESS_FORGETS_MS = 60_000

/** Entries kept per map: the oldest goes first, so that a scan over many addresses costs bounded memory. */
const MAX_ENTRIES = 10_000

export type CodeGate =
  /** Check the code, then call `settleCode` with how it went. */
  | { readonly kind: 'go' }
  /** Do not look at the code; say when to come back. Asking again costs nothing. */
  | { readonly kind: 'wait'; readonly waitMs: number }

export interface CodeStanding {
  /** Wrong codes in a row by this person with this key. */
  readonly failures: number
  /** How long the next code has to wait (ms). */
  readonly waitMs: number
  /** True from the fifth on: tell the person and the security channel that the key may be stolen. */
  readonly alert: boolean
}

interface Failures {
  count: number
  /** ms; before it no code is looked at. */
  blockedUntil: number
  lastAt: number
}

/** Wrong codes after a proven first factor, counted against (user, that key). */
export class CodeLockout {
  readonly #failures = new Map<string, Failures>()

  /**
   * Asks before a typed code is looked at. An attempt counts as wrong from here on until `settleCode` says otherwise, so
   * that many at once get no more tries than one after the other. An empty answer is no attempt: do not ask.
   */
  beginCode(user: string, fingerprint: string, now: number): CodeGate {
    const key = keyOf(user, fingerprint)
    const before = this.#recent(key, now)
    if (before !== undefined && now < before.blockedUntil) return { kind: 'wait', waitMs: before.blockedUntil - now }
    const count = (before?.count ?? 0) + 1
    remember(this.#failures, key, { count, blockedUntil: now + codeWaitMs(count), lastAt: now })
    return { kind: 'go' }
  }

  /**
   * Says how the attempt went: `passed` clears the count; `forgiven` (a replayed code, an error of ours) takes this
   * attempt back; `failed` keeps it. Gives where the person now stands.
   */
  settleCode(user: string, fingerprint: string, outcome: 'passed' | 'failed' | 'forgiven', now: number): CodeStanding {
    const key = keyOf(user, fingerprint)
    const entry = this.#failures.get(key)
    if (entry === undefined || outcome === 'passed') {
      this.#failures.delete(key)
      return { failures: 0, waitMs: 0, alert: false }
    }
    if (outcome === 'forgiven') {
      entry.count = Math.max(0, entry.count - 1)
      entry.blockedUntil = entry.lastAt
    }
    return this.#standing(entry, now)
  }

  /** Where the person stands with this key, without counting anything. */
  standing(user: string, fingerprint: string, now: number): CodeStanding {
    return this.#standing(this.#recent(keyOf(user, fingerprint), now), now)
  }

  /** `unlock`: forgets every wrong code of this person, whatever the key. */
  forget(user: string): void {
    for (const key of this.#failures.keys()) if (key.startsWith(`${user}\0`)) this.#failures.delete(key)
  }

  #recent(key: string, now: number): Failures | undefined {
    const entry = this.#failures.get(key)
    if (entry === undefined) return undefined
    if (now - entry.lastAt < CODE_MEMORY_MS) {
      // A clock that went back must not stretch a wait beyond the longest one.
      entry.blockedUntil = Math.min(entry.blockedUntil, now + codeWaitMs(entry.count))
      return entry
    }
    this.#failures.delete(key)
    return undefined
  }

  #standing(entry: Failures | undefined, now: number): CodeStanding {
    const failures = entry?.count ?? 0
    const waitMs = Math.max(0, (entry?.blockedUntil ?? 0) - now)
    return { failures, waitMs, alert: failures >= FREE_CODE_FAILURES }
  }
}

/** Failures before a proven first factor, counted against the address (IPv6: its /64), as delay only. */
export class AddressDelay {
  readonly #failures = new Map<string, { level: number; at: number }>()

  /** Counts one failure and gives how long to hold the answer back (ms). */
  fail(address: string, now: number): number {
    const block = addressBlock(address)
    const level = this.#level(block, now) + 1
    remember(this.#failures, block, { level, at: now })
    return delayMs(level)
  }

  /** How long to hold the next answer to this address back (ms), without counting anything. */
  delayMs(address: string, now: number): number {
    return delayMs(this.#level(addressBlock(address), now))
  }

  #level(block: string, now: number): number {
    const entry = this.#failures.get(block)
    if (entry === undefined) return 0
    return Math.max(0, entry.level - Math.max(0, now - entry.at) / ADDRESS_FORGETS_MS)
  }
}

function codeWaitMs(count: number): number {
  if (count < FREE_CODE_FAILURES) return 0
  return CODE_WAITS_MS[Math.min(count - FREE_CODE_FAILURES, CODE_WAITS_MS.length - 1)] ?? 0
}

function delayMs(level: number): number {
  const over = Math.ceil(level) - FREE_ADDRESS_FAILURES
  return over <= 0 ? 0 : Math.min(MAX_ADDRESS_DELAY_MS, FIRST_ADDRESS_DELAY_MS * 2 ** (over - 1))
}

function keyOf(user: string, fingerprint: string): string {
  return `${user}\0${fingerprint}`
}

/** Puts the entry last, so that the map's first entry is the one untouched for longest, and keeps the bound. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= MAX_ENTRIES) return
  const oldest = map.keys().next()
  if (oldest.done !== true) map.delete(oldest.value)
}
