// Word that somebody's access ends soon, for those who watch from outside: who is inside sees it on the terminal.

import type { Grant } from '../access/grant.ts'
import { sessionLog } from '../log.ts'
import type { State } from '../session/state.ts'
import { channelsOf, grantAlerts } from './alert.ts'
import type { EndPorts } from './end.ts'

/** Of the warnings (10, 5 and 1 minutes) the one that goes out; the others are for whoever is inside. */
const TOLD_AT_MINUTES = 10

export interface ExpiringPorts extends Pick<EndPorts, 'clock' | 'policy' | 'channels' | 'nudge'> {
  readonly state: Pick<State, 'commit'>
}

/** The registry's call-back at a warning. Never throws: an alert that could not be written ends nobody's access. */
export function tellExpiring(ports: ExpiringPorts, grant: Grant, minutes: number): void {
  if (minutes !== TOLD_AT_MINUTES) return
  const at = ports.clock.now()
  const alerts = grantAlerts('grant.expiring', grant, channelsOf(ports.policy(grant), ports.channels), at, { minutes })
  ports.state.commit({ at, writes: [], leaves: [], alerts }).then(ports.nudge, (error: unknown) => {
    sessionLog.error('grant.expiring-not-written', { grant: grant.id, error })
  })
}
