import { expect, test } from 'vitest'
import type { Policy } from '../../src/access/policy.ts'
import type { Grant } from '../../src/access/grant.ts'
import { tookPart } from '../../src/access/grant.ts'
import type { User } from '../../src/identity/user.ts'
import { endGrant } from '../../src/procedure/end.ts'
import { extend } from '../../src/procedure/extend.ts'
import { policyOf, ProcedureWorld } from './world.ts'

const minute = 60_000
const statement = { trigger: 'customer-impact', reason: 'checkout is down' }
const why = 'the rollback still runs'

/** A world whose policy allows extensions, and alice's grant on web-1 for half an hour of at most two. */
async function opened(
  extensions: Policy['duration']['extensions'],
): Promise<{ world: ProcedureWorld; grant: Grant } & AsyncDisposable> {
  const duration = { defaultMs: 30 * minute, maxMs: 120 * minute, extensions }
  const world = await ProcedureWorld.open([policyOf({ duration })])
  const grant = await world.access.request(await world.proven('alice'), { target: 'web-1', ...statement })
  return { world, grant, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
}

test('the owner extends where the policy says so: row, leaf and alert are one, and the deadline moves', async () => {
  await using opening = await opened({ count: 1, self: true })
  const { world, grant } = opening
  world.clock.advance(20 * minute)
  const later = await extend(world.end, world.as('alice'), grant.id, `  ${why} `, 20 * minute)
  expect(later).toMatchObject({ state: 'active', version: 2, expiresAt: (grant.expiresAt ?? 0) + 20 * minute })
  expect(later.extensions).toMatchObject([{ by: 'alice', reason: why, expiresAt: later.expiresAt }])
  expect(await world.state.grant(grant.id)).toEqual(later)
  expect(await world.leaves('grant-extended')).toMatchObject([
    { grant: grant.id, by: 'alice', reason: why, expiresAt: later.expiresAt },
  ])
  const [alert] = await world.state.alerts({ limit: 1 })
  expect(alert).toMatchObject({ type: 'grant.extended', payload: { grant: grant.id, by: 'alice', extendReason: why } })
  world.clock.advance(25 * minute)
  expect(world.registry.live(grant.id)?.expiresAt).toBe(later.expiresAt)
  world.clock.advance(6 * minute)
  expect(world.registry.live(grant.id)).toBeUndefined()
})

test('however much is asked for, it never lasts beyond activation and the maximum', async () => {
  await using opening = await opened({ count: 9, self: true })
  const { world, grant } = opening
  const latest = (grant.activatedAt ?? 0) + 120 * minute
  const alice = world.as('alice')
  expect((await extend(world.end, alice, grant.id, why, 1e15)).expiresAt).toBe(latest)
  await expect(extend(world.end, alice, grant.id, why, minute)).rejects.toMatchObject({ code: 'conflict' })
  expect((await world.state.grant(grant.id))?.extensions).toHaveLength(1)
})

const eve: User = { name: 'eve', groups: ['oncall'], roles: ['engineer'], keys: [] }
const self = { count: 1, self: true }
const others = { count: 1, self: false }
const refused: {
  name: string
  rule: Policy['duration']['extensions']
  by: string
  reason?: string
  ms?: number
  code: string
}[] = [
  { name: 'where the policy allows none', rule: { count: 0, self: true }, by: 'alice', code: 'denied' },
  { name: 'by its owner where an approver does it', rule: others, by: 'alice', code: 'denied' },
  { name: 'by somebody who is nothing to it', rule: self, by: 'eve', code: 'denied' },
  { name: 'without a reason', rule: self, by: 'alice', reason: '  ', code: 'usage' },
  { name: 'with a reason of a megabyte', rule: self, by: 'alice', reason: 'x'.repeat(1 << 20), code: 'usage' },
  { name: 'with control characters', rule: self, by: 'alice', reason: 'still\u001b[2Jrunning', code: 'usage' },
  { name: 'read from right to left', rule: self, by: 'alice', reason: 'still \u202erunning', code: 'usage' },
  { name: 'for nothing', rule: self, by: 'alice', ms: 0, code: 'usage' },
  { name: 'for NaN', rule: self, by: 'alice', ms: Number.NaN, code: 'usage' },
  { name: 'backwards', rule: self, by: 'alice', ms: -3_600_000, code: 'usage' },
]
for (const { name, rule, by, reason, ms, code } of refused)
  test(`refused: an extension ${name}`, async () => {
    await using opening = await opened(rule)
    const { world, grant } = opening
    const identity = by === 'eve' ? { ...world.as('dave'), user: eve } : world.as(by)
    await expect(extend(world.end, identity, grant.id, reason ?? why, ms)).rejects.toMatchObject({ code })
    expect(await world.state.grant(grant.id)).toEqual(grant)
    expect(await world.leaves('grant-extended')).toEqual([])
  })

test('an approver of the policy extends it for its owner, and took part in it: they may not review it', async () => {
  await using opening = await opened(others)
  const { world, grant } = opening
  const later = await extend(world.end, world.as('bob'), grant.id, why)
  expect(later.expiresAt).toBe((grant.expiresAt ?? 0) + 30 * minute)
  expect(tookPart(later, 'bob')).toBe(true)
  await expect(extend(world.end, world.as('carol'), grant.id, why)).rejects.toMatchObject({ code: 'denied' })
})

test('of two extensions at once one is given', async () => {
  await using opening = await opened({ count: 5, self: true })
  const { world, grant } = opening
  const both = await Promise.allSettled([
    extend(world.end, world.as('alice'), grant.id, why, 10 * minute),
    extend(world.end, world.as('alice'), grant.id, why, 10 * minute),
  ])
  expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  expect(both.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'conflict' } })
  const stored = await world.state.grant(grant.id)
  expect(stored?.expiresAt).toBe((grant.expiresAt ?? 0) + 10 * minute)
  expect(world.registry.live(grant.id)?.expiresAt).toBe(stored?.expiresAt)
})

