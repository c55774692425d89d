import { expect, test } from 'vitest'
import { approve } from '../../src/procedure/approve.ts'
import { issueBypass } from '../../src/procedure/bypass.ts'
import type { Check, CheckAnswer, CheckQuestion } from '../../src/procedure/check.ts'
import { policyOf, ProcedureWorld } from './world.ts'

const ask = { target: 'web-1', reason: 'checkout is down', trigger: 'security-incident' }

const checked = (onError: 'allow' | 'deny') =>
  policyOf({
    triggers: [{ name: 'customer-impact' }, { name: 'security-incident', require: { check: 'desk', onError } }],
  })

/** A check that a test answers by hand. */
class ManualCheck implements Check {
  readonly name: string
  readonly timeoutMs = 5_000
  readonly asked: CheckQuestion[] = []
  readonly signals: AbortSignal[] = []
  #answers: ((answer: CheckAnswer) => void)[] = []
  #waiting: (() => void)[] = []

  constructor(name = 'desk') {
    this.name = name
  }

  ask(question: CheckQuestion, signal: AbortSignal): Promise<CheckAnswer> {
    this.asked.push(question)
    this.signals.push(signal)
    for (const wake of this.#waiting.splice(0)) wake()
    return new Promise((resolve) => this.#answers.push(resolve))
  }

  async isAsked(): Promise<void> {
    if (this.#answers.length === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  answer(outcome: CheckAnswer['outcome'], detail = 'as it is'): void {
    for (const resolve of this.#answers.splice(0)) resolve({ outcome, detail })
  }
}

const always = (outcome: CheckAnswer['outcome'], detail = 'as it is'): Check => ({
  name: 'desk',
  timeoutMs: 5_000,
  ask: () => Promise.resolve({ outcome, detail }),
})

test('a check that is met gives the grant, with its record, leaf and alert in the same transaction', async () => {
  await using world = await ProcedureWorld.open([checked('deny')])
  world.checks.set('desk', always('met', 'incident PX1 is open'))
  const grant = await world.access.request(await world.proven('alice'), { ...ask, incident: 'PX1' })
  expect(grant).toMatchObject({
    state: 'active',
    checks: [{ check: 'desk', outcome: 'met', detail: 'incident PX1 is open', onError: 'deny' }],
  })
  expect((await world.state.grant(grant.id))?.checks).toEqual(grant.checks)
  expect(await world.leaves('check-made')).toMatchObject([
    { check: 'desk', outcome: 'met', passed: true, user: 'alice' },
  ])
  expect(await world.state.alerts({ limit: 5 })).toMatchObject([
    { type: 'grant.activated', payload: { checks: [expect.stringContaining('incident PX1 is open')] } },
  ])
})

test('what is asked is what was stated, and only for a trigger that requires it', async () => {
  await using world = await ProcedureWorld.open([checked('deny')])
  const check = new ManualCheck()
  world.checks.set('desk', check)
  const alice = await world.proven('alice')
  const asking = world.access.request(alice, { ...ask, incident: 'INC-9' })
  await check.isAsked()
  check.answer('met')
  await asking
  expect(check.asked).toEqual([
    { user: 'alice', target: 'web-1', account: 'deploy', trigger: 'security-incident', incident: 'INC-9' },
  ])
  await world.access.request(alice, { target: 'orders', reason: 'slow orders', trigger: 'customer-impact' })
  expect(check.asked).toHaveLength(1)
})

test('a check that is not met refuses, whatever the policy says about errors, and says what was found', async () => {
  for (const onError of ['allow', 'deny'] as const) {
    await using world = await ProcedureWorld.open([checked(onError)])
    world.checks.set('desk', always('not-met', 'incident PX1 is resolved'))
    await expect(world.access.request(await world.proven('alice'), ask)).rejects.toMatchObject({
      code: 'denied',
      message: expect.stringContaining('incident PX1 is resolved'),
    })
    expect(await world.state.grants({})).toEqual([])
    expect(await world.leaves('check-made')).toMatchObject([{ outcome: 'not-met', passed: false }])
    expect(await world.leaves('admission-refused')).toHaveLength(1)
  }
})

const failures: readonly (readonly [string, Check | undefined])[] = [
  ['an error', always('error', 'HTTP 500')],
  ['a check that throws', { name: 'desk', timeoutMs: 5_000, ask: () => Promise.reject(new Error('token-in-here')) }],
  [
    'a check that throws at once',
    {
      name: 'desk',
      timeoutMs: 5_000,
      ask: () => {
        throw new Error('token-in-here')
      },
    },
  ],
  ['a check that is not configured', undefined],
]
for (const [name, check] of failures)
  test(`${name} does what the policy says: refuse, or go on with a record of it`, async () => {
    await using strict = await ProcedureWorld.open([checked('deny')])
    await using lenient = await ProcedureWorld.open([checked('allow')])
    if (check !== undefined) for (const world of [strict, lenient]) world.checks.set('desk', check)
    await expect(strict.access.request(await strict.proven('alice'), ask)).rejects.toMatchObject({ code: 'denied' })
    expect(await strict.state.grants({})).toEqual([])
    const grant = await lenient.access.request(await lenient.proven('alice'), ask)
    expect(grant.checks).toMatchObject([{ outcome: 'error', onError: 'allow' }])
    expect(grant.checks[0]?.detail).not.toContain('token')
    expect(await lenient.leaves('check-made')).toMatchObject([{ outcome: 'error', passed: true }])
  })

test('a check that never answers is an error when its time is over, and is told to stop', async () => {
  await using world = await ProcedureWorld.open([checked('allow')])
  const check = new ManualCheck()
  world.checks.set('desk', check)
  const asking = world.access.request(await world.proven('alice'), ask)
  await check.isAsked()
  world.clock.advance(5_000)
  expect((await asking).checks).toMatchObject([{ outcome: 'error' }])
  expect(check.signals[0]?.aborted).toBe(true)
  // What comes later changes nothing.
  check.answer('met')
  expect(await world.state.grants({})).toHaveLength(1)
})

test('detail of many lines, control characters or a megabyte is one short printable line', async () => {
  await using world = await ProcedureWorld.open([checked('deny')])
  world.checks.set('desk', always('met', `a\u001b[2J\r\nb\u202e${'x'.repeat(1 << 20)}`))
  const { checks } = await world.access.request(await world.proven('alice'), ask)
  expect(checks[0]?.detail).toMatch(/^[^\p{Cc}\p{Cf}]{10,210}$/u)
})

test('on call and trigger are asked at once, each for itself', async () => {
  const policy = policyOf({
    triggers: [{ name: 'customer-impact', require: { check: 'desk', onError: 'deny' } }],
    onCall: { check: 'rota', onError: 'allow' },
  })
  await using world = await ProcedureWorld.open([policy])
  const checks = [new ManualCheck('desk'), new ManualCheck('rota')] as const
  for (const check of checks) world.checks.set(check.name, check)
  const asking = world.access.request(await world.proven('alice'), { target: 'web-1', reason: 'checkout is down' })
  await Promise.all(checks.map((check) => check.isAsked()))
  checks[0].answer('met')
  checks[1].answer('not-met', 'alice is not on call')
  await expect(asking).rejects.toMatchObject({ code: 'denied', message: expect.stringContaining('not on call') })
  expect((await world.leaves('check-made')).map(({ check, passed }) => [check, passed])).toEqual([
    ['rota', false],
    ['desk', true],
  ])
})

test('requests of one moment are one while the check is made: one question, one grant', async () => {
  await using world = await ProcedureWorld.open([checked('deny')])
  const check = new ManualCheck()
  world.checks.set('desk', check)
  const alice = await world.proven('alice')
  // A second connection of hers beside a double click.
  const asking = [alice, alice, { ...alice }, { ...alice }].map((identity) => world.access.request(identity, ask))
  await check.isAsked()
  check.answer('met')
  const grants = await Promise.all(asking)
  expect(new Set(grants.map(({ id }) => id)).size).toBe(1)
  expect(check.asked).toHaveLength(1)
  expect(await world.leaves('grant-activated')).toHaveLength(1)
})

test('a request that waits for approval was checked before anyone is asked', async () => {
  await using world = await ProcedureWorld.open([checked('deny')])
  const writing = { target: 'orders', account: 'app_readwrite', reason: 'stuck payments', trigger: 'security-incident' }
  const alice = await world.proven('alice')
  world.checks.set('desk', always('not-met'))
  await expect(world.access.request(alice, writing)).rejects.toMatchObject({ code: 'denied' })
  expect(await world.state.alerts({ limit: 5 })).toEqual([])
  world.checks.set('desk', always('met'))
  const request = await world.access.request(alice, writing)
  expect(request).toMatchObject({ state: 'requested', checks: [{ outcome: 'met' }] })
  expect(await approve(world.end, world.as('bob'), request.id, 'go')).toMatchObject({
    state: 'active',
    checks: [{ outcome: 'met' }],
  })
})

test('a lock that falls while the check is made lets nobody in', async () => {
  await using world = await ProcedureWorld.open([checked('deny')])
  const check = new ManualCheck()
  world.checks.set('desk', check)
  const asking = world.access.request(await world.proven('alice'), ask)
  await check.isAsked()
  world.registry.locks.add({ scope: 'user:alice', by: 'adam', at: world.clock.now(), reason: 'lost laptop' })
  check.answer('met')
  await expect(asking).rejects.toMatchObject({ code: 'denied' })
  expect(await world.state.grants({})).toEqual([])
})

test('a policy that changes while the check is made gives nothing under the old one', async () => {
  const policies = [checked('deny')]
  await using world = await ProcedureWorld.open(policies)
  const check = new ManualCheck()
  world.checks.set('desk', check)
  const asking = world.access.request(await world.proven('alice'), ask)
  await check.isAsked()
  policies.splice(0, 1, { ...checked('deny'), hash: 'b'.repeat(64) })
  check.answer('met')
  await expect(asking).rejects.toMatchObject({ code: 'conflict' })
  expect(await world.state.grants({})).toEqual([])
})

test('a voucher who is locked while the checks are made vouches for nothing, and the code is not spent', async () => {
  await using world = await ProcedureWorld.open([checked('deny')])
  const check = new ManualCheck()
  world.checks.set('desk', check)
  const { code } = await issueBypass(world.vouch, world.as('bob'), 'alice', 'her phone fell into the sea')
  const alice = world.as('alice')
  expect((await world.mfa.verify(alice, code, { kind: 'grant', methods: ['totp'] })).kind).toBe('passed')
  const asking = world.access.request(alice, { ...ask, incident: 'PX1' })
  const refused = expect(asking).rejects.toMatchObject({ code: 'mfa_required' })
  await check.isAsked()
  const lock = { scope: 'user:bob', by: 'adam', at: world.clock.now(), reason: 'his laptop is gone' } as const
  world.registry.lock(lock, { reason: 'revoked', code: 'killed', message: 'locked' })
  check.answer('met')
  await refused
  expect(await world.state.grants({})).toEqual([])
  expect(await world.leaves('code-used')).toEqual([])
})
