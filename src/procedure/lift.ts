// Taking back what a denial forbids: for four hours the same person cannot go ahead alone on the same target and account,
// unless an approver says otherwise.

import { approvalNeed, DENIAL_STANDS_MS, isAmong, REQUEST_LAPSES_MS } from '../access/approval.ts'
import { commentOf } from '../access/comment.ts'
import type { Grant } from '../access/grant.ts'
import { HalliganError } from '../errors.ts'
import type { Identity, User } from '../identity/user.ts'
import { lockedError } from '../session/locks.ts'
import { channelsOf, grantAlerts } from './alert.ts'
import { lastDenialAt } from './standing.ts'
import { pastOf, type DecisionPorts } from './waiting.ts'

/** Denials of one person that are looked through. */
const DENIALS_LOOKED_AT = 100

/** The denials of `user` that still stand, newest first, one for each target and account. */
export async function standingDenials(ports: DecisionPorts, user: string): Promise<Grant[]> {
  const now = ports.clock.now()
  const denied = await ports.state.grants({ user, states: ['denied'], limit: DENIALS_LOOKED_AT })
  const newest = new Map<string, Grant>()
  for (const grant of denied) {
    const key = `${grant.target} ${grant.account}`
    if (!newest.has(key)) newest.set(key, grant)
  }
  const standing: Grant[] = []
  for (const grant of newest.values()) {
    const at = await lastDenialAt(pastOf(ports), user, grant.target, grant.account)
    if (at !== null && now - at < DENIAL_STANDS_MS) standing.push(grant)
  }
  return standing
}

/** Denials of the last hours that still stand and that this person may lift, newest first. */
export async function liftable(ports: DecisionPorts, user: User): Promise<Grant[]> {
  const now = ports.clock.now()
  const since = now - DENIAL_STANDS_MS - REQUEST_LAPSES_MS
  const denied = await ports.state.grants({ states: ['denied'], since, limit: DENIALS_LOOKED_AT })
  const people = [...new Set(denied.filter((grant) => mayLift(ports, user, grant)).map((grant) => grant.user))]
  const standing = await Promise.all(people.map((name) => standingDenials(ports, name)))
  return standing.flat().filter((grant) => mayLift(ports, user, grant))
}

/**
 * Lifts the denial of `user` on `target`; `account` may be left out when one alone stands. Throws `denied` for whoever could
 * not have approved it, `not_found` when nothing stands, `usage` when several do or the comment does not do.
 */
export async function liftDenial(
  ports: DecisionPorts,
  by: Identity,
  what: { readonly user: string; readonly target: string; readonly account?: string | undefined },
  comment: string,
): Promise<Grant> {
  const said = commentOf(comment, 'lifting a denial', 0)
  const approver = mustBeApprover(ports, by)
  const all = (await standingDenials(ports, what.user)).filter(
    (grant) => grant.target === what.target && (what.account === undefined || grant.account === what.account),
  )
  const [denied, ...others] = all.filter((grant) => mayLift(ports, approver, grant))
  if (denied === undefined && all.length > 0)
    throw new HalliganError('denied', `${approver.name} may not lift what was denied to ${what.user}`)
  if (denied === undefined)
    throw new HalliganError('not_found', `nothing denied to ${what.user} on ${what.target} stands any more`)
  if (others.length > 0)
    throw new HalliganError('usage', `several accounts of ${what.target} were denied to ${what.user}`, {
      hint: `name one: --account ${[denied, ...others].map(({ account }) => account).join(' or --account ')}`,
    })
  const at = ports.clock.now()
  const { user, target, account } = denied
  await ports.state.commit({
    at,
    writes: [],
    leaves: [{ type: 'denial-lifted', user, target, account, by: approver.name, comment: said }],
    alerts: grantAlerts('denial.lifted', denied, channelsOf(ports.policy(denied), ports.channels), at, {
      by: approver.name,
      comment: said,
    }),
  })
  ports.nudge()
  return denied
}

function mustBeApprover({ directory, registry }: DecisionPorts, by: Identity): User {
  const user = directory.byName(by.user.name)
  if (user === undefined) throw new HalliganError('denied', `${by.user.name} is no user any more`)
  const lock = registry.locks.on(user.name)
  if (lock !== undefined) throw lockedError(lock)
  return user
}

/** Who could have approved it may lift it, never the person it was denied to. */
function mayLift(ports: DecisionPorts, user: User, grant: Grant): boolean {
  if (user.name === grant.user) return false
  const policy = ports.policy(grant)
  const deniedAt = grant.endedAt ?? 0
  const need =
    policy === undefined ? undefined : approvalNeed(policy, grant.account, grant.trigger, { deniedAt }, deniedAt)
  return isAmong(need?.from ?? { groups: [], roles: ['approver'] }, user)
}
