import { expect, test } from 'vitest'
import { freshMs } from '../../src/procedure/mfa.ts'
import { grantOf } from '../support/grant.ts'
import { ProcedureWorld } from './world.ts'

const TEN_MINUTES = 10 * 60_000

test('a code counts once, also on two connections at the same moment', async () => {
  await using world = await ProcedureWorld.open()
  const code = world.code('alice')
  const outcomes = await Promise.all([1, 2, 3].map(() => world.mfa.verify(world.as('alice'), code)))
  const refused = outcomes.flatMap((outcome) => (outcome.kind === 'refused' ? [outcome.error.code] : []))
  expect(refused).toEqual(['code_replayed', 'code_replayed'])
})

test('a ceremony is remembered for that person, key and address, and for no other', async () => {
  await using world = await ProcedureWorld.open()
  await world.proven('alice')
  expect(world.mfa.isRemembered(world.as('alice'), TEN_MINUTES)).toBe(true)
  expect(world.mfa.isRemembered(world.as('alice', '10.0.0.2'), TEN_MINUTES)).toBe(false)
  expect(world.mfa.isRemembered({ ...world.as('alice'), fingerprint: 'SHA256:other' }, TEN_MINUTES)).toBe(false)
  expect(world.mfa.isRemembered(world.as('bob'), TEN_MINUTES)).toBe(false)
  world.clock.advance(TEN_MINUTES)
  expect(world.mfa.isRemembered(world.as('alice'), TEN_MINUTES)).toBe(false)
})

test('a ceremony that opened a grant counts until the grant ends, and for no later grant', async () => {
  await using world = await ProcedureWorld.open()
  const connection = await world.proven('alice')
  const grant = grantOf(world.clock.now())
  expect(world.mfa.ceremonyFor(connection, grant, TEN_MINUTES)).toBe('totp')
  world.clock.advance(25 * 60_000)
  const later = world.as('alice')
  expect(world.mfa.ceremonyFor(later, grant, TEN_MINUTES)).toBe('totp')
  expect(world.mfa.ceremonyFor(later, grantOf(world.clock.now(), { id: 'gnew' }), TEN_MINUTES)).toBeUndefined()
  expect(world.mfa.ceremonyFor(connection, grantOf(world.clock.now(), { id: 'gnew' }), TEN_MINUTES)).toBeUndefined()
})

test('where nothing is remembered each connection needs its own code', async () => {
  await using world = await ProcedureWorld.open()
  const connection = await world.proven('alice')
  const grant = grantOf(world.clock.now())
  expect(world.mfa.ceremonyFor(connection, grant, 0)).toBe('totp')
  expect(world.mfa.ceremonyFor(world.as('alice'), grant, 0)).toBeUndefined()
})

test('a wall clock set back makes no ceremony younger', async () => {
  await using world = await ProcedureWorld.open()
  await world.proven('alice')
  world.clock.step(-3_600_000)
  expect(world.mfa.isRemembered(world.as('alice'), TEN_MINUTES)).toBe(false)
})

test('a fresh ceremony lasts five minutes on its connection', async () => {
  await using world = await ProcedureWorld.open()
  const connection = await world.proven('alice')
  world.clock.advance(freshMs - 1)
  expect(world.mfa.counts(connection, 0)).toBe(true)
  world.clock.advance(1)
  expect(world.mfa.counts(connection, 0)).toBe(false)
})

test('the fifth wrong code begins a wait and alerts; an empty answer is no attempt', async () => {
  await using world = await ProcedureWorld.open()
  for (let at = 0; at < 20; at++)
    expect(await world.mfa.verify(world.as('alice'), '')).toMatchObject({ error: { code: 'mfa_required' } })
  for (let at = 0; at < 5; at++)
    expect(await world.mfa.verify(world.as('alice'), '000000')).toMatchObject({ error: { code: 'code_wrong' } })
  expect(await world.mfa.verify(world.as('alice'), world.code('alice'))).toMatchObject({
    error: { code: 'locked_out' },
  })
  // The same person with another key is let in: nobody can lock a person out.
  const other = { ...world.as('alice'), fingerprint: 'SHA256:second-key' }
  expect(await world.mfa.verify(other, world.code('alice'))).toMatchObject({ kind: 'passed' })
  await expect
    .poll(async () => (await world.state.alerts({ limit: 10 })).map((alert) => alert.type))
    .toContain('user.locked-out')
  expect(await world.leaves('mfa-refused')).toHaveLength(6)
})

test('a code of another person is a wrong code', async () => {
  await using world = await ProcedureWorld.open()
  expect(await world.mfa.verify(world.as('alice'), world.code('bob'))).toMatchObject({ error: { code: 'code_wrong' } })
})

test('whoever holds a key and guesses without end fills no ledger: what comes faster is counted', async () => {
  await using world = await ProcedureWorld.open()
  const thief = world.as('alice')
  for (let attempt = 0; attempt < 200; attempt++) await world.mfa.verify(thief, '7KQ2-M9XD-04TB-ZC5N')
  const early = await world.leaves('mfa-refused')
  expect(early.length).toBeLessThanOrEqual(10)
  world.clock.advance(60_000)
  await world.mfa.verify(thief, '7KQ2-M9XD-04TB-ZC5N')
  const all = await world.leaves('mfa-refused')
  expect(all.reduce((sum, leaf) => sum + 1 + (leaf.unwritten ?? 0), 0)).toBe(201)
  // Another key of the same person is counted by itself.
  await world.mfa.verify({ ...thief, fingerprint: 'SHA256:other' }, '000000')
  expect(await world.leaves('mfa-refused')).toHaveLength(all.length + 1)
})
