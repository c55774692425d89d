// Who has to agree before a grant opens doors, and when the requester may go ahead without.

import type { User } from '../identity/user.ts'
import type { Grant } from './grant.ts'
import type { ApprovalRule, Policy } from './policy.ts'

/** A request nobody has acted on ends by itself after this long (design §6): it waits in a pool, never for ever. */
export const REQUEST_LAPSES_MS = 15 * 60_000

/** After a denial the same person cannot go ahead alone on the same target and account for this long (design §4). */
export const DENIAL_STANDS_MS = 4 * 3_600_000

/** With reviews overdue, self-activation becomes one approval, or this delay: a person or a delay, never a wall. */
export const OVERDUE_OVERRIDE_MS = 10 * 60_000
const OVERDUE_OVERRIDE_REASON_LENGTH = 40

/** What has happened before that makes a request stricter. Absent facts: nothing happened. */
export interface Standing {
  /** Reviews of this person's grants that are overdue. */
  readonly overdueReviews?: number | undefined
  /** When a request of this person for this target and account was last denied (ms) and no approver has lifted it. */
  readonly deniedAt?: number | null | undefined
}

/** What one request needs, and the clause that says so. */
export interface ApprovalNeed {
  /** `policy/approval[0]`, with `+overdue-review` or `+denied` where the standing made it stricter. */
  readonly rule: string
  readonly required: number
  readonly override: ApprovalRule['override']
  readonly from: ApprovalRule['from']
}

/**
 * The first rule of the policy that matches; undefined when none does, which refuses. With `trigger` null (not said yet)
 * the strictest rule that any trigger could lead to.
 */
export function approvalNeed(
  policy: Policy,
  account: string,
  trigger: string | null,
  standing: Standing,
  now: number,
): ApprovalNeed | undefined {
  const index = trigger === null ? strictestRule(policy, account) : ruleFor(policy, account, trigger)
  const rule = index === undefined ? undefined : policy.approval[index]
  if (rule === undefined) return undefined
  return tightened({ ...rule, rule: `${policy.name}/approval[${index}]` }, standing, now)
}

/** Index of the first rule that matches; undefined when none does. */
export function ruleFor(policy: Policy, account: string, trigger: string): number | undefined {
  const index = policy.approval.findIndex(
    ({ when }) =>
      (when.account === undefined || when.account === account) &&
      (when.trigger === undefined || when.trigger === trigger),
  )
  return index < 0 ? undefined : index
}

/** The rule of the trigger that asks for most approvals; a trigger without a rule is refused when it is named. */
function strictestRule(policy: Policy, account: string): number | undefined {
  const requiredBy = (index: number) => policy.approval[index]?.required ?? 0
  return policy.triggers
    .map(({ name }) => ruleFor(policy, account, name))
    .filter((index) => index !== undefined)
    .reduce<number | undefined>(
      (most, index) => (most === undefined || requiredBy(index) > requiredBy(most) ? index : most),
      undefined,
    )
}

function tightened(need: ApprovalNeed, standing: Standing, now: number): ApprovalNeed {
  const { rule, required, override, from } = need
  // A denial outweighs overdue reviews: it takes the delay away as well, and asking again is no way around it.
  if (isDenied(standing, now))
    return { rule: `${rule}+denied`, required: Math.max(1, required), override: null, from: approvers(from) }
  if ((standing.overdueReviews ?? 0) > 0 && required === 0)
    return {
      rule: `${rule}+overdue-review`,
      required: 1,
      override: { afterMs: OVERDUE_OVERRIDE_MS, reasonMinLength: OVERDUE_OVERRIDE_REASON_LENGTH },
      from: approvers(from),
    }
  return { rule, required, override, from }
}

function isDenied(standing: Standing, now: number): boolean {
  // Written so that a clock behind the denial, or no number at all, leaves it standing.
  const { deniedAt } = standing
  return deniedAt !== undefined && deniedAt !== null && !(now - deniedAt >= DENIAL_STANDS_MS)
}

/** A rule for self-activation need not name approvers; whoever has the role steps in. */
function approvers(from: ApprovalRule['from']): ApprovalRule['from'] {
  return from.groups.length + from.roles.length > 0 ? from : { groups: [], roles: ['approver'] }
}

/** True when `user` is one of those the rule or the review names, by group or by role. */
export function isAmong(who: ApprovalRule['from'], user: User): boolean {
  return who.groups.some((group) => user.groups.includes(group)) || who.roles.some((role) => user.roles.includes(role))
}

/** True when `user` may approve or deny this request: named by the rule, and not the one who asked. */
export function mayApprove(need: ApprovalNeed, grant: Grant, user: User): boolean {
  // Rehearsals are decided among themselves: nobody of theirs opens a person's door, nor a person theirs.
  return user.name !== grant.user && (user.isDrill === true) === grant.drill && isAmong(need.from, user)
}

export type ApprovalProgress =
  /** Enough people agreed, or the override stands: the grant may be activated. */
  | { readonly kind: 'ready' }
  /** `overrideAt`: from then on (ms) the requester may go ahead alone; null: never. */
  | { readonly kind: 'waiting'; readonly missing: number; readonly overrideAt: number | null }
  | { readonly kind: 'lapsed' }

/**
 * How far a request is. `announcedAt` (ms) is when a channel accepted the approvers' alert; null when none did, and the
 * override clock then runs from the request (design §4).
 */
export function approvalProgress(
  need: ApprovalNeed,
  grant: Grant,
  announcedAt: number | null,
  now: number,
): ApprovalProgress {
  const overrideAt = need.override === null ? null : (announcedAt ?? grant.requestedAt) + need.override.afterMs
  const isOverridden = grant.override !== null && overrideAt !== null && grant.override.at >= overrideAt
  const missing = Math.max(0, need.required - grant.approvals.length)
  if (missing === 0 || isOverridden) return { kind: 'ready' }
  return now >= lapsesAt(need, grant, announcedAt) ? { kind: 'lapsed' } : { kind: 'waiting', missing, overrideAt }
}

/**
 * When a request that nobody decides on lapses (ms). While an override is still to come it lives on: it lapses only once
 * that had its time as well.
 */
export function lapsesAt(need: ApprovalNeed, grant: Grant, announcedAt: number | null): number {
  const overrideAt = need.override === null ? 0 : (announcedAt ?? grant.requestedAt) + need.override.afterMs
  return Math.max(grant.requestedAt, overrideAt) + REQUEST_LAPSES_MS
}
