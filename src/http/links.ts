// One-time links: a token in the fragment of a URL that signs in the person who asked, from the address that asked, once.
// The token itself is never kept; a link shows whose account it is before it is redeemed, and looking does not spend it.

import { createHash } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { normalizeAddress } from '../identity/address.ts'

/** 128 bits: not to be guessed within its life, and short enough for one line of a terminal. */
const TOKEN_BYTES = 16

/** Long enough to click, too short to find in a scrollback later. */
export const LINK_LIFETIME_MS = 60_000

/** Links waiting at once; the oldest go first. Far above people who sign in within a minute. */
const LINKS_MAX = 1_000

interface Link {
  readonly user: string
  readonly address: string
  /** Monotonic ms. */
  readonly expiresAtMs: number
}

export class Links {
  readonly #clock: Clock
  readonly #random: (bytes: number) => Buffer
  /** By SHA-256 of the token, in the order of minting; changed only by `mint` and `redeem`. */
  readonly #links = new Map<string, Link>()

  constructor(clock: Clock, random: (bytes: number) => Buffer) {
    this.#clock = clock
    this.#random = random
  }

  /** A token that signs `user` in from `address` once within `lifetimeMs`; Infinity: until used. */
  mint(user: string, address: string, lifetimeMs: number = LINK_LIFETIME_MS): string {
    const token = this.#random(TOKEN_BYTES).toString('base64url')
    this.#links.set(digest(token), {
      user,
      address: normalizeAddress(address),
      expiresAtMs: this.#nowMs() + lifetimeMs,
    })
    const oldest = this.#links.size > LINKS_MAX ? this.#links.keys().next().value : undefined
    if (oldest !== undefined) this.#links.delete(oldest)
    return token
  }

  /** Whose account the link opens. Throws `denied`, the same for unknown, spent, old and foreign. */
  peek(token: string, address: string): string {
    return this.#find(token, address).user
  }

  /** Spends the link. Throws as `peek`; a link tried from elsewhere is not spent, so that nobody can burn it. */
  redeem(token: string, address: string): string {
    const { user } = this.#find(token, address)
    this.#links.delete(digest(token))
    return user
  }

  #find(token: string, address: string): Link {
    const key = digest(token)
    const link = this.#links.get(key)
    if (link !== undefined && link.expiresAtMs <= this.#nowMs()) this.#links.delete(key)
    else if (link !== undefined && link.address === normalizeAddress(address)) return link
    throw new HalliganError('denied', 'this link does not sign anyone in here (used, too old, or made elsewhere)', {
      hint: 'make a new one from this machine: ssh YOU@BASTION web',
    })
  }

  #nowMs(): number {
    return this.#clock.monotonicUs() / 1000
  }
}

// Lookup is by digest: its timing tells nothing about the tokens that exist.
function digest(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
