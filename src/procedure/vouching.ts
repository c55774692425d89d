// Codes of people who vouch, typed and right: each may open one grant, and is spent by the transaction that opens it.
// Here it is remembered who typed which, and what it opened. Never a second factor for anything else.

import type { Clock } from '../clock.ts'
import type { Identity } from '../identity/user.ts'
import type { IssuedCode } from '../session/state.ts'

/** Kept in memory; a restart forgets them. Far above what is ever vouched for within a day. */
const MAX_VOUCHED = 1_000

interface Vouched {
  readonly code: IssuedCode
  /** The one grant; undefined until it is asked for. Set by `opened` alone. */
  grant: string | undefined
}

export class Vouchings {
  readonly #clock: Clock
  readonly #mayVouch: (name: string) => boolean
  /** By user, key and address, oldest first; changed only by `typed`. */
  readonly #vouched = new Map<string, Vouched>()

  /** `mayVouch` is false for a voucher who is locked, gone, or has lost the role: their codes are dead. */
  constructor(clock: Clock, mayVouch: (name: string) => boolean) {
    this.#clock = clock
    this.#mayVouch = mayVouch
  }

  /** This person has typed that code, here. */
  typed(identity: Identity, code: IssuedCode): void {
    const key = keyOf(identity)
    this.#vouched.delete(key)
    this.#vouched.set(key, { code, grant: undefined })
    const oldest = this.#vouched.size > MAX_VOUCHED ? this.#vouched.keys().next().value : undefined
    if (oldest !== undefined) this.#vouched.delete(oldest)
  }

  /** The code that was typed and may still open its grant. */
  unspent(identity: Identity): IssuedCode | undefined {
    const vouched = this.#vouched.get(keyOf(identity))
    return vouched !== undefined && vouched.grant === undefined && this.isAlive(vouched.code) ? vouched.code : undefined
  }

  /** False once it has run out, or its voucher may not vouch any more. */
  isAlive({ by, expiresAt }: IssuedCode): boolean {
    return (expiresAt === null || this.#clock.now() < expiresAt) && this.#mayVouch(by)
  }

  /** The code has found its one grant. */
  opened(identity: Identity, code: string, grant: string): void {
    const vouched = this.#vouched.get(keyOf(identity))
    if (vouched?.code.id === code) vouched.grant = grant
  }

  /** True for the one grant that this person's code opened, from the same place. */
  covers(identity: Identity, grant: string): boolean {
    return this.#vouched.get(keyOf(identity))?.grant === grant
  }
}

function keyOf({ user, fingerprint, address }: Identity): string {
  return `${user.name} ${fingerprint} ${address}`
}
