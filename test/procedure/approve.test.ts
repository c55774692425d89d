import { expect, test } from 'vitest'
import type { ApprovalRule } from '../../src/access/policy.ts'
import { buildDirectory } from '../../src/identity/directory.ts'
import type { Identity } from '../../src/identity/user.ts'
import { approve, deny, lapse, override } from '../../src/procedure/approve.ts'
import { liftDenial, standingDenials } from '../../src/procedure/lift.ts'
import { waitingLine, waitingOn } from '../../src/procedure/waiting.ts'
import { people, policyOf, ProcedureWorld } from './world.ts'

const writing = { target: 'orders', account: 'app_readwrite', reason: 'stuck payments' }
const longReason = 'nobody answers and payments have been stuck for an hour'

function quorumOf(required: number, from: ApprovalRule['from'] = { groups: ['leads'], roles: [] }) {
  return policyOf({
    approval: [{ when: {}, required, from, override: { afterMs: 120_000, reasonMinLength: 40 } }],
  })
}

/** How each attempt ended: the state it left, or its code. */
async function outcomes(attempts: readonly Promise<{ state: string }>[]): Promise<string[]> {
  return (await Promise.allSettled(attempts)).map((outcome) =>
    outcome.status === 'fulfilled' ? outcome.value.state : String((outcome.reason as { code?: string }).code),
  )
}

async function pending(world: ProcedureWorld, user = 'alice'): Promise<string> {
  return (await world.access.request(await world.proven(user), writing)).id
}

test('with a quorum of two, two approvals at the same moment both count and open it once', async () => {
  await using world = await ProcedureWorld.open([quorumOf(2)])
  const id = await pending(world)
  const ended = await outcomes(['bob', 'carol'].map((name) => approve(world.end, world.as(name), id, 'go')))
  expect(ended.toSorted()).toEqual(['active', 'requested'])
  expect((await world.state.grant(id))?.approvals.map(({ by }) => by).toSorted()).toEqual(['bob', 'carol'])
  expect(await world.leaves('grant-activated')).toHaveLength(1)
  expect(await world.leaves('grant-approved')).toHaveLength(2)
})

test('with a quorum of one the second to approve is told that it is decided', async () => {
  await using world = await ProcedureWorld.open()
  const id = await pending(world)
  const ended = await outcomes(['bob', 'carol'].map((name) => approve(world.end, world.as(name), id, '')))
  expect(ended.toSorted()).toEqual(['active', 'conflict'])
})

test('a double click is one approval', async () => {
  await using world = await ProcedureWorld.open([quorumOf(2)])
  const id = await pending(world)
  const ended = await outcomes([1, 2, 3].map(() => approve(world.end, world.as('bob'), id, 'go')))
  expect(ended.toSorted()).toEqual(['conflict', 'conflict', 'requested'])
  expect(await world.leaves('grant-approved')).toHaveLength(1)
})

test('of an approval, a denial and an override at the same moment exactly one stands', async () => {
  for (let round = 0; round < 5; round++) {
    await using world = await ProcedureWorld.open()
    const id = await pending(world)
    const alice = world.as('alice')
    world.clock.advance(120_000)
    const attempts = [
      () => approve(world.end, world.as('bob'), id, ''),
      () => deny(world.end, world.as('carol'), id, 'not now'),
      () => override(world.end, alice, id, longReason),
    ]
    const order = attempts.map((_, at) => attempts[(at + round) % 3]).filter((attempt) => attempt !== undefined)
    const ended = await outcomes(order.map((attempt) => attempt()))
    expect(ended.filter((one) => one === 'conflict')).toHaveLength(2)
    const [approved, denied, overridden] = await Promise.all([
      world.leaves('grant-approved'),
      world.leaves('grant-denied'),
      world.leaves('grant-overridden'),
    ])
    expect(approved.length + denied.length + overridden.length).toBe(1)
    expect(await world.leaves('grant-activated')).toHaveLength(denied.length === 1 ? 0 : 1)
  }
})

