// New sessions that were refused, as ledger leaves. A program that tries again and again makes many: they are counted,
// not written one by one, so that a disk that is nearly full is not filled by saying so.

import type { Clock } from '../clock.ts'
import type { ErrorCode } from '../errors.ts'
import { sessionLog } from '../log.ts'
import type { Session } from '../session/session.ts'
import type { State } from '../session/state.ts'

/** Leaves per minute for one person, and for all. */
const PER_USER = 5
const PER_MINUTE = 60

export class AdmissionRefusals {
  readonly #clock: Clock
  readonly #state: Pick<State, 'commit'>
  /** Leaves by person in the present minute; emptied when a new one begins. */
  readonly #written = new Map<string, number>()
  #minute = 0
  #total = 0
  #unwritten = 0

  constructor(clock: Clock, state: Pick<State, 'commit'>) {
    this.#clock = clock
    this.#state = state
  }

  /** Writes the leaf in its own time; the refusal itself never waits for the disk. */
  report({ user, target, account, address }: Session, code: ErrorCode): void {
    const at = this.#clock.now()
    if (!this.#mayWrite(user, at)) {
      this.#unwritten++
      return
    }
    const unwritten = this.#unwritten
    this.#unwritten = 0
    const counted = unwritten === 0 ? {} : { unwritten }
    const leaf = { type: 'admission-refused' as const, user, target, account, address, code, ...counted }
    this.#state.commit({ at, writes: [], leaves: [leaf] }).catch((error: unknown) => {
      this.#unwritten += unwritten + 1
      sessionLog.error('session.refusal-not-written', { user, target, code, error })
    })
  }

  #mayWrite(user: string, at: number): boolean {
    const minute = Math.floor(at / 60_000)
    if (minute !== this.#minute) {
      this.#minute = minute
      this.#total = 0
      this.#written.clear()
    }
    const written = this.#written.get(user) ?? 0
    if (written >= PER_USER || this.#total >= PER_MINUTE) return false
    this.#written.set(user, written + 1)
    this.#total++
    return true
  }
}
