// The bodies of the interface, as the page reads them. Times are ms since the epoch; every answer with a countdown in it
// carries the server's `now`, for a browser's clock may be wrong by a day.

import type { Grant } from '../access/grant.ts'
import type { Role } from '../identity/user.ts'
import type { ReviewCase, ReviewItem } from '../procedure/review.ts'
import type { SessionRecord } from '../session/session.ts'

export interface Me {
  readonly user: string
  readonly roles: readonly Role[]
  readonly groups: readonly string[]
  readonly installation: string
  readonly now: number
  /** How long (ms) the last code given in this browser session still counts. */
  readonly stepUp: StepUp
}

export interface StepUp {
  readonly freshForMs: number
  readonly rememberedForMs: number
}

/** What a session's grant says, beside the session. */
export type GrantFacts = Pick<
  Grant,
  | 'id'
  | 'state'
  | 'policy'
  | 'policyHash'
  | 'trigger'
  | 'reason'
  | 'incident'
  | 'rule'
  | 'expiresAt'
  | 'approvals'
  | 'override'
>

export type SessionView = SessionRecord & { readonly granted: GrantFacts | null }

export interface SessionPage {
  readonly now: number
  readonly sessions: readonly SessionView[]
  /** For the next page; null at the end. */
  readonly cursor: string | null
}

export interface SessionDetail {
  readonly now: number
  readonly session: SessionView
  readonly may: { readonly kill: boolean }
}

export type GrantView = Grant & { readonly may: { readonly end: boolean }; readonly liveSessions: number }

export interface GrantList {
  readonly now: number
  readonly grants: readonly GrantView[]
}

export interface AlertView {
  readonly id: string
  readonly channel: string
  readonly type: string
  readonly at: number
  readonly attempts: number
  readonly acceptedAt: number | null
  readonly receipt: string | null
  readonly lastError: string | null
  readonly payload: Readonly<Record<string, unknown>>
}

export interface LedgerView {
  readonly installation: string
  readonly size: number
  readonly root: string
}

/** Messages of `GET /ws/sessions/:id/events`. `at`: seconds since the session opened; `line` as recorded. */
export type SessionMessage =
  | { readonly type: 'line'; readonly seq: number; readonly at: number; readonly line: unknown }
  | { readonly type: 'caught-up' }

/** Messages of `GET /ws/events`. A change says what to ask for again, not what it is now. */
export type FeedMessage =
  | { readonly type: 'welcome'; readonly now: number }
  | { readonly type: 'changed'; readonly topic: FeedTopic; readonly id: string }

/** What a page may show lists of. */
export type FeedTopic = 'sessions' | 'grants' | 'alerts' | 'locks' | 'views' | 'drills' | 'revocations'

export interface ReviewList {
  readonly now: number
  /** What waits, by due time; behind it what was reviewed, newest first. */
  readonly reviews: readonly ReviewItem[]
}

export interface ReviewDetail {
  readonly now: number
  readonly review: ReviewCase
}