test('what has lapsed is approved by nobody, whether or not the sweep has come by', async () => {
  await using world = await ProcedureWorld.open()
  const id = await pending(world)
  await waitingOn(world.end, (await world.state.grant(id)) ?? (await Promise.reject(new Error(id))))
  world.clock.advance(120_000 + 15 * 60_000)
  const request = await world.state.grant(id)
  const ended = await outcomes([
    approve(world.end, world.as('bob'), id, ''),
    override(world.end, world.as('alice'), id, longReason),
  ])
  expect(ended).toEqual(['conflict', 'conflict'])
  if (request !== undefined) await Promise.all([lapse(world.end, request), lapse(world.end, request)])
  expect(await world.state.grant(id)).toMatchObject({ state: 'lapsed' })
  expect(await world.leaves('grant-ended')).toHaveLength(1)
})

test('an approver who lost the group meanwhile decides nothing, and what they had decided stands', async () => {
  await using world = await ProcedureWorld.open([quorumOf(2)])
  const id = await pending(world)
  const [bob, carol] = [world.as('bob'), world.as('carol')]
  await approve(world.end, bob, id, 'go')
  const everyone = ['alice', 'bob', 'carol', 'dave'].map((name) => world.as(name).user)
  const without = (names: readonly string[]) =>
    buildDirectory(everyone.map((user) => (names.includes(user.name) ? { ...user, groups: [] } : user)))
  world.directory.replace(without(['bob', 'carol']))
  expect(await outcomes([approve(world.end, carol, id, 'go'), deny(world.end, carol, id, 'no')])).toEqual([
    'denied',
    'denied',
  ])
  expect((await world.state.grant(id))?.approvals).toMatchObject([{ by: 'bob' }])
  world.directory.replace(without(['bob']))
  expect(await approve(world.end, carol, id, 'go')).toMatchObject({ state: 'active' })
})

test('roles name approvers as groups do; who left the configuration is nobody', async () => {
  await using world = await ProcedureWorld.open([quorumOf(1, { groups: [], roles: ['approver'] })])
  const id = await pending(world)
  const bob = world.as('bob')
  world.directory.replace(buildDirectory(['alice', 'carol'].map((name) => world.as(name).user)))
  expect(await outcomes([approve(world.end, bob, id, '')])).toEqual(['denied'])
  expect(await outcomes([approve(world.end, world.as('alice'), id, '')])).toEqual(['denied'])
  expect(await outcomes([approve(world.end, world.as('carol'), id, '')])).toEqual(['active'])
})

test('a locked approver decides nothing, and nobody opens what is locked; denying stays possible', async () => {
  await using world = await ProcedureWorld.open()
  const id = await pending(world)
  const lock = (scope: string) => world.registry.locks.add({ scope, by: 'adam', at: world.clock.now(), reason: 'x' })
  lock('user:bob')
  expect(await outcomes([approve(world.end, world.as('bob'), id, '')])).toEqual(['denied'])
  lock('target:orders')
  world.clock.advance(120_000)
  expect(
    await outcomes([
      approve(world.end, world.as('carol'), id, ''),
      override(world.end, world.as('alice'), id, longReason),
      deny(world.end, world.as('carol'), id, 'locked'),
    ]),
  ).toEqual(['denied', 'denied', 'denied'])
  expect(await world.state.grant(id)).toMatchObject({ state: 'denied' })
  expect(await world.leaves('grant-activated')).toEqual([])
})

const hostile = [
  { name: 'a megabyte', text: 'x'.repeat(1 << 20) },
  { name: 'a megabyte of spaces', text: `${' '.repeat(1 << 20)}x` },
  { name: 'an escape sequence', text: 'fine \x1b[2J\x1b[H and nothing else happened at all' },
  { name: 'a line feed', text: 'approved\nand this looks like another line of the ledger' },
  { name: 'text that turns around', text: 'give \u202eecivres eht kaerb ot ssecca \u202c to nobody' },
  { name: 'a zero byte', text: 'nobody answers\0 and payments have been stuck' },
]
for (const { name, text } of hostile) {
  test(`a comment or reason with ${name} is refused, and nothing is written`, async () => {
    await using world = await ProcedureWorld.open()
    const id = await pending(world)
    world.clock.advance(120_000)
    const before = await world.state.ledgerHead()
    expect(
      await outcomes([
        approve(world.end, world.as('bob'), id, text),
        deny(world.end, world.as('bob'), id, text),
        override(world.end, world.as('alice'), id, text),
      ]),
    ).toEqual(['usage', 'usage', 'usage'])
    expect(await world.state.ledgerHead()).toEqual(before)
  })
}

