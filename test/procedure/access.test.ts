import { expect, test } from 'vitest'
import { buildDirectory } from '../../src/identity/directory.ts'
import { approve, deny, lapse, override } from '../../src/procedure/approve.ts'
import { endGrant, type EndPorts } from '../../src/procedure/end.ts'
import { resumeGrants } from '../../src/procedure/sweep.ts'
import { people, policyOf, ProcedureWorld } from './world.ts'

const ask = { target: 'web-1', reason: 'checkout is down' }
const writing = { target: 'orders', account: 'app_readwrite', reason: 'stuck payments' }
const longReason = 'nobody answers and payments have been stuck for an hour'

test('breaking the glass writes grant, leaves and alert in one transaction, and opens the door', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await world.access.request(await world.proven('alice'), ask)
  expect(grant).toMatchObject({
    state: 'active',
    user: 'alice',
    target: 'web-1',
    account: 'deploy',
    expiresAt: world.clock.now() + 30 * 60_000,
  })
  expect(world.registry.live(grant.id)?.id).toBe(grant.id)
  expect(await world.leaves('grant-activated')).toMatchObject([{ grant: grant.id, rule: 'emergency/approval[1]' }])
  expect(await world.state.alerts({ limit: 5 })).toMatchObject([{ type: 'grant.activated', channel: 'desk' }])
})

test('asking twice is asking once', async () => {
  await using world = await ProcedureWorld.open()
  const alice = await world.proven('alice')
  const first = await world.access.request(alice, ask)
  expect((await world.access.request(alice, ask)).id).toBe(first.id)
  expect(await world.leaves('grant-activated')).toHaveLength(1)
})

test('asking twice at the same moment is asking once', async () => {
  await using world = await ProcedureWorld.open()
  const alice = await world.proven('alice')
  const grants = await Promise.all([1, 2, 3].map(() => world.access.request(alice, ask)))
  expect(new Set(grants.map(({ id }) => id)).size).toBe(1)
  expect(await world.leaves('grant-activated')).toHaveLength(1)
})

test('without a second factor nothing is granted', async () => {
  await using world = await ProcedureWorld.open()
  await expect(world.access.request(world.as('alice'), ask)).rejects.toMatchObject({ code: 'mfa_required' })
  expect(await world.state.grants({})).toEqual([])
})

test('an unknown target is refused in the words of a refused one, and both are leaves', async () => {
  await using world = await ProcedureWorld.open([policyOf({ targets: { names: ['web-1'], labels: {} } })])
  const alice = await world.proven('alice')
  const refusal = async (target: string) => {
    const error: Error = await world.access.request(alice, { target, reason: 'x' }).then(
      () => new Error('granted'),
      (thrown: Error) => thrown,
    )
    return error.message.replaceAll(target, 'NAME')
  }
  expect(await refusal('no-such-host')).toBe(await refusal('orders'))
  expect((await world.leaves('admission-refused')).map((leaf) => leaf.target)).toEqual(['no-such-host', 'orders'])
})

test('writing waits for a lead; of two that decide at once one wins', async () => {
  await using world = await ProcedureWorld.open()
  const request = await world.access.request(await world.proven('alice'), writing)
  expect(request.state).toBe('requested')
  expect(world.registry.live(request.id)).toBeUndefined()
  const outcomes = await Promise.allSettled([
    approve(world.end, world.as('bob'), request.id, 'go'),
    deny(world.end, world.as('carol'), request.id, 'no'),
    approve(world.end, world.as('carol'), request.id, 'go'),
  ])
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'conflict' })
})

test('nobody decides on their own request, nor without being named for it', async () => {
  await using world = await ProcedureWorld.open()
  const request = await world.access.request(await world.proven('dave'), writing)
  await expect(approve(world.end, world.as('dave'), request.id, '')).rejects.toMatchObject({ code: 'denied' })
  await expect(approve(world.end, world.as('alice'), request.id, '')).rejects.toMatchObject({ code: 'denied' })
  expect(await approve(world.end, world.as('bob'), request.id, '')).toMatchObject({ state: 'active' })
})

test('a revocation that overtakes the last step of an approval leaves no door open', async () => {
  await using world = await ProcedureWorld.open()
  const request = await world.access.request(await world.proven('alice'), writing)
  const { promise: told, resolve } = Promise.withResolvers<void>()
  const { promise: written, resolve: onWritten } = Promise.withResolvers<void>()
  // The approval is durable; the approver's side hears of it late.
  const state: EndPorts['state'] = {
    grant: (id) => world.state.grant(id),
    grants: (filter) => world.state.grants(filter),
    sessions: (filter) => world.state.sessions(filter),
    commit: async (change) => {
      const head = await world.state.commit(change)
      onWritten()
      await told
      return head
    },
  }
  const approving = approve({ ...world.end, state }, world.as('bob'), request.id, '')
  await written
  await endGrant(world.end, request.id, 'revoked', 'carol', 'wrong person')
  resolve()
  await expect(approving).rejects.toMatchObject({ code: 'grant_expired' })
  expect(world.registry.live(request.id)).toBeUndefined()
  expect((await world.state.grant(request.id))?.state).toBe('awaiting-review')
})

test('a revocation of what is not live yet takes nothing from its approval', async () => {
  await using world = await ProcedureWorld.open()
  const request = await world.access.request(await world.proven('alice'), writing)
  await expect(endGrant(world.end, request.id, 'revoked', 'carol', 'no')).rejects.toMatchObject({ code: 'conflict' })
  await approve(world.end, world.as('bob'), request.id, '')
  expect(world.registry.live(request.id)?.id).toBe(request.id)
})

