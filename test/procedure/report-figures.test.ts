import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Grant, Review } from '../../src/access/grant.ts'
import { figures, type FigureName } from '../../src/procedure/figure.ts'
import {
  contradictions,
  percentile,
  reportSections,
  type LeafFact,
  type ReportFacts,
} from '../../src/procedure/report-figures.ts'
import type { DrillRun } from '../../src/session/state.ts'
import { grantOf } from '../support/grant.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const since = Date.UTC(2026, 10)
const before = Date.UTC(2026, 11)
const noon = Date.UTC(2026, 10, 21, 12)

function review(over: Partial<Review> = {}): Review {
  return {
    by: 'rita',
    at: noon + 2 * HOUR,
    verdict: 'emergency',
    findings: '',
    followUps: [],
    checklist: [],
    dueAt: noon + 8 * HOUR,
    sessions: [],
    statement: '00'.repeat(32),
    attestedBy: 'halligan',
    ...over,
  }
}

function used(over: Partial<Grant> = {}): Grant {
  return grantOf(noon, {
    requestedAt: noon,
    activatedAt: noon,
    endedAt: noon + 20 * MINUTE,
    state: 'awaiting-review',
    ...over,
  })
}

function facts(grants: readonly Grant[], over: Partial<ReportFacts> = {}): ReportFacts {
  return { since, before, now: before, grants, leaves: [], alerts: [], drillRuns: [], ...over }
}

function leaf(index: number, type: LeafFact['type'], subject: string, at: number = noon): LeafFact {
  return { index, at, type, subject }
}

/** One figure over all policies. */
function overall(given: ReportFacts, name: FigureName, of: string | null = null) {
  return reportSections(given)[0]?.figures.find((figure) => figure.name === name && figure.of === of)
}

const extension = { by: 'alice', at: noon, reason: 'not over yet', expiresAt: noon + HOUR }
const override = { by: 'alice', at: noon, reason: 'nobody answers' }
const approval = { by: 'bob', at: noon, comment: '' }

