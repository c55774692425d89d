import { EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { decodeLeaf } from '../../src/audit.ts'
import { systemClock } from '../../src/clock.ts'
import { Busy, type Channel } from '../../src/notify/channel.ts'
import { Outbox } from '../../src/notify/outbox.ts'
import { slackChannel } from '../../src/notify/slack.ts'
import type { Alert, Change, State } from '../../src/session/state.ts'
import { openState } from '../../src/store/state.ts'
import { FakeClock } from '../support/clock.ts'
import { alertOf } from './alerts.ts'
import { Receiver } from './receiver.ts'

const hour = 3600_000
const week = 7 * 24 * hour

let directory: string
let state: State
let clock: FakeClock
let outbox: Outbox | undefined

/** The real state, which tells of each commit. */
class Watched extends EventEmitter implements Pick<State, 'commit' | 'outboxDue'> {
  commits = 0

  async commit(change: Change) {
    const head = await state.commit(change)
    this.commits += 1
    this.emit('committed')
    return head
  }

  async outboxDue(now: number, limit: number) {
    return await state.outboxDue(now, limit)
  }

  async committed(count: number): Promise<void> {
    while (this.commits < count) await once(this, 'committed')
  }
}
let watched: Watched

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'halligan-dead-'))
  clock = new FakeClock()
  watched = new Watched()
  state = await openState({
    file: join(directory, 'state.db'),
    clock: systemClock(),
    keyEncryptionKey: Buffer.alloc(32, 1),
    ballastBytes: 0,
  })
})
afterEach(async () => {
  const closed = outbox?.close()
  clock.advance(60_000)
  await closed
  outbox = undefined
  await state.close()
  rmSync(directory, { recursive: true, force: true })
})

/** A channel of this name that does as it is told and keeps what it was given. */
class Told implements Channel {
  readonly name: string
  readonly outside = true
  readonly given: string[] = []
  does: (alert: Alert) => Promise<{ receipt: string }> = () => Promise.resolve({ receipt: 'ok' })

  constructor(name: string) {
    this.name = name
  }

  deliver(alert: Alert): Promise<{ receipt: string }> {
    this.given.push(alert.id)
    return this.does(alert)
  }
}

const refuses = () => Promise.reject(new Error('no'))

function start(...channels: readonly Channel[]): Outbox {
  outbox = new Outbox({ state: watched, channels, clock, random: () => 0 })
  outbox.nudge()
  return outbox
}

async function write(id: string, over: Partial<Alert> = {}): Promise<void> {
  const alert = { ...alertOf(), id, channel: 'desk', at: clock.now(), ...over }
  await state.commit({ at: clock.now(), writes: [], leaves: [], alerts: [alert] })
}

const row = async (id: string) => (await state.alerts({ limit: 500 })).find((alert) => alert.id === id)

async function deadLeaves(): Promise<unknown[]> {
  const { size } = await state.ledgerHead()
  return (await state.leaves(0, size)).map(decodeLeaf).filter(({ type }) => type === 'alert-dead')
}

/** Lets each retry fall due and be made, until `isDone`. */
async function live(
  id: string,
  isDone: (alert: NonNullable<Awaited<ReturnType<typeof row>>>) => boolean,
): Promise<void> {
  for (;;) {
    const alert = await row(id)
    if (alert === undefined || isDone(alert)) return
    const commits = watched.commits
    clock.advance(Math.max(0, alert.nextAt - clock.now()))
    outbox?.nudge()
    await watched.committed(commits + 1)
  }
}

test('after a week of refusals an alert is given up: visible, a leaf, and not sent any more', async () => {
  const desk = new Told('desk')
  desk.does = refuses
  await write('a1')
  const written = clock.now()
  start(desk)
  await live('a1', ({ deadAt }) => deadAt !== null)
  const dead = await row('a1')
  expect(dead).toMatchObject({ acceptedAt: null, lastError: 'the channel failed' })
  expect((dead?.deadAt ?? 0) - written).toBeGreaterThanOrEqual(week)
  expect((dead?.deadAt ?? 0) - written).toBeLessThan(week + 2 * hour)
  expect(await state.alerts({ limit: 10, isDead: true })).toHaveLength(1)
  expect(await deadLeaves()).toMatchObject([{ alert: 'a1', channel: 'desk', attempts: dead?.attempts }])
  const tried = desk.given.length
  expect(tried).toBeGreaterThan(168)
  await write('a2')
  clock.advance(hour)
  outbox?.nudge()
  await live('a2', ({ attempts }) => attempts > 0)
  expect(desk.given.filter((id) => id === 'a1')).toHaveLength(tried)
})

test('a dead alert that is sent again goes out with the same id', async () => {
  const desk = new Told('desk')
  desk.does = refuses
  await write('a1')
  start(desk)
  await live('a1', ({ deadAt }) => deadAt !== null)
  desk.does = () => Promise.resolve({ receipt: 'ok' })
  await state.commit({ at: clock.now(), writes: [{ kind: 'alert-retried', id: 'a1' }], leaves: [] })
  await live('a1', ({ acceptedAt }) => acceptedAt !== null)
  expect(await row('a1')).toMatchObject({ deadAt: null, receipt: 'ok', attempts: 1 })
  expect(new Set(desk.given)).toEqual(new Set(['a1']))
})

