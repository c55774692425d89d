// What must hold of every decision, over generated people, targets and policies. The oracle is written apart from the
// code under test: it says who could at most be let in.

import * as fc from 'fast-check'
import { BlockList, isIPv4 } from 'node:net'
import { expect, test } from 'vitest'
import { applyGrantEvent, isLive } from '../../src/access/grant.ts'
import { type AccessRequest, type Decision, decide } from '../../src/access/decide.ts'
import type { Policy } from '../../src/access/policy.ts'
import type { Target } from '../../src/target.ts'
import { MINUTE, NOW, grant, orders, policy, user, web } from './examples.ts'

const people = [
  user('alice', ['oncall']),
  user('bob', ['leads', 'oncall']),
  user('eve', []),
  { ...user('eve', ['oncall']), isDrill: true as const },
  { ...user('bob', []), isDisabled: true },
]
const targets: readonly Target[] = [
  orders,
  web,
  { ...orders, canary: true },
  { ...web, name: 'web-2', labels: { env: 'test' } },
]
const accounts = ['app_readonly', 'app_readwrite', 'deploy', 'root']
const networks = ['10.0.0.0/8', '10.1.0.0/16', '192.0.2.0/24', '2001:db8::/32']
const addresses = ['10.0.0.1', '10.1.0.1', '192.0.2.9', '203.0.113.1', '2001:db8::1']
const triggers = ['outage', 'breach']

const anyRule = fc.record({
  when: fc.record(
    { account: fc.constantFrom(...accounts), trigger: fc.constantFrom(...triggers) },
    { requiredKeys: [] },
  ),
  required: fc.integer({ min: 0, max: 3 }),
  from: fc.constant({ groups: ['leads'], roles: [] }),
  override: fc.option(fc.record({ afterMs: fc.nat(60 * MINUTE), reasonMinLength: fc.nat(40) })),
})

const anyPolicy: fc.Arbitrary<Policy> = fc
  .record({
    name: fc.constantFrom('p', 'q', 'r', 's'),
    who: fc.record({
      groups: fc.subarray(['oncall', 'leads']),
      users: fc.subarray(['alice', 'bob', 'eve'], { maxLength: 1 }),
    }),
    targets: fc.record({
      names: fc.subarray(['orders', 'web-1', 'web-2']),
      labels: fc.constantFrom<Record<string, string>>({}, { env: 'prod' }, { env: 'prod', kind: 'ssh' }, { x: 'y' }),
    }),
    accounts: fc.shuffledSubarray(accounts, { minLength: 1 }),
    from: fc.subarray(networks),
    triggers: fc.subarray(triggers, { minLength: 1 }).map((names) => names.map((name) => ({ name }))),
    windows: fc.array(
      fc.record({
        days: fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1 }),
        fromMinute: fc.nat(1439),
        toMinute: fc.integer({ min: 0, max: 1440 }),
        // No change of clocks, so that the oracle can count minutes.
        zone: fc.constantFrom('UTC', 'Asia/Kolkata'),
      }),
      { maxLength: 2 },
    ),
    onCall: fc.option(fc.constant({ check: 'on-call', onError: 'deny' as const })),
    maxMs: fc.integer({ min: 1, max: 240 }).map((minutes) => minutes * MINUTE),
    defaultMs: fc.integer({ min: 1, max: 240 }).map((minutes) => minutes * MINUTE),
    approval: fc.array(anyRule, { maxLength: 3 }),
  })
  .map(({ maxMs, defaultMs, ...rest }) =>
    policy({ ...rest, duration: { maxMs, defaultMs, extensions: { count: 0, self: false } } }),
  )

const anyPolicies = fc.uniqueArray(anyPolicy, { maxLength: 4, selector: ({ name }) => name })

const maybe = <T>(some: fc.Arbitrary<T>) => fc.option(some, { nil: undefined })
const anyRequest: fc.Arbitrary<AccessRequest> = fc.record({
  user: fc.constantFrom(...people),
  target: fc.constantFrom(...targets),
  account: maybe(fc.constantFrom(...accounts)),
  policy: maybe(fc.constantFrom('p', 'q', 'r', 's', 'none')),
  trigger: maybe(fc.constantFrom(...triggers, 'fun')),
  reason: maybe(fc.constantFrom('payments are stuck', 'short')),
  durationMs: maybe(fc.oneof(fc.integer({ min: -10, max: 10 }), fc.nat(600 * MINUTE), fc.double())),
  address: fc.constantFrom(...addresses),
  standing: maybe(
    fc.record({ overdueReviews: fc.nat(1), deniedAt: fc.option(fc.constantFrom(NOW - MINUTE, NOW - 300 * MINUTE)) }),
  ),
})

