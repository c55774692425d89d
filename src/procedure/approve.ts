// Deciding on a request: approve, deny, or, when nobody could be reached in time, override with a longer reason.
// All by compare-and-set: who decides at the same moment as somebody else decides on what that left, or is told.

import { approvalProgress } from '../access/approval.ts'
import { commentOf } from '../access/comment.ts'
import { applyGrantEvent, type Grant } from '../access/grant.ts'
import { MAX_REASON_LENGTH } from '../access/statement.ts'
import type { AuditEvent } from '../audit.ts'
import { HalliganError } from '../errors.ts'
import type { Identity, User } from '../identity/user.ts'
import { lockedError } from '../session/locks.ts'
import { activatedLeaf } from './access.ts'
import { channelsOf, grantAlerts } from './alert.ts'
import { mayDecide, needOf, waitingOn, type DecisionPorts, type Waiting } from './waiting.ts'

/** A denial says why, for the person who is left standing there. */
const DENIAL_MIN_LENGTH = 1

/** Whoever loses to somebody else looks again: five approvals at most, and a few who decide beside them. */
const TRIES = 8

/** What one decision makes of a waiting request. */
interface Outcome {
  readonly next: Grant
  readonly leaf: AuditEvent
  readonly alert: string
  /** For the alert, beside the grant's own facts. */
  readonly facts: Readonly<Record<string, unknown>>
}

/**
 * Approves; the last approval needed activates the grant in the same transaction. An approval that was given stands,
 * whatever becomes of the person's groups afterwards: it is a fact. Throws `denied`, `conflict`, `not_found`, `usage`.
 */
export async function approve(ports: DecisionPorts, by: Identity, id: string, comment: string): Promise<Grant> {
  const said = commentOf(comment, 'an approval', 0)
  return decided(ports, id, (waiting, at) => {
    const { grant } = waiting
    const { name } = mustDecide(ports, by, waiting)
    mustBeOpen(ports, grant)
    const approved = applyGrantEvent(grant, { kind: 'approve', at, by: name, comment: said })
    const after = approvalProgress(waiting.need, approved, waiting.announcedAt, ports.requestClock.now(id))
    return {
      next: after.kind === 'ready' ? activate(approved, at) : approved,
      leaf: { type: 'grant-approved', grant: id, by: name, comment: said },
      alert: 'grant.approved',
      facts: { by: name, comment: said, missing: after.kind === 'waiting' ? after.missing : 0 },
    }
  })
}

/** Denies, and says why. Throws `denied`, `conflict`, `not_found`, `usage`. */
export async function deny(ports: DecisionPorts, by: Identity, id: string, comment: string): Promise<Grant> {
  const said = commentOf(comment, 'a denial', DENIAL_MIN_LENGTH)
  return decided(ports, id, (waiting, at) => {
    const { name } = mustDecide(ports, by, waiting)
    return {
      next: applyGrantEvent(waiting.grant, { kind: 'deny', at, by: name, comment: said }),
      leaf: { type: 'grant-denied', grant: id, by: name, comment: said },
      alert: 'grant.denied',
      facts: { by: name, comment: said },
    }
  })
}

/**
 * The owner's way when nobody answers: after the policy's wait, with a longer reason. Who could have approved and was
 * skipped is named in the alert and kept with the grant. Throws `denied`, `usage`, `conflict`, `approval_pending`, `not_found`.
 */
export async function override(ports: DecisionPorts, by: Identity, id: string, reason: string): Promise<Grant> {
  return decided(ports, id, (waiting, at) => {
    const { grant, need, asked: skipped, announcedAt, overrideInMs } = waiting
    if (grant.user !== by.user.name) throw new HalliganError('not_found', `no request ${id} of yours`)
    if (need.override === null || overrideInMs === null)
      throw new HalliganError('denied', `request ${id} cannot be overridden (${need.rule})`)
    if (overrideInMs > 0)
      throw new HalliganError(
        'approval_pending',
        `request ${id} can be overridden in ${Math.ceil(overrideInMs / 1000)} s`,
        { hint: 'run the same command again then' },
      )
    mustBeOpen(ports, grant)
    const said = commentOf(reason, 'an override', need.override.reasonMinLength, MAX_REASON_LENGTH)
    const overridden = applyGrantEvent(grant, {
      kind: 'override',
      at,
      by: grant.user,
      reason: said,
      skipped,
      announcedAt,
    })
    return {
      next: activate(overridden, at),
      leaf: { type: 'grant-overridden', grant: id, by: grant.user, reason: said, skipped, announcedAt },
      alert: 'grant.overridden',
      facts: { by: grant.user, overrideReason: said, skipped, wasAnnounced: announcedAt !== null },
    }
  })
}