test('an approval needs no comment, a denial does', async () => {
  await using world = await ProcedureWorld.open([quorumOf(2)])
  const id = await pending(world)
  expect(await outcomes([deny(world.end, world.as('bob'), id, '  ')])).toEqual(['usage'])
  expect(await outcomes([approve(world.end, world.as('bob'), id, '  ')])).toEqual(['requested'])
})

test('the override clock starts when a channel took the approvers’ alert', async () => {
  await using world = await ProcedureWorld.open()
  const id = await pending(world)
  const alice = world.as('alice')
  world.clock.advance(60_000)
  world.announced.set(id, world.clock.now())
  world.clock.advance(60_000)
  expect(await outcomes([override(world.end, alice, id, longReason)])).toEqual(['approval_pending'])
  world.clock.advance(60_000)
  const over = await override(world.end, alice, id, longReason)
  expect(over).toMatchObject({ state: 'active', override: { by: 'alice', skipped: ['bob', 'carol', 'dave'] } })
  expect(await world.leaves('grant-overridden')).toMatchObject([
    { skipped: ['bob', 'carol', 'dave'], announcedAt: world.announced.get(id) },
  ])
  const [alert] = await world.state.alerts({ limit: 1, type: 'grant.overridden' })
  expect(alert?.payload).toMatchObject({ skipped: ['bob', 'carol', 'dave'], wasAnnounced: true })
})

test('where nobody was reached the record of the override says so', async () => {
  await using world = await ProcedureWorld.open()
  const id = await pending(world)
  world.clock.advance(120_000)
  await override(world.end, world.as('alice'), id, longReason)
  expect(await world.leaves('grant-overridden')).toMatchObject([{ announcedAt: null }])
})

test('a wall clock stepped forward opens no override early, one stepped back keeps none shut', async () => {
  await using world = await ProcedureWorld.open()
  const id = await pending(world)
  const alice = world.as('alice')
  expect(await outcomes([override(world.end, alice, id, longReason)])).toEqual(['approval_pending'])
  world.clock.step(3_600_000)
  expect(await outcomes([override(world.end, alice, id, longReason)])).toEqual(['approval_pending'])
  world.clock.step(-2 * 3_600_000)
  world.clock.advance(119_000)
  expect(await outcomes([override(world.end, alice, id, longReason)])).toEqual(['approval_pending'])
  world.clock.advance(1_000)
  expect(await outcomes([override(world.end, alice, id, longReason)])).toEqual(['active'])
})

test('an alert taken before it was written, by a clock set back, opens nothing early', async () => {
  await using world = await ProcedureWorld.open()
  const id = await pending(world)
  world.announced.set(id, world.clock.now() - 3_600_000)
  expect(await outcomes([override(world.end, world.as('alice'), id, longReason)])).toEqual(['approval_pending'])
})

test('whoever waits sees who was asked, since when, whether anyone was reached and what is left to do', async () => {
  await using world = await ProcedureWorld.open([quorumOf(2)])
  const id = await pending(world)
  await approve(world.end, world.as('bob'), id, 'go')
  world.clock.advance(45_000)
  const request = await world.state.grant(id)
  if (request === undefined) throw new Error(id)
  const waiting = await waitingOn(world.end, request)
  expect(waiting).toMatchObject({
    asked: ['carol', 'dave'],
    announcedAt: null,
    overrideInMs: 75_000,
    overrideReasonLength: 40,
    progress: { kind: 'waiting', missing: 1 },
  })
  const line = waitingLine(waiting, world.clock.now())
  for (const part of [id, 'carol, dave', '45s ago', 'no channel', 'approved by bob', '1m15s'])
    expect(line).toContain(part)
  expect(line).not.toContain('SHA256')
})

