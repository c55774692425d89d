import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type AccessRequest, decide } from '../../src/access/decide.ts'
import { explain } from '../../src/access/explain.ts'
import { MINUTE, NOW, alice, bob, orders, policy, web } from './examples.ts'

const ask = (change: Partial<AccessRequest> = {}): AccessRequest => ({
  user: alice,
  target: orders,
  reason: 'payments are stuck',
  address: '10.0.0.7',
  ...change,
})
const lead = [{ when: {}, required: 1, from: { groups: ['leads'], roles: [] }, override: null }]
const open = [{ when: {}, required: 0, from: { groups: [], roles: [] }, override: null }]
const long = { ...policy().duration, maxMs: 240 * MINUTE }

const failedIn = (of: ReturnType<typeof explain>, name: string) =>
  of.policies
    .find((one) => one.policy === name)
    ?.clauses.filter(({ outcome }) => outcome === 'failed')
    .map(({ clause }) => clause)

test('every clause that stands against a request is named, not the first alone', () => {
  const far = policy({
    name: 'far',
    who: { groups: ['dba'], users: [] },
    targets: { names: ['web-1'], labels: {} },
    accounts: ['deploy'],
    from: ['192.0.2.0/24'],
    windows: [{ days: [1], fromMinute: 0, toMinute: 60, zone: 'UTC' }],
  })
  const explained = explain([far, policy()], ask(), NOW)
  expect(failedIn(explained, 'far')).toEqual(['who', 'targets', 'accounts', 'from', 'windows'])
  expect(failedIn(explained, 'db')).toEqual([])
  expect(explained).toMatchObject({ outcome: 'allow', chosen: 'db', account: 'app_readonly' })
})

const choices = [
  { name: 'the only one', policies: [policy()], because: [/no other/] },
  {
    name: 'more approvals',
    policies: [policy({ name: 'a', approval: open }), policy({ name: 'b', approval: lead })],
    because: [/"b".*more approvals/, /more approvals/],
  },
  {
    name: 'a shorter maximum',
    policies: [policy({ name: 'a', duration: long }), policy({ name: 'b' })],
    because: [/"b".*shorter/, /shorter/],
  },
  { name: 'the name', policies: [policy({ name: 'b' }), policy({ name: 'a' })], because: [/"a".*name/, /name/] },
  {
    name: 'the least account',
    policies: [policy({ name: 'a', accounts: ['app_readwrite'] }), policy({ name: 'b', accounts: ['app_readonly'] })],
    because: [/app_readonly, which is less/, /least account/],
  },
]
for (const { name, policies, because } of choices) {
  test(`why one of several is the answer: ${name}`, () => {
    const explained = explain(policies, ask(), NOW)
    for (const [index, wanted] of because.entries()) expect(explained.policies[index]?.because).toMatch(wanted)
    expect(explained.policies.filter(({ isChosen }) => isChosen)).toHaveLength(1)
  })
}

test('what is still to be stated, asked or agreed to is open, not refused', () => {
  const checked = policy({
    onCall: { check: 'on-call', onError: 'deny' },
    triggers: [{ name: 'outage', require: { check: 'incident', onError: 'allow' } }, { name: 'breach' }],
  })
  const explained = explain([checked], ask({ account: 'app_readwrite', reason: undefined, trigger: 'outage' }), NOW)
  const outcomes = explained.policies[0]?.clauses.map(({ clause, outcome }) => `${clause} ${outcome}`)
  expect(outcomes).toEqual([
    'who passed',
    'targets passed',
    'accounts passed',
    'from passed',
    'windows passed',
    'triggers passed',
    'reason open',
    'onCall open',
    'triggers open',
    'approval open',
  ])
})

const anyPolicies = fc.uniqueArray(
  fc
    .record({
      name: fc.constantFrom('p', 'q', 'r'),
      who: fc.record({ groups: fc.subarray(['oncall', 'leads']), users: fc.constant([]) }),
      targets: fc.record({ names: fc.subarray(['orders', 'web-1']), labels: fc.constant({}) }),
      accounts: fc.shuffledSubarray(['app_readonly', 'app_readwrite', 'deploy'], { minLength: 1 }),
      from: fc.subarray(['10.0.0.0/8']),
      windows: fc.subarray([{ days: [5], fromMinute: 0, toMinute: 600, zone: 'UTC' }]),
      approval: fc.constantFrom(open, lead, [...policy().approval], []),
    })
    .map((change) => policy(change)),
  { maxLength: 3, selector: ({ name }) => name },
)
const anyRequest = fc.record({
  user: fc.constantFrom(alice, bob, { ...alice, isDrill: true as const }),
  target: fc.constantFrom(orders, web),
  account: fc.option(fc.constantFrom('app_readonly', 'app_readwrite', 'root'), { nil: undefined }),
  policy: fc.option(fc.constantFrom('p', 'q'), { nil: undefined }),
  reason: fc.constantFrom('payments are stuck', undefined),
  address: fc.constantFrom('10.0.0.1', '192.0.2.1', 'nonsense'),
})

test('it explains what decide answers: the chosen policy has no clause against it, and of a refusal each has one', () => {
  fc.assert(
    fc.property(anyPolicies, anyRequest, fc.integer({ min: NOW, max: NOW + 86_400_000 }), (policies, request, now) => {
      const decision = decide(policies, request, now)
      const explained = explain(policies, request, now)
      expect(explained.outcome).toBe(decision.kind)
      expect(explained.rule).toBe(decision.rule)
      expect(explained.chosen).toBe(decision.kind === 'deny' ? null : decision.policy.name)
      for (const { policy: name, isChosen, because } of explained.policies) {
        const failed = failedIn(explained, name) ?? []
        if (isChosen) expect(failed).toEqual([])
        if (isChosen) expect(because).not.toBeNull()
        const isAboutPolicies = decision.rule !== 'drill/canary'
        if (decision.kind === 'deny' && isAboutPolicies) expect(failed).not.toEqual([])
        if (decision.kind !== 'deny' && failed.length === 0) expect(because).not.toBeNull()
      }
    }),
    { numRuns: 2000 },
  )
})
