// One who plays in a story: a name, two keys, and an authenticator. Codes are given out once each, as a person's are.

import type { Clock } from '../clock.ts'
import { STEP_MS, totpCode } from '../identity/totp.ts'

export interface ActorOptions {
  readonly name: string
  /** OpenSSH private keys: the usual one, and another for what must not profit from the ceremony of the first. */
  readonly keys: readonly [string, string]
  /** Base32. */
  readonly totpSecret: string
}

export class Actor {
  readonly name: string
  readonly keys: readonly [string, string]
  readonly #secret: string
  readonly #clock: Clock
  #lastStep = 0
  #lastCode: string | undefined
  #held: string | undefined

  constructor({ name, keys, totpSecret }: ActorOptions, clock: Clock) {
    this.name = name
    this.keys = keys
    this.#secret = totpSecret
    this.#clock = clock
  }

  /** A code that was not given out before; waits for it where the clock is not there yet. */
  async code(): Promise<string> {
    const held = this.#held
    this.#held = undefined
    if (held !== undefined) return held
    const now = this.#clock.now()
    // The step before counts as well, but not one that is about to be two behind when it arrives.
    const oldest = Math.floor((now + STEP_MS / 2) / STEP_MS) - 1
    const step = Math.max(this.#lastStep + 1, oldest)
    this.#lastStep = step
    // One step ahead is within the tolerance.
    const waitMs = (step - 1) * STEP_MS - now
    if (waitMs > 0) await new Promise<void>((resolve) => this.#clock.after(waitMs + 100, resolve))
    this.#lastCode = totpCode(this.#secret, step * STEP_MS)
    return this.#lastCode
  }

  /** What is typed instead the next time: a code that somebody else handed over. */
  hold(code: string): void {
    this.#held = code
  }

  /** The last code that was given out; undefined before the first. */
  get usedCode(): string | undefined {
    return this.#lastCode
  }

  /** Six digits that are no code of any step near now. */
  get wrongCode(): string {
    const now = this.#clock.now()
    const near = new Set([-3, -2, -1, 0, 1, 2, 3].map((steps) => totpCode(this.#secret, now + steps * STEP_MS)))
    for (let guess = 0; ; guess++) {
      const code = String(guess).padStart(6, '0')
      if (!near.has(code)) return code
    }
  }
}
