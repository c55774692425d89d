// Every use is looked at afterwards by someone who had no part in it, in hours. Who that is, when it is due, whom it is
// told to when it is late, what a verdict must hold and what it was passed on. Pure; `procedure/review.ts` writes it down.

import { createHash } from 'node:crypto'
import { HalliganError } from '../errors.ts'
import type { User } from '../identity/user.ts'
import { isAmong } from './approval.ts'
import { type Grant, type Review, tookPart, type Verdict } from './grant.ts'
import { canonicalJson } from './policy-hash.ts'
import type { Policy } from './policy.ts'

/** A session that nobody outside had been told of is looked at soon, whatever the policy says (design §4). */
export const UNANNOUNCED_WITHIN_MS = 3_600_000

/** The reminder comes this long before the review is due, or at half its time where that is shorter. */
const REMINDER_MS = 3_600_000

/** For a grant whose policy has left the configuration: somebody still looks at it. */
const ORPHAN: Policy['review'] = {
  withinMs: 8 * 3_600_000,
  by: { groups: [], roles: ['reviewer'] },
  checklist: [],
  escalate: null,
}

/** What a policy without questions of its own asks. */
export const DEFAULT_CHECKLIST: readonly string[] = [
  'Was it an emergency, of the kind the trigger names?',
  'Did what was done match the reason that was given?',
  'Could less have done: a lesser account, a narrower scope, a shorter time?',
  'Was anything left behind on the target, such as detached processes, files, keys or changed settings?',
  'Is a follow-up needed, so that the next time the glass can stay whole?',
]

/** The rules of review in force for a grant of `policy`; undefined: the policy is gone. */
export function reviewRule(policy: Policy | undefined): Policy['review'] {
  return policy?.review ?? ORPHAN
}

/** The questions every reviewer answers. */
export function reviewQuestions(policy: Policy | undefined): readonly string[] {
  const { checklist } = reviewRule(policy)
  return checklist.length > 0 ? checklist : DEFAULT_CHECKLIST
}

/** When the review of a grant that ended at `endedAt` is due (ms); sooner when it was used unannounced. */
export function reviewDueAt(
  policy: Policy | undefined,
  endedAt: number,
  unannouncedAt: Grant['unannouncedAt'] = null,
): number {
  return endedAt + withinMs(policy, unannouncedAt)
}

function withinMs(policy: Policy | undefined, unannouncedAt: Grant['unannouncedAt']): number {
  const asWritten = reviewRule(policy).withinMs
  return unannouncedAt === null ? asWritten : Math.min(asWritten, UNANNOUNCED_WITHIN_MS)
}

export type ReviewStanding =
  | { readonly kind: 'none' }
  | { readonly kind: 'due'; readonly inMs: number }
  | { readonly kind: 'overdue'; readonly byMs: number }
  | { readonly kind: 'done' }

/** Where the review of a grant stands at `now` (ms). What was told as overdue stays so, whatever the clock does. */
export function reviewStanding(grant: Grant, now: number): ReviewStanding {
  if (grant.state === 'reviewed') return { kind: 'done' }
  if (grant.state !== 'awaiting-review' || grant.reviewDueAt === null) return { kind: 'none' }
  const isTold = grant.reviewStage === 'overdue' || grant.reviewStage === 'escalated'
  return now < grant.reviewDueAt && !isTold
    ? { kind: 'due', inMs: grant.reviewDueAt - now }
    : { kind: 'overdue', byMs: Math.max(0, now - grant.reviewDueAt) }
}

/** How many of `user`'s grants wait for a review that is overdue: what takes their self-activation away. */
export function overdueReviews(grants: readonly Grant[], user: string, now: number): number {
  return grants.filter((grant) => grant.user === user && reviewStanding(grant, now).kind === 'overdue').length
}

/**
 * The next thing people are told about a review that waits, if it is time; null: nothing now. One step at a time, so that
 * each is told once. A rehearsal's own report is its review: nobody is woken for it.
 */
export function nextReviewStage(
  policy: Policy | undefined,
  grant: Grant,
  now: number,
): Exclude<Grant['reviewStage'], 'none'> | null {
  const { state, drill, reviewDueAt: dueAt, reviewStage } = grant
  if (state !== 'awaiting-review' || dueAt === null || drill) return null
  switch (reviewStage) {
    case 'none':
      if (now >= dueAt) return 'overdue'
      return now >= dueAt - Math.min(REMINDER_MS, withinMs(policy, grant.unannouncedAt) / 2) ? 'reminded' : null
    case 'reminded':
      return now >= dueAt ? 'overdue' : null
    case 'overdue': {
      const { escalate } = reviewRule(policy)
      return escalate !== null && now >= dueAt + escalate.afterMs ? 'escalated' : null
    }
    case 'escalated':
      return null
  }
}

/** True when the policy names `user` as reviewer and they had no part in the grant; a rehearsal is judged by its own. Administrators are not exempt. */
export function mayReview(policy: Policy | undefined, grant: Grant, user: User): boolean {
  return (user.isDrill === true) === grant.drill && isReviewer(policy, user) && !tookPart(grant, user.name)
}

/** True when `user` is one of those who review the policy's grants, whoever took part in which. */
export function isReviewer(policy: Policy | undefined, user: User): boolean {
  return user.isDisabled !== true && isAmong(reviewRule(policy).by, user)
}

