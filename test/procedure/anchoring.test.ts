import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import type { AuditEvent } from '../../src/audit.ts'
import { AnchorWorld, event, Keeper } from './anchor-world.ts'

const sealed = { type: 'session-sealed', session: 's1' } as AuditEvent
const HOUR = 3_600_000

test('what grew is anchored at the interval, and an acknowledgement alone is nothing new', async () => {
  await using world = await AnchorWorld.open()
  await using keeper = await Keeper.open()
  const head = await world.commit(event)
  await world.anchoring.start([world.place(keeper)])
  await world.pass(1)
  await world.pass(0)
  expect(keeper.got).toHaveLength(1)
  const [acknowledged] = await world.leaves('anchor-acknowledged')
  expect(acknowledged).toMatchObject({ anchor: 'desk', outside: true, receipt: 'HTTP 204' })
  expect(acknowledged?.size).toBe(keeper.sizes[0])
  expect(keeper.sizes[0]).toBeGreaterThanOrEqual(head.size)
  // An hour in which nothing happens is an hour without a checkpoint.
  for (let passed = 0; passed < HOUR; passed += 60_000) await world.pass(60_000)
  expect(keeper.got).toHaveLength(1)
  expect(world.anchoring.status().windowMs).toBe(0)
  await world.commit(event)
  expect(keeper.got).toHaveLength(1)
  await world.pass(5_000)
  expect(keeper.got).toHaveLength(2)
})

test('a hundred sessions sealed at once leave as one checkpoint, at once', async () => {
  await using world = await AnchorWorld.open()
  await using keeper = await Keeper.open()
  await world.anchoring.start([world.place(keeper)])
  await world.pass(1)
  await world.commit(...Array.from({ length: 100 }, () => sealed))
  await world.commit(sealed)
  await world.pass(300)
  await world.pass(300)
  expect(keeper.got.length).toBeLessThanOrEqual(2)
  expect(keeper.sizes.at(-1)).toBeGreaterThanOrEqual(101)
  expect(world.anchoring.status().windowMs).toBe(0)
})

test('what is sealed while a checkpoint is on its way follows it at once, and nobody waited', async () => {
  await using world = await AnchorWorld.open()
  await using keeper = await Keeper.open()
  const { promise, resolve } = Promise.withResolvers<void>()
  keeper.hold = promise
  await world.commit(event)
  await world.anchoring.start([world.place(keeper)])
  await world.anchoring.settled()
  world.clock.advance(1)
  // The place has not answered; the ledger goes on.
  const head = await world.commit(sealed)
  resolve()
  await world.anchoring.settled()
  await world.pass(300)
  expect(keeper.sizes.at(-1)).toBeGreaterThanOrEqual(head.size)
})

test('what sessions have recorded is covered: the journal head is a leaf before the checkpoint', async () => {
  await using world = await AnchorWorld.open()
  await using keeper = await Keeper.open()
  await world.anchoring.start([world.place(keeper)])
  await world.pass(1)
  const before = keeper.got.length
  world.journal = { seq: 7, head: 'ab'.repeat(32) }
  await world.pass(5_000)
  expect(keeper.got).toHaveLength(before + 1)
  expect((await world.leaves('journal-head')).at(-1)).toMatchObject({ seq: 7, head: 'ab'.repeat(32) })
  for (let n = 0; n < 10; n++) await world.pass(5_000)
  expect(keeper.got).toHaveLength(before + 1)
})

test('a day of outage: told once, asked with growing pauses, told again when it is back', async () => {
  await using world = await AnchorWorld.open()
  await using keeper = await Keeper.open()
  keeper.status = 500
  await world.commit(event)
  await world.anchoring.start([world.place(keeper)])
  const start = world.clock.now()
  for (let passed = 0; passed < 24 * HOUR; passed += 300_000) {
    await world.pass(300_000)
    if (passed % HOUR === 0) await world.commit(sealed)
  }
  expect(world.alerts.map(({ type }) => type)).toEqual(['anchor.failed'])
  expect(await world.leaves('anchor-failed')).toHaveLength(1)
  const status = world.anchoring.status()
  expect(status.windowMs).toBeNull()
  expect(status.places[0]?.error).toContain('HTTP 500')
  // Quickly at first, then every five minutes.
  expect(keeper.asked).toBeGreaterThan(200)
  expect(keeper.asked).toBeLessThan(320)
  keeper.status = 204
  await world.pass(300_000)
  expect(keeper.got).toHaveLength(1)
  expect(world.alerts.map(({ type }) => type)).toEqual(['anchor.failed', 'anchor.recovered'])
  expect(world.anchoring.status().windowMs).toBe(0)
  expect(world.clock.now() - start).toBeGreaterThanOrEqual(24 * HOUR)
})

