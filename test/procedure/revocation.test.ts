import { expect, test } from 'vitest'
import { HalliganError } from '../../src/errors.ts'
import { endGrant } from '../../src/procedure/end.ts'
import { Revocations, revocationOf } from '../../src/procedure/revocation.ts'
import type { Session } from '../../src/session/session.ts'
import type { Revocation } from '../../src/session/state.ts'
import { grantOf } from '../support/grant.ts'
import { ProcedureWorld } from './world.ts'

const statement = { trigger: 'customer-impact', reason: 'checkout is down' }
const minute = 60_000

/** Alice's grant on the database with one session that was open, by hand: its row and its backend. */
async function ended(world: ProcedureWorld, pid = 4711): Promise<string> {
  const alice = await world.proven('alice')
  const grant = await world.access.request(alice, { target: 'orders', account: 'app_readonly', ...statement })
  const session: Session = {
    id: `s${grant.id}`,
    protocol: 'postgres',
    grant: grant.id,
    user: 'alice',
    fingerprint: 'SHA256:alice',
    mfa: 'totp',
    address: '10.0.0.1',
    target: 'orders',
    account: 'app_readonly',
    database: 'shop',
    what: { kind: 'sql', application: 'psql' },
    openedAt: world.clock.now(),
  }
  const row = { ...session, state: 'open', endedAt: null, end: null, seal: null } as const
  await world.state.commit({ at: world.clock.now(), writes: [{ kind: 'session-open', session: row }], leaves: [] })
  world.registry.reached(session, pid)
  await endGrant(world.end, grant.id, 'revoked', 'adam', 'wrong incident')
  return grant.id
}

function runner(world: ProcedureWorld, revoke: (revocation: Revocation) => Promise<string>): Revocations {
  const { clock, state } = world
  return new Revocations({ clock, random: () => 0, state, channels: ['desk'], nudge: () => {}, revoke })
}

const down = new HalliganError('unreachable', 'orders cannot be reached: ECONNREFUSED')

test('what is to be taken away is queued in the transaction that ends the grant', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await ended(world)
  const [queued] = await world.state.revocations({ limit: 10 })
  expect(queued).toMatchObject({
    grant,
    target: 'orders',
    what: { kind: 'postgres-backends', account: 'app_readonly', backends: [{ pid: 4711 }] },
    attempts: 0,
  })
  expect(await world.leaves('revocation')).toMatchObject([{ grant, state: 'queued', revocation: queued?.id }])
})

test('without a PostgreSQL session there is nothing to take away', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await world.access.request(await world.proven('alice'), { target: 'web-1', ...statement })
  await endGrant(world.end, grant.id, 'returned', 'alice', 'done')
  expect(await world.state.revocations({ limit: 10 })).toEqual([])
  expect(revocationOf(grantOf(0), { protocol: 'ssh' }, [], 1)).toBeUndefined()
  expect(revocationOf(grantOf(0), undefined, [], 1)).toBeUndefined()
  // After a crash memory knows no backend, the row knows the session.
  expect(revocationOf(grantOf(0), { protocol: 'postgres' }, [], 1)).toMatchObject({ what: { backends: [] } })
})

test('done at the first try it is a leaf, and no alert', async () => {
  await using world = await ProcedureWorld.open()
  await ended(world)
  const queue = runner(world, async () => '1 backend was still at work and is ended')
  queue.nudge()
  await queue.settled()
  expect(await world.state.revocations({ limit: 10 })).toEqual([])
  expect((await world.leaves('revocation')).map(({ state }) => state)).toEqual(['queued', 'done'])
  expect((await world.state.alerts({ limit: 50 })).filter(({ type }) => type.startsWith('revocation'))).toEqual([])
  await queue.close()
})

test('a target that is down is tried with back-off until it is done: one alert each for bad and good news', async () => {
  await using world = await ProcedureWorld.open()
  await ended(world)
  const tries: number[] = []
  let isDown = true
  const queue = runner(world, async () => {
    tries.push(world.clock.now())
    if (isDown) throw down
    return 'no backend was left'
  })
  queue.nudge()
  for (let step = 0; step < 300; step++) {
    await queue.settled()
    world.clock.advance(minute / 2)
  }
  await queue.settled()
  const waits = tries.slice(1).map((at, index) => at - (tries[index] ?? 0))
  expect(waits.every((wait, index) => index === 0 || wait >= (waits[index - 1] ?? 0))).toBe(true)
  expect(Math.max(...waits)).toBe(30 * minute)
  expect(tries.length).toBeGreaterThan(8)
  expect(await world.state.revocations({ limit: 10 })).toMatchObject([{ lastError: down.message }])
  isDown = false
  world.clock.advance(31 * minute)
  await queue.settled()
  expect(await world.state.revocations({ limit: 10 })).toEqual([])
  expect((await world.leaves('revocation')).map(({ state }) => state)).toEqual(['queued', 'failing', 'done'])
  const told = (await world.state.alerts({ limit: 50 }))
    .map(({ type }) => type)
    .filter((type) => type.startsWith('revocation'))
  expect(told).toEqual(['revocation.done', 'revocation.failing'])
  await queue.close()
})

test('what a crash left in the queue is done by the next start', async () => {
  await using world = await ProcedureWorld.open()
  await ended(world)
  const before = runner(world, () => Promise.reject(down))
  before.nudge()
  await before.settled()
  await before.close()
  const done: string[] = []
  const after = runner(world, async ({ id }) => {
    done.push(id)
    return 'done'
  })
  world.clock.advance(minute)
  after.nudge()
  await after.settled()
  expect(done).toHaveLength(1)
  await after.close()
})

test('a clock that was set back delays nothing', async () => {
  await using world = await ProcedureWorld.open()
  await ended(world)
  let tries = 0
  const queue = runner(world, async () => {
    tries++
    if (tries === 1) throw down
    return 'done'
  })
  queue.nudge()
  await queue.settled()
  world.clock.step(-24 * 60 * minute)
  queue.nudge()
  await queue.settled()
  expect(tries).toBe(2)
  await queue.close()
})

test('one that hangs does not hold up the others, and a nudge while working is not lost', async () => {
  await using world = await ProcedureWorld.open()
  await ended(world, 1)
  const second = await ended(world, 2)
  const hanging = Promise.withResolvers<string>()
  const done = Promise.withResolvers<void>()
  const seen: string[] = []
  const queue = runner(world, async ({ grant }) => {
    if (grant !== second) return hanging.promise
    seen.push(grant)
    done.resolve()
    return 'done'
  })
  queue.nudge()
  queue.nudge()
  await done.promise
  expect(seen).toEqual([second])
  hanging.resolve('done late')
  await queue.settled()
  expect(await world.state.revocations({ limit: 10 })).toEqual([])
  await queue.close()
})

test('while the store fails nothing is lost: the queue is read again', async () => {
  await using world = await ProcedureWorld.open()
  await ended(world)
  let isFailing = true
  const state = {
    commit: (change: Parameters<typeof world.state.commit>[0]) => world.state.commit(change),
    revocations: (filter: { limit: number }) =>
      isFailing ? Promise.reject(new HalliganError('store_failed', 'busy')) : world.state.revocations(filter),
  }
  const queue = new Revocations({
    clock: world.clock,
    random: () => 0,
    state,
    channels: [],
    nudge: () => {},
    revoke: async () => 'done',
  })
  queue.nudge()
  await queue.settled()
  isFailing = false
  world.clock.advance(5_000)
  await queue.settled()
  expect(await world.state.revocations({ limit: 10 })).toEqual([])
  await queue.close()
})
