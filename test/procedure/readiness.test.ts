import { expect, test } from 'vitest'
import { readiness, STALE_MS } from '../../src/procedure/readiness.ts'
import { buildDirectory } from '../../src/identity/directory.ts'
import { STEP_MS } from '../../src/identity/totp.ts'
import type { User } from '../../src/identity/user.ts'
import type { Lock, State } from '../../src/session/state.ts'
import { FakeClock } from '../support/clock.ts'
import { orders, policyOf, web1 } from './world.ts'

const clock = new FakeClock()
const now = clock.now()
const key = (name: string) => [{ fingerprint: `SHA256:${name}`, type: 'ssh-ed25519', blob: '', comment: '' }]
const user = (name: string, over: Partial<User> = {}): User => {
  return { name, groups: ['oncall'], roles: ['engineer'], keys: key(name), ...over }
}

function look(
  users: readonly User[],
  options: {
    readonly steps?: Readonly<Record<string, number>>
    readonly locks?: readonly string[]
    readonly policy?: Parameters<typeof policyOf>[0]
  } = {},
) {
  const { steps = {}, locks = [], policy } = options
  const state: Pick<State, 'totp' | 'locks'> = {
    totp: async (name) => (steps[name] === undefined ? undefined : { secret: 'A'.repeat(32), lastStep: steps[name] }),
    locks: async () => locks.map((scope): Lock => ({ scope, by: 'adam', at: now, reason: 'x' })),
  }
  const directory = buildDirectory(users)
  return readiness({ clock, state, directory, policies: [policyOf(policy)], targets: [web1, orders] })
}

const fresh = Math.floor(now / STEP_MS)

test('who has a key, a factor and a target now is ready; others are named with what is missing', async () => {
  const found = await look(
    [
      user('alice'),
      user('dora', { keys: [] }),
      user('erin'),
      user('bob', { groups: ['leads'] }),
      user('fred', { isDisabled: true }),
    ],
    { steps: { alice: fresh, dora: fresh, bob: fresh, fred: fresh } },
  )
  expect(found.ready).toBe(1)
  expect(found.people.map(({ user: name, missing }) => [name, missing])).toEqual([
    ['alice', []],
    ['dora', ['key']],
    ['erin', ['second factor']],
    ['fred', ['target now']],
  ])
  expect(found.people[0]?.targets).toEqual(['web-1', 'orders'])
})

test('a factor that was never used, or not for 90 days, is stale; its owner still counts', async () => {
  const people = [user('alice'), user('carl'), user('dora')]
  const old = Math.floor((now - STALE_MS - STEP_MS) / STEP_MS)
  const found = await look(people, { steps: { alice: fresh, carl: 0, dora: old } })
  expect(found.ready).toBe(3)
  expect(found.people.map(({ isStale, lastUsedAt }) => [isStale, lastUsedAt])).toEqual([
    [false, fresh * STEP_MS],
    [true, null],
    [true, old * STEP_MS],
  ])
})

test('a lock on the person, on everything, or on every target keeps them out tonight', async () => {
  const steps = { alice: fresh }
  const missing = async (...locks: string[]) => (await look([user('alice')], { steps, locks })).people[0]?.missing
  expect(await missing('user:alice')).toEqual(['lock'])
  expect(await missing('all')).toEqual(['lock'])
  expect(await missing('target:web-1')).toEqual([])
  expect(await missing('target:web-1', 'target:orders')).toEqual(['target now'])
  expect(await missing('user:bob')).toEqual([])
})

test('where they sit is left aside; when it is counts', async () => {
  const steps = { alice: fresh }
  const far = await look([user('alice')], { steps, policy: { from: ['10.9.0.0/16'] } })
  expect(far.ready).toBe(1)
  // The clock shows 3 o'clock of a Saturday.
  const office = { days: [1, 2, 3, 4, 5], fromMinute: 9 * 60, toMinute: 17 * 60, zone: 'UTC' }
  const closed = await look([user('alice')], { steps, policy: { windows: [office] } })
  expect(closed.people[0]?.missing).toEqual(['target now'])
})
