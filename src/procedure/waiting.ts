// A request that waits: what it needs by now, who was asked, what has been said, and how long still. The same answer for
// whoever decides, for the engineer's terminal and for the page.

import {
  approvalNeed,
  approvalProgress,
  lapsesAt,
  mayApprove,
  type ApprovalNeed,
  type ApprovalProgress,
  type Standing,
} from '../access/approval.ts'
import { formatDuration } from '../access/duration.ts'
import type { Grant } from '../access/grant.ts'
import { HalliganError } from '../errors.ts'
import type { Directory, User } from '../identity/user.ts'
import type { State } from '../session/state.ts'
import type { EndPorts } from './end.ts'
import type { RequestClock } from './request-clock.ts'
import { standingOf } from './standing.ts'

export interface DecisionPorts extends EndPorts {
  /** The people as they are now: a role or group that was lost meanwhile decides nothing. */
  readonly directory: Directory
  /** What the ledger holds of earlier decisions. */
  readonly events: State['events']
  readonly requestClock: RequestClock
  /** When a channel first accepted the approvers' alert (ms); null: none has. */
  readonly announcedAt: (grant: Grant) => Promise<number | null>
}

export interface Waiting {
  readonly grant: Grant
  readonly need: ApprovalNeed
  readonly progress: ApprovalProgress
  /** Who may decide and has not, by name. */
  readonly asked: readonly string[]
  /** When a channel took the approvers' alert (ms); null: none has yet. */
  readonly announcedAt: number | null
  /** The requester may go ahead alone in so many ms (0: now); null: never. */
  readonly overrideInMs: number | null
  readonly overrideReasonLength: number | null
  /** It lapses by itself in so many ms. */
  readonly lapsesInMs: number
}

/** How a waiting request stands. Throws `conflict` when its policy is in force no more. */
export async function waitingOn(ports: DecisionPorts, grant: Grant): Promise<Waiting> {
  const need = await needOf(ports, grant)
  if (need === undefined)
    throw new HalliganError('conflict', `policy ${grant.policy} has changed since request ${grant.id}`, {
      hint: 'ask again',
    })
  const announced = await ports.announcedAt(grant)
  // No alert is taken before it was written: a clock that was set back in between opens nothing early.
  const announcedAt = announced === null ? null : Math.max(announced, grant.requestedAt)
  const now = ports.requestClock.now(grant.id)
  const progress = approvalProgress(need, grant, announcedAt, now)
  const overrideAt = need.override === null ? null : (announcedAt ?? grant.requestedAt) + need.override.afterMs
  return {
    grant,
    need,
    progress,
    asked: approversOf(ports, need, grant),
    announcedAt,
    overrideInMs: overrideAt === null ? null : Math.max(0, overrideAt - now),
    overrideReasonLength: need.override?.reasonMinLength ?? null,
    lapsesInMs: Math.max(0, lapsesAt(need, grant, announcedAt) - now),
  }
}

/** What the request needs by the policy it was made under; undefined when that is not in force any more. */
export async function needOf(ports: DecisionPorts, grant: Grant): Promise<ApprovalNeed | undefined> {
  const policy = ports.policy(grant.policy)
  if (policy === undefined || policy.hash !== grant.policyHash) return undefined
  const { user, target, account, trigger } = grant
  const now = ports.requestClock.now(grant.id)
  const standing = await standingOf(pastOf(ports), user, target, account)
  const need = approvalNeed(policy, account, trigger, standing, now)
  // What made it wait may be gone by now; what waits then still waits for a person, and is asked for anew otherwise.
  return need?.required === 0 ? approvalNeed(policy, account, trigger, whenAsked(grant), now) : need
}

/** Where the past is read. */
export function pastOf({ state, events }: DecisionPorts): Pick<State, 'grants' | 'events'> {
  return { grants: (filter) => state.grants(filter), events }
}

/** What the rule that was recorded with the request says about the past. */
function whenAsked({ rule, requestedAt }: Grant): Standing {
  return rule.endsWith('+denied') ? { deniedAt: requestedAt } : { overdueReviews: 1 }
}

/** Who could decide on it and has not: by their groups and roles as they are now, names alone. */
function approversOf({ directory, registry }: DecisionPorts, need: ApprovalNeed, grant: Grant): string[] {
  return directory
    .all()
    .filter((user) => mayDecide(need, grant, user) && registry.locks.on(user.name) === undefined)
    .map(({ name }) => name)
    .filter((name) => !grant.approvals.some(({ by }) => by === name))
}

/** True when this person may approve or deny it: named by the rule, and neither asked for it nor vouched for who did. */
export function mayDecide(need: ApprovalNeed, grant: Grant, user: User): boolean {
  return mayApprove(need, grant, user) && user.name !== grant.vouchedBy
}

/** One line for whoever waits: who was asked, since when, whether anyone was reached, and what they may do. */
export function waitingLine(waiting: Waiting, now: number): string {
  const { grant, progress, asked, announcedAt, overrideInMs, lapsesInMs } = waiting
  const missing = progress.kind === 'waiting' ? progress.missing : 0
  const parts = [
    `request ${grant.id} waits for approval, ${missing} to go`,
    asked.length === 0
      ? 'nobody can approve it now'
      : `asked ${asked.join(', ')} ${shortly(now - grant.requestedAt)} ago`,
    announcedAt === null ? 'no channel has taken the alert yet' : `alert taken ${shortly(now - announcedAt)} ago`,
    ...grant.approvals.map(({ by }) => `approved by ${by}`),
    overrideInMs === null
      ? 'no override'
      : overrideInMs === 0
        ? `you may go ahead alone now: request ${grant.target} --override`
        : `you may go ahead alone in ${shortly(overrideInMs)}`,
    `lapses in ${shortly(lapsesInMs)}`,
  ]
  return parts.join('; ')
}

function shortly(ms: number): string {
  return formatDuration(Math.max(0, Math.ceil(ms / 1000)) * 1000)
}
