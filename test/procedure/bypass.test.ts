import { expect, test } from 'vitest'
import { applyGrantEvent } from '../../src/access/grant.ts'
import { buildDirectory } from '../../src/identity/directory.ts'
import type { Identity } from '../../src/identity/user.ts'
import { approve, deny } from '../../src/procedure/approve.ts'
import { BYPASS_MS, issueBypass, issueRecoveryCodes } from '../../src/procedure/bypass.ts'
import type { CodeUse } from '../../src/procedure/contract.ts'
import { freshMs } from '../../src/procedure/mfa.ts'
import { policyOf, ProcedureWorld } from './world.ts'

const ask = { target: 'web-1', reason: 'checkout is down' }
const writing = { target: 'orders', account: 'app_readwrite', reason: 'stuck payments' }
const why = 'her phone fell into the sea'
const forGrant: CodeUse = { kind: 'grant', methods: ['totp'] }

async function code(attempt: Promise<unknown>): Promise<string> {
  return attempt.then(
    (value) => {
      const refused = (value as { error?: { code: string } } | undefined)?.error
      return refused === undefined ? 'ok' : refused.code
    },
    (error: { code?: string }) => String(error.code),
  )
}

async function vouchedFor(world: ProcedureWorld, by = 'bob', user = 'alice'): Promise<string> {
  return (await issueBypass(world.vouch, world.as(by), user, why)).code
}

/** Alice on a connection where she has typed the code. */
async function vouched(world: ProcedureWorld, typed: string, address?: string): Promise<Identity> {
  const alice = world.as('alice', address)
  expect(await world.mfa.verify(alice, typed, forGrant)).toEqual({ kind: 'passed', method: 'vouched' })
  return alice
}

test('bob vouches: alice breaks the glass once, marked as vouched for by bob, and everyone is told', async () => {
  await using world = await ProcedureWorld.open()
  const typed = await vouchedFor(world)
  const alice = await vouched(world, typed)
  const grant = await world.access.request(alice, ask)
  expect(grant).toMatchObject({ state: 'active', vouchedBy: 'bob' })
  expect(world.access.ceremony(alice, grant)).toBe('vouched')
  expect(world.access.ceremony(world.as('alice'), grant)).toBe('vouched')
  expect(await world.leaves('code-issued')).toMatchObject([
    { purpose: 'bypass', user: 'alice', by: 'bob', reason: why },
  ])
  expect(await world.leaves('code-used')).toMatchObject([{ purpose: 'bypass', user: 'alice' }])
  expect(await world.leaves('grant-requested')).toMatchObject([{ vouchedBy: 'bob' }])
  expect(await world.leaves('mfa-passed')).toMatchObject([{ method: 'vouched' }])
  const alerts = await world.state.alerts({ limit: 10 })
  expect(alerts.map(({ type }) => type)).toEqual(expect.arrayContaining(['user.bypass', 'grant.activated']))
  expect(alerts.find(({ type }) => type === 'grant.activated')?.payload).toMatchObject({ vouchedBy: 'bob' })
})

test('the code itself is nowhere: not in the store, a leaf or an alert', async () => {
  await using world = await ProcedureWorld.open()
  const typed = await vouchedFor(world)
  const { size } = await world.state.ledgerHead()
  const kept = JSON.stringify([
    (await world.state.leaves(0, size)).map(String),
    await world.state.alerts({ limit: 50 }),
    await world.state.codes('alice', 'bypass'),
  ])
  expect(kept).not.toContain(typed)
  expect(kept).not.toContain(typed.replaceAll('-', ''))
})

test('a used code opens nothing more: not again, not on another connection, not for a second grant', async () => {
  await using world = await ProcedureWorld.open()
  const typed = await vouchedFor(world)
  const alice = await vouched(world, typed)
  await world.access.request(alice, ask)
  expect(await code(world.access.request(alice, { ...writing, account: 'app_readonly' }))).toBe('mfa_required')
  expect(await code(world.mfa.verify(world.as('alice', '10.0.0.9'), typed, forGrant))).toBe('code_wrong')
  expect(await world.state.grants({ user: 'alice' })).toHaveLength(1)
})

