// Judging what was done: who may, what they must have opened, and the verdict, bound to the recordings it was passed on.
// All by compare-and-set: of two reviewers at once one wins and the other is told.

import { applyGrantEvent, type Grant, tookPart } from '../access/grant.ts'
import type { Policy } from '../access/policy.ts'
import {
  checkJudgement,
  type Evidence,
  isReviewer,
  type Judgement,
  mayReopen,
  mayReview,
  mustHaveOpened,
  reviewDueAt,
  reviewOf,
  reviewQuestions,
  reviewStanding,
  type ReviewStanding,
} from '../access/review.ts'
import { reviewStatistics, type ReviewStatistics } from '../access/review-statistics.ts'
import type { AuditEvent } from '../audit.ts'
import type { Clock } from '../clock.ts'
import { assert, HalliganError } from '../errors.ts'
import type { Directory, Role, User } from '../identity/user.ts'
import { sessionLog } from '../log.ts'
import type { SessionRecord } from '../session/session.ts'
import type { State } from '../session/state.ts'
import { channelsOf, grantAlerts } from './alert.ts'
import type { ReviewDebts } from './review-debt.ts'

export interface ReviewPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'commit' | 'events' | 'grant' | 'grants' | 'sessions' | 'views'>
  /** By name: the one in force, for roles and questions are those of now. */
  readonly policy: (name: string) => Policy | undefined
  readonly directory: Directory
  readonly channels: readonly string[]
  readonly nudge: () => void
  readonly debts: ReviewDebts
  /** What keeps a sealed recording from being shown, of the verifier's closed list; null: nothing does. */
  readonly finding: (session: SessionRecord) => Promise<string | null>
}

/** A grant in the queue, as one person sees it. */
export interface ReviewItem {
  readonly grant: Grant
  readonly standing: ReviewStanding
  /** Who may review it now, by name. */
  readonly reviewers: readonly string[]
  readonly may: { readonly decide: boolean; readonly reopen: boolean }
}

interface Watched {
  readonly session: SessionRecord
  readonly evidence: Evidence
}

/** Everything a reviewer goes by. */
export interface ReviewCase extends ReviewItem {
  readonly questions: readonly string[]
  /** Oldest first; `risky`: how much in it was told of as destroying something or handing out access. */
  readonly sessions: readonly (Watched & { readonly risky: number })[]
  /** Why this person may not decide, or not yet; null: they may. */
  readonly obstacle: Pick<HalliganError, 'code' | 'message' | 'hint'> | null
}

/** Roles that see every review; others see their own grants' and those they may be asked to judge. */
const overseers: readonly Role[] = ['reviewer', 'admin', 'auditor']

/** Reviewed grants of one answer: a page full; older ones are in the ledger and the report. */
const REVIEWED_SHOWN = 200

/** Grants that statistics are made of: years of emergencies. */
const COUNTED = 10_000

/** Leaves of risky actions that are counted for one review: each stands for a minute of a kind in a session. */
const RISKS_COUNTED = 10_000

/** The last of them are told of within a minute of the end (procedure/risky-action.ts), later where the disk is slow. */
const RISKS_AFTER_MS = 10 * 60_000

/** Times a decision is written anew when a reminder came between: they are hours apart. */
const TRIES = 3

/** What waits for review, by due time; with `all` also what was reviewed, newest first, behind it. */
export async function reviewQueue(
  ports: ReviewPorts,
  user: User,
  options: { readonly all: boolean },
): Promise<readonly ReviewItem[]> {
  // All of them: one that was left out would never be looked at.
  const waiting = await ports.state.grants({ states: ['awaiting-review'] })
  const done = options.all ? await ports.state.grants({ states: ['reviewed'], limit: REVIEWED_SHOWN }) : []
  const dueFirst = (left: Grant, right: Grant) => (left.reviewDueAt ?? 0) - (right.reviewDueAt ?? 0)
  return [...waiting.filter(({ drill }) => options.all || !drill).sort(dueFirst), ...done]
    .filter((grant) => seesReview(ports, user, grant))
    .map((grant) => itemOf(ports, user, grant))
}

/** One review with all that belongs to it. Throws `not_found`, also for what `user` may not see. */
export async function reviewCase(ports: ReviewPorts, user: User, id: string): Promise<ReviewCase> {
  const grant = await visible(ports, user, id)
  const watched = await evidenceOf(ports, grant, user)
  const risks = await risksOf(ports, grant)
  const sessions = watched.map((each) => ({ ...each, risky: risks.get(each.session.id) ?? 0 }))
  const questions = reviewQuestions(ports.policy(grant.policy))
  return { ...itemOf(ports, user, grant), questions, sessions, obstacle: obstacleTo(ports, user, grant, sessions) }
}

