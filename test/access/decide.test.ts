import { expect, test } from 'vitest'
import { type AccessRequest, type Decision, decide, denyTarget, offersFor } from '../../src/access/decide.ts'
import type { Policy } from '../../src/access/policy.ts'
import { MINUTE, NOW, alice, bob, orders, policy, user, web } from './examples.ts'

const ask = (change: Partial<AccessRequest> = {}): AccessRequest => ({
  user: alice,
  target: orders,
  reason: 'payments are stuck',
  address: '10.0.0.7',
  ...change,
})

/** The parts of a decision that tests name; the policy by its name. */
function seen(decision: Decision) {
  const { kind, rule } = decision
  return decision.kind === 'deny'
    ? { kind, rule }
    : { kind, rule, policy: decision.policy.name, account: decision.account, durationMs: decision.durationMs }
}

const lead = [{ when: {}, required: 1, from: { groups: ['leads'], roles: [] }, override: null }]
const open = [{ when: {}, required: 0, from: { groups: [], roles: [] }, override: null }]

const cases: readonly {
  readonly name: string
  readonly policies?: readonly Policy[]
  readonly request?: Partial<AccessRequest>
  readonly want: Partial<ReturnType<typeof seen>>
}[] = [
  {
    name: 'the least account at once',
    want: { kind: 'allow', rule: 'db/approval[0]', account: 'app_readonly', durationMs: 30 * MINUTE },
  },
  {
    name: 'a named account by its own rule',
    request: { account: 'app_readwrite' },
    want: { kind: 'needs-approval', rule: 'db/approval[1]', account: 'app_readwrite' },
  },
  { name: 'a user by name', policies: [policy({ who: { groups: [], users: ['alice'] } })], want: { kind: 'allow' } },
  {
    name: 'a target by name',
    policies: [policy({ targets: { names: ['orders'], labels: {} } })],
    want: { kind: 'allow' },
  },
  {
    name: 'all labels, kind among them',
    policies: [policy({ targets: { names: [], labels: { kind: 'ssh', env: 'prod' } } })],
    want: { kind: 'deny', rule: 'no-policy' },
  },
  {
    name: 'no selector, no target',
    policies: [policy({ targets: { names: [], labels: {} } })],
    want: { kind: 'deny', rule: 'no-policy' },
  },
  { name: 'no policies at all', policies: [], want: { kind: 'deny', rule: 'no-policy' } },
  { name: 'somebody else', request: { user: bob }, want: { kind: 'deny', rule: 'no-policy' } },
  {
    name: 'an account of the policy that the target lacks',
    policies: [policy({ accounts: ['postgres'] })],
    request: { account: 'postgres' },
    want: { kind: 'deny', rule: 'db/accounts' },
  },
  {
    name: 'an account of the target that the policy lacks',
    policies: [policy({ accounts: ['app_readonly'] })],
    request: { account: 'app_readwrite' },
    want: { kind: 'deny', rule: 'db/accounts' },
  },
  { name: 'an account with an empty name', request: { account: '' }, want: { kind: 'deny', rule: 'db/accounts' } },
  { name: 'an address inside', policies: [policy({ from: ['10.0.0.0/8'] })], want: { kind: 'allow' } },
  {
    name: 'an address outside',
    policies: [policy({ from: ['192.0.2.0/24'] })],
    want: { kind: 'deny', rule: 'db/from' },
  },
  {
    name: 'a duration within the maximum',
    request: { durationMs: 60 * MINUTE },
    want: { kind: 'allow', durationMs: 60 * MINUTE },
  },
  {
    name: 'a duration beyond it is cut',
    request: { durationMs: 999 * MINUTE },
    want: { kind: 'allow', durationMs: 120 * MINUTE },
  },
  {
    name: 'endless is cut as well',
    request: { durationMs: Infinity },
    want: { kind: 'allow', durationMs: 120 * MINUTE },
  },
  { name: 'no time is no duration', request: { durationMs: 0 }, want: { kind: 'deny', rule: 'db/duration' } },
  { name: 'a negative one neither', request: { durationMs: -1 }, want: { kind: 'deny', rule: 'db/duration' } },
  { name: 'nor what is no number', request: { durationMs: Number.NaN }, want: { kind: 'deny', rule: 'db/duration' } },
  { name: 'no rule that matches', policies: [policy({ approval: [] })], want: { kind: 'deny', rule: 'db/approval' } },
  { name: 'no reason', request: { reason: undefined }, want: { kind: 'incomplete', rule: 'db/approval[0]' } },
  {
    name: 'most approvals among several',
    policies: [policy({ name: 'a', approval: open }), policy({ name: 'b', approval: lead })],
    want: { kind: 'needs-approval', policy: 'b' },
  },
  {
    name: 'then the shortest maximum',
    policies: [policy({ name: 'a' }), policy({ name: 'b', duration: { ...policy().duration, maxMs: 60 * MINUTE } })],
    want: { kind: 'allow', policy: 'b' },
  },
  {
    name: 'then the name',
    policies: [policy({ name: 'b' }), policy({ name: 'a' })],
    want: { kind: 'allow', policy: 'a' },
  },
  {
    name: 'the one named, though looser',
    policies: [policy({ name: 'a', approval: open }), policy({ name: 'b', approval: lead })],
    request: { policy: 'a' },
    want: { kind: 'allow', policy: 'a' },
  },
  {
    name: 'one named that does not match',
    policies: [policy({ name: 'a' }), policy({ name: 'b', who: { groups: ['dba'], users: [] } })],
    request: { policy: 'b' },
    want: { kind: 'deny', rule: 'no-policy' },
  },
  { name: 'one named that does not exist', request: { policy: 'zzz' }, want: { kind: 'deny', rule: 'no-policy' } },
  {
    name: 'a policy for another network is no candidate',
    policies: [policy({ name: 'a', approval: open }), policy({ name: 'b', approval: lead, from: ['192.0.2.0/24'] })],
    want: { kind: 'allow', policy: 'a' },
  },
  {
    name: 'the least account over all policies',
    policies: [policy({ name: 'a', accounts: ['app_readwrite'] }), policy({ name: 'b', accounts: ['app_readonly'] })],
    want: { kind: 'allow', policy: 'b', account: 'app_readonly' },
  },
  {
    name: 'overdue reviews take self-activation away',
    request: { standing: { overdueReviews: 1 } },
    want: { kind: 'needs-approval', rule: 'db/approval[0]+overdue-review' },
  },
  {
    name: 'so does a denial',
    request: { standing: { deniedAt: NOW - MINUTE } },
    want: { kind: 'needs-approval', rule: 'db/approval[0]+denied' },
  },
]
for (const { name, policies = [policy()], request = {}, want } of cases) {
  test(`${name}: ${want.kind}`, () => {
    expect(seen(decide(policies, ask(request), NOW))).toMatchObject(want)
  })
}