function names(policy: Policy, request: AccessRequest): boolean {
  return policy.who.users.includes(request.user.name) || policy.who.groups.some((g) => request.user.groups.includes(g))
}

function leadsTo(policy: Policy, target: Target): boolean {
  const carried: Record<string, string> = { ...target.labels, kind: target.kind }
  const labels = Object.entries(policy.targets.labels)
  const isLabelled = labels.length > 0 && labels.every(([label, value]) => carried[label] === value)
  return policy.targets.names.includes(target.name) || isLabelled
}

function admits(policy: Policy, address: string): boolean {
  const list = new BlockList()
  for (const network of policy.from) {
    const [base = '', prefix] = network.split('/')
    list.addSubnet(base, Number(prefix), isIPv4(base) ? 'ipv4' : 'ipv6')
  }
  return policy.from.length === 0 || list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
}

/** Whether a window is open, by counting minutes since a Monday midnight. */
function isInTime(policy: Policy, now: number): boolean {
  const week = 7 * 24 * 60
  return (
    policy.windows.length === 0 ||
    policy.windows.some(({ days, fromMinute, toMinute, zone }) => {
      const shift = zone === 'UTC' ? 0 : 330
      const minute = (Math.floor((now - Date.UTC(2026, 0, 5)) / MINUTE) + shift) % week
      const length = toMinute > fromMinute ? toMinute - fromMinute : toMinute + 24 * 60 - fromMinute
      return days.some((day) => (minute - ((day - 1) * 24 * 60 + fromMinute) + 2 * week) % week < length)
    })
  )
}

/** What a decision is worth to the one who asked: more is more access. */
function worth(decision: Decision): number {
  if (decision.kind === 'deny') return 0
  if (decision.kind === 'incomplete') return 1
  return decision.kind === 'allow' ? 10 : 10 - decision.required
}

const anyTime = fc.integer({ min: 0, max: 14 * 24 * 60 }).map((minutes) => NOW + minutes * MINUTE)
const runs = { numRuns: 2000 }

test('nothing is opened outside who, targets, accounts and networks of the policy that opened it', () => {
  fc.assert(
    fc.property(anyPolicies, anyRequest, anyTime, (policies, request, now) => {
      const decision = decide(policies, request, now)
      if (decision.kind === 'deny') return
      const { policy, account } = decision
      expect(policies).toContain(policy)
      expect(names(policy, request)).toBe(true)
      expect(leadsTo(policy, request.target)).toBe(true)
      expect(admits(policy, request.address)).toBe(true)
      expect(isInTime(policy, now)).toBe(true)
      expect(request.user.isDrill === true && request.target.canary !== true).toBe(false)
      expect(request.user.isDisabled).not.toBe(true)
      if (decision.kind !== 'incomplete' && policy.onCall !== null) expect(decision.checks).toContain(policy.onCall)
      expect(policy.accounts).toContain(account)
      expect(request.target.accounts).toContain(account)
      if (request.account !== undefined) expect(account).toBe(request.account)
      if (request.policy !== undefined) expect(policy.name).toBe(request.policy)
    }),
    runs,
  )
})

test('whoever no policy covers is refused in the words for an unknown target', () => {
  fc.assert(
    fc.property(anyPolicies, anyRequest, (policies, request) => {
      const isCovered = policies.some((policy) => names(policy, request) && leadsTo(policy, request.target))
      const decision = decide(policies, request, NOW)
      const isRefusedBefore = decision.kind === 'deny' && ['drill/canary', 'user/disabled'].includes(decision.rule)
      if (!isCovered && !isRefusedBefore) expect(decision).toMatchObject({ kind: 'deny', rule: 'no-policy' })
    }),
    runs,
  )
})

test('an allow needs no approval by the rule it names, and states all that its policy asks', () => {
  fc.assert(
    fc.property(anyPolicies, anyRequest, (policies, request) => {
      const decision = decide(policies, request, NOW)
      if (decision.kind !== 'allow') return
      const index = Number(/\/approval\[(\d+)\]$/.exec(decision.rule)?.[1])
      expect(decision.policy.approval[index]?.required).toBe(0)
      expect(request.reason).toBe('payments are stuck')
      expect(request.standing?.overdueReviews ?? 0).toBe(0)
      if (decision.policy.triggers.length > 1) expect(triggers).toContain(request.trigger)
    }),
    runs,
  )
})