/**
 * Passes a verdict. Throws `not_found`, `conflict` (decided already, a recording not sealed yet, other questions),
 * `denied` (took part, is no reviewer, has not opened a recording), `usage`.
 */
export async function review(ports: ReviewPorts, by: User, id: string, given: Judgement): Promise<Grant> {
  for (let tries = 1; ; tries++) {
    const user = knownNow(ports, by)
    const grant = await visible(ports, user, id)
    mustWait(grant)
    mustReview(ports, user, grant)
    const judgement = checkJudgement(reviewQuestions(ports.policy(grant.policy)), given)
    const evidence = (await evidenceOf(ports, grant, user)).map((each) => each.evidence)
    mustHaveOpened(id, evidence)
    const at = ports.clock.now()
    const reviewed = applyGrantEvent(grant, {
      kind: 'review',
      review: reviewOf(grant, user.name, at, judgement, evidence),
    })
    if (await write(ports, grant, reviewed, reviewedLeaf(reviewed), 'review.done', tries < TRIES)) return reviewed
  }
}

/** Takes a verdict back, so that somebody judges anew. Throws `not_found`, `conflict`, `denied`. */
export async function reopenReview(ports: ReviewPorts, by: User, id: string, reason: string): Promise<Grant> {
  const user = knownNow(ports, by)
  const grant = await visible(ports, user, id)
  const policy = ports.policy(grant.policy)
  if (grant.state !== 'reviewed')
    throw new HalliganError('conflict', `grant ${id} is ${grant.state}: there is no verdict to take back`)
  if (!mayReopen(policy, grant, user))
    throw new HalliganError('denied', `${user.name} may not re-open the review of grant ${id}`, {
      hint: 'ask a reviewer or an admin who had no part in it',
    })
  const at = ports.clock.now()
  const reopened = applyGrantEvent(grant, {
    kind: 'reopen',
    at,
    by: user.name,
    reason,
    reviewDueAt: reviewDueAt(policy, at, grant.unannouncedAt),
  })
  const leaf: AuditEvent = { type: 'review-reopened', grant: id, by: user.name, reason }
  await write(ports, grant, reopened, leaf, 'review.reopened', false)
  return reopened
}

/** How reviewing goes, over the newest grants that were asked for since `since` (ms). */
export async function countReviews(ports: ReviewPorts, since: number): Promise<ReviewStatistics> {
  const grants = await ports.state.grants({ states: ['awaiting-review', 'reviewed'], since, limit: COUNTED })
  return reviewStatistics(grants, ports.clock.now())
}

/** True when the person may see the review of this grant, and so its recordings. */
export function seesReview(ports: Pick<ReviewPorts, 'policy'>, user: User, grant: Grant): boolean {
  return (
    user.name === grant.user ||
    overseers.some((role) => user.roles.includes(role)) ||
    isReviewer(ports.policy(grant.policy), user)
  )
}

async function visible(ports: ReviewPorts, user: User, id: string): Promise<Grant> {
  const grant = await ports.state.grant(id)
  const isUsed = grant?.state === 'awaiting-review' || grant?.state === 'reviewed'
  if (grant === undefined || !seesReview(ports, user, grant) || !(isUsed || grant.state === 'active'))
    throw new HalliganError('not_found', `no review of grant ${id}`)
  return grant
}

function itemOf(ports: ReviewPorts, user: User, grant: Grant): ReviewItem {
  const policy = ports.policy(grant.policy)
  return {
    grant,
    standing: reviewStanding(grant, ports.clock.now()),
    reviewers: ports.debts.reviewers(grant),
    may: {
      decide: grant.state === 'awaiting-review' && mayReview(policy, grant, user),
      reopen: grant.state === 'reviewed' && mayReopen(policy, grant, user),
    },
  }
}

/** The person as the directory has them now: who has left judges nothing. */
function knownNow(ports: ReviewPorts, by: User): User {
  const user = ports.directory.byName(by.name)
  if (user === undefined) throw new HalliganError('denied', `${by.name} is no user any more`)
  return user
}

function mustWait(grant: Grant): void {
  if (grant.state === 'active')
    throw new HalliganError('conflict', `grant ${grant.id} has not ended yet`, { hint: 'a review begins when it has' })
  if (grant.review !== null)
    throw new HalliganError('conflict', `${grant.review.by} has reviewed grant ${grant.id} already`, {
      hint: 'its verdict can be taken back: re-open it with a reason',
    })
}

function mustReview(ports: ReviewPorts, user: User, grant: Grant): void {
  if (tookPart(grant, user.name))
    throw new HalliganError('denied', `${user.name} took part in grant ${grant.id} and may not review it`, {
      hint: othersOf(ports, grant),
    })
  if (!mayReview(ports.policy(grant.policy), grant, user))
    throw new HalliganError('denied', `${user.name} is no reviewer of grant ${grant.id}`, {
      hint: othersOf(ports, grant),
    })
}

