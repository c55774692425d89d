// Telling people of the sessions that open under a grant. The first is told in the transaction that opens it; a client
// that opens many (a pool, a loop of scp) is told of together, with how many there were.

import type { Grant } from '../access/grant.ts'
import { sessionLog } from '../log.ts'
import type { Session } from '../session/session.ts'
import type { Alert, State } from '../session/state.ts'
import { channelsOf, sessionAlerts } from './alert.ts'
import { AlertFlood } from './alert-flood.ts'
import type { EndPorts } from './end.ts'

/** Sessions of one grant within this time are told of together, but for the first. */
const WINDOW_MS = 60_000

export interface SessionOpeningPorts extends Pick<EndPorts, 'clock' | 'policy' | 'channels' | 'nudge'> {
  readonly state: Pick<State, 'commit'>
}

export class SessionOpenings {
  readonly #ports: SessionOpeningPorts
  readonly #flood: AlertFlood<{ readonly session: Session; readonly grant: Grant }>

  constructor(ports: SessionOpeningPorts) {
    this.#ports = ports
    this.#flood = new AlertFlood(ports.clock, WINDOW_MS, ({ session, grant }, count) => {
      const at = ports.clock.now()
      const alerts = this.#alertsOf(session, grant, at, { sessions: count })
      ports.state.commit({ at, writes: [], leaves: [], alerts }).then(ports.nudge, (error: unknown) => {
        sessionLog.error('session.alert-not-written', { grant: grant.id, count, error })
      })
    })
  }

  /** For the transaction that opens `session`: what is told of it now. */
  readonly alerts = (session: Session, grant: Grant): readonly Alert[] =>
    this.#flood.take(grant.id, { session, grant }) ? this.#alertsOf(session, grant, session.openedAt, {}) : []

  #alertsOf(session: Session, grant: Grant, at: number, more: Readonly<Record<string, unknown>>): Alert[] {
    const { policy, channels } = this.#ports
    return sessionAlerts('session.opened', session, grant, channelsOf(policy(grant), channels), at, more)
  }
}
