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
  /** Exact command lines; empty: any, and a shell. */
  readonly commands: readonly string[]
  /** Beside a list of commands: whether sftp is opened as well. */
  readonly files: boolean
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
  readonly override: {
    readonly by: string
    readonly at: number
    readonly reason: string
    /** Who could have approved and was not waited for. */
    readonly skipped?: readonly string[]
    /** When a channel took the approvers' alert (ms); null: nobody was reached. */
    readonly announcedAt?: number | null
  } | null
  /** Oldest first; each moved `expiresAt`. */
  readonly extensions: readonly {
    readonly by: string
    readonly at: number
    readonly reason: string
    readonly expiresAt: number
  }[]
  /** Who vouched for a person without their second factor (design §5); null: nobody had to. */
  readonly vouchedBy: string | null
  /** What was asked outside before it was given: trigger and on-call checks, in order. */
  readonly checks: readonly CheckRecord[]
  /** When a session was opened although no channel had accepted the alert (ms); null: never. */
  readonly unannouncedAt: number | null
  /** True for a rehearsal: derived from identity and target, never from a request. */
  readonly drill: boolean
  readonly reviewDueAt: number | null
  /** How far the people have been told that the review is waiting. */
  readonly reviewStage: 'none' | 'reminded' | 'overdue' | 'escalated'
  readonly review: Review | null
  /** Reviews that were re-opened, oldest first. */
  readonly earlierReviews: readonly ReopenedReview[]
}

export type Verdict = 'emergency' | 'misuse' | 'mistake'

export interface Review {
  readonly by: string
  readonly at: number
  readonly verdict: Verdict
  readonly findings: string
  readonly followUps: readonly string[]
  /** The policy's questions as they were answered. */
  readonly checklist: readonly { readonly question: string; readonly answer: 'yes' | 'no' | 'n/a' }[]
  /** When it was due (ms): whether it came in time. */
  readonly dueAt: number
  /**
   * What was judged, by age: each session's sealed root (hex), and the part of its recording that was served to the
   * reviewer (0 to 1). `damage`: why it could not be seen whole, such as `damaged` or a finding of the verifier.
   */
  readonly sessions: readonly {
    readonly session: string
    readonly root: string | null
    readonly share: number
    readonly damage?: string
  }[]
  /** SHA-256 (hex) of the canonical statement the reviewer decided on (access/review.ts). */
  readonly statement: string
  /** Whose word the statement is: Halligan's, which saw the reviewer's second factor. */
  readonly attestedBy: 'halligan'
}

/** A review that was taken back. */
export type ReopenedReview = Review & {
  readonly reopened: { readonly by: string; readonly at: number; readonly reason: string }
}

export interface CheckRecord {
  readonly check: string
  readonly outcome: 'met' | 'not-met' | 'error'
  /** One printable line: what was found, or what went wrong. */
  readonly detail: string
  /** With `error`: what the policy says about it. */
  readonly onError: 'allow' | 'deny'
  readonly at: number
}

export type GrantEvent =
  | { readonly kind: 'activate'; readonly at: number; readonly expiresAt: number }
  | { readonly kind: 'approve'; readonly at: number; readonly by: string; readonly comment: string }
  | { readonly kind: 'deny'; readonly at: number; readonly by: string; readonly comment: string }
  | ({ readonly kind: 'override' } & NonNullable<Grant['override']>)
  | { readonly kind: 'lapse'; readonly at: number }
  | {
      readonly kind: 'end'
      readonly at: number
      readonly how: GrantEnd
      readonly by: string
      readonly reason: string
      readonly reviewDueAt: number
    }
  /** `latest` (ms): activation + the policy's maximum. */
  | {
      readonly kind: 'extend'
      readonly at: number
      readonly by: string
      readonly reason: string
      readonly expiresAt: number
      readonly latest: number
    }
  /** A session opened although nobody outside had accepted the alert; its review is due sooner. */
  | { readonly kind: 'unannounced'; readonly at: number }
  | { readonly kind: 'remind'; readonly at: number; readonly stage: 'reminded' | 'overdue' | 'escalated' }
  | { readonly kind: 'review'; readonly review: Review }
  | {
      readonly kind: 'reopen'
      readonly at: number
      readonly by: string
      readonly reason: string
      readonly reviewDueAt: number
    }

