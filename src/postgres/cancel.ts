// Cancel keys of our own. A CancelRequest comes on a connection of its own, without a name: it goes on only through the
// live session that the key was issued to, never as the bytes it came in.

import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import type { CancelKey } from '../pgwire/backend-decoding.ts'

/** Protocol 3.0 has no longer keys; with the process id 63 random bits. */
const KEY_BYTES = 4

export class CancelKeys {
  /** By process id; an entry lives as long as its session. */
  readonly #sessions = new Map<number, { readonly secretKey: Buffer; readonly cancel: () => Promise<void> }>()

  /** A key that calls `cancel` until `release`. */
  issue(cancel: () => Promise<void>): CancelKey {
    let processId = randomInt(1, 2 ** 31)
    while (this.#sessions.has(processId)) processId = randomInt(1, 2 ** 31)
    const secretKey = randomBytes(KEY_BYTES)
    this.#sessions.set(processId, { secretKey, cancel })
    return { processId, secretKey }
  }

  release(key: CancelKey): void {
    this.#sessions.delete(key.processId)
  }

  /** Cancels what the key's session runs; resolves when the target has been told. False: no live session has this key. */
  async cancel(key: CancelKey): Promise<boolean> {
    const session = this.#sessions.get(key.processId)
    if (session === undefined || session.secretKey.length !== key.secretKey.length) return false
    if (!timingSafeEqual(session.secretKey, key.secretKey)) return false
    await session.cancel()
    return true
  }

  get size(): number {
    return this.#sessions.size
  }
}
