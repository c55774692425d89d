// Taking access away: act first (the registry closes sockets from memory), write after.

import { applyGrantEvent, type Grant, type GrantEnd } from '../access/grant.ts'
import type { Policy } from '../access/policy.ts'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { sessionLog } from '../log.ts'
import type { Registry } from '../session/registry.ts'
import type { SessionEnd } from '../session/session.ts'
import type { State } from '../session/state.ts'
import { channelsOf, grantAlerts } from './alert.ts'

export interface EndPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'commit' | 'grant' | 'grants'>
  readonly registry: Registry
  /** By name the one in force; by grant the one it was made under. */
  readonly policy: (of: string | Pick<Grant, 'policy' | 'policyHash'>) => Policy | undefined
  /** Read each time: the configuration may change. */
  readonly channels: readonly string[]
  readonly nudge: () => void
}

/** A review is due eight hours after the end where the policy of a grant is gone from the configuration. */
const DEFAULT_REVIEW_MS = 8 * 3_600_000

/**
 * Ends a grant and everything under it: returned by its owner, revoked by someone, or expired. Sockets are closed before
 * the first await. Throws `not_found` for an unknown grant, `conflict` when it had ended already.
 */
export async function endGrant(ports: EndPorts, id: string, how: GrantEnd, by: string, reason: string): Promise<Grant> {
  ports.registry.endGrant(id, sessionEndOf(id, how, by, reason))
  const grant = await ports.state.grant(id)
  if (grant === undefined) throw new HalliganError('not_found', `no grant ${id}`)
  const at = ports.clock.now()
  const policy = ports.policy(grant)
  const ended = applyGrantEvent(grant, {
    kind: 'end',
    at,
    how,
    by,
    reason,
    reviewDueAt: at + (policy?.review.withinMs ?? DEFAULT_REVIEW_MS),
  })
  await ports.state.commit({
    at,
    writes: [
      { kind: 'grant', grant: ended, expectVersion: grant.version },
      { kind: 'grant-secrets-ended', grant: id, at },
    ],
    leaves: [{ type: 'grant-ended', grant: id, how, by, reason }],
    alerts: grantAlerts('grant.ended', ended, channelsOf(policy, ports.channels), at, { how, by, endReason: reason }),
  })
  // An activation that was under way may have opened the door meanwhile.
  ports.registry.bury(id)
  ports.registry.endGrant(id, sessionEndOf(id, how, by, reason))
  ports.nudge()
  return ended
}

/** The registry's call-back at a deadline: the doors are closed already; this writes it down. */
export function expireGrant(ports: EndPorts, grant: Grant): void {
  endGrant(ports, grant.id, 'expired', 'clock', 'its time was over').catch((error: unknown) => {
    sessionLog.error('grant.expiry-not-written', { grant: grant.id, error })
  })
}

/**
 * Kills one session: the socket first, then the leaf. Throws `not_found` when it is not running.
 */
export async function killSession(
  ports: Pick<EndPorts, 'clock' | 'state' | 'registry'>,
  session: string,
  by: string,
  reason: string,
): Promise<void> {
  const killed = ports.registry.endSession(session, {
    reason: 'killed',
    code: 'killed',
    message: `killed by ${by}: ${reason}`,
  })
  if (!killed) throw new HalliganError('not_found', `session ${session} is not running`)
  await ports.state.commit({
    at: ports.clock.now(),
    writes: [],
    leaves: [{ type: 'session-kill', session, by, reason }],
  })
}

function sessionEndOf(id: string, how: GrantEnd, by: string, reason: string): SessionEnd {
  switch (how) {
    case 'returned':
      return { reason: 'returned', code: 'grant_expired', message: `grant ${id} was given back by ${by}` }
    case 'revoked':
      return { reason: 'revoked', code: 'killed', message: `grant ${id} was revoked by ${by}: ${reason}` }
    case 'expired':
      return { reason: 'expired', code: 'grant_expired', message: `grant ${id} expired` }
  }
}
