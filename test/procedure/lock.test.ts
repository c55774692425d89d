import { expect, test } from 'vitest'
import { endGrant, killSession, revokeAll, takeBack } from '../../src/procedure/end.ts'
import { lock, resumeLocks, scopeOf, unlock, type LockPorts } from '../../src/procedure/lock.ts'
import { resumeGrants, writeMissedEnds } from '../../src/procedure/sweep.ts'
import { HalliganError } from '../../src/errors.ts'
import type { LockScope } from '../../src/session/locks.ts'
import { Registry } from '../../src/session/registry.ts'
import type { SessionEnd } from '../../src/session/session.ts'
import { ProcedureWorld } from './world.ts'

const statement = { trigger: 'customer-impact', reason: 'checkout is down' }
const why = 'laptop stolen in a taxi'

function portsOf(world: ProcedureWorld): LockPorts {
  const known = new Set(['all', 'user:alice', 'user:dave', 'target:web-1', 'target:orders'])
  return { ...world.end, state: world.state, knows: (scope) => known.has(scope) }
}

/** A session of a grant, held as admission holds one; gives how it was ended. */
function inside(world: ProcedureWorld, grant: { id: string; user: string; target: string }): SessionEnd[] {
  const ends: SessionEnd[] = []
  const session = { id: `s${grant.id}`, grant: grant.id, user: grant.user, target: grant.target }
  world.registry.hold({
    session: session as Parameters<Registry['hold']>[0]['session'],
    end: (end) => ends.push(end),
    notice: () => {},
  })
  return ends
}

for (const scope of ['user:alice', 'target:web-1', 'all'] as const)
  test(`locking ${scope} closes sockets at once, revokes for review, and is told and written`, async () => {
    await using world = await ProcedureWorld.open()
    const grant = await world.access.request(await world.proven('alice'), { target: 'web-1', ...statement })
    const ends = inside(world, grant)
    const locking = lock(portsOf(world), scope, 'adam', why)
    // Before anything was waited for.
    expect(ends).toMatchObject([{ reason: 'revoked', code: 'killed' }])
    expect(world.registry.live(grant.id)).toBeUndefined()
    expect(await locking).toMatchObject({ sessions: 1, grants: 1, lock: { scope, by: 'adam', reason: why } })
    const stored = await world.state.grant(grant.id)
    expect(stored).toMatchObject({ state: 'awaiting-review', end: { how: 'revoked', by: 'adam' } })
    expect(stored?.reviewDueAt).toBeGreaterThan(world.clock.now())
    expect(await world.state.locks()).toMatchObject([{ scope, by: 'adam', reason: why }])
    expect(await world.leaves('locked')).toMatchObject([{ scope, by: 'adam', reason: why }])
    expect(await world.leaves('grant-ended')).toMatchObject([{ grant: grant.id, how: 'revoked' }])
    const told = (await world.state.alerts({ limit: 10 })).map(({ type }) => type)
    expect(told).toContain('access.locked')
    const again = world.access.request(world.as('alice'), { target: 'web-1', ...statement })
    await expect(again).rejects.toMatchObject({ code: 'denied' })
  })

test('a lock of one person leaves the others alone, and unlocking is written before it counts', async () => {
  await using world = await ProcedureWorld.open()
  const ports = portsOf(world)
  const hers = await world.access.request(await world.proven('alice'), { target: 'web-1', ...statement })
  const his = await world.access.request(await world.proven('dave'), { target: 'web-1', ...statement })
  await lock(ports, 'user:alice', 'adam', why)
  expect(world.registry.live(hers.id)).toBeUndefined()
  expect(world.registry.live(his.id)?.id).toBe(his.id)
  const failing: LockPorts = {
    ...ports,
    state: { ...stateOf(world), commit: () => Promise.reject(new HalliganError('store_failed', 'disk')) },
  }
  await expect(unlock(failing, 'user:alice', 'adam', 'found it')).rejects.toMatchObject({ code: 'store_failed' })
  expect(world.registry.locks.on('alice')).toBeDefined()
  await unlock(ports, 'user:alice', 'adam', 'found it')
  expect(await world.state.locks()).toEqual([])
  expect(await world.leaves('unlocked')).toMatchObject([{ scope: 'user:alice', by: 'adam', reason: 'found it' }])
  const anew = await world.access.request(await world.proven('alice'), { target: 'web-1', ...statement })
  expect(anew.id).not.toBe(hers.id)
  expect(world.registry.live(anew.id)).toBeDefined()
})

