import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { applyGrantEvent, type Grant, type Review, tookPart } from '../../src/access/grant.ts'
import {
  checkJudgement,
  DEFAULT_CHECKLIST,
  type Evidence,
  FINDINGS_MAX,
  FOLLOW_UPS_MAX,
  isReviewer,
  type Judgement,
  mayReopen,
  mayReview,
  mustHaveOpened,
  nextReviewStage,
  reviewDueAt,
  reviewOf,
  reviewQuestions,
  reviewStanding,
  statementText,
} from '../../src/access/review.ts'
import { reviewStatistics } from '../../src/access/review-statistics.ts'
import { alice, bob, grant, MINUTE, NOW, policy, rita, user } from './examples.ts'

const HOUR = 60 * MINUTE
const code = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
  return 'fine'
}

const ended = (change: Partial<Grant> = {}): Grant =>
  grant({ state: 'awaiting-review', endedAt: NOW, reviewDueAt: NOW + 8 * HOUR, ...change })

const withReview = (review: Partial<ReturnType<typeof policy>['review']>) =>
  policy({ review: { ...policy().review, ...review } })

test('a review is due as its policy says, within an hour when the session was unannounced, within eight without a policy', () => {
  expect(reviewDueAt(policy(), NOW)).toBe(NOW + 8 * HOUR)
  expect(reviewDueAt(policy(), NOW, NOW - MINUTE)).toBe(NOW + HOUR)
  expect(reviewDueAt(withReview({ withinMs: 20 * MINUTE }), NOW, NOW - MINUTE)).toBe(NOW + 20 * MINUTE)
  expect(reviewDueAt(undefined, NOW)).toBe(NOW + 8 * HOUR)
})

test('who reviews a grant whose policy is gone: the role reviewer', () => {
  const plain = user('otto', [], 'reviewer')
  expect(mayReview(undefined, ended(), plain)).toBe(true)
  expect(mayReview(policy(), ended(), plain)).toBe(false)
  expect(mayReview(undefined, ended(), user('adam', [], 'admin'))).toBe(false)
  expect(reviewQuestions(undefined)).toEqual(DEFAULT_CHECKLIST)
})

const part: readonly { name: string; change: Partial<Grant> }[] = [
  { name: 'asked', change: { user: 'rita' } },
  { name: 'approved', change: { approvals: [{ by: 'rita', at: NOW, comment: '' }] } },
  { name: 'went ahead over it', change: { override: { by: 'rita', at: NOW, reason: 'nobody there' } } },
  { name: 'vouched', change: { vouchedBy: 'rita' } },
  { name: 'extended', change: { extensions: [{ by: 'rita', at: NOW, reason: 'more', expiresAt: NOW + HOUR }] } },
]
for (const { name, change } of part)
  test(`whoever ${name} neither reviews nor re-opens, administrator or not`, () => {
    const admin = user('rita', ['security'], 'reviewer', 'admin')
    expect(mayReview(policy(), ended(change), admin)).toBe(false)
    expect(mayReopen(policy(), ended(change), admin)).toBe(false)
    const reviewed = { ...ended(change), state: 'reviewed', review: verdict() } as const
    expect(code(() => applyGrantEvent(ended(change), { kind: 'review', review: verdict() }))).toBe('denied')
    const reopen = { kind: 'reopen', at: NOW, by: 'rita', reason: 'more facts', reviewDueAt: NOW + HOUR } as const
    expect(code(() => applyGrantEvent(reviewed, reopen))).toBe('denied')
  })

test('a reviewer or an admin re-opens; an engineer, or somebody who was disabled, does not', () => {
  expect(mayReopen(policy(), ended(), rita)).toBe(true)
  expect(mayReopen(policy(), ended(), user('adam', [], 'admin'))).toBe(true)
  expect(mayReopen(policy(), ended(), bob)).toBe(false)
  expect(mayReopen(policy(), ended(), alice)).toBe(false)
  expect(isReviewer(policy(), { ...rita, isDisabled: true })).toBe(false)
  expect(mayReopen(policy(), ended(), { ...user('adam', [], 'admin'), isDisabled: true })).toBe(false)
})

