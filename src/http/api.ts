// The bodies of the interface, as the page reads them. Times are ms since the epoch; every answer with a countdown in it
// carries the server's `now`, for a browser's clock may be wrong by a day.

import type { Grant } from '../access/grant.ts'
import type { Policy } from '../access/policy.ts'
import type { Role } from '../identity/user.ts'
import type { AnchorStatus } from '../procedure/anchor-status.ts'
import type { ExplanationPorts } from '../procedure/explanation.ts'
import type { Target } from '../target.ts'
import type { Offer } from '../procedure/offer.ts'
import type { DenialView, RequestView } from '../procedure/request-view.ts'
import type { ReviewCase, ReviewItem } from '../procedure/review.ts'
import type { DrillOverview, DrillReport, DrillSchedule, DrillSummary } from '../procedure/drill.ts'
import type { Readiness } from '../procedure/readiness.ts'
import type { SessionRecord } from '../session/session.ts'
import type { Lock } from '../session/state.ts'

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
  | 'vouchedBy'
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

/** Requests and what may be done with them. Offers and views are the use-cases' own (procedure/offer, request-view). */
export interface RequestList {
  readonly now: number
  /** Waiting, and the caller may decide. */
  readonly pending: readonly RequestView[]
  /** The caller's own that wait. */
  readonly mine: readonly RequestView[]
  /** Decided ones, newest first: the caller's own, or everybody's for those who see all. */
  readonly history: readonly Grant[]
  /** Denials that still stand and that the caller may lift. */
  readonly denials: readonly {
    readonly id: string
    readonly user: string
    readonly target: string
    readonly account: string
    readonly at: number
  }[]
  /** What the caller may ask for. */
  readonly targets: readonly { readonly target: string; readonly kind: string; readonly account: string }[]
}

export interface RequestOffer {
  readonly now: number
  readonly offer: Offer
}

export interface RequestDetail {
  readonly now: number
  readonly request: RequestView
  /** Who denied it and why; null: nobody did. */
  readonly denial: DenialView | null
  readonly told: readonly {
    readonly channel: string
    readonly type: string
    readonly at: number
    readonly acceptedAt: number | null
  }[]
}

export interface RequestOutcome {
  readonly now: number
  readonly request: RequestView
}

export type GrantView = Grant & {
  readonly may: { readonly end: boolean; readonly extend: boolean }
  readonly liveSessions: number
}

export interface LockList {
  readonly now: number
  /** Oldest first. */
  readonly locks: readonly Lock[]
  readonly may: { readonly lock: boolean }
}

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
  /** When it is tried again (ms); in the past: now. */
  readonly nextAt: number
  readonly acceptedAt: number | null
  /** When it was given up. */
  readonly deadAt: number | null
  readonly receipt: string | null
  readonly lastError: string | null
  readonly payload: Readonly<Record<string, unknown>>
}

/** The page everyone lands on: how it stands, each with the page that says more. */
export interface OverviewView {
  readonly now: number
  readonly liveSessions: number
  readonly liveGrants: number
  readonly waitingRequests: number
  readonly reviews: { readonly due: number; readonly overdue: number }
  /** Whether the counts are everybody's, or the caller's own. */
  readonly seesAll: boolean
  readonly locks: readonly Lock[]
  /** Null for those who see their own only. */
  readonly alerts: { readonly undelivered: number; readonly dead: number } | null
  readonly drill: { readonly last: DrillSummary | null; readonly missed: readonly DrillSchedule[] } | null
  readonly readiness: Readiness | null
  readonly may: { readonly drill: boolean }
}

export interface DrillList extends DrillOverview {
  readonly now: number
}

export interface DrillDetail {
  readonly now: number
  readonly run: DrillSummary
  /** Null while it runs. */
  readonly report: DrillReport | null
}

export interface AlertPage {
  readonly now: number
  /** Newest first, delivered or not. */
  readonly alerts: readonly AlertView[]
  /** What no channel has taken, of any age: given up first. */
  readonly owed: readonly AlertView[]
  readonly may: { readonly retry: boolean }
}

export interface LedgerView {
  readonly installation: string
  readonly size: number
  readonly root: string
  /** What is kept outside of it, and how far back a cut tail could go unnoticed. */
  readonly anchored: AnchorStatus
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

/** The policies that a person may read. */
export interface PolicyList {
  readonly now: number
  /** Whether `explain` and `simulate` answer about others. */
  readonly mayAskAboutOthers: boolean
  /** Whom they may be about. */
  readonly users: readonly string[]
  readonly policies: readonly Policy[]
  /** What file is in force, and which was refused; null for who does not oversee. */
  readonly configuration: ExplanationPorts['configuration'] | null
}

export interface TargetList {
  readonly now: number
  readonly targets: readonly TargetView[]
}

/** A target as people know it: never where it is. */
export interface TargetView {
  readonly name: string
  readonly kind: Target['kind']
  readonly labels: Readonly<Record<string, string>>
  readonly accounts: readonly string[]
  readonly databases: readonly string[]
  readonly isCanary: boolean
  /** Those that the person may read and that open it to somebody. */
  readonly policies: readonly string[]
}