/** State × event → next state. An absent pair is refused. */
export const grantTable: Readonly<Record<GrantState, Partial<Record<GrantEvent['kind'], GrantState>>>> = {
  requested: { approve: 'requested', override: 'requested', activate: 'active', deny: 'denied', lapse: 'lapsed' },
  active: { extend: 'active', unannounced: 'active', end: 'awaiting-review' },
  denied: {},
  lapsed: {},
  'awaiting-review': { remind: 'awaiting-review', review: 'reviewed' },
  reviewed: { reopen: 'awaiting-review' },
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
    case 'extend':
      return extended(base, event)
    case 'unannounced':
      return { ...base, unannouncedAt: grant.unannouncedAt ?? event.at }
    case 'remind':
      return { ...base, reviewStage: event.stage }
    case 'review':
      if (tookPart(grant, event.review.by))
        throw new HalliganError('denied', `${event.review.by} took part in grant ${grant.id} and may not review it`)
      return { ...base, review: event.review }
    case 'reopen': {
      assert(grant.review !== null, `a reviewed grant has its review`)
      if (tookPart(grant, event.by))
        throw new HalliganError('denied', `${event.by} took part in grant ${grant.id} and may not re-open its review`)
      const reopened = { by: event.by, at: event.at, reason: event.reason }
      const earlierReviews = [...grant.earlierReviews, { ...grant.review, reopened }]
      return { ...base, review: null, earlierReviews, reviewDueAt: event.reviewDueAt, reviewStage: 'none' }
    }
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
  extend: 'be extended',
  unannounced: 'be marked as unannounced',
  remind: 'be reminded of',
  review: 'be reviewed',
  reopen: 'be re-opened',
}

/** However long was asked for, the end moves later and never beyond what the policy allows from the activation on. */
function extended(grant: Grant, event: Extract<GrantEvent, { kind: 'extend' }>): Grant {
  const { by, at, reason, expiresAt, latest } = event
  if (by === grant.vouchedBy)
    throw new HalliganError('denied', `${by} vouched for ${grant.user} and may not extend grant ${grant.id}`)
  assert(expiresAt <= latest, `grant ${grant.id} ends within its policy's maximum`)
  if (expiresAt <= (grant.expiresAt ?? 0))
    throw new HalliganError('conflict', `grant ${grant.id} already lasts as long as its policy allows`, {
      hint: 'request a new grant when this one has ended',
    })
  return { ...grant, expiresAt, extensions: [...grant.extensions, { by, at, reason, expiresAt }] }
}

function approvalOf(grant: Grant, event: { by: string; at: number; comment: string }): Grant['approvals'][number] {
  if (event.by === grant.user)
    throw new HalliganError('denied', `${event.by} asked for grant ${grant.id} and may not approve it`)
  if (event.by === grant.vouchedBy)
    throw new HalliganError('denied', `${event.by} vouched for ${grant.user} and may not approve grant ${grant.id}`)
  if (grant.approvals.some((approval) => approval.by === event.by))
    throw new HalliganError('conflict', `${event.by} has approved grant ${grant.id} already`)
  return { by: event.by, at: event.at, comment: event.comment }
}

function overrideOf(
  grant: Grant,
  { by, at, reason, skipped, announcedAt }: Extract<GrantEvent, { kind: 'override' }>,
): NonNullable<Grant['override']> {
  if (by !== grant.user)
    throw new HalliganError('denied', `only ${grant.user} may go ahead with grant ${grant.id} unapproved`)
  if (grant.override !== null) throw new HalliganError('conflict', `grant ${grant.id} is overridden already`)
  return {
    by,
    at,
    reason,
    ...(skipped === undefined ? {} : { skipped }),
    ...(announcedAt === undefined ? {} : { announcedAt }),
  }
}

/** True when `user` asked for the grant, approved, extended or vouched for it, or went ahead over it: they may not judge it. */
export function tookPart(grant: Grant, user: string): boolean {
  return (
    grant.user === user ||
    grant.override?.by === user ||
    grant.vouchedBy === user ||
    grant.approvals.some((approval) => approval.by === user) ||
    grant.extensions.some((extension) => extension.by === user)
  )
}

/** The parts of a grant that earlier versions did not know: what a grant kept by one of them means. */
export const grantDefaults: Pick<
  Grant,
  | 'commands'
  | 'files'
  | 'extensions'
  | 'vouchedBy'
  | 'checks'
  | 'unannouncedAt'
  | 'drill'
  | 'reviewStage'
  | 'earlierReviews'
> = {
  commands: [],
  files: true,
  extensions: [],
  vouchedBy: null,
  checks: [],
  unannouncedAt: null,
  drill: false,
  reviewStage: 'none',
  earlierReviews: [],
}

/** True while the grant opens doors at `now` (ms). */
export function isLive(grant: Grant, now: number): boolean {
  return grant.state === 'active' && grant.expiresAt !== null && now < grant.expiresAt
}
