import { expect, test } from 'vitest'
import {
  DENIAL_STANDS_MS,
  REQUEST_LAPSES_MS,
  approvalNeed,
  approvalProgress,
  mayApprove,
} from '../../src/access/approval.ts'
import { mayReview, overdueReviews, reviewDueAt, reviewStanding } from '../../src/access/review.ts'
import { MINUTE, NOW, alice, bob, grant, policy, rita, user } from './examples.ts'

function need(account: string, standing = {}, now = NOW) {
  const found = approvalNeed(policy(), account, 'customer-impact', standing, now)
  if (found === undefined) throw new Error('no rule matches')
  return found
}

test('the first rule that matches decides', () => {
  expect(need('app_readonly')).toMatchObject({ rule: 'db/approval[0]', required: 0 })
  expect(need('app_readwrite')).toMatchObject({ rule: 'db/approval[1]', required: 1 })
})

test('while the trigger is not said, the strictest rule it could lead to is shown', () => {
  const rules = [
    { when: { trigger: 'outage' }, required: 0, from: { groups: [], roles: [] }, override: null },
    { when: { trigger: 'breach' }, required: 2, from: { groups: ['leads'], roles: [] }, override: null },
  ]
  const several = policy({ triggers: [{ name: 'outage' }, { name: 'breach' }], approval: rules })
  expect(approvalNeed(several, 'app_readonly', null, {}, NOW)).toMatchObject({ rule: 'db/approval[1]', required: 2 })
  expect(approvalNeed(several, 'app_readonly', 'other', {}, NOW)).toBeUndefined()
})

test('overdue reviews turn self-activation into one approval or ten minutes', () => {
  expect(need('app_readonly', { overdueReviews: 1 })).toEqual({
    rule: 'db/approval[0]+overdue-review',
    required: 1,
    override: { afterMs: 10 * MINUTE, reasonMinLength: 40 },
    from: { groups: [], roles: ['approver'] },
  })
  expect(need('app_readwrite', { overdueReviews: 1 })).toEqual(need('app_readwrite'))
})

test('after a denial nobody goes ahead alone for four hours', () => {
  for (const account of ['app_readonly', 'app_readwrite']) {
    const denied = need(account, { deniedAt: NOW, overdueReviews: 1 }, NOW + DENIAL_STANDS_MS - 1)
    expect(denied).toMatchObject({ required: 1, override: null })
    expect(denied.rule).toMatch(/\+denied$/)
    expect(need(account, { deniedAt: NOW }, NOW + DENIAL_STANDS_MS)).toEqual(need(account))
    expect(need(account, { deniedAt: NOW }, NOW - MINUTE)).toMatchObject({ override: null })
  }
})

test('who approves: those the rule names, never the one who asked', () => {
  const rule = need('app_readwrite')
  expect(mayApprove(rule, grant(), bob)).toBe(true)
  expect(mayApprove(rule, grant(), rita)).toBe(false)
  expect(mayApprove(rule, grant(), user('adam', [], 'admin'))).toBe(false)
  expect(mayApprove(rule, grant({ user: 'bob' }), bob)).toBe(false)
})

const rule = need('app_readwrite')
const approved = grant({ approvals: [{ by: 'bob', at: NOW, comment: '' }] })
const overriddenAt = (at: number) => grant({ override: { by: 'alice', at, reason: 'nobody answers' } })
const progress = [
  { name: 'nobody yet', held: grant(), at: 1, want: { kind: 'waiting', missing: 1, overrideAt: NOW + 10 * MINUTE } },
  { name: 'approved', held: approved, at: 1, want: { kind: 'ready' } },
  { name: 'overridden in time', held: overriddenAt(NOW + 10 * MINUTE), at: 10 * MINUTE, want: { kind: 'ready' } },
  { name: 'overridden too early', held: overriddenAt(NOW + MINUTE), at: MINUTE, want: { kind: 'waiting' } },
  { name: 'about to lapse', held: grant(), at: 25 * MINUTE - 1, want: { kind: 'waiting' } },
  { name: 'lapsed', held: grant(), at: 25 * MINUTE, want: { kind: 'lapsed' } },
]
for (const { name, held, at, want } of progress) {
  test(`a request is ${want.kind}: ${name}`, () => {
    expect(approvalProgress(rule, held, null, NOW + at)).toMatchObject(want)
  })
}

test('the override clock starts when the approvers were told, else at the request', () => {
  const told = NOW + 3 * MINUTE
  expect(approvalProgress(rule, grant(), told, NOW + MINUTE)).toMatchObject({ overrideAt: told + 10 * MINUTE })
  const early = overriddenAt(NOW + 10 * MINUTE)
  expect(approvalProgress(rule, early, told, NOW + 11 * MINUTE).kind).toBe('waiting')
})

test('without an override a request lapses after its quarter of an hour', () => {
  const bare = { ...rule, override: null }
  expect(approvalProgress(bare, grant(), null, NOW + REQUEST_LAPSES_MS - 1)).toEqual({
    kind: 'waiting',
    missing: 1,
    overrideAt: null,
  })
  expect(approvalProgress(bare, grant(), null, NOW + REQUEST_LAPSES_MS)).toEqual({ kind: 'lapsed' })
  expect(approvalProgress(bare, overriddenAt(NOW + MINUTE), null, NOW + 2 * MINUTE).kind).toBe('waiting')
})

test('reviews are due, then overdue, then done; nothing is due before the end', () => {
  const due = reviewDueAt(policy(), NOW)
  const ended = grant({ state: 'awaiting-review', endedAt: NOW, reviewDueAt: due })
  expect(due).toBe(NOW + 8 * 60 * MINUTE)
  expect(reviewStanding(grant(), NOW)).toEqual({ kind: 'none' })
  expect(reviewStanding(ended, due - 1)).toEqual({ kind: 'due', inMs: 1 })
  expect(reviewStanding(ended, due)).toEqual({ kind: 'overdue', byMs: 0 })
  expect(reviewStanding({ ...ended, state: 'reviewed' }, due + 1)).toEqual({ kind: 'done' })
  expect(overdueReviews([ended, grant(), ended], 'alice', due)).toBe(2)
  expect(overdueReviews([ended], 'bob', due)).toBe(0)
})

test('who reviews: those the policy names who had no part in it, administrators included', () => {
  const ended = grant({ state: 'awaiting-review' })
  const securityAdmin = user('adam', ['security'], 'admin')
  expect(mayReview(policy(), ended, rita)).toBe(true)
  expect(mayReview(policy(), ended, bob)).toBe(false)
  expect(mayReview(policy(), ended, alice)).toBe(false)
  expect(mayReview(policy(), { ...ended, user: 'adam' }, securityAdmin)).toBe(false)
  expect(mayReview(policy(), { ...ended, approvals: [{ by: 'adam', at: NOW, comment: '' }] }, securityAdmin)).toBe(
    false,
  )
})