/** True when `user` may take a verdict back: a reviewer or an administrator who had no part in the grant. */
export function mayReopen(policy: Policy | undefined, grant: Grant, user: User): boolean {
  const isNamed = isReviewer(policy, user) || (user.isDisabled !== true && user.roles.includes('admin'))
  return (user.isDrill === true) === grant.drill && isNamed && !tookPart(grant, user.name)
}

/** What a reviewer decides. */
export interface Judgement {
  readonly verdict: Verdict
  readonly findings: string
  readonly followUps: readonly string[]
  readonly checklist: Review['checklist']
}

export const FINDINGS_MAX = 2000
export const FOLLOW_UP_MAX = 200
export const FOLLOW_UPS_MAX = 10

/** Findings of fewer characters say nothing. */
const FINDINGS_MIN = 10

// Controls, and marks that hide or reorder text, would make the record say what nobody reads. A line feed is a line feed.
const HIDDEN = /[^\P{C}\n]/u

/**
 * The judgement as it is kept: trimmed, its answers in the order of the questions. Throws `usage` for what is missing or
 * too long, `conflict` when it answers other questions than `questions`.
 */
export function checkJudgement(questions: readonly string[], given: Judgement): Judgement {
  const findings = given.findings.replaceAll('\r\n', '\n').trim()
  mustBePlain('findings', findings, FINDINGS_MAX)
  if (given.verdict !== 'emergency' && findings.length < FINDINGS_MIN)
    throw new HalliganError(
      'usage',
      `a verdict of ${given.verdict} needs findings of at least ${FINDINGS_MIN} characters`,
      {
        hint: 'say what was found: the person concerned and the next reviewer will read it',
      },
    )
  const followUps = given.followUps.map((each) => each.trim()).filter((each) => each !== '')
  if (followUps.length > FOLLOW_UPS_MAX)
    throw new HalliganError('usage', `${followUps.length} follow-ups, and at most ${FOLLOW_UPS_MAX} are kept`)
  for (const each of followUps) mustBePlain('a follow-up', each, FOLLOW_UP_MAX)
  return { verdict: given.verdict, findings, followUps, checklist: answersTo(questions, given.checklist) }
}

function mustBePlain(what: string, text: string, most: number): void {
  if (text.length > most)
    throw new HalliganError('usage', `${what}: ${text.length} characters, and at most ${most} are kept`)
  if (HIDDEN.test(text)) throw new HalliganError('usage', `${what}: plain text without control characters`)
}

function answersTo(questions: readonly string[], given: Judgement['checklist']): Judgement['checklist'] {
  const answers = new Map(given.map(({ question, answer }) => [question, answer]))
  if (given.some(({ question }) => !questions.includes(question)))
    throw new HalliganError('conflict', 'the questions of this policy have changed', { hint: 'read the new ones' })
  return questions.map((question, index) => {
    const answer = answers.get(question)
    if (answer === undefined)
      throw new HalliganError('usage', `question ${index + 1} is not answered: ${question}`, {
        hint: 'answer every question with yes, no or n/a',
      })
    return { question, answer }
  })
}

/** One session of the grant, as far as a reviewer can know it. */
export interface Evidence {
  readonly session: string
  /** Hex; null: not sealed yet. */
  readonly root: string | null
  /** 0 to 1: the part of the sealed recording that was served to this reviewer. */
  readonly share: number
  /** Why it cannot be seen whole: `damaged`, or what was found when it was to be opened; null: it can. */
  readonly damage: string | null
}

/** Refuses a verdict on what was not looked at. Throws `conflict` (wait for the seal) and `denied` (open these first). */
export function mustHaveOpened(grant: string, evidence: readonly Evidence[]): void {
  const unsealed = evidence.filter(({ root }) => root === null).map(({ session }) => session)
  if (unsealed.length > 0)
    throw new HalliganError('conflict', `${list(unsealed)} of grant ${grant}: not sealed yet`, {
      hint: 'wait until the recording is sealed; it takes seconds after the session ended',
    })
  const unopened = evidence.filter(({ share, damage }) => share === 0 && damage === null).map(({ session }) => session)
  if (unopened.length > 0)
    throw new HalliganError('denied', `you have not opened ${list(unopened)} of grant ${grant}`, {
      hint: 'a verdict is passed on what was seen: open each recording in the page first',
    })
}

function list(sessions: readonly string[]): string {
  return `${sessions.length === 1 ? 'session' : 'sessions'} ${sessions.join(', ')}`
}

/** What was judged and how, as one text whose hash is bound to the review. Canonical JSON. */
export function statementText(grant: string, by: string, judgement: Judgement, evidence: readonly Evidence[]): string {
  return canonicalJson({
    kind: 'halligan/review/1',
    grant,
    by,
    ...judgement,
    roots: evidence.map(({ root }) => root),
    shares: evidence.map(({ share }) => share),
    damage: evidence.map(({ damage }) => damage),
  })
}

/** The review as it is kept with the grant. */
export function reviewOf(
  grant: Pick<Grant, 'id' | 'reviewDueAt'>,
  by: string,
  at: number,
  judgement: Judgement,
  evidence: readonly Evidence[],
): Review {
  return {
    by,
    at,
    ...judgement,
    dueAt: grant.reviewDueAt ?? at,
    sessions: evidence.map(({ session, root, share, damage }) => ({
      session,
      root,
      share,
      ...(damage === null ? {} : { damage }),
    })),
    statement: createHash('sha256')
      .update(statementText(grant.id, by, judgement, evidence))
      .digest('hex'),
    attestedBy: 'halligan',
  }
}