const stages: readonly { name: string; at: number; change?: Partial<Grant>; within?: number; want: string | null }[] = [
  { name: 'long before', at: NOW + HOUR, want: null },
  { name: 'an hour before', at: NOW + 7 * HOUR, want: 'reminded' },
  { name: 'just before that', at: NOW + 7 * HOUR - 1, want: null },
  { name: 'reminded already', at: NOW + 8 * HOUR - 1, change: { reviewStage: 'reminded' }, want: null },
  { name: 'at its time', at: NOW + 8 * HOUR, change: { reviewStage: 'reminded' }, want: 'overdue' },
  { name: 'never reminded, for nothing ran', at: NOW + 9 * HOUR, want: 'overdue' },
  { name: 'told, not long enough', at: NOW + 10 * HOUR - 1, change: { reviewStage: 'overdue' }, want: null },
  { name: 'long enough', at: NOW + 10 * HOUR, change: { reviewStage: 'overdue' }, want: 'escalated' },
  { name: 'everybody was told', at: NOW + 999 * HOUR, change: { reviewStage: 'escalated' }, want: null },
  { name: 'told, then the clock was set back', at: NOW, change: { reviewStage: 'overdue' }, want: null },
  { name: 'half the time of a short one', at: NOW + 30 * MINUTE, within: HOUR, want: 'reminded' },
  { name: 'before half of it', at: NOW + 30 * MINUTE - 1, within: HOUR, want: null },
  {
    name: 'unannounced: half of its hour',
    at: NOW + 30 * MINUTE,
    change: { unannouncedAt: NOW, reviewDueAt: NOW + HOUR },
    want: 'reminded',
  },
  { name: 'a rehearsal', at: NOW + 99 * HOUR, change: { drill: true }, want: null },
  { name: 'reviewed', at: NOW + 99 * HOUR, change: { state: 'reviewed' }, want: null },
]
for (const { name, at, change, within, want } of stages)
  test(`what is told of a waiting review: ${name}`, () => {
    const rules = withReview({
      escalate: { afterMs: 2 * HOUR, channels: ['boss'] },
      ...(within === undefined ? {} : { withinMs: within }),
    })
    const due = within === undefined ? {} : { reviewDueAt: NOW + within }
    expect(nextReviewStage(rules, ended({ ...due, ...change }), at)).toBe(want)
  })

test('nothing escalates where the policy names nobody more', () => {
  expect(nextReviewStage(policy(), ended({ reviewStage: 'overdue' }), NOW + 999 * HOUR)).toBeNull()
})

test('what was told as overdue stays overdue when the clock is set back', () => {
  expect(reviewStanding(ended(), NOW).kind).toBe('due')
  expect(reviewStanding(ended({ reviewStage: 'overdue' }), NOW)).toEqual({ kind: 'overdue', byMs: 0 })
  expect(reviewStanding(ended({ reviewStage: 'reminded' }), NOW).kind).toBe('due')
})

test('however the clock jumps, each step is told at most once and in order', () => {
  const rules = withReview({ escalate: { afterMs: HOUR, channels: [] } })
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -20, max: 40 }), { maxLength: 60 }), (hours) => {
      let now = ended()
      const told: string[] = []
      for (const hour of hours) {
        const stage = nextReviewStage(rules, now, NOW + hour * HOUR)
        if (stage === null) continue
        told.push(stage)
        now = applyGrantEvent(now, { kind: 'remind', at: NOW, stage })
      }
      expect(new Set(told).size).toBe(told.length)
      expect([...told].sort((a, b) => order.indexOf(a) - order.indexOf(b))).toEqual(told)
    }),
  )
})
const order = ['reminded', 'overdue', 'escalated']

const answers = (questions: readonly string[]): Judgement['checklist'] =>
  questions.map((question) => ({ question, answer: 'yes' }))
const judgement = (change: Partial<Judgement> = {}): Judgement => ({
  verdict: 'emergency',
  findings: '',
  followUps: [],
  checklist: answers(DEFAULT_CHECKLIST),
  ...change,
})