test('the window grows while the place is away, from the first event it does not have', async () => {
  await using world = await AnchorWorld.open()
  await using keeper = await Keeper.open()
  await world.anchoring.start([world.place(keeper)])
  await world.pass(1)
  await world.pass(5_000)
  keeper.status = 503
  await world.commit(event)
  for (let n = 0; n < 10; n++) await world.pass(60_000)
  expect(world.anchoring.status()).toMatchObject({ promisedMs: 5_000, windowMs: 600_000 })
})

test('a place on this machine is anchored and counts for nothing', async () => {
  await using world = await AnchorWorld.open()
  await using keeper = await Keeper.open()
  await world.commit(event)
  await world.anchoring.start([world.place(keeper, { outside: false })])
  await world.pass(1)
  expect(keeper.got).toHaveLength(1)
  expect(world.anchoring.status()).toMatchObject({ promisedMs: null, windowMs: null })
})

test('a place that acknowledges and does not keep is found where it can be read', async () => {
  await using world = await AnchorWorld.open()
  await using keeper = await Keeper.open()
  keeper.lies = true
  await world.commit(event)
  await world.anchoring.start([world.place(keeper, { readBack: true })])
  await world.anchoring.settled()
  for (let n = 0; n < 5; n++) await world.pass(60_000)
  expect(keeper.got.length).toBeGreaterThan(1)
  expect(await world.leaves('anchor-acknowledged')).toEqual([])
  expect(world.anchoring.status().windowMs).toBeNull()
  expect(world.alerts.map(({ type }) => type)).toEqual(['anchor.failed'])
})

test('killed between the acknowledgement and its leaf: the next start sends again, under an id of its own', async () => {
  await using world = await AnchorWorld.open()
  await using keeper = await Keeper.open()
  await world.commit(event)
  world.refuses = ({ leaves }) => leaves.some(({ type }) => type === 'anchor-acknowledged')
  await world.anchoring.start([world.place(keeper, { readBack: true })])
  await world.anchoring.settled()
  await world.pass(1)
  expect(keeper.got).toHaveLength(1)
  expect(await world.leaves('anchor-acknowledged')).toEqual([])
  world.refuses = () => false
  await world.restart()
  await world.anchoring.start([world.place(keeper, { readBack: true })])
  await world.anchoring.settled()
  await world.pass(1)
  expect(await world.leaves('anchor-acknowledged')).toHaveLength(1)
  expect(await world.leaves('anchor-contradicted')).toEqual([])
  // The same tree is the same id, for receivers that drop what they have.
  expect(new Set(keeper.ids).size).toBe(new Set(keeper.got).size)
})

test('a failure that was told is not told again by the next start', async () => {
  await using world = await AnchorWorld.open()
  await using keeper = await Keeper.open()
  keeper.status = 500
  await world.commit(event)
  for (let starts = 0; starts < 3; starts++) {
    await world.anchoring.start([world.place(keeper)])
    await world.anchoring.settled()
    for (let n = 0; n < 6; n++) await world.pass(60_000)
    await world.restart()
  }
  expect(await world.leaves('anchor-failed')).toHaveLength(1)
})

test('a ledger that was put back to an older state contradicts what the place holds; it is told once', async () => {
  await using world = await AnchorWorld.open()
  await using keeper = await Keeper.open()
  await world.commit(event)
  // What the place was given before the older database was put back.
  const other = await AnchorWorld.open()
  await other.commit(...Array.from({ length: 40 }, () => event))
  const head = await other.stored.ledgerHead()
  await other[Symbol.asyncDispose]()
  keeper.held = world.checkpoint(head)
  for (let starts = 0; starts < 2; starts++) {
    await world.restart()
    keeper.status = 500
    await world.anchoring.start([world.place(keeper, { readBack: true })])
    await world.anchoring.settled()
  }
  const [leaf, ...more] = await world.leaves('anchor-contradicted')
  expect(leaf).toMatchObject({ anchor: 'desk', size: 40 })
  expect(more).toEqual([])
  expect(world.alerts.map(({ type }) => type)).toEqual(['anchor.contradicted'])
  expect(world.anchoring.status().places[0]?.isContradicted).toBe(true)
})