/** What one grant counts as; every figure not named is 0, or null for spans. */
const counts: readonly {
  readonly name: string
  readonly grant: Grant
  readonly want: Partial<Record<FigureName, number>>
}[] = [
  {
    name: 'a use, self-activated, not reviewed for long',
    grant: used({ reviewDueAt: noon + 8 * HOUR }),
    want: { requests: 1, uses: 1, 'self-activated': 1, 'reviews-overdue': 1 },
  },
  {
    name: 'a use whose review is not due yet',
    grant: used({ reviewDueAt: before + HOUR }),
    want: { requests: 1, uses: 1, 'self-activated': 1, 'reviews-waiting': 1 },
  },
  {
    name: 'an approved use, reviewed in time',
    grant: used({ approvals: [approval], state: 'reviewed', review: review() }),
    want: { requests: 1, uses: 1, approved: 1, 'reviews-on-time': 1, emergencies: 1 },
  },
  {
    name: 'an overridden use, judged a mistake too late',
    grant: used({ override, state: 'reviewed', review: review({ at: noon + 9 * HOUR, verdict: 'mistake' }) }),
    want: { requests: 1, uses: 1, overrides: 1, 'reviews-late': 1, mistakes: 1 },
  },
  {
    name: 'one that was approved by some and then overridden is an override',
    grant: used({ override, approvals: [approval], state: 'reviewed', review: review({ verdict: 'misuse' }) }),
    want: { requests: 1, uses: 1, overrides: 1, 'reviews-on-time': 1, misuse: 1 },
  },
  {
    name: 'a review at the very instant it is due is in time',
    grant: used({ state: 'reviewed', review: review({ at: noon + 8 * HOUR }) }),
    want: { requests: 1, uses: 1, 'self-activated': 1, 'reviews-on-time': 1, emergencies: 1 },
  },
  {
    name: 'a verdict taken back counts as waiting, and as taken back',
    grant: used({
      reviewDueAt: before + HOUR,
      earlierReviews: [
        { ...review({ verdict: 'misuse' }), reopened: { by: 'adam', at: noon + 3 * HOUR, reason: 'new facts' } },
      ],
    }),
    want: { requests: 1, uses: 1, 'self-activated': 1, 'reviews-waiting': 1, 'reviews-reopened': 1 },
  },
  {
    name: 'two extensions of one use are two',
    grant: used({ extensions: [extension, extension], state: 'reviewed', review: review() }),
    want: { requests: 1, uses: 1, 'self-activated': 1, extensions: 2, 'reviews-on-time': 1, emergencies: 1 },
  },
  {
    name: 'unannounced and vouched for',
    grant: used({ unannouncedAt: noon, vouchedBy: 'bob', state: 'reviewed', review: review() }),
    want: {
      requests: 1,
      uses: 1,
      'self-activated': 1,
      unannounced: 1,
      bypasses: 1,
      'reviews-on-time': 1,
      emergencies: 1,
    },
  },
  {
    name: 'a running grant is a use without a review',
    grant: used({ state: 'active', endedAt: null }),
    want: { requests: 1, uses: 1, 'self-activated': 1 },
  },
  {
    name: 'a denied request is no use',
    grant: used({ state: 'denied', activatedAt: null, expiresAt: null }),
    want: { requests: 1, denied: 1 },
  },
  {
    name: 'a lapsed request is no use',
    grant: used({ state: 'lapsed', activatedAt: null, expiresAt: null }),
    want: { requests: 1, lapsed: 1 },
  },
  {
    name: 'a request still waiting is a request',
    grant: used({ state: 'requested', activatedAt: null, expiresAt: null, endedAt: null }),
    want: { requests: 1 },
  },
  {
    name: 'asked for before midnight of the first, activated after: a use of this month, a request of the last',
    grant: used({ requestedAt: since - 1, activatedAt: since, state: 'reviewed', review: review() }),
    want: { uses: 1, 'self-activated': 1, 'reviews-on-time': 1, emergencies: 1 },
  },
  {
    name: 'asked for in the last millisecond, activated in the next month: a request alone',
    grant: used({ requestedAt: before - 1, activatedAt: before }),
    want: { requests: 1 },
  },
  {
    name: 'a drill is counted apart and nowhere else',
    grant: used({ drill: true, override, unannouncedAt: noon, vouchedBy: 'bob', extensions: [extension] }),
    want: { 'drill-grants': 1 },
  },
]

for (const { name, grant, want } of counts)
  test(name, () => {
    const [all] = reportSections(facts([grant]))
    const counted = all?.figures.filter((figure) => figure.unit === 'count' && figure.of === null && figure.value !== 0)
    expect(Object.fromEntries(counted?.map((figure) => [figure.name, figure.value]) ?? [])).toEqual(want)
    for (const { unit, evidence, value, name: figure } of counted ?? [])
      if (unit === 'count' && figure !== 'extensions') expect(evidence.grants).toHaveLength(value ?? 0)
  })

