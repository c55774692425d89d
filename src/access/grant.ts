// A grant is one person's time-bound right under one policy, from the request to its review.
// The table below is the whole life: what is not in it is refused. The store applies it by compare-and-set.

import { assert, HalliganError } from '../errors.ts'

export type GrantState = 'requested' | 'active' | 'denied' | 'lapsed' | 'awaiting-review' | 'reviewed'

export type GrantEnd = 'expired' | 'revoked' | 'returned'

export interface Grant {
  /** Short and speakable, such as `g7f3`. */
  readonly id: string
  readonly state: GrantState
  /** Grows by one at each change: what compare-and-set compares. */
  readonly version: number
  readonly user: string
  readonly policy: string
  readonly policyHash: string
  readonly target: string
  readonly account: string
  readonly databases: readonly string[]
  readonly trigger: string
  readonly reason: string
  readonly incident: string | null
  /** The rule of `decide` that let it through or made it wait. */
  readonly rule: string
  readonly durationMs: number
  readonly requestedAt: number
  readonly requestedFrom: string
  readonly activatedAt: number | null
  /** Absolute wall-clock instant, never beyond activation + the policy's max. Null until active. */
  readonly expiresAt: number | null
  readonly endedAt: number | null
  readonly end: { readonly how: GrantEnd; readonly by: string; readonly reason: string } | null
  readonly approvals: readonly { readonly by: string; readonly at: number; readonly comment: string }[]
  readonly override: { readonly by: string; readonly at: number; readonly reason: string } | null
  readonly reviewDueAt: number | null
  readonly review: {
    readonly by: string
    readonly at: number
    readonly verdict: 'emergency' | 'misuse' | 'mistake'
    readonly findings: string
  } | null
}

export type GrantEvent =
  | { readonly kind: 'activate'; readonly at: number; readonly expiresAt: number }
  | { readonly kind: 'approve'; readonly at: number; readonly by: string; readonly comment: string }
  | { readonly kind: 'deny'; readonly at: number; readonly by: string; readonly comment: string }
  | { readonly kind: 'override'; readonly at: number; readonly by: string; readonly reason: string }
  | { readonly kind: 'lapse'; readonly at: number }
  | {
      readonly kind: 'end'
      readonly at: number
      readonly how: GrantEnd
      readonly by: string
      readonly reason: string
      readonly reviewDueAt: number
    }
  | {
      readonly kind: 'review'
      readonly at: number
      readonly by: string
      readonly verdict: 'emergency' | 'misuse' | 'mistake'
      readonly findings: string
    }

/** State × event → next state. An absent pair is refused. */
export const grantTable: Readonly<Record<GrantState, Partial<Record<GrantEvent['kind'], GrantState>>>> = {
  requested: { approve: 'requested', override: 'requested', activate: 'active', deny: 'denied', lapse: 'lapsed' },
  active: { end: 'awaiting-review' },
  denied: {},
  lapsed: {},
  'awaiting-review': { review: 'reviewed' },
  reviewed: {},
}

/**
 * The grant after `event`, one version on. Throws `conflict` when the table has no such step or the person has taken it
 * already, `denied` when the person may not take it: nobody approves or denies their own request, only the one who asked
 * goes ahead over it, nobody who took part reviews.
 */
export function applyGrantEvent(grant: Grant, event: GrantEvent): Grant {
  const next = grantTable[grant.state][event.kind]
  if (next === undefined)
    throw new HalliganError('conflict', `grant ${grant.id} is ${grant.state}: it cannot ${verbs[event.kind]}`)
  const base = { ...grant, state: next, version: grant.version + 1 }
  switch (event.kind) {
    case 'activate':
      // Whatever computed it, no grant outlives what was decided.
      assert(event.expiresAt > event.at, `grant ${grant.id} expires after its activation`)
      assert(event.expiresAt <= event.at + grant.durationMs, `grant ${grant.id} lasts no longer than was decided`)
      return { ...base, activatedAt: event.at, expiresAt: event.expiresAt }
    case 'approve':
      return { ...base, approvals: [...grant.approvals, approvalOf(grant, event)] }
    case 'override':
      return { ...base, override: overrideOf(grant, event) }
    case 'deny':
      if (event.by === grant.user)
        throw new HalliganError('denied', `${event.by} asked for grant ${grant.id} and may not deny it`, {
          hint: 'leave it alone: it lapses by itself',
        })
      return { ...base, endedAt: event.at }
    case 'lapse':
      return { ...base, endedAt: event.at }
    case 'end':
      return {
        ...base,
        endedAt: event.at,
        end: { how: event.how, by: event.by, reason: event.reason },
        reviewDueAt: event.reviewDueAt,
      }
    case 'review':
      if (tookPart(grant, event.by))
        throw new HalliganError('denied', `${event.by} took part in grant ${grant.id} and may not review it`)
      return { ...base, review: { by: event.by, at: event.at, verdict: event.verdict, findings: event.findings } }
  }
}

/** How a refused step reads in `grant g7f3 is lapsed: it cannot …`. */
const verbs: Readonly<Record<GrantEvent['kind'], string>> = {
  activate: 'be activated',
  approve: 'be approved',
  deny: 'be denied',
  override: 'be overridden',
  lapse: 'lapse',
  end: 'be ended',
  review: 'be reviewed',
}

function approvalOf(grant: Grant, event: { by: string; at: number; comment: string }): Grant['approvals'][number] {
  if (event.by === grant.user)
    throw new HalliganError('denied', `${event.by} asked for grant ${grant.id} and may not approve it`)
  if (grant.approvals.some((approval) => approval.by === event.by))
    throw new HalliganError('conflict', `${event.by} has approved grant ${grant.id} already`)
  return { by: event.by, at: event.at, comment: event.comment }
}

function overrideOf(grant: Grant, event: { by: string; at: number; reason: string }): NonNullable<Grant['override']> {
  if (event.by !== grant.user)
    throw new HalliganError('denied', `only ${grant.user} may go ahead with grant ${grant.id} unapproved`)
  if (grant.override !== null) throw new HalliganError('conflict', `grant ${grant.id} is overridden already`)
  return { by: event.by, at: event.at, reason: event.reason }
}

/** True when `user` asked for the grant, approved it, or went ahead over it: they may not judge it. */
export function tookPart(grant: Grant, user: string): boolean {
  return grant.user === user || grant.override?.by === user || grant.approvals.some((approval) => approval.by === user)
}

/** True while the grant opens doors at `now` (ms). */
export function isLive(grant: Grant, now: number): boolean {
  return grant.state === 'active' && grant.expiresAt !== null && now < grant.expiresAt
}
