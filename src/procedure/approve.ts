// Deciding on a request: approve, deny, or, when nobody could be reached in time, override with a longer reason.
// All by compare-and-set: of two that decide at once, one wins and the other is told.

import { applyGrantEvent, type Grant } from '../access/grant.ts'
import type { ApprovalRule, Policy } from '../access/policy.ts'
import type { AuditEvent } from '../audit.ts'
import { HalliganError } from '../errors.ts'
import type { Identity, User } from '../identity/user.ts'
import { activatedLeaf } from './access.ts'
import { channelsOf, grantAlerts } from './alert.ts'
import type { EndPorts } from './end.ts'

/** A request nobody decided in this time lapses (design §6). */
export const requestLapseMs: number = 15 * 60_000

/** Approves; the last approval needed activates the grant in the same transaction. Throws `denied`, `conflict`, `not_found`. */
export async function approve(ports: EndPorts, by: Identity, id: string, comment: string): Promise<Grant> {
  const { grant, rule } = await waiting(ports, id)
  mustApprove(by.user, grant, rule)
  const at = ports.clock.now()
  const approved = applyGrantEvent(grant, { kind: 'approve', at, by: by.user.name, comment })
  const enough = approved.approvals.length >= rule.required
  const next = enough ? activate(approved, at) : approved
  return write(ports, grant, next, [{ type: 'grant-approved', grant: id, by: by.user.name, comment }], 'grant.approved')
}

/** Denies. Throws `denied`, `conflict`, `not_found`. */
export async function deny(ports: EndPorts, by: Identity, id: string, comment: string): Promise<Grant> {
  const { grant, rule } = await waiting(ports, id)
  mustApprove(by.user, grant, rule)
  const next = applyGrantEvent(grant, { kind: 'deny', at: ports.clock.now(), by: by.user.name, comment })
  return write(ports, grant, next, [{ type: 'grant-denied', grant: id, by: by.user.name, comment }], 'grant.denied')
}

/** The owner's way when nobody answers: after the policy's wait, with a longer reason. Throws `denied`, `usage`, `conflict`. */
export async function override(ports: EndPorts, by: Identity, id: string, reason: string): Promise<Grant> {
  const { grant, rule } = await waiting(ports, id)
  if (grant.user !== by.user.name) throw new HalliganError('not_found', `no request ${id} of yours`)
  if (rule.override === null) throw new HalliganError('denied', `policy ${grant.policy} has no override`)
  const at = ports.clock.now()
  const leftMs = grant.requestedAt + rule.override.afterMs - at
  if (leftMs > 0)
    throw new HalliganError('approval_pending', `request ${id} can be overridden in ${Math.ceil(leftMs / 1000)} s`, {
      hint: 'run the same command again then',
    })
  if (reason.trim().length < rule.override.reasonMinLength)
    throw new HalliganError(
      'usage',
      `an override needs a reason of at least ${rule.override.reasonMinLength} characters`,
    )
  const overridden = applyGrantEvent(grant, { kind: 'override', at, by: by.user.name, reason })
  return write(
    ports,
    grant,
    activate(overridden, at),
    [{ type: 'grant-overridden', grant: id, by: by.user.name, reason }],
    'grant.overridden',
  )
}

/** Lets requests that nobody decided lapse. */
export async function lapse(ports: EndPorts, grant: Grant): Promise<void> {
  const at = ports.clock.now()
  if (at < grant.requestedAt + requestLapseMs) return
  const next = applyGrantEvent(grant, { kind: 'lapse', at })
  await write(
    ports,
    grant,
    next,
    [{ type: 'grant-ended', grant: grant.id, how: 'lapsed', by: 'clock', reason: 'nobody decided' }],
    'grant.lapsed',
  )
}

async function waiting(ports: EndPorts, id: string): Promise<{ grant: Grant; rule: ApprovalRule }> {
  const grant = await ports.state.grant(id)
  if (grant === undefined) throw new HalliganError('not_found', `no request ${id}`)
  if (grant.state !== 'requested') throw new HalliganError('conflict', `request ${id} is ${grant.state} already`)
  if (ports.clock.now() >= grant.requestedAt + requestLapseMs)
    throw new HalliganError('conflict', `request ${id} has lapsed`)
  const rule = approvalRule(ports.policy(grant.policy), grant)
  if (rule === undefined)
    throw new HalliganError('conflict', `policy ${grant.policy} has changed since request ${id}`, { hint: 'ask again' })
  return { grant, rule }
}

function approvalRule(policy: Policy | undefined, grant: Grant): ApprovalRule | undefined {
  if (policy === undefined || policy.hash !== grant.policyHash) return undefined
  return policy.approval.find(
    ({ when }) =>
      (when.account === undefined || when.account === grant.account) &&
      (when.trigger === undefined || when.trigger === grant.trigger),
  )
}

function mustApprove(user: User, grant: Grant, rule: ApprovalRule): void {
  if (user.name === grant.user) throw new HalliganError('denied', `nobody decides on their own request`)
  const may =
    user.groups.some((group) => rule.from.groups.includes(group)) ||
    user.roles.some((role) => rule.from.roles.includes(role))
  if (!may) throw new HalliganError('denied', `${user.name} may not decide on request ${grant.id}`)
}

function activate(grant: Grant, at: number): Grant {
  return applyGrantEvent(grant, { kind: 'activate', at, expiresAt: at + grant.durationMs })
}

async function write(
  ports: EndPorts,
  before: Grant,
  after: Grant,
  leaves: AuditEvent[],
  alert: string,
): Promise<Grant> {
  const at = ports.clock.now()
  await ports.state.commit({
    at,
    writes: [{ kind: 'grant', grant: after, expectVersion: before.version }],
    leaves: [...leaves, ...(after.state === 'active' ? [activatedLeaf(after)] : [])],
    alerts: grantAlerts(alert, after, channelsOf(ports.policy(after.policy), ports.channels), at),
  })
  ports.nudge()
  if (after.state === 'active') ports.registry.track(after)
  return after
}
