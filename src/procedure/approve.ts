// Deciding on a request: approve, deny, or, when nobody could be reached in time, override with a longer reason.
// All by compare-and-set: of two that decide at once, one wins and the other is told.

import {
  approvalNeed,
  approvalProgress,
  mayApprove,
  type ApprovalNeed,
  type ApprovalProgress,
} from '../access/approval.ts'
import { applyGrantEvent, type Grant } from '../access/grant.ts'
import type { AuditEvent } from '../audit.ts'
import { HalliganError } from '../errors.ts'
import type { Identity, User } from '../identity/user.ts'
import { activatedLeaf } from './access.ts'
import { channelsOf, grantAlerts } from './alert.ts'
import type { EndPorts } from './end.ts'
import { lastDenialAt } from './standing.ts'

/** Approves; the last approval needed activates the grant in the same transaction. Throws `denied`, `conflict`, `not_found`. */
export async function approve(ports: EndPorts, by: Identity, id: string, comment: string): Promise<Grant> {
  const { grant, need } = await waiting(ports, id)
  mustApprove(by.user, grant, need)
  const at = ports.clock.now()
  const approved = applyGrantEvent(grant, { kind: 'approve', at, by: by.user.name, comment })
  const isReady = progress(need, approved, at).kind === 'ready'
  const next = isReady ? activate(approved, at) : approved
  const leaf: AuditEvent = { type: 'grant-approved', grant: id, by: by.user.name, comment }
  return write(ports, grant, next, [leaf], 'grant.approved')
}

/** Denies. Throws `denied`, `conflict`, `not_found`. */
export async function deny(ports: EndPorts, by: Identity, id: string, comment: string): Promise<Grant> {
  const { grant, need } = await waiting(ports, id)
  mustApprove(by.user, grant, need)
  const next = applyGrantEvent(grant, { kind: 'deny', at: ports.clock.now(), by: by.user.name, comment })
  return write(ports, grant, next, [{ type: 'grant-denied', grant: id, by: by.user.name, comment }], 'grant.denied')
}

/** The owner's way when nobody answers: after the policy's wait, with a longer reason. Throws `denied`, `usage`, `conflict`. */
export async function override(ports: EndPorts, by: Identity, id: string, reason: string): Promise<Grant> {
  const { grant, need } = await waiting(ports, id)
  if (grant.user !== by.user.name) throw new HalliganError('not_found', `no request ${id} of yours`)
  if (need.override === null) throw new HalliganError('denied', `request ${id} cannot be overridden (${need.rule})`)
  const at = ports.clock.now()
  const now = progress(need, grant, at)
  const leftMs = now.kind === 'waiting' && now.overrideAt !== null ? now.overrideAt - at : 0
  if (leftMs > 0)
    throw new HalliganError('approval_pending', `request ${id} can be overridden in ${Math.ceil(leftMs / 1000)} s`, {
      hint: 'run the same command again then',
    })
  if (reason.trim().length < need.override.reasonMinLength)
    throw new HalliganError(
      'usage',
      `an override needs a reason of at least ${need.override.reasonMinLength} characters`,
    )
  const overridden = applyGrantEvent(grant, { kind: 'override', at, by: by.user.name, reason })
  const leaf: AuditEvent = { type: 'grant-overridden', grant: id, by: by.user.name, reason }
  return write(ports, grant, activate(overridden, at), [leaf], 'grant.overridden')
}

/** Lets a request lapse when nobody decided on it in time; does nothing before. */
export async function lapse(ports: EndPorts, grant: Grant): Promise<void> {
  const at = ports.clock.now()
  const need = await needOf(ports, grant)
  if (need !== undefined && progress(need, grant, at).kind !== 'lapsed') return
  const next = applyGrantEvent(grant, { kind: 'lapse', at })
  const leaf: AuditEvent = {
    type: 'grant-ended',
    grant: grant.id,
    how: 'lapsed',
    by: 'clock',
    reason: 'nobody decided',
  }
  await write(ports, grant, next, [leaf], 'grant.lapsed')
}

async function waiting(ports: EndPorts, id: string): Promise<{ grant: Grant; need: ApprovalNeed }> {
  const grant = await ports.state.grant(id)
  if (grant === undefined) throw new HalliganError('not_found', `no request ${id}`)
  if (grant.state !== 'requested') throw new HalliganError('conflict', `request ${id} is ${grant.state} already`)
  const need = await needOf(ports, grant)
  if (need === undefined)
    throw new HalliganError('conflict', `policy ${grant.policy} has changed since request ${id}`, { hint: 'ask again' })
  if (progress(need, grant, ports.clock.now()).kind === 'lapsed')
    throw new HalliganError('conflict', `request ${id} has lapsed`, { hint: 'ask again' })
  return { grant, need }
}

/** What the request needs by the policy it was made under; undefined when that policy is no more. */
async function needOf(ports: EndPorts, grant: Grant): Promise<ApprovalNeed | undefined> {
  const policy = ports.policy(grant.policy)
  if (policy === undefined || policy.hash !== grant.policyHash) return undefined
  const deniedAt = await lastDenialAt(ports.state, grant.user, grant.target, grant.account)
  return approvalNeed(policy, grant.account, grant.trigger, { deniedAt }, ports.clock.now())
}

function progress(need: ApprovalNeed, grant: Grant, now: number): ApprovalProgress {
  return approvalProgress(need, grant, null, now)
}

function mustApprove(user: User, grant: Grant, need: ApprovalNeed): void {
  if (!mayApprove(need, grant, user))
    throw new HalliganError('denied', `${user.name} may not decide on request ${grant.id}`)
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