test('a clock that jumps by a week, or an outage of Halligan itself, buries nothing', async () => {
  const desk = new Told('desk')
  desk.does = refuses
  await write('a1')
  start(desk)
  await live('a1', ({ attempts }) => attempts >= 3)
  clock.step(2 * week)
  await live('a1', ({ attempts }) => attempts >= 6)
  expect(await row('a1')).toMatchObject({ deadAt: null })
  desk.does = () => Promise.resolve({ receipt: 'ok' })
  await live('a1', ({ acceptedAt }) => acceptedAt !== null)
  expect(await deadLeaves()).toEqual([])
})

test('429 with Retry-After: nothing goes to that channel until then, and another is not held up', async () => {
  const receiver = new Receiver()
  const url = await receiver.start()
  receiver.answer((response, nth) =>
    nth === 1 ? response.writeHead(429, { 'retry-after': '600' }).end() : response.end('ok'),
  )
  const other = new Told('other')
  await write('a1', { channel: 'slack' })
  start(slackChannel({ name: 'slack', url, outside: true, clock }), other)
  await watched.committed(1)
  expect(await row('a1')).toMatchObject({ attempts: 1, nextAt: clock.now() + 600_000 })
  await write('a2', { channel: 'slack' })
  await write('b1', { channel: 'other' })
  clock.advance(1000)
  outbox?.nudge()
  await watched.committed(2)
  clock.advance(598_000)
  outbox?.nudge()
  await write('b2', { channel: 'other' })
  outbox?.nudge()
  await watched.committed(3)
  expect(other.given).toEqual(['b1', 'b2'])
  expect(receiver.received).toHaveLength(1)
  expect(await row('a2')).toMatchObject({ attempts: 0 })
  clock.advance(1000)
  outbox?.nudge()
  await watched.committed(5)
  expect(await row('a1')).toMatchObject({ receipt: 'HTTP 200 ok' })
  expect(await row('a2')).toMatchObject({ receipt: 'HTTP 200 ok', attempts: 1 })
  await receiver.stop()
})

test('a receiver that asks to be left alone for years is asked again within the hour', async () => {
  const desk = new Told('desk')
  desk.does = () => Promise.reject(new Busy('later', 1e12))
  await write('a1')
  start(desk)
  await watched.committed(1)
  expect(await row('a1')).toMatchObject({ nextAt: clock.now() + hour })
  desk.does = () => Promise.resolve({ receipt: 'ok' })
  clock.advance(hour)
  outbox?.nudge()
  await watched.committed(2)
  expect(await row('a1')).toMatchObject({ receipt: 'ok' })
})

test('hundreds of alerts to a channel that hangs hide nothing of another', async () => {
  const hanging = new Told('hanging')
  const never = Promise.withResolvers<{ receipt: string }>()
  hanging.does = () => never.promise
  const desk = new Told('desk')
  const flood = Array.from({ length: 300 }, (_, n) => ({
    ...alertOf(),
    id: `h${n}`,
    channel: 'hanging',
    at: clock.now(),
  }))
  await state.commit({ at: clock.now(), writes: [], leaves: [], alerts: flood })
  await write('a1')
  start(hanging, desk)
  await watched.committed(1)
  await write('a2')
  outbox?.nudge()
  await watched.committed(2)
  expect(desk.given).toEqual(['a1', 'a2'])
  expect(hanging.given).toHaveLength(4)
  never.resolve({ receipt: 'ok' })
})

test('after a change alerts on their way stay with the old channel, new ones go to the new one', async () => {
  const old = new Told('desk')
  old.does = refuses
  const box = start(old)
  await write('a1')
  await write('told', { type: 'configuration.changed' })
  await live('a1', ({ attempts }) => attempts > 0)
  const present = new Told('desk')
  present.does = refuses
  box.replaceChannels([present])
  clock.advance(1)
  await write('a2')
  box.nudge()
  await live('a2', ({ attempts }) => attempts >= 3)
  await live('a1', ({ attempts }) => attempts >= 4)
  await live('told', ({ attempts }) => attempts >= 4)
  expect(old.given).not.toContain('a2')
  // What waits tries the present one as well: a mended URL must help. What tells of the change does not.
  expect(present.given.filter((id) => id === 'a1').length).toBeGreaterThan(0)
  expect(present.given).not.toContain('told')
  old.does = () => Promise.resolve({ receipt: 'old' })
  await live('told', ({ acceptedAt }) => acceptedAt !== null)
  expect(await row('told')).toMatchObject({ receipt: 'old' })
})

test('an alert to a channel that was removed is still delivered by it', async () => {
  const old = new Told('gone')
  const box = start(old)
  await write('a1', { channel: 'gone' })
  box.replaceChannels([new Told('desk')])
  await live('a1', ({ acceptedAt }) => acceptedAt !== null)
  expect(old.given).toEqual(['a1'])
})
