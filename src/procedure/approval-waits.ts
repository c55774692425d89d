// How many of one person's connections wait for an approval at a time: each holds a connection for as long as the request
// lives, and nobody needs more than a few (design §6).

import { HalliganError } from '../errors.ts'

/** A terminal or two for each of the targets of one emergency. */
export const MAX_WAITS_PER_USER = 5

export class ApprovalWaits {
  /** Changed only by `take` and what it gives back. */
  readonly #waiting = new Map<string, number>()

  /** Counts one in; what it gives counts it out. Throws `unavailable` when this person waits on enough connections. */
  take(user: string): () => void {
    const waiting = this.#waiting.get(user) ?? 0
    if (waiting >= MAX_WAITS_PER_USER)
      throw new HalliganError('unavailable', `${waiting} of your connections wait for an approval already`, {
        hint: 'the request lives on: run the same command again when it is decided, or close one of the others',
      })
    this.#waiting.set(user, waiting + 1)
    let isOut = false
    return () => {
      if (isOut) return
      isOut = true
      const left = (this.#waiting.get(user) ?? 1) - 1
      if (left === 0) this.#waiting.delete(user)
      else this.#waiting.set(user, left)
    }
  }
}