test('an override needs its time and its reason, and tells everyone', async () => {
  await using world = await ProcedureWorld.open()
  const alice = await world.proven('alice')
  const request = await world.access.request(alice, writing)
  await expect(override(world.end, alice, request.id, longReason)).rejects.toMatchObject({ code: 'approval_pending' })
  world.clock.advance(120_000)
  await expect(override(world.end, alice, request.id, 'short')).rejects.toMatchObject({ code: 'usage' })
  await expect(override(world.end, world.as('bob'), request.id, longReason)).rejects.toMatchObject({
    code: 'not_found',
  })
  expect(await override(world.end, alice, request.id, longReason)).toMatchObject({
    state: 'active',
    override: { by: 'alice' },
  })
  expect((await world.state.alerts({ limit: 5 })).map(({ type }) => type)).toContain('grant.overridden')
})

test('denied stays denied: neither overridden nor asked for again', async () => {
  await using world = await ProcedureWorld.open()
  const alice = await world.proven('alice')
  const request = await world.access.request(alice, writing)
  await deny(world.end, world.as('bob'), request.id, 'not now')
  world.clock.advance(120_000)
  await expect(override(world.end, alice, request.id, longReason)).rejects.toMatchObject({ code: 'conflict' })
  const again = await world.access.request(alice, writing)
  world.clock.advance(120_000)
  await expect(override(world.end, alice, again.id, longReason)).rejects.toMatchObject({ code: 'denied' })
})

test('a request nobody decided on lapses and cannot be approved any more', async () => {
  await using world = await ProcedureWorld.open()
  const request = await world.access.request(await world.proven('alice'), writing)
  await lapse(world.end, request)
  expect(await world.state.grant(request.id)).toMatchObject({ state: 'requested' })
  world.clock.advance(120_000 + 15 * 60_000)
  await expect(approve(world.end, world.as('bob'), request.id, '')).rejects.toMatchObject({ code: 'conflict' })
  await lapse(world.end, request)
  expect(await world.state.grant(request.id)).toMatchObject({ state: 'lapsed' })
})

test('expiry is written with its leaf, and the secrets of the grant end with it', async () => {
  await using world = await ProcedureWorld.open()
  const alice = await world.proven('alice')
  const grant = await world.access.request(alice, { target: 'orders', reason: 'slow orders' })
  await world.secrets.issue(alice, grant, { database: null, rotate: false })
  world.clock.advance(30 * 60_000 + 500)
  await expect.poll(async () => (await world.state.grant(grant.id))?.state).toBe('awaiting-review')
  expect(await world.leaves('grant-ended')).toMatchObject([{ grant: grant.id, how: 'expired' }])
  expect(await world.state.grantSecrets(grant.id)).toEqual([])
})

test('a grant ends once: the second who ends it is told', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await world.access.request(await world.proven('alice'), ask)
  await endGrant(world.end, grant.id, 'revoked', 'adam', 'wrong host')
  await expect(endGrant(world.end, grant.id, 'returned', 'alice', '')).rejects.toMatchObject({ code: 'conflict' })
})

test('at start live grants go on, others end, and a clock set back ends them all', async () => {
  await using world = await ProcedureWorld.open()
  const alice = await world.proven('alice')
  const live = await world.access.request(alice, ask)
  world.registry.endGrant(live.id, { reason: 'shutdown', code: null, message: 'restart' })
  await resumeGrants(world.end, world.clock.now())
  expect(world.registry.live(live.id)?.id).toBe(live.id)
  world.registry.endGrant(live.id, { reason: 'shutdown', code: null, message: 'restart' })
  world.clock.step(-60_000)
  await resumeGrants(world.end, world.clock.now() + 60_000)
  expect(world.registry.live(live.id)).toBeUndefined()
  expect(await world.state.grant(live.id)).toMatchObject({ state: 'awaiting-review', end: { how: 'expired' } })
})

/** Runs `act` once, right after the person's waiting requests were read: the last thing that is awaited before a grant is written. */
function beforeItIsWritten(world: ProcedureWorld, act: () => void): void {
  const read = world.state.grants.bind(world.state)
  let isDone = false
  world.state.grants = async (filter) => {
    const found = await read(filter)
    if (filter.states?.includes('requested') === true && !isDone) {
      isDone = true
      act()
    }
    return found
  }
}

test('a lock that falls between the decision and its grant leaves no grant and alarms nobody', async () => {
  await using world = await ProcedureWorld.open()
  const alice = await world.proven('alice')
  const locked = { scope: 'user:alice', by: 'adam', at: world.clock.now(), reason: 'laptop stolen' } as const
  beforeItIsWritten(world, () => world.registry.lock(locked, { reason: 'revoked', code: 'killed', message: 'locked' }))
  await expect(world.access.request(alice, { target: 'web-1', reason: 'checkout is down' })).rejects.toMatchObject({
    code: 'denied',
  })
  expect(await world.state.grants({})).toEqual([])
  expect(await world.state.alerts({ limit: 5 })).toEqual([])
  expect(await world.leaves('admission-refused')).toHaveLength(1)
})

test('whoever leaves the configuration between the decision and its grant gets none', async () => {
  await using world = await ProcedureWorld.open()
  const user = world.directory.byName('alice')
  if (user === undefined) throw new Error('no alice')
  const alice = { ...world.as('alice'), user }
  expect((await world.mfa.verify(alice, world.code('alice'))).kind).toBe('passed')
  beforeItIsWritten(world, () => world.directory.replace(buildDirectory(people.filter(({ name }) => name !== 'alice'))))
  await expect(world.access.request(alice, { target: 'web-1', reason: 'checkout is down' })).rejects.toMatchObject({
    code: 'denied',
  })
  expect(await world.state.grants({})).toEqual([])
})