describe('spans', () => {
  const grants = [1, 2, 3, 10].map((minutes, n) =>
    used({ id: `g${n}`, activatedAt: noon + minutes * MINUTE, endedAt: noon + 3 * minutes * MINUTE }),
  )

  test('a percentile is one that happened, and names it', () => {
    expect(overall(facts(grants), 'time-to-access-p50')).toMatchObject({
      value: 2 * MINUTE,
      evidence: { grants: ['g1'] },
    })
    expect(overall(facts(grants), 'time-to-access-p95')).toMatchObject({
      value: 10 * MINUTE,
      evidence: { grants: ['g3'] },
    })
    expect(overall(facts(grants), 'duration-p50')).toMatchObject({ value: 4 * MINUTE, evidence: { grants: ['g1'] } })
    expect(overall(facts(grants), 'duration-total')?.value).toBe(32 * MINUTE)
  })

  test('of nothing there is none', () => {
    for (const name of ['time-to-access-p50', 'duration-p95', 'duration-total', 'alert-latency-p50'] as const)
      expect(overall(facts([]), name)).toMatchObject({ value: null, evidence: { grants: [], leaves: [], alerts: [] } })
  })

  const open: readonly { name: string; grant: Partial<Grant>; now: number; want: number }[] = [
    {
      name: 'a running one counts up to now',
      grant: { endedAt: null, expiresAt: noon + HOUR },
      now: noon + MINUTE,
      want: MINUTE,
    },
    {
      name: 'one whose end is not written counts to its deadline',
      grant: { endedAt: null, expiresAt: noon + HOUR },
      now: before,
      want: HOUR,
    },
    {
      name: 'one that ended before it began, by a clock set back, counts nothing',
      grant: { endedAt: noon - HOUR },
      now: before,
      want: 0,
    },
  ]
  for (const { name, grant, now, want } of open)
    test(name, () => {
      expect(overall(facts([used(grant)], { now }), 'duration-total')?.value).toBe(want)
    })

  test('a request answered before it was asked, by a clock set back, took no time', () => {
    expect(overall(facts([used({ activatedAt: noon - HOUR })]), 'time-to-access-p50')?.value).toBe(0)
  })

  test('nearest rank: at least that share is no larger, and it is one of them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(), { minLength: 1 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (values, share) => {
          const found = percentile(values, (value) => value, share)
          expect(values).toContain(found)
          const noLarger = values.filter((value) => value <= (found ?? 0)).length
          const smaller = values.filter((value) => value < (found ?? 0)).length
          expect(noLarger).toBeGreaterThanOrEqual(share * values.length - 1e-9)
          expect(smaller).toBeLessThan(share * values.length + 1e-9)
        },
      ),
    )
  })
})

test('policies are apart, by name, and those nobody asked for are left out', () => {
  const given = facts([
    used({ id: 'g1', policy: 'web', trigger: 'security-incident' }),
    used({ id: 'g2', policy: 'db' }),
    used({ id: 'g3', policy: 'db', trigger: 'security-incident' }),
    used({ id: 'g4', policy: 'drill-policy', drill: true }),
    used({ id: 'g5', policy: 'last-month', requestedAt: since - HOUR, activatedAt: since - HOUR }),
  ])
  const sections = reportSections(given)
  expect(sections.map(({ policy }) => policy)).toEqual([null, 'db', 'web'])
  expect(sections.map(({ figures: of }) => of.find(({ name }) => name === 'uses')?.value)).toEqual([3, 2, 1])
  expect(overall(given, 'uses-by-trigger', 'security-incident')).toMatchObject({
    value: 2,
    evidence: { grants: ['g1', 'g3'] },
  })
  expect(overall(given, 'uses-by-trigger', 'customer-impact')?.evidence.grants).toEqual(['g2'])
})

test('figures point at the leaves they are written in', () => {
  const grants = [
    used({ id: 'g1', override }),
    used({ id: 'g2', extensions: [extension, extension], unannouncedAt: noon }),
  ]
  const leaves = [
    leaf(9, 'grant-extended', 'g2'),
    leaf(7, 'grant-extended', 'g2'),
    leaf(6, 'grant-activated', 'g2'),
    leaf(3, 'grant-activated', 'g1'),
    leaf(2, 'grant-overridden', 'g1'),
    leaf(8, 'session-unannounced', 'g2'),
    leaf(1, 'grant-requested', 'g1'),
    leaf(5, 'grant-requested', 'g2'),
    leaf(11, 'grant-extended', 'g9'),
  ]
  const point = (name: FigureName) => overall(facts(grants, { leaves }), name)?.evidence.leaves
  expect(point('requests')).toEqual([1, 5])
  expect(point('uses')).toEqual([3, 6])
  expect(point('overrides')).toEqual([2])
  expect(point('extensions')).toEqual([7, 9])
  expect(point('unannounced')).toEqual([8])
})

