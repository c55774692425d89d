// Alerts that nobody has taken: what is still owed, and sending again what was given up.

import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { AlertRecord, State } from '../session/state.ts'

export interface AlertPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'alerts' | 'outboxDue' | 'commit'>
  readonly nudge: () => void
}

/** More than this is a flood or a long outage: the first of each channel are shown, and the number says that there is more. */
export const mostOwed = 200
/** Sent again in one transaction. */
const mostPerChange = 200
/** Later than any retry is planned: what is asked for is everything that still waits. */
const farMs = 366 * 86_400_000

/** What no channel has taken: `waiting` to be tried again, `dead` ones first; at most `mostOwed` of each. */
export async function owedAlerts({ state, clock }: AlertPorts): Promise<readonly AlertRecord[]> {
  const [waiting, dead] = await Promise.all([
    state.outboxDue(clock.now() + farMs, mostOwed),
    state.alerts({ isDead: true, limit: mostOwed }),
  ])
  const open = { acceptedAt: null, receipt: null, deadAt: null }
  return [...dead.filter(({ acceptedAt }) => acceptedAt === null), ...waiting.map((row) => ({ ...row, ...open }))]
}

/** Sends one dead alert again, with the id it had. Throws `conflict` when it is unknown or was not given up. */
export async function retryAlert(ports: AlertPorts, id: string, by: string): Promise<void> {
  await retry(ports, [id], by)
  ports.nudge()
}

/** Sends every dead alert again; gives how many. Throws `conflict` when somebody else does so at this moment. */
export async function retryDeadAlerts(ports: AlertPorts, by: string): Promise<number> {
  for (let retried = 0; ;) {
    const dead = await ports.state.alerts({ isDead: true, limit: mostPerChange })
    const ids = dead.filter(({ acceptedAt }) => acceptedAt === null).map(({ id }) => id)
    if (ids.length === 0) return retried
    await retry(ports, ids, by)
    retried += ids.length
    ports.nudge()
  }
}

async function retry({ state, clock }: AlertPorts, ids: readonly string[], by: string): Promise<void> {
  try {
    await state.commit({
      at: clock.now(),
      writes: ids.map((id) => ({ kind: 'alert-retried', id })),
      leaves: ids.map((alert) => ({ type: 'alert-retried', alert, by })),
    })
  } catch (error) {
    if (!(error instanceof HalliganError) || error.code !== 'conflict') throw error
    const what =
      ids.length === 1 ? `alert ${ids[0]} is unknown or was not given up` : 'the alerts have changed meanwhile'
    throw new HalliganError('conflict', what, { hint: 'look again: `alerts --dead`', cause: error })
  }
}
