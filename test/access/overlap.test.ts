import { expect, test } from 'vitest'
import { checkPolicies } from '../../src/access/overlap.ts'
import { MINUTE, alice, bob, orders, policy, rita, user, web } from './examples.ts'

const users = [alice, bob, rita]
const targets = [orders, web]
const codes = (...policies: ReturnType<typeof policy>[]) =>
  checkPolicies(policies, users, targets).map(({ code, policy }) => `${code} ${policy}`)

const strict = policy({
  name: 'strict',
  approval: [{ when: {}, required: 1, from: { groups: ['leads'], roles: [] }, override: null }],
})
const longer = { ...policy().duration, maxMs: 240 * MINUTE }

test('one sound policy has no findings', () => {
  expect(codes(policy())).toEqual([])
})

const overlaps = [
  { name: 'fewer approvals for the same account', other: policy(), want: ['looser 1'] },
  { name: 'named as meant', other: policy({ overlaps: ['strict'] }), want: [] },
  {
    name: 'another account',
    other: policy({ accounts: ['deploy'], targets: { names: ['web-1'], labels: {} } }),
    want: [],
  },
  { name: 'another target', other: policy({ targets: { names: ['web-1'], labels: {} } }), want: [] },
  { name: 'other people', other: policy({ who: { groups: [], users: ['bob'] } }), want: [] },
  { name: 'the same person by name', other: policy({ who: { groups: [], users: ['alice'] } }), want: ['looser 1'] },
  { name: 'the same approvals and maximum', other: policy({ approval: strict.approval }), want: [] },
  {
    name: 'the same approvals for longer',
    other: policy({ approval: strict.approval, duration: longer }),
    want: ['looser 1'],
  },
]
const requires = (check: string) => [{ name: 'customer-impact', require: { check, onError: 'deny' as const } }]

test('a policy that makes one check less than another over the same account is found', () => {
  const checked = policy({ name: 'checked', triggers: requires('open-incident') })
  expect(codes(checked, policy())).toEqual(['looser 1'])
  expect(codes(checked, policy({ overlaps: ['checked'] }))).toEqual([])
  expect(codes(checked, policy({ triggers: requires('open-incident') }))).toEqual([])
  const onCall = { check: 'on-call', onError: 'deny' as const }
  expect(codes(policy({ name: 'checked', onCall }), policy())).toEqual(['looser 1'])
})

for (const { name, other, want } of overlaps) {
  test(`a policy beside a stricter one: ${name}`, () => {
    expect(codes(strict, other).filter((found) => found.startsWith('looser'))).toEqual(want)
  })
}

test('policies for networks that never meet do not overlap', () => {
  const near = policy({ from: ['10.0.0.0/8'] })
  expect(codes({ ...strict, from: ['192.0.2.0/24'] }, near)).toEqual([])
  expect(codes({ ...strict, from: ['10.1.0.0/16'] }, near)).toEqual(['looser 1'])
})

test('a trigger that is looser in each of two policies is found in both', () => {
  const rules = (outage: number, breach: number) => [
    { when: { trigger: 'outage' }, required: outage, from: { groups: ['leads'], roles: [] }, override: null },
    { when: { trigger: 'breach' }, required: breach, from: { groups: ['leads'], roles: [] }, override: null },
  ]
  const triggers = [{ name: 'outage' }, { name: 'breach' }]
  const one = policy({ name: 'one', triggers, approval: rules(0, 1) })
  const two = policy({ name: 'two', triggers, approval: rules(1, 0) })
  expect(codes(one, two)).toEqual(['looser 0', 'looser 1'])
})

test('a group that both name counts while nobody is in it', () => {
  const who = { groups: ['empty'], users: [] }
  expect(codes({ ...strict, who }, policy({ who }))).toEqual(['looser 1'])
})

test('an account that no rule matches is found', () => {
  const [first] = policy().approval
  expect(codes(policy({ approval: first === undefined ? [] : [first] }))).toEqual(['no-approval-rule 0'])
})

test('it is found when nobody but the requester could approve', () => {
  const onlySelf = policy({ who: { groups: ['leads'], users: [] } })
  expect(codes(onlySelf)).toEqual(['nobody-approves 0'])
  const [, second] = policy().approval
  const two = second === undefined ? [] : [{ ...second, required: 2 }]
  expect(codes(policy({ approval: two }))).toEqual(['nobody-approves 0'])
})

test('it is found when nobody who took no part could review', () => {
  const by = (...groups: string[]) => ({
    withinMs: MINUTE,
    by: { groups, roles: [] },
    checklist: [],
    escalate: null,
  })
  expect(codes(policy({ review: by('nobody') }))).toEqual(['nobody-reviews 0'])
  expect(codes(policy({ review: by('oncall') }))).toEqual(['nobody-reviews 0'])
  // bob is the only one to approve, and would be the only one to review.
  expect(codes(policy({ review: by('leads') }))).toEqual(['nobody-reviews 0'])
  expect(codes(policy({ review: by('leads', 'security') }))).toEqual([])
})

test('a second reviewer is not enough when two must approve and both may', () => {
  const people = [...users, user('cora', ['leads'], 'approver')]
  const twoOf = (groups: string[]) =>
    policy({
      approval: [{ when: {}, required: 2, from: { groups: ['leads'], roles: [] }, override: null }],
      review: { withinMs: MINUTE, by: { groups, roles: [] }, checklist: [], escalate: null },
    })
  const found = (groups: string[]) => checkPolicies([twoOf(groups)], people, targets).map(({ code }) => code)
  expect(found(['leads'])).toEqual(['nobody-reviews'])
  expect(found(['leads', 'security'])).toEqual([])
})

test('two hundred policies over a thousand people and targets are checked in bounded time', () => {
  const people = Array.from({ length: 1000 }, (_, index) => user(`u${index}`, [`g${index % 50}`]))
  const many = Array.from({ length: 1000 }, (_, index) => ({ ...orders, name: `t${index}` }))
  const policies = Array.from({ length: 200 }, (_, index) =>
    policy({
      name: `p${index}`,
      who: { groups: [`g${index % 50}`], users: [] },
      targets: { names: [`t${index}`], labels: {} },
    }),
  )
  const started = performance.now()
  checkPolicies(policies, [...people, bob, rita], many)
  expect(performance.now() - started).toBeLessThan(20_000)
})