function othersOf(ports: ReviewPorts, grant: Grant): string {
  const names = ports.debts.reviewers(grant)
  return names.length === 0 ? 'nobody else may: tell an admin' : `these may: ${names.slice(0, 5).join(', ')}`
}

function obstacleTo(
  ports: ReviewPorts,
  user: User,
  grant: Grant,
  sessions: readonly Watched[],
): ReviewCase['obstacle'] {
  try {
    mustWait(grant)
    mustReview(ports, user, grant)
    const evidence = sessions.map((each) => each.evidence)
    mustHaveOpened(grant.id, evidence)
    return null
  } catch (error) {
    if (!(error instanceof HalliganError)) throw error
    return { code: error.code, message: error.message, hint: error.hint }
  }
}

/**
 * What the sessions of a grant are and how much of each was served to `user`. Several views do not add up: the same half
 * seen twice is no whole, so the largest counts.
 */
async function evidenceOf(ports: ReviewPorts, grant: Grant, user: User): Promise<readonly Watched[]> {
  const sessions = (await ports.state.sessions({ grant: grant.id })).reverse()
  const views = (await ports.state.views(sessions.map(({ id }) => id))).filter((view) => view.user === user.name)
  const evidence: Watched[] = []
  // One after the other: verifying a recording takes the disk.
  for (const session of sessions) {
    const shares = views.filter((view) => view.session === session.id).map(({ share }) => share)
    const share = Math.max(0, ...shares)
    const root = session.seal?.root ?? null
    const damage = await damageOf(ports, session, share, shares.length > 0)
    evidence.push({ session, evidence: { session: session.id, root, share, damage } })
  }
  return evidence
}

/** By session: what was told of as risky, counted from its leaves. */
async function risksOf({ state }: ReviewPorts, grant: Grant): Promise<ReadonlyMap<string, number>> {
  const leaves = await state.events({
    types: ['risky-action'],
    since: grant.activatedAt ?? grant.requestedAt,
    ...(grant.endedAt === null ? {} : { before: grant.endedAt + RISKS_AFTER_MS }),
    limit: RISKS_COUNTED,
  })
  const counts = new Map<string, number>()
  for (const { event } of leaves)
    if (event.type === 'risky-action' && event.grant === grant.id && event.session !== undefined)
      counts.set(event.session, (counts.get(event.session) ?? 0) + (event.count ?? 1))
  return counts
}

/** A recording that was tried, of which nothing could be shown, is verified again before it counts as damaged. */
async function damageOf(
  ports: ReviewPorts,
  session: SessionRecord,
  share: number,
  wasTried: boolean,
): Promise<string | null> {
  if (session.seal === null) return null
  if (share === 0 && wasTried) {
    const finding = await ports.finding(session)
    if (finding !== null) return finding
  }
  return session.seal.state === 'damaged' ? 'damaged' : null
}

/** The leaf of a grant that has just been reviewed. */
export function reviewedLeaf({ id, review: passed }: Grant): AuditEvent {
  assert(passed !== null, 'a reviewed grant has its review')
  const { by, verdict, findings, followUps, checklist, sessions, statement, attestedBy } = passed
  return {
    type: 'grant-reviewed',
    grant: id,
    by,
    verdict,
    findings,
    roots: sessions.map(({ root }) => root ?? ''),
    followUps,
    shares: sessions.map(({ share }) => share),
    damage: sessions.map(({ damage }) => damage ?? null),
    checklist,
    statement,
    attestedBy,
  }
}

/** Gives false when somebody was faster and `mayRetry`; throws `conflict` then without it. */
async function write(
  ports: ReviewPorts,
  before: Grant,
  after: Grant,
  leaf: AuditEvent,
  alert: string,
  mayRetry: boolean,
): Promise<boolean> {
  const at = ports.clock.now()
  const { review: passed } = after
  const more = leaf.type === 'review-reopened' ? { by: leaf.by, reopenReason: leaf.reason } : {}
  try {
    await ports.state.commit({
      at,
      writes: [{ kind: 'grant', grant: after, expectVersion: before.version }],
      leaves: [leaf],
      alerts: grantAlerts(alert, after, channelsOf(ports.policy(after.policy), ports.channels), at, {
        ...more,
        ...(passed === null ? {} : { by: passed.by, verdict: passed.verdict, statement: passed.statement }),
      }),
    })
  } catch (error) {
    if (mayRetry && error instanceof HalliganError && error.code === 'conflict') return false
    throw error
  }
  ports.nudge()
  await ports.debts.refresh(after.user).catch((error: unknown) => {
    // The verdict stands; the next sweep, or the person's next request, reads the debts again.
    sessionLog.error('review.debts-not-read', { user: after.user, error })
  })
  return true
}