function stateOf(world: ProcedureWorld): LockPorts['state'] {
  return {
    grant: (id) => world.state.grant(id),
    grants: (filter) => world.state.grants(filter),
    sessions: (filter) => world.state.sessions(filter),
    locks: () => world.state.locks(),
    commit: (change) => world.state.commit(change),
  }
}

test('with the store failing the lock holds in memory, is said so, and the next one is written', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await world.access.request(await world.proven('alice'), { target: 'web-1', ...statement })
  const ends = inside(world, grant)
  const ports = portsOf(world)
  const full = () => Promise.reject(new HalliganError('store_failed', 'the disk is full'))
  const failing: LockPorts = { ...ports, state: { ...stateOf(world), commit: full } }
  await expect(lock(failing, 'all', 'adam', why)).rejects.toMatchObject({ code: 'store_failed' })
  expect(ends).toHaveLength(1)
  expect(world.registry.liveGrants()).toEqual([])
  expect(await world.state.locks()).toEqual([])
  // The sweep writes the end that could not be written, and a lock pressed again is kept.
  world.clock.advance(60_000)
  await writeMissedEnds(world.end)
  expect((await world.state.grant(grant.id))?.end).toMatchObject({ how: 'revoked' })
  await lock(ports, 'all', 'adam', why)
  expect(await world.state.locks()).toMatchObject([{ scope: 'all' }])
})

test('a lock that only memory holds is unlocked as well', async () => {
  await using world = await ProcedureWorld.open()
  const ports = portsOf(world)
  const full = () => Promise.reject(new HalliganError('store_failed', 'the disk is full'))
  const failing: LockPorts = { ...ports, state: { ...stateOf(world), commit: full } }
  await expect(lock(failing, 'user:alice', 'adam', why)).rejects.toMatchObject({ code: 'store_failed' })
  await unlock(ports, 'user:alice', 'adam', 'found it')
  expect(world.registry.locks.all()).toEqual([])
  expect(await world.leaves('unlocked')).toHaveLength(1)
})

test('what was locked is locked after a restart, and no grant outlives its lock', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await world.access.request(await world.proven('alice'), { target: 'web-1', ...statement })
  // Killed between the lock and the end of what it covers.
  await world.state.commit({
    at: world.clock.now(),
    writes: [{ kind: 'lock', lock: { scope: 'target:web-1', by: 'adam', at: world.clock.now(), reason: why } }],
    leaves: [{ type: 'locked', scope: 'target:web-1', by: 'adam', reason: why }],
  })
  const registry = new Registry(world.clock, () => {})
  const ports = { ...portsOf(world), registry }
  await resumeLocks(ports)
  await resumeGrants(ports, 0)
  expect(registry.locks.all()).toMatchObject([{ scope: 'target:web-1' }])
  expect(registry.live(grant.id)).toBeUndefined()
  expect(await world.state.grant(grant.id)).toMatchObject({ state: 'awaiting-review', end: { how: 'revoked' } })
  registry.close({ reason: 'shutdown', code: null, message: 'test over' })
})

test('a lock and an unlock at once leave memory and store of one mind', async () => {
  await using world = await ProcedureWorld.open()
  const ports = portsOf(world)
  for (let round = 0; round < 10; round++) {
    await lock(ports, 'user:alice', 'adam', why)
    await Promise.allSettled([unlock(ports, 'user:alice', 'adam', 'found it'), lock(ports, 'user:alice', 'eva', why)])
    const stored = (await world.state.locks()).map(({ scope, by }) => ({ scope, by }))
    expect(world.registry.locks.all().map(({ scope, by }) => ({ scope, by }))).toEqual(stored)
    if (stored.length > 0) await unlock(ports, 'user:alice', 'adam', 'found it')
  }
})

test('an approval on its way does not open a locked door, and what it activated is ended', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await world.access.request(await world.proven('alice'), { target: 'web-1', ...statement })
  // As an activation whose commit was under way when the lock came: active in the store, let in by nobody.
  world.registry.endGrant(grant.id, { reason: 'revoked', code: 'killed', message: 'x' })
  world.registry.locks.add({ scope: 'user:alice', by: 'adam', at: 0, reason: why })
  expect(() => world.registry.track(grant)).toThrowError(expect.objectContaining({ code: 'denied' }))
  world.clock.advance(11_000)
  await writeMissedEnds(world.end)
  expect((await world.state.grant(grant.id))?.state).toBe('awaiting-review')
})

