// Random days at the bastion: people who ask, agree, refuse, vouch, go ahead, come in, extend, lock and judge, often at the
// same moment, while the clock runs, jumps on and jumps back. After each step everything that must hold is looked at.

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Grant } from '../../src/access/grant.ts'
import type { AuditEvent } from '../../src/audit.ts'
import { ModelWorld, type Action, type Deed, type Step } from './model-actions.ts'
import { Invariants } from './model-invariants.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

const engineer = fc.constantFrom('alice', 'dave')
const account = fc.constantFrom('deploy', 'app_readonly', 'app_readwrite', 'app_readwrite')
const anyone = fc.constantFrom('alice', 'bob', 'carol', 'dave', 'rita', 'sam', 'adam')
const lead = fc.constantFrom('bob', 'carol', 'dave')
const reviewer = fc.constantFrom('rita', 'sam')

const scope = fc.constantFrom('user:alice', 'user:bob', 'target:orders', 'all')

/** Who does it, mostly; anybody may try. */
const doers = [
  ['approve', lead],
  ['approve', lead],
  ['approve', lead],
  ['deny', lead],
  ['override', engineer],
  ['override', engineer],
  ['end', engineer],
  ['extend', engineer],
  ['review', reviewer],
  ['review', reviewer],
  ['reopen', reviewer],
  ['open', engineer],
  ['lift', lead],
] as const satisfies readonly (readonly [Deed['kind'], fc.Arbitrary<Deed['by']>])[]

const deed: fc.Arbitrary<Deed> = fc.constantFrom(...doers).chain(([kind, doer]) =>
  fc.record({
    kind: fc.constant(kind),
    by: fc.oneof({ weight: 6, arbitrary: doer }, { weight: 1, arbitrary: anyone }),
    nth: fc.constantFrom(0, 0, 0, 1, 2),
    any: fc.nat({ max: 14 }).map((n) => n === 14),
  }),
)

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 7, arbitrary: fc.record({ kind: fc.constant('request'), who: engineer, account }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('vouched'), who: engineer, by: anyone, account }) },
  { weight: 10, arbitrary: deed },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('lock', 'unlock', 'unlock', 'unlock'), scope }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'sweep' }) },
)

/** Several who want something of the same grant. */
const race: fc.Arbitrary<readonly Action[]> = fc
  .tuple(fc.array(deed, { minLength: 2, maxLength: 3 }), fc.nat({ max: 1 }), fc.array(action, { maxLength: 1 }))
  .map(([of, nth, beside]) => [...of.map((each) => ({ ...each, nth, any: false })), ...beside])

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: action.map((one): Step => ({ kind: 'at-once', actions: [one] })) },
  { weight: 5, arbitrary: race.map((actions): Step => ({ kind: 'at-once', actions })) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('pass'),
      ms: fc.constantFrom(SECOND, MINUTE, 3 * MINUTE, 3 * MINUTE, 16 * MINUTE, 31 * MINUTE, 9 * HOUR),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('step'), ms: fc.constantFrom(-HOUR, -3 * MINUTE, 3 * MINUTE, HOUR) }),
  },
)

interface Real {
  readonly world: ModelWorld
  readonly invariants: Invariants
}

class Taken implements fc.AsyncCommand<object, Real> {
  readonly #step: Step

  constructor(one: Step) {
    this.#step = one
  }

  check(): boolean {
    return true
  }