test('two connections with one code at the same moment: one grant', async () => {
  await using world = await ProcedureWorld.open()
  const typed = await vouchedFor(world)
  const [here, there] = [await vouched(world, typed), await vouched(world, typed, '10.0.0.2')]
  const ended = await Promise.all([
    code(world.access.request(here, ask)),
    code(world.access.request(there, { ...writing, account: 'app_readonly' })),
  ])
  expect(ended.toSorted()).toEqual(['conflict', 'ok'])
  expect(await world.leaves('grant-activated')).toHaveLength(1)
  expect(await world.leaves('code-used')).toHaveLength(1)
})

test('a code runs out after fifteen minutes, typed before or after', async () => {
  await using world = await ProcedureWorld.open()
  const typed = await vouchedFor(world)
  const alice = await vouched(world, typed)
  world.clock.advance(BYPASS_MS)
  expect(await code(world.access.request(alice, ask))).toBe('mfa_required')
  expect(await code(world.mfa.verify(world.as('alice'), typed, forGrant))).toBe('code_wrong')
})

test('a code is for the person it was made for', async () => {
  await using world = await ProcedureWorld.open()
  const typed = await vouchedFor(world)
  expect(await code(world.mfa.verify(world.as('dave'), typed, forGrant))).toBe('code_wrong')
})

test('a new code ends the one before', async () => {
  await using world = await ProcedureWorld.open()
  const [first, second] = [await vouchedFor(world), await vouchedFor(world, 'carol')]
  expect(await code(world.mfa.verify(world.as('alice'), first, forGrant))).toBe('code_wrong')
  const grant = await world.access.request(await vouched(world, second), ask)
  expect(grant.vouchedBy).toBe('carol')
})

const refusals = [
  { name: 'themselves', by: 'bob', user: 'bob', reason: why, want: 'denied' },
  { name: 'a colleague as an engineer', by: 'alice', user: 'bob', reason: why, want: 'denied' },
  { name: 'nobody', by: 'bob', user: 'mallory', reason: why, want: 'not_found' },
  { name: 'someone without a reason', by: 'bob', user: 'alice', reason: 'please', want: 'usage' },
  { name: 'someone with a reason of 1 MB', by: 'bob', user: 'alice', reason: 'x'.repeat(1 << 20), want: 'usage' },
  { name: 'someone in two lines', by: 'bob', user: 'alice', reason: 'her phone\nis gone, I saw it', want: 'usage' },
]
for (const { name, by, user, reason, want } of refusals) {
  test(`nobody vouches for ${name}`, async () => {
    await using world = await ProcedureWorld.open()
    expect(await code(issueBypass(world.vouch, world.as(by), user, reason))).toBe(want)
    expect(await world.leaves('code-issued')).toEqual([])
  })
}

const gone: { name: string; act: (world: ProcedureWorld) => void }[] = [
  {
    name: 'locked',
    act: ({ registry, clock }) =>
      registry.locks.add({ scope: 'user:bob', by: 'adam', at: clock.now(), reason: 'laptop stolen' }),
  },
  {
    name: 'removed',
    act: (world) => world.directory.replace(buildDirectory([world.as('alice').user])),
  },
  {
    name: 'no approver any more',
    act: (world) =>
      world.directory.replace(
        buildDirectory([world.as('alice').user, { ...world.as('bob').user, roles: ['engineer'] }]),
      ),
  },
]
for (const { name, act } of gone) {
  test(`the code of a voucher who is ${name} is dead, typed or not`, async () => {
    await using world = await ProcedureWorld.open()
    const typed = await vouchedFor(world)
    const alice = await vouched(world, typed)
    act(world)
    expect(await code(world.access.request(alice, ask))).toBe('mfa_required')
    expect(await code(world.mfa.verify(world.as('alice'), typed, forGrant))).toBe('code_wrong')
    expect(await world.leaves('grant-activated')).toEqual([])
  })
}