test('a grant of a policy that has changed since is not extended, neither by the old rule nor by the new', async () => {
  await using opening = await opened({ count: 1, self: true })
  const { world, grant } = opening
  const duration = { defaultMs: 30 * minute, maxMs: 480 * minute, extensions: { count: 9, self: true } }
  for (const policy of [() => policyOf({ duration, hash: 'b'.repeat(64) }), () => undefined])
    await expect(
      extend({ ...world.end, policy }, world.as('alice'), grant.id, why, 300 * minute),
    ).rejects.toMatchObject({ code: 'denied' })
  expect((await world.state.grant(grant.id))?.extensions).toEqual([])
})

test('what is unknown, over, or over in memory alone is not extended', async () => {
  await using opening = await opened({ count: 5, self: true })
  const { world, grant } = opening
  const alice = world.as('alice')
  await expect(extend(world.end, alice, 'gnope', why)).rejects.toMatchObject({ code: 'not_found' })
  world.registry.endGrant(grant.id, { reason: 'revoked', code: 'killed', message: 'just now' })
  await expect(extend(world.end, alice, grant.id, why)).rejects.toMatchObject({ code: 'conflict' })
  await endGrant(world.end, grant.id, 'revoked', 'adam', 'wrong incident')
  await expect(extend(world.end, alice, grant.id, why)).rejects.toMatchObject({ code: 'conflict' })
})

test('an end that overtakes an extension wins: it is written behind it, and nothing is revived', async () => {
  await using opening = await opened({ count: 5, self: true })
  const { world, grant } = opening
  const written = Promise.withResolvers<void>()
  const told = Promise.withResolvers<void>()
  const late: typeof world.end = {
    ...world.end,
    state: {
      grant: (id) => world.state.grant(id),
      grants: (filter) => world.state.grants(filter),
      sessions: (filter) => world.state.sessions(filter),
      commit: async (change) => {
        const head = await world.state.commit(change)
        written.resolve()
        await told.promise
        return head
      },
    },
  }
  const extending = extend(late, world.as('alice'), grant.id, why)
  await written.promise
  // Its time is over before the one who extends hears that the extension is written.
  world.clock.advance(31 * minute)
  told.resolve()
  await expect(extending).rejects.toMatchObject({ code: 'conflict' })
  await expect.poll(async () => (await world.state.grant(grant.id))?.state).toBe('awaiting-review')
  expect(world.registry.live(grant.id)).toBeUndefined()
  expect(await world.leaves('grant-ended')).toMatchObject([{ grant: grant.id, how: 'expired' }])
})

test('a revocation that loses its compare-and-set to an extension tries again and wins', async () => {
  await using opening = await opened({ count: 5, self: true })
  const { world, grant } = opening
  let isFirst = true
  const between: typeof world.end = {
    ...world.end,
    state: {
      grants: (filter) => world.state.grants(filter),
      sessions: (filter) => world.state.sessions(filter),
      commit: (change) => world.state.commit(change),
      grant: async (id) => {
        const read = await world.state.grant(id)
        if (isFirst && read !== undefined) {
          isFirst = false
          const moved = { ...read, version: read.version + 1 }
          await world.state.commit({
            at: world.clock.now(),
            writes: [{ kind: 'grant', grant: moved, expectVersion: read.version }],
            leaves: [],
          })
        }
        return read
      },
    },
  }
  expect(await endGrant(between, grant.id, 'revoked', 'adam', 'wrong incident')).toMatchObject({
    state: 'awaiting-review',
    version: 3,
  })
})