  async run(_model: object, real: Real): Promise<void> {
    await real.world.take(this.#step)
    await real.invariants.check()
  }

  toString(): string {
    return JSON.stringify(this.#step)
  }
}

/** Every run is a world with a database of its own: as many as take some seconds. */
const RUNS = 15

async function play(commands: Iterable<fc.AsyncCommand<object, Real>>): Promise<void> {
  await using world = await ModelWorld.open()
  const invariants = new Invariants(world)
  await fc.asyncModelRun(() => ({ model: {}, real: { world, invariants } }), commands)
  await invariants.checkAtEnd()
}

test('no order of events, and no two at once, reach what is forbidden', async () => {
  await fc.assert(
    fc.asyncProperty(fc.commands([step.map((one) => new Taken(one))], { maxCommands: 40, size: 'max' }), play),
    { numRuns: RUNS, endOnFailure: true },
  )
}, 180_000)

const ask = (who: 'alice' | 'dave', what: 'deploy' | 'app_readwrite'): Action => ({
  kind: 'request',
  who,
  account: what,
})
const does = (by: Deed['by'], kind: Deed['kind'], nth = 0): Action => ({ kind, by, nth, any: false })
const one = (action: Action): Step => ({ kind: 'at-once', actions: [action] })
const atOnce = (...actions: Action[]): Step => ({ kind: 'at-once', actions })
const pass = (ms: number): Step => ({ kind: 'pass', ms })

/** Days that chance need not find: each ends as it must. */
const days: readonly { readonly name: string; readonly steps: readonly Step[]; readonly want: object }[] = [
  {
    name: 'two approvals at once are both counted, and open once',
    steps: [one(ask('alice', 'app_readwrite')), atOnce(does('bob', 'approve'), does('carol', 'approve'))],
    want: { state: 'active', approvals: [{}, {}] },
  },
  {
    name: 'of three approvals at once where two are needed the third is no part of it',
    steps: [
      one(ask('alice', 'app_readwrite')),
      atOnce(does('bob', 'approve'), does('carol', 'approve'), does('dave', 'approve')),
    ],
    want: { state: 'active', approvals: [{}, {}] },
  },
  {
    name: 'a denial and the last approval at once: the first of them',
    steps: [
      one(ask('alice', 'app_readwrite')),
      one(does('bob', 'approve')),
      atOnce(does('dave', 'deny'), does('carol', 'approve')),
    ],
    want: { state: 'denied', approvals: [{}] },
  },
  {
    name: 'an approval after it lapsed opens nothing',
    steps: [
      one(ask('alice', 'app_readwrite')),
      one(does('bob', 'approve')),
      pass(20 * MINUTE),
      atOnce({ kind: 'sweep' }, does('carol', 'approve')),
    ],
    want: { state: 'lapsed', activatedAt: null },
  },
  {
    name: 'a lock and the last approval at once: nothing is open',
    steps: [
      one(ask('alice', 'app_readwrite')),
      one(does('bob', 'approve')),
      atOnce({ kind: 'lock', scope: 'user:alice' }, does('carol', 'approve')),
    ],
    want: { state: 'requested', approvals: [{}] },
  },
  {
    name: 'the last approval and a lock at once: the lock acts first',
    steps: [
      one(ask('alice', 'app_readwrite')),
      one(does('bob', 'approve')),
      atOnce(does('carol', 'approve'), { kind: 'lock', scope: 'all' }),
    ],
    want: { state: 'requested', approvals: [{}] },
  },
  {
    name: 'a lock and an entry at once: nobody is inside, and it ends as revoked, to be reviewed',
    steps: [
      one(ask('alice', 'deploy')),
      atOnce(does('alice', 'open'), { kind: 'lock', scope: 'target:web-1' }, does('alice', 'extend')),
      one({ kind: 'unlock', scope: 'target:web-1' }),
      one(does('alice', 'open')),
    ],
    want: { end: { how: 'revoked' }, state: 'awaiting-review' },
  },
  {
    name: 'an extension and the end at once: it is over, with or without the extension',
    steps: [
      one(ask('alice', 'deploy')),
      one(does('alice', 'open')),
      atOnce(does('alice', 'extend'), does('alice', 'end')),
    ],
    want: { state: 'awaiting-review' },
  },
  {
    name: 'the clock set back an hour amid a grant gives it no minute more',
    steps: [one(ask('alice', 'deploy')), one(does('alice', 'open')), { kind: 'step', ms: -HOUR }, pass(31 * MINUTE)],
    want: { state: 'awaiting-review', end: { how: 'expired' } },
  },
  {
    name: 'two reviews at once are one verdict',
    steps: [
      one(ask('alice', 'deploy')),
      one(does('alice', 'end')),
      atOnce(does('rita', 'review'), does('sam', 'review')),
    ],
    want: { state: 'reviewed', earlierReviews: [] },
  },
]
for (const { name, steps, want } of days)
  test(name, async () => {
    await using world = await ModelWorld.open()
    const invariants = new Invariants(world)
    for (const each of steps) {
      await world.take(each)
      await invariants.check()
    }
    expect(await world.world.state.grants({})).toMatchObject([want])
    await invariants.checkAtEnd()
  })

test('whoever is overdue with a review waits for the next grant, and does not once it is done', async () => {
  await using world = await ModelWorld.open()
  const invariants = new Invariants(world)
  const states = async () => (await world.world.state.grants({})).map(({ state }) => state)
  for (const each of [
    one(ask('alice', 'deploy')),
    one(does('alice', 'end')),
    pass(9 * HOUR),
    one(ask('alice', 'deploy')),
  ]) {
    await world.take(each)
    await invariants.check()
  }
  expect(await states()).toEqual(['requested', 'awaiting-review'])
  for (const each of [one(does('rita', 'review')), one(ask('alice', 'deploy'))]) {
    await world.take(each)
    await invariants.check()
  }
  expect(await states()).toEqual(['active', 'requested', 'reviewed'])
  await invariants.checkAtEnd()
})

/** Written past the use-cases: each must be noticed, or the days above prove nothing. */
const forgeries: readonly {
  readonly name: string
  readonly row?: (grant: Grant) => Partial<Grant>
  readonly leaves?: (grant: Grant) => readonly AuditEvent[]
}[] = [
  {
    name: 'an approval by the one who asked',
    row: ({ user }) => ({ approvals: [{ by: user, at: 0, comment: '' }] }),
    leaves: ({ id, user }) => [{ type: 'grant-approved', grant: id, by: user, comment: '' }],
  },
  { name: 'an approval that no leaf tells of', row: () => ({ approvals: [{ by: 'bob', at: 0, comment: '' }] }) },
  {
    name: 'a second activation',
    leaves: ({ id, user, target, account, rule, expiresAt }) => [
      { type: 'grant-activated', grant: id, user, target, account, rule, expiresAt: expiresAt ?? 0 },
    ],
  },
  { name: 'more time than any grant gets', row: ({ expiresAt }) => ({ expiresAt: (expiresAt ?? 0) + HOUR }) },
  { name: 'an end in the row while the door is open', row: () => ({ state: 'awaiting-review' }) },
  { name: 'a grant that goes back', row: () => ({ state: 'requested' }) },
  { name: 'an end in the ledger alone', leaves: ({ id }) => [endedLeaf(id)] },
  { name: 'a lock in the ledger alone', leaves: () => [{ type: 'locked', scope: 'all', by: 'adam', reason: 'x' }] },
]
for (const { name, row, leaves } of forgeries)
  test(`noticed: ${name}`, async () => {
    await using world = await ModelWorld.open()
    const invariants = new Invariants(world)
    await world.take(one(ask('alice', 'deploy')))
    await invariants.check()
    const { state, clock } = world.world
    const [grant] = await state.grants({})
    if (grant === undefined) throw new Error('nothing was given')
    const forged = { ...grant, ...row?.(grant), version: grant.version + 1 }
    await state.commit({
      at: clock.now(),
      writes: row === undefined ? [] : [{ kind: 'grant', grant: forged, expectVersion: grant.version }],
      leaves: leaves?.(grant) ?? [],
    })
    await expect(invariants.check()).rejects.toThrow()
  })

function endedLeaf(grant: string): AuditEvent {
  return { type: 'grant-ended', grant, how: 'revoked', by: 'adam', reason: 'x' }
}
