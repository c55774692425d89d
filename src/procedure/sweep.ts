// What time does to grants: at start the live ones are taken up again and the others ended; later, requests lapse.

import { isLive } from '../access/grant.ts'
import { sessionLog } from '../log.ts'
import { lapse } from './approve.ts'
import { endGrant, type EndPorts } from './end.ts'
import type { DecisionPorts } from './waiting.ts'

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

/** A grant is tracked within moments of its activation's commit; one that is active and not inside by then was ended. */
const TRACKED_WITHIN_MS = 10_000

/** Writes the ends that could not be written when they happened: the doors have been closed since. */
export async function writeMissedEnds(ports: EndPorts): Promise<void> {
  const now = ports.clock.now()
  for (const grant of await ports.state.grants({ states: ['active'], limit: MOST_GRANTS })) {
    const since = Math.max(grant.activatedAt ?? 0, grant.extensions.at(-1)?.at ?? 0)
    const isFresh = now - since >= 0 && now - since < TRACKED_WITHIN_MS
    if (isFresh || ports.registry.live(grant.id) !== undefined) continue
    const isExpired = !isLive(grant, now)
    try {
      await endGrant(ports, grant.id, isExpired ? 'expired' : 'revoked', 'halligan', 'its end was written late')
    } catch (error) {
      // Somebody else is writing it just now, or the store fails still: the next sweep looks again.
      sessionLog.warn('grant.end-not-written', { grant: grant.id, error })
    }
  }
}

/** Lets requests lapse that nobody decided on. Never throws. */
export async function sweep(ports: DecisionPorts): Promise<void> {
  try {
    for (const grant of await ports.state.grants({ states: ['requested'], limit: MOST_GRANTS }))
      await lapse(ports, grant)
    await writeMissedEnds(ports)
  } catch (error) {
    // The next sweep tries again; a request that has lapsed is refused by `approve` meanwhile.
    sessionLog.error('grant.sweep-failed', { error })
  }
}
