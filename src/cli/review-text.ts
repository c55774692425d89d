// One review as a page of plain text: what was granted, what was done under it, what was said about it.

import type { Grant, Review } from '../access/grant.ts'
import type { ReviewStanding } from '../access/review.ts'
import type { ReviewCase } from '../procedure/review.ts'
import { printable, span } from './table.ts'

/** `due in 3 h`, `overdue by 20 min`, `emergency, by rita`. */
export function standingText(grant: Grant, standing: ReviewStanding, now: number): string {
  switch (standing.kind) {
    case 'due':
      return `due in ${span(standing.inMs)}`
    case 'overdue':
      return `OVERDUE by ${span(standing.byMs)}`
    case 'done':
      return grant.review === null ? 'done' : `${grant.review.verdict}, by ${grant.review.by}`
    case 'none':
      return grant.expiresAt === null || grant.expiresAt < now ? 'none yet' : `runs for ${span(grant.expiresAt - now)}`
  }
}

/** Everything a reviewer goes by, and `hints` at the end. */
export function reviewText(found: ReviewCase, now: number, hints: readonly string[]): string {
  const { grant, standing, sessions, questions, reviewers } = found
  const lines = [
    `grant ${grant.id}: ${grant.user} on ${grant.account}@${grant.target}, ${standingText(grant, standing, now)}`,
    ...facts(grant).map(([name, value]) => `  ${name.padEnd(11)} ${value}`),
    `  ${'reviewers'.padEnd(11)} ${reviewers.join(', ') || '(nobody: tell an admin)'}`,
    sessions.length === 0 ? 'no session: the glass was broken, nobody went in' : 'sessions',
    ...sessions.map((each) => `  ${sessionText(each)}`),
    'questions',
    ...questions.map((question, index) => `  ${index + 1} ${question}`),
    ...verdicts(grant),
  ]
  return `${[...lines, ...hints.map((hint) => `hint: ${hint}`)].map(printable).join('\n')}\n`
}

function facts(grant: Grant): readonly (readonly [string, string])[] {
  const { trigger, incident, reason, end, override, vouchedBy } = grant
  const scope = [...grant.databases, ...grant.commands].join(', ')
  const optional: readonly (readonly [string, string] | null)[] = [
    ['why', `${reason} (${[trigger, incident].filter(Boolean).join(', ')})`],
    ['policy', `${grant.policy}, rule ${grant.rule}`],
    scope === '' ? null : ['scope', scope],
    ['asked', `${utc(grant.requestedAt)} from ${grant.requestedFrom}`],
    ...grant.checks.map(({ check, outcome, detail }) => ['check', `${check}: ${outcome}, ${detail}`] as const),
    ...grant.approvals.map(({ by, at, comment }) => ['approved', `${by}, ${utc(at)}: ${comment || '-'}`] as const),
    override === null ? null : ['OVERRIDDEN', `by ${override.by}, ${utc(override.at)}: ${override.reason}`],
    vouchedBy === null ? null : ['VOUCHED', `${vouchedBy} vouched for ${grant.user}, who had no second factor`],
    grant.activatedAt === null ? null : ['active', `${utc(grant.activatedAt)} to ${utc(grant.endedAt ?? 0)}`],
    ...grant.extensions.map(({ by, at, reason: why }) => ['extended', `by ${by}, ${utc(at)}: ${why}`] as const),
    end === null ? null : ['ended', `${end.how} by ${end.by}: ${end.reason}`],
    grant.unannouncedAt === null
      ? null
      : ['UNANNOUNCED', `a session opened ${utc(grant.unannouncedAt)} though no channel had taken the alert`],
    grant.drill ? ['drill', 'a rehearsal'] : null,
    ['review due', utc(grant.reviewDueAt ?? 0)],
  ]
  return optional.filter((fact) => fact !== null)
}

function sessionText({ session, evidence, risky }: ReviewCase['sessions'][number]): string {
  const took = session.endedAt === null ? 'running' : span(session.endedAt - session.openedAt)
  const state = session.seal === null ? 'not sealed yet' : `sealed ${session.seal.state}`
  const end = session.end === null ? '' : `, ${session.end.message}`
  const opened = `opened by you: ${Math.floor(evidence.share * 100)} %`
  const damage = evidence.damage === null ? '' : `, ${evidence.damage}: it cannot be seen whole`
  const risks = risky === 0 ? '' : `; ${risky} risky`
  return `${session.id}  ${session.what.kind}, ${utc(session.openedAt)}, ${took}${end}; ${state}; ${opened}${damage}${risks}`
}

function verdicts({ earlierReviews, review }: Grant): string[] {
  const earlier = earlierReviews.flatMap((each) => [
    ...verdictText(each),
    `  re-opened by ${each.reopened.by}, ${utc(each.reopened.at)}: ${each.reopened.reason}`,
  ])
  return [...earlier, ...(review === null ? [] : verdictText(review))]
}

function verdictText({ by, at, verdict, findings, followUps, checklist, statement }: Review): string[] {
  return [
    `verdict ${verdict}, by ${by}, ${utc(at)}`,
    ...findings.split('\n').map((line) => `  ${line}`),
    ...checklist.map(({ question, answer }) => `  ${answer.padEnd(3)} ${question}`),
    ...followUps.map((each) => `  follow-up: ${each}`),
    `  statement ${statement} (Halligan's)`,
  ]
}

function utc(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
