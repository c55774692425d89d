// Telling that a key may be stolen: wrong codes after a proven key. Whoever tries on and on is told of once, then counted.

import type { Clock } from '../clock.ts'
import type { Identity } from '../identity/user.ts'
import { sessionLog } from '../log.ts'
import type { Alert, State } from '../session/state.ts'
import { alertsTo } from './alert.ts'
import { AlertFlood } from './alert-flood.ts'

/** Lock-outs of one person within this time are told of together, but for the first. */
const WINDOW_MS = 10 * 60_000

export interface LockOutPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'commit'>
  /** Read each time: the configuration may change. */
  readonly channels: readonly string[]
  readonly nudge: () => void
}

export class LockOutAlerts {
  readonly #ports: LockOutPorts
  readonly #flood: AlertFlood<Identity>

  constructor(ports: LockOutPorts) {
    this.#ports = ports
    this.#flood = new AlertFlood(ports.clock, WINDOW_MS, (identity, count) => {
      const at = ports.clock.now()
      const alerts = this.#alertsOf(identity, at, { count })
      ports.state.commit({ at, writes: [], leaves: [], alerts }).then(ports.nudge, (error: unknown) => {
        sessionLog.error('lock-out.alert-not-written', { user: identity.user.name, count, error })
      })
    })
  }

  /** What is told of this lock-out now; its leaf is written in any case. */
  readonly alerts = (identity: Identity): readonly Alert[] =>
    this.#flood.take(identity.user.name, identity) ? this.#alertsOf(identity, this.#ports.clock.now(), {}) : []

  #alertsOf({ user, fingerprint, address }: Identity, at: number, more: Readonly<Record<string, unknown>>): Alert[] {
    const facts = {
      user: user.name,
      fingerprint,
      address,
      hint: 'the key may be stolen',
      ...(user.isDrill === true ? { drill: true } : {}),
      ...more,
    }
    return alertsTo(this.#ports.channels, 'user.locked-out', facts, at)
  }
}