const badScopes: { kind: string; name?: string; scope?: LockScope }[] = [
  { kind: 'user', name: 'alice', scope: 'user:alice' },
  { kind: 'all', scope: 'all' },
  { kind: 'target', name: 'web-1', scope: 'target:web-1' },
  { kind: 'user' },
  { kind: 'user', name: '' },
  { kind: 'all', name: 'alice' },
  { kind: 'group', name: 'oncall' },
]
test('a scope is a person, a target or everything', () => {
  for (const { kind, name, scope } of badScopes)
    if (scope === undefined) expect(() => scopeOf(kind, name)).toThrowError(expect.objectContaining({ code: 'usage' }))
    else expect(scopeOf(kind, name)).toBe(scope)
})

test('refused: a name nobody has, no reason, a reason that moves a cursor, unlocking what is not locked', async () => {
  await using world = await ProcedureWorld.open()
  const ports = portsOf(world)
  await expect(lock(ports, 'user:alcie', 'adam', why)).rejects.toMatchObject({ code: 'not_found' })
  for (const reason of ['', ' ', 'x\u001b[2J', 'abc\u202edef', 'x'.repeat(501), 'a\nb'])
    await expect(lock(ports, 'user:alice', 'adam', reason)).rejects.toMatchObject({ code: 'usage' })
  expect(world.registry.locks.all()).toEqual([])
  await expect(unlock(ports, 'user:alice', 'adam', why)).rejects.toMatchObject({ code: 'conflict' })
})

test('its owner returns a grant; an approver of its policy or an admin revokes it; nobody else', async () => {
  await using world = await ProcedureWorld.open()
  const people = { carol: world.as('carol').user, dave: world.as('dave').user, alice: world.as('alice').user }
  const eve = { ...people.dave, name: 'eve', groups: [], roles: ['engineer', 'reviewer', 'auditor'] as const }
  const adam = { ...people.dave, name: 'adam', groups: [], roles: ['admin'] as const }
  const ask = async () =>
    (await world.access.request(await world.proven('alice'), { target: 'web-1', ...statement })).id
  const id = await ask()
  await expect(takeBack(world.end, eve, id, 'x')).rejects.toMatchObject({ code: 'denied' })
  for (const reason of ['', 'a\nb', 'abc\u202edef', 'x'.repeat(501)]) {
    await expect(takeBack(world.end, people.alice, id, reason)).rejects.toMatchObject({ code: 'usage' })
    await expect(takeBack(world.end, adam, id, reason)).rejects.toMatchObject({ code: 'usage' })
    await expect(killSession(world.end, 'saaaaaaaaaaaa', 'adam', reason)).rejects.toMatchObject({ code: 'usage' })
  }
  await expect(killSession(world.end, 'saaaaaaaaaaaa', 'adam', 'why')).rejects.toMatchObject({ code: 'not_found' })
  expect(await takeBack(world.end, people.alice, id, 'done')).toMatchObject({ end: { how: 'returned', by: 'alice' } })
  await expect(takeBack(world.end, people.alice, id, 'done')).rejects.toMatchObject({ code: 'conflict' })
  await expect(takeBack(world.end, adam, 'gnone', 'x')).rejects.toMatchObject({ code: 'not_found' })
  expect(await takeBack(world.end, people.carol, await ask(), 'x')).toMatchObject({
    end: { how: 'revoked', by: 'carol' },
  })
  expect(await takeBack(world.end, adam, await ask(), 'x')).toMatchObject({ end: { how: 'revoked', by: 'adam' } })
})

test('all that falls under something is revoked, doors first; what ended by itself meanwhile is no failure', async () => {
  await using world = await ProcedureWorld.open()
  const hers = await world.access.request(await world.proven('alice'), { target: 'web-1', ...statement })
  const his = await world.access.request(await world.proven('dave'), { target: 'web-1', ...statement })
  const ends = inside(world, hers)
  const revoking = revokeAll(world.end, ({ user }) => user === 'alice', 'halligan', 'alice is no user any more')
  expect(ends).toHaveLength(1)
  const other = endGrant(world.end, hers.id, 'revoked', 'adam', 'at the same time')
  const [revoked] = await Promise.allSettled([revoking, other])
  expect(revoked.status).toBe('fulfilled')
  expect((await world.state.grant(hers.id))?.state).toBe('awaiting-review')
  expect(world.registry.live(his.id)).toBeDefined()
})