const judged: readonly { name: string; given: Judgement; want: string }[] = [
  { name: 'an emergency without findings', given: judgement(), want: 'fine' },
  { name: 'a mistake without findings', given: judgement({ verdict: 'mistake' }), want: 'usage' },
  {
    name: 'misuse with a dot for findings',
    given: judgement({ verdict: 'misuse', findings: ' .        ' }),
    want: 'usage',
  },
  {
    name: 'misuse that is described',
    given: judgement({ verdict: 'misuse', findings: 'read customer mail' }),
    want: 'fine',
  },
  { name: 'lines', given: judgement({ findings: 'first\r\nsecond' }), want: 'fine' },
  { name: 'a terminal escape', given: judgement({ findings: 'all \u001b[2J good' }), want: 'usage' },
  { name: 'a carriage return', given: judgement({ findings: 'misuse\rfine   ' }), want: 'usage' },
  { name: 'text that reads backwards', given: judgement({ findings: 'admin\u202eelif.exe' }), want: 'usage' },
  { name: 'a megabyte', given: judgement({ findings: 'x'.repeat(1 << 20) }), want: 'usage' },
  { name: 'as much as is kept', given: judgement({ findings: 'x'.repeat(FINDINGS_MAX) }), want: 'fine' },
  { name: 'too many follow-ups', given: judgement({ followUps: Array(FOLLOW_UPS_MAX + 1).fill('x') }), want: 'usage' },
  { name: 'a long follow-up', given: judgement({ followUps: ['x'.repeat(201)] }), want: 'usage' },
  {
    name: 'a question that is not answered',
    given: judgement({ checklist: answers(DEFAULT_CHECKLIST.slice(1)) }),
    want: 'usage',
  },
  {
    name: 'a question that nobody asks any more',
    given: judgement({ checklist: answers(['Was it fun?']) }),
    want: 'conflict',
  },
]
for (const { name, given, want } of judged)
  test(`a judgement of ${name}: ${want}`, () => {
    expect(code(() => checkJudgement(DEFAULT_CHECKLIST, given))).toBe(want)
  })

test('a judgement is kept trimmed, empty follow-ups left out, its answers in the order of the questions', () => {
  const given = judgement({
    findings: '  as described \r\n in the ticket ',
    followUps: [' rotate the key ', '', '  '],
    checklist: answers([...DEFAULT_CHECKLIST].reverse()),
  })
  expect(checkJudgement(DEFAULT_CHECKLIST, given)).toEqual({
    verdict: 'emergency',
    findings: 'as described \n in the ticket',
    followUps: ['rotate the key'],
    checklist: answers(DEFAULT_CHECKLIST),
  })
})

const seen = (change: Partial<Evidence> = {}): Evidence => ({
  session: 's1',
  root: 'ab'.repeat(32),
  share: 1,
  damage: null,
  ...change,
})
const evidences: readonly { name: string; evidence: readonly Evidence[]; want: string }[] = [
  { name: 'a grant that was never used', evidence: [], want: 'fine' },
  { name: 'a recording that was opened', evidence: [seen()], want: 'fine' },
  { name: 'one that was opened a little', evidence: [seen({ share: 0.01 })], want: 'fine' },
  { name: 'one that was not', evidence: [seen(), seen({ session: 's2', share: 0 })], want: 'denied' },
  {
    name: 'one that is being sealed',
    evidence: [seen({ root: null, share: 0 }), seen({ share: 0 })],
    want: 'conflict',
  },
  { name: 'a damaged one', evidence: [seen({ share: 0, damage: 'damaged' })], want: 'fine' },
]
for (const { name, evidence, want } of evidences)
  test(`a verdict on ${name}: ${want}`, () => {
    expect(code(() => mustHaveOpened('g7f3', evidence))).toBe(want)
  })

test('what is missing is named', () => {
  expect(() => mustHaveOpened('g7f3', [seen(), seen({ session: 's2', share: 0 })])).toThrow(/s2/)
})