for (const { name, held } of [
  {
    name: 'of another ledger',
    held: 'halligan/other\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— halligan/other AAAAAAAA\n',
  },
  { name: 'that is none', held: '<html>' },
  { name: 'of no bytes', held: '' },
])
  test(`a place that holds a checkpoint ${name} contradicts`, async () => {
    await using world = await AnchorWorld.open()
    await using keeper = await Keeper.open()
    await world.commit(event)
    keeper.held = held
    keeper.status = 500
    await world.anchoring.start([world.place(keeper, { readBack: true })])
    await world.anchoring.settled()
    expect(await world.leaves('anchor-contradicted')).toHaveLength(1)
  })

test('leaves rewritten below what was acknowledged are found at the start, without asking anyone', async () => {
  await using world = await AnchorWorld.open()
  await using keeper = await Keeper.open()
  await world.commit(...Array.from({ length: 10 }, () => event))
  await world.anchoring.start([world.place(keeper)])
  await world.pass(1)
  await world.commit(...Array.from({ length: 10 }, () => event))
  expect(keeper.got).toHaveLength(1)
  await world.restart((file) => {
    const database = new DatabaseSync(file)
    // The whole tree is built anew over what was changed, as somebody with the machine would.
    const row = database.prepare("select value from settings where name = 'anchor:desk'").get() as { value: string }
    const record = JSON.parse(row.value) as { acknowledged: { checkpoint: string } }
    const forged = Buffer.alloc(32, 7).toString('hex')
    record.acknowledged.checkpoint = world.checkpoint({ size: 10, root: forged })
    database.prepare("update settings set value = ? where name = 'anchor:desk'").run(JSON.stringify(record))
    database.close()
  })
  await world.anchoring.start([world.place(keeper)])
  expect(await world.leaves('anchor-contradicted')).toHaveLength(1)
})

test('a place that leaves the configuration is asked no more; one that comes has everything soon', async () => {
  await using world = await AnchorWorld.open()
  await using first = await Keeper.open()
  await using second = await Keeper.open()
  await world.commit(event)
  await world.anchoring.start([world.place(first)])
  await world.pass(1)
  await world.anchoring.replace([world.place(second, { name: 'other' })])
  await world.commit(sealed)
  await world.pass(300)
  await world.pass(10_000)
  expect(first.got).toHaveLength(1)
  expect(second.sizes.at(-1)).toBeGreaterThanOrEqual(2)
})

test('closing sends the last checkpoint', async () => {
  await using world = await AnchorWorld.open()
  await using keeper = await Keeper.open()
  await world.anchoring.start([world.place(keeper)])
  await world.pass(1)
  const head = await world.commit(sealed)
  await world.anchoring.close()
  expect(keeper.sizes.at(-1)).toBeGreaterThanOrEqual(head.size)
  await world.commit(sealed)
  await world.pass(60_000)
  expect(keeper.sizes.at(-1)).toBeLessThan(head.size + 3)
})

test('several places do not set each other off', async () => {
  await using world = await AnchorWorld.open()
  await using first = await Keeper.open()
  await using second = await Keeper.open()
  const hourly = { ...world.place(second, { name: 'mail' }), everyMs: HOUR, promptly: 'activations' } as const
  await world.commit(event)
  await world.anchoring.start([world.place(first), hourly])
  world.journal = { seq: 3, head: 'cd'.repeat(32) }
  for (let passed = 0; passed < 3 * HOUR; passed += 300_000) await world.pass(300_000)
  expect([first.got.length, second.got.length]).toEqual([1, 1])
  expect(await world.leaves('journal-head')).toHaveLength(1)
  await world.commit({ type: 'grant-activated', grant: 'g1' } as AuditEvent)
  await world.pass(300)
  expect(second.got).toHaveLength(2)
})

test('neither the start nor the end waits for a place that hangs', async () => {
  await using world = await AnchorWorld.open()
  await using keeper = await Keeper.open()
  keeper.hold = new Promise(() => {})
  await world.commit(event)
  await world.anchoring.start([world.place(keeper, { readBack: true })])
  const closed = world.anchoring.close()
  world.clock.advance(3_000)
  await closed
  await world.anchoring.settled()
  expect(await world.leaves('anchor-acknowledged')).toEqual([])
})

test('a clock that is put back makes no window shorter than nothing', async () => {
  await using world = await AnchorWorld.open()
  await using keeper = await Keeper.open()
  await world.commit(event)
  await world.anchoring.start([world.place(keeper)])
  await world.pass(1)
  await world.commit(event)
  world.clock.step(-HOUR)
  expect(world.anchoring.status().windowMs).toBe(0)
  await world.pass(5_000)
  expect(keeper.got).toHaveLength(2)
})
