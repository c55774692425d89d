// Every use is looked at afterwards by someone who had no part in it, in hours.

import type { User } from '../identity/user.ts'
import { isAmong } from './approval.ts'
import { type Grant, tookPart } from './grant.ts'
import type { Policy } from './policy.ts'

/** When the review of a grant that ended at `endedAt` is due (ms). */
export function reviewDueAt(policy: Policy, endedAt: number): number {
  return endedAt + policy.review.withinMs
}

export type ReviewStanding =
  | { readonly kind: 'none' }
  | { readonly kind: 'due'; readonly inMs: number }
  | { readonly kind: 'overdue'; readonly byMs: number }
  | { readonly kind: 'done' }

/** Where the review of a grant stands at `now` (ms). */
export function reviewStanding(grant: Grant, now: number): ReviewStanding {
  if (grant.state === 'reviewed') return { kind: 'done' }
  if (grant.state !== 'awaiting-review' || grant.reviewDueAt === null) return { kind: 'none' }
  return now < grant.reviewDueAt
    ? { kind: 'due', inMs: grant.reviewDueAt - now }
    : { kind: 'overdue', byMs: now - grant.reviewDueAt }
}

/** How many of `user`'s grants wait for a review that is overdue: what takes their self-activation away. */
export function overdueReviews(grants: readonly Grant[], user: string, now: number): number {
  return grants.filter((grant) => grant.user === user && reviewStanding(grant, now).kind === 'overdue').length
}

/** True when the policy names `user` as reviewer and they had no part in the grant. Administrators are not exempt. */
export function mayReview(policy: Policy, grant: Grant, user: User): boolean {
  return isAmong(policy.review.by, user) && !tookPart(grant, user.name)
}