async function denied(world: ProcedureWorld): Promise<Identity> {
  const alice = await world.proven('alice')
  const { id } = await world.access.request(alice, writing)
  await deny(world.end, world.as('bob'), id, 'not now')
  return alice
}

test('a denial takes self-activation and override away for four hours, on that target and account alone', async () => {
  await using world = await ProcedureWorld.open([quorumOf(1)])
  const alice = await denied(world)
  expect(await world.access.offer(alice, writing)).toMatchObject({ kind: 'needs-approval', overrideAfterMs: null })
  expect(await world.access.offer(alice, { ...writing, account: 'app_readonly' })).toMatchObject({
    overrideAfterMs: 120_000,
  })
  world.clock.advance(4 * 3_600_000)
  expect(await world.access.offer(alice, writing)).toMatchObject({ overrideAfterMs: 120_000 })
})

test('an approver lifts a denial, with a leaf and an alert; the person it was denied to does not', async () => {
  await using world = await ProcedureWorld.open([quorumOf(1)])
  const alice = await denied(world)
  const lift = (name: string) => liftDenial(world.end, world.as(name), { user: 'alice', target: 'orders' }, 'sorry')
  expect(await outcomes([lift('alice')])).toEqual(['denied'])
  expect(await outcomes([liftDenial(world.end, world.as('bob'), { user: 'alice', target: 'web-1' }, '')])).toEqual([
    'not_found',
  ])
  expect(await outcomes([lift('carol')])).toEqual(['denied'])
  expect(await world.leaves('denial-lifted')).toMatchObject([{ user: 'alice', account: 'app_readwrite', by: 'carol' }])
  expect(await standingDenials(world.end, 'alice')).toEqual([])
  expect(await world.access.offer(alice, writing)).toMatchObject({ overrideAfterMs: 120_000 })
  expect(await outcomes([lift('carol')])).toEqual(['not_found'])
})

test('a denial after the lift stands again, whatever the clock says', async () => {
  await using world = await ProcedureWorld.open([quorumOf(1)])
  const alice = await denied(world)
  await liftDenial(world.end, world.as('bob'), { user: 'alice', target: 'orders' }, '')
  const { id } = await world.access.request(alice, writing)
  world.clock.step(-60_000)
  await deny(world.end, world.as('bob'), id, 'still not')
  world.clock.step(30_000)
  expect(await world.access.offer(alice, writing)).toMatchObject({ overrideAfterMs: null })
})

test('what waits because of a denial goes on waiting for a person when the denial is lifted', async () => {
  await using world = await ProcedureWorld.open([
    policyOf({ approval: [{ when: {}, required: 0, from: { groups: [], roles: [] }, override: null }] }),
  ])
  // The policy asks nobody; an earlier denial, lifted by now, had made this one wait.
  const bob = world.as('bob')
  const alice = await world.proven('alice')
  const granted = await world.access.request(alice, { ...writing, account: 'app_readonly' })
  expect(granted.state).toBe('active')
  const waiting = { ...granted, id: 'gwaits', state: 'requested' as const, activatedAt: null, expiresAt: null }
  const rule = `${granted.rule}+denied`
  await world.state.commit({
    at: world.clock.now(),
    writes: [{ kind: 'grant', grant: { ...waiting, rule, account: 'app_readwrite' }, expectVersion: null }],
    leaves: [],
  })
  expect(await outcomes([override(world.end, alice, 'gwaits', longReason)])).toEqual(['denied'])
  expect(await outcomes([approve(world.end, bob, 'gwaits', '')])).toEqual(['active'])
})

test('a request of somebody who has left is approved by nobody, and not gone ahead with', async () => {
  await using world = await ProcedureWorld.open()
  const id = await pending(world)
  world.clock.advance(120_000)
  world.directory.replace(buildDirectory(people.filter(({ name }) => name !== 'alice')))
  expect(await outcomes([approve(world.end, world.as('bob'), id, 'go')])).toEqual(['conflict'])
  expect(await outcomes([override(world.end, world.as('alice'), id, longReason)])).toEqual(['conflict'])
  expect((await world.state.grant(id))?.state).toBe('requested')
})
