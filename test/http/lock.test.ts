import { afterEach, beforeEach, expect, test } from 'vitest'
import type { GrantList, LockList } from '../../src/http/api.ts'
import { lock, unlock } from '../../src/procedure/lock.ts'
import { policyOf } from '../procedure/world.ts'
import { FakeClock } from '../support/clock.ts'
import { readSocket } from './socket-reader.ts'
import { startWorld, type World } from './world.ts'

const why = 'laptop stolen in a taxi'
let world: World
let adam: string

beforeEach(async () => {
  const duration = { defaultMs: 30 * 60_000, maxMs: 120 * 60_000, extensions: { count: 1, self: true } }
  const approval = [{ when: {}, required: 0, from: { groups: ['leads'], roles: [] }, override: null }]
  world = await startWorld({
    policies: [policyOf({ name: 'web-emergency', hash: '5f'.repeat(32), duration, approval })],
  })
  adam = await world.signIn('adam')
})
afterEach(() => world.close())

async function locks(cookie: string): Promise<LockList> {
  return (await (await world.get('/api/locks', cookie)).json()) as LockList
}

test('an admin locks with a code and a reason, and not without', async () => {
  const ask = (body: unknown) => world.post('/api/locks', body, adam)
  const body = { kind: 'user', name: 'alice', reason: why }
  expect(await (await ask(body)).json()).toMatchObject({ code: 'mfa_required' })
  await world.stepUp('adam', adam)
  for (const wrong of [
    { ...body, reason: 'x' },
    { ...body, reason: 'esc \u001b[2J here' },
    { ...body, kind: 'group' },
    { kind: 'user', reason: why },
    { kind: 'all', name: 'alice', reason: why },
    {},
  ])
    expect((await ask(wrong)).status).toBe(400)
  expect((await ask({ ...body, name: 'alcie' })).status).toBe(404)
  expect(world.registry.locks.all()).toEqual([])
  expect((await ask(body)).status).toBe(200)
  expect(await locks(adam)).toMatchObject({
    locks: [{ scope: 'user:alice', by: 'adam', reason: why }],
    may: { lock: true },
  })
})

test('a locked person is out of the page at once, with every socket, and cannot come back', async () => {
  const alice = await world.signIn('alice')
  await world.grant({ id: 'g7f3' })
  await world.open({ id: 'saaaaaaaaaaaa' })
  const sockets = ['/ws/events', '/ws/sessions/saaaaaaaaaaaa/live', '/ws/sessions/saaaaaaaaaaaa/events'].map((path) =>
    readSocket(world.socket(path, alice)),
  )
  const erin = await world.signIn('erin')
  const hers = readSocket(world.socket('/ws/events', erin))
  await hers.next()
  await sockets[0]?.next()
  await lock(world.locking, 'user:alice', 'adam', why)
  const codes = await Promise.all(sockets.map(async ({ closed }) => (await closed).code))
  expect(codes).toEqual([4002, 4002, 4002])
  expect((await world.get('/api/me', alice)).status).toBe(401)
  expect((await world.get('/api/me', erin)).status).toBe(200)
  expect(await world.signIn('alice')).toBe('')
  await unlock(world.locking, 'user:alice', 'adam', 'found it')
  expect((await world.get('/api/me', await world.signIn('alice'))).status).toBe(200)
})

test('while everything is locked admins look and unlock, and nobody does anything else', async () => {
  const rita = await world.signIn('rita')
  await world.open({ id: 'saaaaaaaaaaaa' })
  await world.stepUp('adam', adam)
  expect((await world.post('/api/locks', { kind: 'all', reason: why }, adam)).status).toBe(200)
  expect((await world.get('/api/me', rita)).status).toBe(401)
  expect(await world.signIn('rita')).toBe('')
  expect((await world.get('/api/grants', adam)).status).toBe(200)
  const kill = await world.post('/api/sessions/saaaaaaaaaaaa/kill', { reason: 'anything' }, adam)
  expect(await kill.json()).toMatchObject({ code: 'denied' })
  expect(world.kills).toEqual([])
  const again = await world.signIn('adam')
  expect((await world.get('/api/locks', again)).status).toBe(200)
  expect((await world.post('/api/locks/release', { kind: 'all', reason: 'over' }, adam)).status).toBe(200)
  expect((await locks(adam)).locks).toEqual([])
  expect((await world.get('/api/me', await world.signIn('rita'))).status).toBe(200)
})

test('unlocking needs a fresh code: the one that locked does not do for long', async () => {
  await world.close()
  const clock = new FakeClock(Date.now())
  world = await startWorld({ clock })
  adam = await world.signIn('adam')
  await world.stepUp('adam', adam)
  await world.post('/api/locks', { kind: 'target', name: 'web-1', reason: why }, adam)
  clock.advance(6 * 60_000)
  const late = await world.post('/api/locks/release', { kind: 'target', name: 'web-1', reason: 'over' }, adam)
  expect(await late.json()).toMatchObject({ code: 'mfa_required' })
  expect(world.registry.locks.all()).toHaveLength(1)
  await world.stepUp('adam', adam)
  const release = () => world.post('/api/locks/release', { kind: 'target', name: 'web-1', reason: 'over' }, adam)
  expect((await release()).status).toBe(200)
  expect((await release()).status).toBe(409)
})

test('the owner extends with a fresh code and a reason; what an approver may end they see', async () => {
  const grant = await world.grant({ id: 'g7f3', policy: 'web-emergency' })
  world.registry.track(grant)
  const alice = await world.signIn('alice')
  const bob = await world.signIn('bob')
  const erin = await world.signIn('erin')
  const extend = (cookie: string, body: unknown) => world.post('/api/grants/g7f3/extend', body, cookie)
  const body = { reason: 'the rollback still runs', for: '20m' }
  const may = async (cookie: string) =>
    ((await (await world.get('/api/grants', cookie)).json()) as GrantList).grants.map((one) => one.may)
  expect(await may(alice)).toEqual([{ end: true, extend: true }])
  expect(await may(bob)).toEqual([{ end: true, extend: true }])
  expect(await may(adam)).toEqual([{ end: true, extend: false }])
  expect(await may(erin)).toEqual([])
  expect((await extend(erin, body)).status).toBe(404)
  expect(await (await extend(adam, body)).json()).toMatchObject({ code: 'denied' })
  expect(await (await extend(alice, body)).json()).toMatchObject({ code: 'mfa_required' })
  await world.stepUp('alice', alice)
  for (const wrong of [{}, { reason: 'x' }, { ...body, for: 'for ever' }, { ...body, for: '0s' }])
    expect((await extend(alice, wrong)).status).toBe(400)
  const both = await Promise.all([extend(alice, body), extend(alice, body)])
  expect(both.filter(({ ok }) => ok)).toHaveLength(1)
  const ends = (grant.expiresAt ?? 0) + 20 * 60_000
  expect(world.registry.live('g7f3')?.expiresAt).toBe(ends)
  expect((await extend(alice, body)).status).toBe(403)
})
