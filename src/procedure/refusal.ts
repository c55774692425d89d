// Refused logins as ledger leaves. A scanner makes thousands; they are counted, not written one by one, so that nobody
// outside can fill the disk.

import type { Clock } from '../clock.ts'
import { addressBlock } from '../identity/address.ts'
import { sessionLog } from '../log.ts'
import type { Alert, State } from '../session/state.ts'
import { AlertFlood } from './alert-flood.ts'
import type { ReportRefusal } from './contract.ts'

/** Leaves per minute for one address block, and for all: a person's typing errors fit, a scan does not. */
const PER_BLOCK = 20
const PER_MINUTE = 200

/** A flood that goes on is told of this often, with how many there were. */
const FLOOD_WINDOW_MS = 10 * 60_000

/** Nobody's login name needs more, and the ledger is kept for ever. */
const MAX_LOGIN_LENGTH = 128

/** `block` is where the last of `count` refusals came from. */
export type FloodAlerts = (block: string, count: number, at: number) => readonly Alert[]

export class Refusals {
  readonly #clock: Clock
  readonly #state: Pick<State, 'commit'>
  readonly #floodAlerts: FloodAlerts
  readonly #flood: AlertFlood<string>
  /** Leaves by address block in the present minute; emptied when a new one begins. */
  readonly #written = new Map<string, number>()
  #minute = 0
  #total = 0
  #unwritten = 0

  /** `floodAlerts`: how people are told when refusals come faster than they are written one by one. */
  constructor(clock: Clock, state: Pick<State, 'commit'>, floodAlerts: FloodAlerts = () => []) {
    this.#clock = clock
    this.#state = state
    this.#floodAlerts = floodAlerts
    this.#flood = new AlertFlood(clock, FLOOD_WINDOW_MS, (block, count) => this.#tell(block, count))
  }

  /** Writes the leaf in its own time; the refusal itself never waits for the disk. */
  readonly report: ReportRefusal = (refusal) => {
    const at = this.#clock.now()
    const block = addressBlock(refusal.address)
    if (!this.#mayWrite(block, at)) {
      this.#unwritten++
      // One kind for all: a scan from a thousand addresses is one flood.
      if (this.#flood.take('logins', block)) this.#tell(block, 1)
      return
    }
    const unwritten = this.#unwritten
    this.#unwritten = 0
    const leaf = {
      type: 'login-refused' as const,
      ...refusal,
      login: refusal.login.slice(0, MAX_LOGIN_LENGTH),
      ...(unwritten === 0 ? {} : { unwritten }),
    }
    this.#state.commit({ at, writes: [], leaves: [leaf] }).catch((error: unknown) => {
      this.#unwritten += unwritten + 1
      sessionLog.error('login.refusal-not-written', { address: refusal.address, reason: refusal.reason, error })
    })
  }

  #tell(block: string, count: number): void {
    const at = this.#clock.now()
    const alerts = this.#floodAlerts(block, count, at)
    if (alerts.length === 0) return
    this.#state.commit({ at, writes: [], leaves: [], alerts }).catch((error: unknown) => {
      sessionLog.error('login.flood-not-written', { block, count, error })
    })
  }

  #mayWrite(block: string, at: number): boolean {
    const minute = Math.floor(at / 60_000)
    if (minute !== this.#minute) {
      this.#minute = minute
      this.#total = 0
      this.#written.clear()
    }
    const written = this.#written.get(block) ?? 0
    if (written >= PER_BLOCK || this.#total >= PER_MINUTE) return false
    this.#written.set(block, written + 1)
    this.#total++
    return true
  }
}