test('the statement is one text for one judgement, and another as soon as anything differs', () => {
  const base = { grant: 'g7f3', by: 'rita', judgement: judgement(), evidence: [seen()] }
  const hash = (change: Partial<typeof base> = {}) => {
    const { grant: id, by, judgement: given, evidence } = { ...base, ...change }
    return reviewOf({ id, reviewDueAt: NOW }, by, NOW, given, evidence).statement
  }
  const others = [
    hash({ grant: 'g2' }),
    hash({ by: 'sam' }),
    hash({ judgement: judgement({ verdict: 'misuse' }) }),
    hash({ judgement: judgement({ findings: 'x' }) }),
    hash({ judgement: judgement({ followUps: ['x'] }) }),
    hash({ judgement: judgement({ checklist: [] }) }),
    hash({ evidence: [seen({ root: 'cd'.repeat(32) })] }),
    hash({ evidence: [seen({ share: 0.5 })] }),
    hash({ evidence: [seen({ damage: 'content_altered' })] }),
  ]
  expect(hash()).toBe(hash())
  expect(new Set([hash(), ...others]).size).toBe(others.length + 1)
  expect(Object.keys(JSON.parse(statementText('g7f3', 'rita', judgement(), [seen()])) as object)).toEqual([
    'by',
    'checklist',
    'damage',
    'findings',
    'followUps',
    'grant',
    'kind',
    'roots',
    'shares',
    'verdict',
  ])
})

function verdict(change: Partial<Review> = {}): Review {
  const { id, reviewDueAt: due } = ended()
  return { ...reviewOf({ id, reviewDueAt: due }, 'rita', NOW + HOUR, judgement(), [seen()]), ...change }
}

test('statistics: counted, in time, the median, by verdict, policy and reviewer; a re-opened verdict still was one', () => {
  const reviewed = (change: Partial<Grant> & { review: Review }) => ended({ state: 'reviewed', ...change })
  const reopened = { by: 'adam', at: NOW + 4 * HOUR, reason: 'new facts' }
  const grants = [
    reviewed({ review: verdict() }),
    reviewed({ policy: 'web', review: verdict({ by: 'sam', at: NOW + 9 * HOUR, verdict: 'misuse' }) }),
    reviewed({
      review: verdict({ at: NOW + 6 * HOUR, verdict: 'mistake' }),
      earlierReviews: [{ ...verdict({ at: NOW + 3 * HOUR }), reopened }],
    }),
    ended(),
    ended({ reviewStage: 'overdue' }),
    reviewed({ drill: true, review: verdict() }),
  ]
  const figures = reviewStatistics(grants, NOW + HOUR)
  expect(figures).toMatchObject({
    reviewed: 4,
    onTime: 3,
    medianMs: 2.5 * HOUR,
    byVerdict: { emergency: 2, mistake: 1, misuse: 1 },
    waiting: 2,
    overdue: 1,
    reopened: 1,
  })
  expect(figures.perPolicy.map(({ policy: name, reviewed: count }) => [name, count])).toEqual([
    ['db', 3],
    ['web', 1],
  ])
  expect(figures.perReviewer.map(({ reviewer, reviewed: count, onTime }) => [reviewer, count, onTime])).toEqual([
    ['rita', 3, 3],
    ['sam', 1, 0],
  ])
  expect(reviewStatistics([], NOW)).toMatchObject({ reviewed: 0, medianMs: null, perPolicy: [] })
})

test('over any part in a grant, nobody both takes part and judges', () => {
  const people = ['alice', 'bob', 'rita', 'sam']
  const person = fc.constantFrom(...people)
  fc.assert(
    fc.property(
      fc.record({ user: person, approver: fc.option(person), voucher: fc.option(person), by: person }),
      (who) => {
        const used = ended({
          user: who.user,
          approvals: who.approver === null ? [] : [{ by: who.approver, at: NOW, comment: '' }],
          vouchedBy: who.voucher,
        })
        const judge = user(who.by, ['security'], 'reviewer', 'admin')
        expect(mayReview(policy(), used, judge)).toBe(!tookPart(used, who.by))
      },
    ),
  )
})
