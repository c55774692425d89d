// What time does to grants: at start the live ones are taken up again and the others ended; later, requests lapse.

import { isLive } from '../access/grant.ts'
import { sessionLog } from '../log.ts'
import { lapse } from './approve.ts'
import { endGrant, type EndPorts } from './end.ts'

/** A clock this far behind the newest record is NTP at work, not a step back (design §4). */
const CLOCK_TOLERANCE_MS = 2000

/** More than are ever live at once; the rest would be found by the next sweep. */
const MOST_GRANTS = 1000

/**
 * At start: live grants are tracked, those whose time passed while Halligan was down are ended as expired. `newestKnown`
 * is the newest wall-clock time that was recorded (ms): when the clock is behind it, it was set back, and what was
 * granted before is ended rather than prolonged.
 */
export async function resumeGrants(ports: EndPorts, newestKnown: number): Promise<void> {
  const now = ports.clock.now()
  const isBehind = now + CLOCK_TOLERANCE_MS < newestKnown
  const active = await ports.state.grants({ states: ['active'], limit: MOST_GRANTS })
  for (const grant of active) {
    if (!isBehind && isLive(grant, now)) {
      ports.registry.track(grant)
      continue
    }
    const why = isBehind ? 'the clock was behind the newest record at start' : 'its time was over at start'
    await endGrant(ports, grant.id, 'expired', 'clock', why)
  }
}

/** Lets requests lapse that nobody decided on. Never throws. */
export async function sweep(ports: EndPorts): Promise<void> {
  try {
    for (const grant of await ports.state.grants({ states: ['requested'], limit: MOST_GRANTS }))
      await lapse(ports, grant)
  } catch (error) {
    // The next sweep tries again; a request that has lapsed is refused by `approve` meanwhile.
    sessionLog.error('grant.sweep-failed', { error })
  }
}
