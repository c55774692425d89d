// What decide() says about rehearsals, people who left, time, and what has to be asked outside.

import { expect, test } from 'vitest'
import { type AccessRequest, decide } from '../../src/access/decide.ts'
import type { Policy, TimeWindow } from '../../src/access/policy.ts'
import { NOW, alice, orders, policy, user, web } from './examples.ts'

const ask = (change: Partial<AccessRequest> = {}): AccessRequest => ({
  user: alice,
  target: orders,
  reason: 'payments are stuck',
  address: '10.0.0.7',
  ...change,
})

// NOW is 2027-01-15T08:00:00Z, a Friday.
const window = (days: number[], fromMinute: number, toMinute: number): TimeWindow => ({
  days,
  fromMinute,
  toMinute,
  zone: 'UTC',
})
const wide: Policy = policy({
  who: { groups: ['oncall', 'drill'], users: ['rehearsal'] },
  targets: { names: ['orders', 'web-1'], labels: { env: 'prod' } },
  accounts: ['app_readonly', 'deploy'],
  approval: [{ when: {}, required: 0, from: { groups: [], roles: [] }, override: null }],
})
const rehearsal = { ...user('rehearsal', ['oncall', 'drill'], 'admin', 'engineer'), isDrill: true as const }

test('a rehearsal is refused on whatever is no canary, before any policy is read', () => {
  for (const target of [orders, web, { ...web, canary: false }, { ...web, labels: { canary: 'true' } }])
    expect(decide([wide], ask({ user: rehearsal, target }), NOW)).toMatchObject({ kind: 'deny', rule: 'drill/canary' })
  expect(decide([], ask({ user: rehearsal }), NOW)).toMatchObject({ kind: 'deny', rule: 'drill/canary' })
  expect(decide([wide], ask({ user: rehearsal, target: { ...orders, canary: true } }), NOW).kind).toBe('allow')
})

test('a person is not refused because a target is a canary', () => {
  expect(decide([wide], ask({ target: { ...orders, canary: true } }), NOW).kind).toBe('allow')
})

test('whoever is disabled gets nothing, though a policy still names them', () => {
  const named = { ...wide, who: { groups: [], users: ['alice'] } }
  const gone = { ...alice, groups: [], roles: [], isDisabled: true }
  expect(decide([named], ask({ user: gone }), NOW)).toMatchObject({ kind: 'deny', rule: 'user/disabled' })
})

test('a clock without a usable time gives nothing, windows or not', () => {
  for (const now of [Number.NaN, Infinity, -Infinity])
    expect(decide([wide], ask(), now)).toMatchObject({ kind: 'deny', rule: 'clock' })
  const always = { ...wide, windows: [window([1, 2, 3, 4, 5, 6, 7], 0, 1440)] }
  expect(decide([always], ask(), 9e15)).toMatchObject({ kind: 'deny' })
})

test('outside its windows a policy is refused, with when it opens next', () => {
  const mornings = { ...wide, windows: [window([1], 9 * 60, 10 * 60), window([5], 10 * 60, 11 * 60)] }
  const refused = decide([mornings], ask(), NOW)
  expect(refused).toMatchObject({ kind: 'deny', rule: 'db/windows' })
  expect(refused.kind === 'deny' && refused.hint).toBe('it opens Fri 10:00 UTC, in 2h')
  expect(decide([mornings], ask(), NOW + 2 * 3_600_000).kind).toBe('allow')
})

test('of two policies the one whose window is open answers', () => {
  const day = policy({ name: 'day', windows: [window([5], 0, 12 * 60)] })
  const rest = policy({
    name: 'rest',
    approval: [{ when: {}, required: 2, from: { groups: ['leads'], roles: [] }, override: null }],
    windows: [window([5], 12 * 60, 24 * 60)],
  })
  expect(decide([day, rest], ask(), NOW)).toMatchObject({ kind: 'allow', rule: 'db/approval[0]'.replace('db', 'day') })
  expect(decide([day, rest], ask(), NOW + 4 * 3_600_000)).toMatchObject({ kind: 'needs-approval', required: 2 })
})

test('what must be asked outside is told: on call first, then the trigger’s own check', () => {
  const onCall = { check: 'on-call', onError: 'allow' as const }
  const incident = { check: 'open-incident', onError: 'deny' as const }
  const triggers = [{ name: 'customer-impact', require: incident }, { name: 'drill' }]
  const checked = { ...wide, onCall, triggers }
  expect(decide([checked], ask({ trigger: 'customer-impact' }), NOW)).toMatchObject({ checks: [onCall, incident] })
  expect(decide([checked], ask({ trigger: 'drill' }), NOW)).toMatchObject({ checks: [onCall] })
  expect(decide([wide], ask(), NOW)).toMatchObject({ kind: 'allow', checks: [] })
  // One check named twice is made once, and the clause that refuses on error counts.
  const twice = { ...wide, onCall, triggers: [{ name: 'x', require: { check: 'on-call', onError: 'deny' as const } }] }
  expect(decide([twice], ask(), NOW)).toMatchObject({ checks: [{ check: 'on-call', onError: 'deny' }] })
})