test('a request that needs approval says how many and when it may be overridden', () => {
  expect(decide([policy()], ask({ account: 'app_readwrite' }), NOW)).toMatchObject({
    required: 1,
    overrideAfterMs: 10 * MINUTE,
  })
  expect(decide([policy({ approval: lead })], ask(), NOW)).toMatchObject({ overrideAfterMs: null })
})

test('an incomplete request says what is missing and what it will need', () => {
  const several = policy({ triggers: [{ name: 'outage' }, { name: 'breach' }], approval: lead })
  expect(decide([several], ask({ reason: '' }), NOW)).toMatchObject({
    kind: 'incomplete',
    missing: ['trigger', 'reason'],
    required: 1,
  })
})

test('an unknown target reads like a refused one, whatever else is asked', () => {
  const others: Partial<AccessRequest>[] = [
    {},
    { account: 'root' },
    { policy: 'db' },
    { durationMs: -1 },
    { address: 'x' },
  ]
  for (const change of others)
    expect(decide([policy()], ask({ user: bob, ...change }), NOW)).toEqual(denyTarget('orders'))
})

test('what a client called a target is shown cut and without control characters', () => {
  const { message } = denyTarget(`a\u001b[2J${'b'.repeat(10_000)}`)
  expect(message).toMatch(/^[\x20-\x7e…]+$/)
  expect(message.length).toBeLessThan(120)
})

test('what could I get: every target and account that is not refused', () => {
  const both = policy({
    targets: { names: ['web-1'], labels: { kind: 'postgres' } },
    accounts: ['app_readonly', 'deploy'],
  })
  const offers = offersFor([both], [web, orders], { user: alice, address: '10.0.0.7' }, NOW)
  expect(offers.map(({ target, account }) => `${account}@${target}`)).toEqual(['deploy@web-1', 'app_readonly@orders'])
  expect(offersFor([both], [web, orders], { user: user('eve', []), address: '10.0.0.7' }, NOW)).toEqual([])
})
