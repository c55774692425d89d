// Second factors of a drill's people: in memory, laid over the store for the one who asks for them. The store itself
// never hears of such a secret, and a step is spent here by the same compare-and-set.

import { HalliganError } from '../errors.ts'
import type { State, Write } from '../session/state.ts'

export class DrillFactors {
  /** By user; changed only by `enrol`, `forget` and a spent step. */
  readonly #enrolled = new Map<string, { readonly secret: string; lastStep: number }>()

  enrol(user: string, secret: string): void {
    this.#enrolled.set(user, { secret, lastStep: 0 })
  }

  forget(user: string): void {
    this.#enrolled.delete(user)
  }

  /** What `Mfa` is given instead of the state. */
  over(state: Pick<State, 'totp' | 'codes' | 'commit'>): Pick<State, 'totp' | 'codes' | 'commit'> {
    return {
      totp: async (user) => this.#enrolled.get(user) ?? state.totp(user),
      codes: (user, purpose) => state.codes(user, purpose),
      commit: (change) => {
        const writes = change.writes.filter((write) => !this.#spend(write))
        return state.commit({ ...change, writes })
      },
    }
  }

  /** True for a step of ours, spent now. Throws `conflict` when it is not later than the last one. */
  #spend(write: Write): boolean {
    if (write.kind !== 'totp-step') return false
    const factor = this.#enrolled.get(write.user)
    if (factor === undefined) return false
    if (write.step <= factor.lastStep) throw new HalliganError('conflict', 'this code was used already')
    factor.lastStep = write.step
    return true
  }
}