/** Lets a request lapse when nobody decided on it in time; does nothing before, nor when somebody has just decided. */
export async function lapse(ports: DecisionPorts, grant: Grant): Promise<void> {
  const isWaiting =
    (await needOf(ports, grant)) !== undefined && (await waitingOn(ports, grant)).progress.kind !== 'lapsed'
  if (isWaiting) return
  const next = applyGrantEvent(grant, { kind: 'lapse', at: ports.clock.now() })
  const reason = 'nobody decided'
  const leaf: AuditEvent = { type: 'grant-ended', grant: grant.id, how: 'lapsed', by: 'clock', reason }
  try {
    await write(ports, grant, { next, leaf, alert: 'grant.lapsed', facts: {} })
  } catch (error) {
    if (!isConflict(error)) throw error
  }
}

/** Applies one decision to the request as it is now; when somebody was faster, to what they left. */
async function decided(
  ports: DecisionPorts,
  id: string,
  decision: (waiting: Waiting, at: number) => Outcome,
): Promise<Grant> {
  for (let tries = 1; ; tries++) {
    const waiting = await waitingRequest(ports, id)
    const outcome = decision(waiting, ports.clock.now())
    try {
      return await write(ports, waiting.grant, outcome)
    } catch (error) {
      if (!isConflict(error) || tries === TRIES) throw error
    }
  }
}

async function waitingRequest(ports: DecisionPorts, id: string): Promise<Waiting> {
  const grant = await ports.state.grant(id)
  if (grant === undefined) throw new HalliganError('not_found', `no request ${id}`)
  if (grant.state !== 'requested')
    throw new HalliganError('conflict', `request ${id} is decided already: it is ${grant.state}`)
  const waiting = await waitingOn(ports, grant)
  if (waiting.progress.kind === 'lapsed')
    throw new HalliganError('conflict', `request ${id} has lapsed`, { hint: 'ask again' })
  return waiting
}

/** The person as they are now, if they may decide. */
function mustDecide({ directory, registry }: DecisionPorts, by: Identity, { grant, need }: Waiting): User {
  const user = directory.byName(by.user.name)
  if (user === undefined || !mayDecide(need, grant, user))
    throw new HalliganError('denied', `${by.user.name} may not decide on request ${grant.id}`)
  const lock = registry.locks.on(user.name)
  if (lock !== undefined) throw lockedError(lock)
  return user
}

/** What is locked is not opened by anyone's agreement, nor is anything for somebody who has left. */
function mustBeOpen({ registry, directory }: DecisionPorts, grant: Grant): void {
  if (directory.byName(grant.user) === undefined)
    throw new HalliganError('conflict', `${grant.user} has left: request ${grant.id} is for nobody`)
  const lock = registry.locks.on(grant.user, grant.target)
  if (lock !== undefined) throw lockedError(lock)
}

function activate(grant: Grant, at: number): Grant {
  return applyGrantEvent(grant, { kind: 'activate', at, expiresAt: at + grant.durationMs })
}

async function write(ports: DecisionPorts, before: Grant, { next, leaf, alert, facts }: Outcome): Promise<Grant> {
  const at = ports.clock.now()
  const channels = channelsOf(ports.policy(next), ports.channels)
  await ports.state.commit({
    at,
    writes: [{ kind: 'grant', grant: next, expectVersion: before.version }],
    leaves: [leaf, ...(next.state === 'active' ? [activatedLeaf(next)] : [])],
    alerts: grantAlerts(alert, next, channels, at, facts),
  })
  ports.nudge()
  if (next.state === 'active') ports.registry.track(next)
  return next
}

function isConflict(error: unknown): boolean {
  return error instanceof HalliganError && error.code === 'conflict'
}
