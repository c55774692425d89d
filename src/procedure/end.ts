// Taking access away: act first (the registry closes sockets from memory), write after.

import { commentOf } from '../access/comment.ts'
import { mayRevoke } from '../access/extension.ts'
import { applyGrantEvent, type Grant, type GrantEnd } from '../access/grant.ts'
import type { Policy } from '../access/policy.ts'
import { reviewDueAt } from '../access/review.ts'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { User } from '../identity/user.ts'
import { sessionLog } from '../log.ts'
import type { Registry } from '../session/registry.ts'
import type { SessionEnd } from '../session/session.ts'
import type { State } from '../session/state.ts'
import { channelsOf, grantAlerts } from './alert.ts'
import { queuedLeaf, revocationOf } from './revocation.ts'

export interface EndPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'commit' | 'grant' | 'grants' | 'sessions'>
  readonly registry: Registry
  /** By name the one in force; by grant the one it was made under. */
  readonly policy: (of: string | Pick<Grant, 'policy' | 'policyHash'>) => Policy | undefined
  /** Read each time: the configuration may change. */
  readonly channels: readonly string[]
  readonly nudge: () => void
  /** Told when something to be taken away on a target has been queued. */
  readonly nudgeRevocations?: () => void
}

/** Why access is taken away, for the person inside and the record. */
const REASON_MIN_LENGTH = 1

/** An end loses its compare-and-set to an extension or a mark of that very moment; more than a few are a fault. */
const MOST_ATTEMPTS = 5

/**
 * Ends a grant and everything under it: returned by its owner, revoked by someone, or expired. Sockets are closed before
 * the first await. Throws `not_found` for an unknown grant, `conflict` when it had ended already.
 */
export async function endGrant(ports: EndPorts, id: string, how: GrantEnd, by: string, reason: string): Promise<Grant> {
  const end = sessionEndOf(id, how, by, reason)
  ports.registry.endGrant(id, end)
  const ended = await writeEnd(ports, id, how, by, reason)
  // An activation that was under way may have opened the door meanwhile.
  ports.registry.bury(id)
  ports.registry.endGrant(id, end)
  ports.nudge()
  ports.nudgeRevocations?.()
  return ended
}

/** Whatever else changes the grant at this moment (an extension, say), the end is written behind it. */
async function writeEnd(ports: EndPorts, id: string, how: GrantEnd, by: string, reason: string): Promise<Grant> {
  for (let attempt = 1; ; attempt++) {
    const grant = await ports.state.grant(id)
    if (grant === undefined) throw new HalliganError('not_found', `no grant ${id}`)
    const at = ports.clock.now()
    const policy = ports.policy(grant)
    const dueAt = reviewDueAt(policy, at, grant.unannouncedAt)
    const ended = applyGrantEvent(grant, { kind: 'end', at, how, by, reason, reviewDueAt: dueAt })
    const [newest] = await ports.state.sessions({ grant: id, limit: 1 })
    const revocation = revocationOf(grant, newest, ports.registry.backendsOf(id), at)
    try {
      await ports.state.commit({
        at,
        writes: [
          { kind: 'grant', grant: ended, expectVersion: grant.version },
          { kind: 'grant-secrets-ended', grant: id, at },
          ...(revocation === undefined ? [] : [{ kind: 'revocation-queued', revocation } as const]),
        ],
        leaves: [
          { type: 'grant-ended', grant: id, how, by, reason },
          ...(revocation === undefined ? [] : [queuedLeaf(revocation)]),
        ],
        alerts: grantAlerts('grant.ended', ended, channelsOf(policy, ports.channels), at, {
          how,
          by,
          endReason: reason,
        }),
      })
      return ended
    } catch (error) {
      if (!isConflict(error) || attempt === MOST_ATTEMPTS) throw error
    }
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof HalliganError && error.code === 'conflict'
}

/**
 * Takes a grant back on somebody's word: its owner returns it, an approver of its policy or an admin revokes it. Whose it
 * is not learns nothing of it. Throws `not_found`, `denied`, `usage`, `conflict`.
 */
export async function takeBack(ports: EndPorts, by: User, id: string, reason: string): Promise<Grant> {
  const grant = await ports.state.grant(id)
  if (grant === undefined) throw new HalliganError('not_found', `no grant ${id}`)
  if (grant.user === by.name)
    return endGrant(ports, id, 'returned', by.name, commentOf(reason, 'giving back', REASON_MIN_LENGTH))
  if (!mayRevoke(ports.policy(grant), grant, by))
    throw new HalliganError('denied', `${by.name} may not revoke grant ${id}`, {
      hint: 'its owner, an approver of its policy or an admin may',
    })
  return endGrant(ports, id, 'revoked', by.name, commentOf(reason, 'revoking', REASON_MIN_LENGTH))
}

/**
 * Revokes every live grant that `falls` under something, such as a person who is no user any more: all doors close before
 * the first is written down. One that has ended by itself meanwhile is no failure. Gives how many were revoked; throws
 * the first failure once all have been tried.
 */
export async function revokeAll(
  ports: EndPorts,
  falls: (grant: Grant) => boolean,
  by: string,
  reason: string,
): Promise<number> {
  const live = ports.registry.liveGrants().filter(falls)
  for (const { id } of live) ports.registry.endGrant(id, sessionEndOf(id, 'revoked', by, reason))
  const written = (await ports.state.grants({ states: ['active'], limit: MOST_GRANTS })).filter(falls)
  const ids = new Set([...live, ...written].map(({ id }) => id))
  const failures: unknown[] = []
  let revoked = 0
  for (const id of ids) {
    try {
      await endGrant(ports, id, 'revoked', by, reason)
      revoked++
    } catch (error) {
      if (!isConflict(error)) failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
  return revoked
}

/** More than are ever live at once; the sweep would find the rest. */
const MOST_GRANTS = 1000

/** The registry's call-back at a deadline: the doors are closed already; this writes it down. */
export function expireGrant(ports: EndPorts, grant: Grant): void {
  endGrant(ports, grant.id, 'expired', 'clock', 'its time was over').catch((error: unknown) => {
    sessionLog.error('grant.expiry-not-written', { grant: grant.id, error })
  })
}

/**
 * Kills one session: the socket first, then the leaf. Throws `usage` for a reason that cannot be shown, `not_found` when
 * it is not running.
 */
export async function killSession(
  ports: Pick<EndPorts, 'clock' | 'state' | 'registry'>,
  session: string,
  by: string,
  reason: string,
): Promise<void> {
  const why = commentOf(reason, 'killing', REASON_MIN_LENGTH)
  const killed = ports.registry.endSession(session, {
    reason: 'killed',
    code: 'killed',
    message: `killed by ${by}: ${why}`,
  })
  if (!killed) throw new HalliganError('not_found', `session ${session} is not running`)
  await ports.state.commit({
    at: ports.clock.now(),
    writes: [],
    leaves: [{ type: 'session-kill', session, by, reason: why }],
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
