import { expect, test } from 'vitest'
import { parseInstant } from '../../src/access/instant.ts'
import { denyTarget } from '../../src/access/decide.ts'
import type { User } from '../../src/identity/user.ts'
import { buildDirectory } from '../../src/identity/directory.ts'
import {
  explainAccess,
  type ExplanationPorts,
  policiesFor,
  simulateAccess,
  targetsFor,
} from '../../src/procedure/explanation.ts'
import { FakeClock } from '../support/clock.ts'
import { orders, policyOf, web1 } from './world.ts'

const user = (name: string, groups: readonly string[], roles: User['roles']): User => ({
  name,
  groups,
  roles,
  keys: [],
})
const people = [
  user('alice', ['oncall'], ['engineer']),
  user('eve', [], ['engineer', 'reviewer']),
  user('bob', ['leads'], ['approver']),
  user('adam', [], ['admin']),
]
const clock = new FakeClock()
const secret = policyOf({
  name: 'secret',
  hash: 'b'.repeat(64),
  who: { groups: ['dba'], users: [] },
  targets: { names: ['orders'], labels: {} },
})
const ports: ExplanationPorts = {
  clock,
  state: { grants: async () => [], events: async () => [] },
  directory: buildDirectory(people),
  debts: { refresh: async () => {}, overdue: () => [] },
  policies: [policyOf(), secret],
  targets: [web1, orders],
  configuration: { sha256: '', refused: null },
}
const as = (name: string) => {
  const person = people.find((one) => one.name === name)
  if (person === undefined) throw new Error(`no ${name}`)
  return { user: person, fingerprint: 'web', address: '10.0.0.1' }
}

test('about oneself: the policies that are about oneself and the target, and no other', async () => {
  const explanation = await explainAccess(ports, as('alice'), { target: 'orders' })
  expect(explanation.chosen).toBe('emergency')
  expect(explanation.policies.map(({ policy }) => policy)).toEqual(['emergency'])
  expect(policiesFor(ports, as('alice').user).map(({ name }) => name)).toEqual(['emergency'])
  expect(targetsFor(ports, as('eve').user)).toEqual([])
})

test('a target that no policy gives reads like one that does not exist', async () => {
  for (const target of ['orders', 'nowhere']) {
    const { message, rule, policies, hint } = await explainAccess(ports, as('eve'), { target })
    const denial = denyTarget(target)
    expect({ message, rule, policies, hint }).toEqual({
      message: `refused: ${denial.message}`,
      rule: denial.rule,
      policies: [],
      hint: denial.hint,
    })
  }
})

test('about others only those who oversee or approve may ask, and a name that is nobody’s reads the same', async () => {
  for (const name of ['alice', 'eve'])
    for (const about of ['bob', 'nobody']) {
      await expect(explainAccess(ports, as(name), { user: about, target: 'orders' })).rejects.toMatchObject({
        code: 'denied',
      })
      expect(() => simulateAccess(ports, as(name), { user: about })).toThrow(
        expect.objectContaining({ code: 'denied' }),
      )
    }
  for (const name of ['bob', 'adam']) {
    const explanation = await explainAccess(ports, as(name), { user: 'alice', target: 'orders' })
    expect(explanation.policies.map(({ policy }) => policy)).toEqual(['emergency', 'secret'])
    await expect(explainAccess(ports, as(name), { user: 'nobody', target: 'orders' })).rejects.toMatchObject({
      code: 'not_found',
    })
  }
})

test('a simulation is about everybody for who oversees, and about oneself for everyone else', () => {
  const rows = (name: string, ask = {}) =>
    simulateAccess(ports, as(name), ask).rows.map((row) => `${row.user} ${row.account}@${row.target} ${row.required}`)
  const alices = ['alice deploy@web-1 0', 'alice app_readonly@orders 0', 'alice app_readwrite@orders 1']
  expect(rows('adam')).toEqual(alices)
  expect(rows('alice')).toEqual(alices)
  expect(rows('alice', { target: 'web-1' })).toEqual(['alice deploy@web-1 0'])
  expect(rows('eve')).toEqual([])
})

test('a simulation of thousands is cut, and says so, soon', () => {
  const crowd = Array.from({ length: 2000 }, (_, index) => user(`u${index}`, ['oncall'], ['engineer']))
  const many = Array.from({ length: 2000 }, (_, index) => ({ ...web1, name: `t${index}` }))
  const policies = Array.from({ length: 50 }, (_, index) =>
    policyOf({
      name: `p${index}`,
      targets: { names: many.slice(index * 40, index * 40 + 40).map(({ name }) => name), labels: {} },
    }),
  )
  const startedAt = performance.now()
  const simulation = simulateAccess(
    { ...ports, directory: buildDirectory([...people, ...crowd]), targets: many, policies },
    as('adam'),
    {},
  )
  expect(performance.now() - startedAt).toBeLessThan(10_000)
  expect(simulation.isCut).toBe(true)
  expect(simulation.rows.length).toBeLessThanOrEqual(2002)
}, 30_000)

test('an address that is none is a mistake, not a refusal', async () => {
  await expect(explainAccess(ports, as('alice'), { target: 'orders', from: 'office' })).rejects.toMatchObject({
    code: 'usage',
  })
})

const instants: readonly [string, number | undefined][] = [
  ['2026-11-22T03:00', Date.UTC(2026, 10, 22, 3)],
  ['2026-11-22 03:00', Date.UTC(2026, 10, 22, 3)],
  ['2026-11-22T03:00:30Z', Date.UTC(2026, 10, 22, 3, 0, 30)],
  ['2026-11-22T03:00+01:00', Date.UTC(2026, 10, 22, 2)],
  ['2026-11-22', Date.UTC(2026, 10, 22)],
  ['2026-13-22', undefined],
  ['2026-11-22T25:00', undefined],
  ['tomorrow', undefined],
  ['03:00', undefined],
  ['', undefined],
  ['1'.repeat(1000), undefined],
]
for (const [text, want] of instants)
  test(`the instant ${text.slice(0, 30)}`, () => {
    expect(parseInstant(text)).toBe(want)
  })