test('alerts of uses: accepted, waiting, given up, and how long they took', () => {
  const alert = (id: string, grant: string, latencyMs: number | null, deadAt: number | null = null) => ({
    id,
    grant,
    at: noon,
    acceptedAt: latencyMs === null ? null : noon + latencyMs,
    deadAt,
  })
  const given = facts([used({ id: 'g1' }), used({ id: 'g2', drill: true })], {
    alerts: [
      alert('a1', 'g1', 100),
      alert('a2', 'g1', 900),
      alert('a3', 'g1', null),
      alert('a4', 'g1', null, noon + 1),
      alert('a5', 'g2', 5),
      alert('a6', 'g1', -50),
      alert('a7', 'g-unknown', 5),
    ],
  })
  expect(overall(given, 'alerts-sent')).toMatchObject({
    value: 5,
    evidence: { alerts: ['a1', 'a2', 'a3', 'a4', 'a6'] },
  })
  expect(overall(given, 'alerts-waiting')?.evidence.alerts).toEqual(['a3'])
  expect(overall(given, 'alerts-dead')?.evidence.alerts).toEqual(['a4'])
  expect(overall(given, 'alert-latency-p50')).toMatchObject({ value: 100, evidence: { alerts: ['a1'] } })
  expect(overall(given, 'alert-latency-p95')).toMatchObject({ value: 900, evidence: { alerts: ['a2'] } })
})

test('drills: run, failed and missed, by the leaves of this month', () => {
  const run = (id: string, over: Partial<DrillRun>): DrillRun => ({
    id,
    name: 'nightly',
    by: 'schedule',
    startedAt: noon,
    endedAt: noon + MINUTE,
    passed: 5,
    failed: 0,
    report: {},
    ...over,
  })
  const given = facts([used({ id: 'g1', drill: true })], {
    drillRuns: [run('d1', {}), run('d2', { failed: 1 }), run('d3', { endedAt: null })],
    leaves: [
      leaf(1, 'drill-finished', 'd1'),
      leaf(2, 'drill-finished', 'd2'),
      leaf(3, 'drill-missed', 'nightly'),
      leaf(4, 'drill-missed', 'nightly', since - 1),
      leaf(5, 'grant-activated', 'g1'),
    ],
  })
  expect(overall(given, 'drills-run')).toMatchObject({ value: 2, evidence: { leaves: [1, 2] } })
  expect(overall(given, 'drills-failed')).toMatchObject({ value: 1, evidence: { leaves: [2] } })
  expect(overall(given, 'drills-missed')).toMatchObject({ value: 1, evidence: { leaves: [3] } })
  expect(overall(given, 'drill-grants')).toMatchObject({ value: 1, evidence: { grants: ['g1'], leaves: [5] } })
})

const disagreements: readonly { readonly name: string; readonly given: ReportFacts; readonly want: number }[] = [
  {
    name: 'rows and leaves that agree',
    given: facts([used()], { leaves: [leaf(1, 'grant-activated', 'g7f3')] }),
    want: 0,
  },
  { name: 'a use that the ledger does not know', given: facts([used()]), want: 1 },
  {
    name: 'a use at another time than the ledger has it',
    given: facts([used()], { leaves: [leaf(1, 'grant-activated', 'g7f3', noon + 1)] }),
    want: 1,
  },
  {
    name: 'an activation in the ledger of a grant that is gone',
    given: facts([], { leaves: [leaf(1, 'grant-activated', 'g7f3')] }),
    want: 1,
  },
  {
    name: 'an activation in the ledger of a grant that the state has as denied',
    given: facts([used({ state: 'denied', activatedAt: null })], { leaves: [leaf(1, 'grant-activated', 'g7f3')] }),
    want: 1,
  },
  { name: 'a drill that the ledger does not know', given: facts([used({ drill: true })]), want: 1 },
  {
    name: 'activations of the months beside it are not asked for',
    given: facts([], {
      leaves: [leaf(1, 'grant-activated', 'g1', since - 1), leaf(2, 'grant-activated', 'g2', before)],
    }),
    want: 0,
  },
  { name: 'a request that was never activated', given: facts([used({ state: 'denied', activatedAt: null })]), want: 0 },
]
for (const { name, given, want } of disagreements)
  test(`${name}: ${want === 0 ? 'no contradiction' : 'a contradiction'}`, () => {
    expect(contradictions(given)).toHaveLength(want)
  })

test('every figure is counted for somebody, each once', () => {
  const given = facts([used({ extensions: [extension] }), used({ id: 'g2', drill: true })])
  const names = reportSections(given)[0]?.figures.map(({ name }) => name) ?? []
  expect(names.toSorted()).toEqual(Object.keys(figures).toSorted())
})