test('whoever vouched neither approves, extends nor reviews, and may still deny', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await world.access.request(await vouched(world, await vouchedFor(world)), writing)
  expect(grant).toMatchObject({ state: 'requested', vouchedBy: 'bob' })
  expect(await code(approve(world.end, world.as('bob'), grant.id, ''))).toBe('denied')
  const active = await approve(world.end, world.as('carol'), grant.id, '')
  const extension = { kind: 'extend', at: world.clock.now(), by: 'bob', reason: 'more' } as const
  const later = (active.expiresAt ?? 0) + 1
  expect(() => applyGrantEvent(active, { ...extension, expiresAt: later, latest: later })).toThrow()
})

test('the approval of a vouched request opens the door for the person who typed the code', async () => {
  await using world = await ProcedureWorld.open()
  const alice = await vouched(world, await vouchedFor(world))
  const { id } = await world.access.request(alice, writing)
  const grant = await approve(world.end, world.as('carol'), id, '')
  world.clock.advance(20 * 60_000)
  expect(world.access.ceremony(world.as('alice'), grant)).toBe('vouched')
  expect(world.access.ceremony(world.as('alice', '10.0.0.9'), grant)).toBeUndefined()
})

test('a vouched ceremony is no second factor for anything that needs a fresh one, and the code is not spent on it', async () => {
  await using world = await ProcedureWorld.open()
  const typed = await vouchedFor(world)
  expect(await code(world.mfa.verify(world.as('alice'), typed))).toBe('mfa_required')
  const alice = await vouched(world, typed)
  expect(world.mfa.counts(alice, freshMs)).toBe(false)
  expect(await code(issueRecoveryCodes({ ...world.vouch, mfa: world.mfa }, alice, freshMs))).toBe('mfa_required')
  expect(await world.access.request(alice, ask)).toMatchObject({ vouchedBy: 'bob' })
  expect(world.mfa.counts(alice, freshMs)).toBe(false)
})

test('a code is no key to a grant that was opened with a factor of one’s own', async () => {
  await using world = await ProcedureWorld.open()
  const own = await world.access.request(await world.proven('alice', '10.0.0.5'), ask)
  const alice = await vouched(world, await vouchedFor(world))
  expect(world.access.ceremony(alice, own)).toBeUndefined()
  expect(await code(world.access.request(alice, ask))).toBe('conflict')
  expect(await world.access.request(alice, { ...writing, account: 'app_readonly' })).toMatchObject({ vouchedBy: 'bob' })
})

test('recovery codes: ten, shown once, each opens once, and using one is told', async () => {
  await using world = await ProcedureWorld.open([
    policyOf({ mfa: { methods: ['totp', 'recovery'], rememberMs: 600_000 } }),
  ])
  const codes = await issueRecoveryCodes({ ...world.vouch, mfa: world.mfa }, await world.proven('alice'), freshMs)
  expect(new Set(codes).size).toBe(10)
  const use: CodeUse = { kind: 'grant', methods: ['totp', 'recovery'] }
  const attempts = [1, 2, 3].map((at) => world.mfa.verify(world.as('alice', `10.0.1.${at}`), codes[0] ?? '', use))
  expect((await Promise.all(attempts.map(code))).toSorted()).toEqual(['code_replayed', 'code_replayed', 'ok'])
  expect(await code(world.mfa.verify(world.as('alice', '10.0.1.9'), codes[0] ?? '', use))).toBe('code_wrong')
  const alice = world.as('alice', '10.0.2.1')
  expect(await world.mfa.verify(alice, codes[1]?.toLowerCase().replaceAll('-', ' ') ?? '', use)).toEqual({
    kind: 'passed',
    method: 'recovery',
  })
  expect(await world.access.request(alice, ask)).toMatchObject({ state: 'active', vouchedBy: null })
  const used = await world.state.alerts({ limit: 10, type: 'user.recovery-code-used' })
  expect(used.map(({ payload }) => payload['left'])).toEqual([8, 9])
})