test('the duration is above nothing and never beyond the maximum, so neither is expiresAt', () => {
  fc.assert(
    fc.property(anyPolicies, anyRequest, (policies, request) => {
      const decision = decide(policies, request, NOW)
      if (decision.kind === 'deny') return
      const { durationMs } = decision
      expect(durationMs).toBeGreaterThan(0)
      expect(durationMs).toBeLessThanOrEqual(decision.policy.duration.maxMs)
      const active = applyGrantEvent(grant({ durationMs }), { kind: 'activate', at: NOW, expiresAt: NOW + durationMs })
      expect(isLive(active, NOW + decision.policy.duration.maxMs)).toBe(false)
    }),
    runs,
  )
})

test('the same question has the same answer, in whatever order the policies stand', () => {
  const shuffled = anyPolicies.chain((policies) =>
    fc.tuple(fc.constant(policies), fc.shuffledSubarray([...policies], { minLength: policies.length })),
  )
  fc.assert(
    fc.property(shuffled, anyRequest, ([policies, others], request) => {
      const decision = decide(policies, request, NOW)
      expect(decide(policies, request, NOW)).toEqual(decision)
      const other = decide(others, request, NOW)
      if (decision.kind === 'deny') expect(other.kind).toBe('deny')
      else expect(other).toEqual(decision)
    }),
    runs,
  )
})

const never = { days: [1], fromMinute: 0, toMinute: 1, zone: 'UTC' }
const restrictions: readonly ((policy: Policy) => Policy)[] = [
  (policy) => ({ ...policy, who: { ...policy.who, groups: policy.who.groups.slice(1) } }),
  (policy) => ({ ...policy, who: { ...policy.who, users: [] } }),
  (policy) => ({ ...policy, targets: { names: policy.targets.names.slice(1), labels: policy.targets.labels } }),
  (policy) => ({ ...policy, accounts: policy.accounts.slice(1) }),
  (policy) => ({ ...policy, from: policy.from.length === 0 ? ['10.0.0.0/8'] : policy.from.slice(0, 1) }),
  (policy) => ({ ...policy, duration: { ...policy.duration, maxMs: Math.ceil(policy.duration.maxMs / 2) } }),
  (policy) => ({ ...policy, reason: { ...policy.reason, minLength: policy.reason.minLength + 20 } }),
  (policy) => ({ ...policy, approval: policy.approval.map((rule) => ({ ...rule, required: rule.required + 1 })) }),
  (policy) => ({ ...policy, approval: policy.approval.slice(0, -1) }),
  (policy) => ({ ...policy, windows: policy.windows.length === 0 ? [never] : policy.windows.slice(0, 1) }),
]

test('a policy made stricter never gives more for what is asked by name', () => {
  const account = fc.constantFrom(...accounts)
  fc.assert(
    fc.property(
      anyPolicy,
      anyRequest,
      account,
      fc.constantFrom(...restrictions),
      (policy, request, account, restrict) => {
        const asked = { ...request, account, policy: undefined, trigger: request.trigger ?? 'outage' }
        const before = decide([policy], asked, NOW)
        const after = decide([restrict(policy)], asked, NOW)
        expect(worth(after)).toBeLessThanOrEqual(worth(before))
        if (before.kind !== 'deny' && after.kind !== 'deny')
          expect(after.durationMs).toBeLessThanOrEqual(before.durationMs)
      },
    ),
    runs,
  )
})

test('a policy that is named answers as if it stood alone', () => {
  fc.assert(
    fc.property(anyPolicies, anyRequest, (policies, request) => {
      for (const policy of policies) {
        const asked = { ...request, policy: policy.name }
        const alone = decide([policy], asked, NOW)
        const among = decide(policies, asked, NOW)
        if (alone.kind === 'deny') expect(among.kind).toBe('deny')
        else expect(among).toEqual(alone)
      }
    }),
    runs,
  )
})

test('a harsher past never gives more', () => {
  fc.assert(
    fc.property(anyPolicies, anyRequest, (policies, request) => {
      const asked = { ...request, policy: policies[0]?.name }
      const clean = decide(policies, { ...asked, standing: undefined }, NOW)
      expect(worth(decide(policies, asked, NOW))).toBeLessThanOrEqual(worth(clean))
    }),
    runs,
  )
})