test('new recovery codes replace the old ones, and only the authenticator makes them', async () => {
  await using world = await ProcedureWorld.open()
  const ports = { ...world.vouch, mfa: world.mfa }
  const [first = ''] = await issueRecoveryCodes(ports, await world.proven('alice'), freshMs)
  const [second = ''] = await issueRecoveryCodes(ports, await world.proven('alice'), freshMs)
  expect(await code(world.mfa.verify(world.as('alice'), first))).toBe('code_wrong')
  const thief = { ...world.as('alice', '10.6.6.6'), fingerprint: 'SHA256:stolen' }
  expect(await world.mfa.verify(thief, second)).toMatchObject({ method: 'recovery' })
  expect(await code(issueRecoveryCodes(ports, thief, freshMs))).toBe('mfa_required')
})

test('a policy takes the factors it names and no others; a refused code is not spent', async () => {
  await using world = await ProcedureWorld.open([policyOf({ mfa: { methods: ['totp'], rememberMs: 600_000 } })])
  const [recovery = ''] = await issueRecoveryCodes(
    { ...world.vouch, mfa: world.mfa },
    await world.proven('alice'),
    freshMs,
  )
  const alice = world.as('alice', '10.0.2.1')
  expect(await code(world.mfa.verify(alice, recovery, forGrant))).toBe('mfa_required')
  // Where any factor of one's own counts it does, and still breaks no glass under this policy.
  expect(await code(world.mfa.verify(alice, recovery))).toBe('ok')
  expect(await code(world.access.request(alice, ask))).toBe('mfa_required')
  const keyOnly: CodeUse = { kind: 'grant', methods: ['fido2'] }
  world.clock.advance(30_000)
  expect(await code(world.mfa.verify(alice, world.code('alice'), keyOnly))).toBe('mfa_required')
  expect(await code(world.mfa.verify(alice, world.code('alice'), forGrant))).toBe('ok')
})

test('guessed codes of either kind count in one lock-out, which keeps nobody from a right recovery code', async () => {
  await using world = await ProcedureWorld.open()
  const [recovery = ''] = await issueRecoveryCodes(
    { ...world.vouch, mfa: world.mfa },
    await world.proven('alice'),
    freshMs,
  )
  const guesses = ['000000', '0000-0000-0000-0000', '111111', 'AAAA-AAAA-AAAA-AAAA', '222222']
  for (const guess of guesses) expect(await code(world.mfa.verify(world.as('alice'), guess))).toBe('code_wrong')
  world.clock.advance(30_000)
  expect(await code(world.mfa.verify(world.as('alice'), world.code('alice')))).toBe('locked_out')
  expect(await code(world.mfa.verify(world.as('alice'), '0000-0000-0000-0000'))).toBe('locked_out')
  const other = { ...world.as('alice'), fingerprint: 'SHA256:second-key' }
  expect(await code(world.mfa.verify(other, world.code('alice')))).toBe('ok')
  expect(await code(world.mfa.verify(world.as('alice'), recovery))).toBe('ok')
})

test('who lost their phone before they enrolled anything is let in by a voucher', async () => {
  await using world = await ProcedureWorld.open()
  const erin = { ...world.as('alice').user, name: 'erin', keys: [] }
  world.directory.replace(buildDirectory([world.as('bob').user, erin]))
  const { code: typed } = await issueBypass(world.vouch, world.as('bob'), 'erin', why)
  const identity = { user: erin, fingerprint: 'SHA256:erin', address: '10.0.0.1' }
  expect(await world.mfa.verify(identity, typed, forGrant)).toMatchObject({ method: 'vouched' })
  expect(await world.access.request(identity, ask)).toMatchObject({ user: 'erin', vouchedBy: 'bob' })
})

test('a denied request spends the code as an approved one does', async () => {
  await using world = await ProcedureWorld.open()
  const alice = await vouched(world, await vouchedFor(world))
  const { id } = await world.access.request(alice, writing)
  await deny(world.end, world.as('carol'), id, 'not with a borrowed factor')
  expect(await code(world.access.request(alice, ask))).toBe('mfa_required')
})
