import { EventEmitter, once } from 'node:events'
import { rm } from 'node:fs/promises'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { decodeLeaf } from '../../src/audit.ts'
import { systemClock } from '../../src/clock.ts'
import { HalliganError } from '../../src/errors.ts'
import { attemptTimeoutMs } from '../../src/notify/attempt.ts'
import type { Channel } from '../../src/notify/channel.ts'
import { Outbox, type OutboxOptions } from '../../src/notify/outbox.ts'
import { webhookChannel } from '../../src/notify/webhook.ts'
import type { Alert, Change, State } from '../../src/session/state.ts'
import { openState } from '../../src/store/state.ts'
import { FakeClock } from '../support/clock.ts'
import { Receiver } from './receiver.ts'

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

let directory: string
let state: State
let clock: FakeClock
let receiver: Receiver
let url: string
let watched: WatchedState
let outbox: Outbox | undefined

/** The real state; tells what passed through it, and fails on request. */
class WatchedState extends EventEmitter implements Pick<State, 'commit' | 'outboxDue'> {
  failing: 'nothing' | 'commit' | 'everything' = 'nothing'
  readonly changes: Change[] = []
  readonly #state: State

  constructor(state: State) {
    super()
    this.#state = state
  }

  async commit(change: Change) {
    if (this.failing !== 'nothing') {
      this.emit('commit-failed')
      throw new HalliganError('store_failed', 'the disk is full')
    }
    const head = await this.#state.commit(change)
    this.changes.push(change)
    this.emit('committed')
    return head
  }

  async outboxDue(now: number, limit: number) {
    this.emit('looked')
    if (this.failing === 'everything') throw new HalliganError('store_failed', 'the disk is gone')
    return await this.#state.outboxDue(now, limit)
  }

  /** Resolves when `count` changes have been committed in all. */
  async committed(count: number): Promise<void> {
    while (this.changes.length < count) await once(this, 'committed')
  }
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'halligan-outbox-'))
  clock = new FakeClock()
  state = await openState({
    file: join(directory, 'state.db'),
    clock: systemClock(),
    keyEncryptionKey: Buffer.alloc(32, 1),
    ballastBytes: 0,
  })
  watched = new WatchedState(state)
  receiver = new Receiver()
  url = await receiver.start()
})
afterEach(async () => {
  // What still hangs ends here.
  const closed = outbox?.close()
  clock.advance(attemptTimeoutMs)
  await receiver.stop()
  await closed
  outbox = undefined
  await state.close()
  await rm(directory, { recursive: true, force: true })
})

function hook(name = 'hook', to = url): Channel {
  return webhookChannel({ name, url: to, secret, outside: true, clock })
}

function start(over: Partial<OutboxOptions> = {}): Outbox {
  outbox = new Outbox({ state: watched, channels: [hook()], clock, random: () => 0, ...over })
  outbox.nudge()
  return outbox
}

function alertOf(id: string, over: Partial<Alert> = {}): Alert {
  return { id, channel: 'hook', type: 'grant.activated', at: clock.now(), payload: { n: id }, ...over }
}

async function write(...alerts: readonly Alert[]): Promise<void> {
  await state.commit({ at: clock.now(), writes: [], leaves: [], alerts })
}

async function leaves(): Promise<unknown[]> {
  const { size } = await state.ledgerHead()
  return (await state.leaves(0, size)).map(decodeLeaf)
}

const row = async (id: string) => (await state.alerts({ limit: 100 })).find((alert) => alert.id === id)
const ids = () => receiver.received.map(({ headers }) => headers['webhook-id'])

/** Lets time pass and the outbox look again. */
function later(ms: number): void {
  clock.advance(ms)
  outbox?.nudge()
}

test('an alert is delivered at the nudge, and its receipt is a leaf', async () => {
  const box = start()
  await write(alertOf('a1'))
  box.nudge()
  await watched.committed(1)
  expect(ids()).toEqual(['a1'])
  expect(await row('a1')).toMatchObject({ acceptedAt: clock.now(), receipt: 'HTTP 200 ok', attempts: 1 })
  expect(await leaves()).toEqual([
    { at: clock.now(), type: 'alert-accepted', alert: 'a1', channel: 'hook', receipt: 'HTTP 200 ok', attempts: 1 },
  ])
})

test('an alert is found without a nudge', async () => {
  const looked = once(watched, 'looked')
  start()
  await looked
  await write(alertOf('a1'))
  while (receiver.received.length === 0) {
    clock.advance(1000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await watched.committed(1)
  expect(ids()).toEqual(['a1'])
})

test('an accepted alert is never sent again', async () => {
  const box = start()
  await write(alertOf('a1'))
  box.nudge()
  await watched.committed(1)
  await write(alertOf('a2'))
  for (let n = 0; n < 5; n += 1) later(3600_000)
  await watched.committed(2)
  await box.close()
  await write(alertOf('a3'))
  start()
  await watched.committed(3)
  expect(ids()).toEqual(['a1', 'a2', 'a3'])
})

test('after refusals it is tried again, later each time, until it is accepted', async () => {
  receiver.answer((response, nth) => response.writeHead(nth < 5 ? 500 : 200).end())
  await write(alertOf('a1'))
  start()
  for (let failures = 1; failures < 5; failures += 1) {
    await watched.committed(failures)
    const waitMs = 1000 * 2 ** (failures - 1)
    expect(await row('a1')).toMatchObject({
      attempts: failures,
      nextAt: clock.now() + waitMs,
      lastError: expect.stringContaining('500'),
      acceptedAt: null,
    })
    later(waitMs - 1)
    later(1)
  }
  await watched.committed(5)
  expect(receiver.received).toHaveLength(5)
  expect(await leaves()).toMatchObject([{ type: 'alert-accepted', alert: 'a1', attempts: 5 }])
})

test('it is still trying after days', async () => {
  receiver.answer((response) => response.writeHead(503).end())
  await write(alertOf('a1'))
  start()
  let lived = 0
  for (let failures = 1; lived < 3 * 86_400_000; failures += 1) {
    await watched.committed(failures)
    const waitMs = ((await row('a1'))?.nextAt ?? 0) - clock.now()
    expect(waitMs).toBeLessThanOrEqual(3600_000)
    lived += waitMs
    later(waitMs)
  }
  receiver.answer((response) => response.end())
  later(3600_000)
  while ((await row('a1'))?.acceptedAt === null) await once(watched, 'committed')
})

test('a receiver that does not answer in time, or is not there, is tried again', async () => {
  receiver.answer((response, nth) => (nth === 1 ? undefined : response.end()))
  await write(alertOf('a1'))
  start()
  await receiver.got(1)
  clock.advance(attemptTimeoutMs)
  await watched.committed(1)
  expect(await row('a1')).toMatchObject({ attempts: 1, acceptedAt: null })
  const closed = new Receiver()
  const closedUrl = await closed.start()
  await closed.stop()
  await outbox?.close()
  start({ channels: [hook('hook', closedUrl)] })
  later(1000)
  await watched.committed(2)
  expect(await row('a1')).toMatchObject({ attempts: 2, lastError: expect.stringContaining('ECONNREFUSED') })
  await outbox?.close()
  start()
  later(2000)
  await watched.committed(3)
  expect(await row('a1')).toMatchObject({ attempts: 3, receipt: 'HTTP 200' })
})

test('an alert to a channel that is not configured waits for one', async () => {
  await write(alertOf('a1', { channel: 'gone' }))
  start()
  await watched.committed(1)
  expect(await row('a1')).toMatchObject({ attempts: 1, lastError: expect.stringContaining('gone') })
  await outbox?.close()
  start({ channels: [hook('gone')] })
  later(1000)
  await watched.committed(2)
  expect(ids()).toEqual(['a1'])
})

test('when the store cannot write an acceptance, it is written later and nothing is sent again', async () => {
  await write(alertOf('a1'))
  watched.failing = 'commit'
  start()
  await once(watched, 'commit-failed')
  const failedAgain = once(watched, 'commit-failed')
  later(5000)
  await failedAgain
  watched.failing = 'nothing'
  while (watched.changes.length === 0) {
    later(5000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(ids()).toEqual(['a1'])
  expect(await row('a1')).toMatchObject({ receipt: 'HTTP 200 ok', attempts: 1 })
  expect(await leaves()).toHaveLength(1)
})

test('it goes on after the store could not be read', async () => {
  await write(alertOf('a1'))
  watched.failing = 'everything'
  const looked = once(watched, 'looked')
  start()
  await looked
  watched.failing = 'nothing'
  while (watched.changes.length === 0) {
    clock.advance(1000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(ids()).toEqual(['a1'])
})

test('at most four are on their way, and a receiver that hangs keeps no other waiting', async () => {
  const hanging = new Receiver()
  hanging.answer(() => {})
  const hangingUrl = await hanging.start()
  await write(...Array.from({ length: 9 }, (_, n) => alertOf(`h${n}`, { channel: 'hanging' })))
  await write(...Array.from({ length: 3 }, (_, n) => alertOf(`a${n}`)))
  start({ channels: [hook(), hook('hanging', hangingUrl)] })
  await watched.committed(3)
  expect(new Set(ids())).toEqual(new Set(['a0', 'a1', 'a2']))
  await hanging.got(4)
  expect(hanging.received).toHaveLength(4)
  // All four time out; the next four go.
  later(attemptTimeoutMs)
  await hanging.got(8)
  expect(hanging.received).toHaveLength(8)
  const closed = outbox?.close()
  clock.advance(attemptTimeoutMs)
  await closed
  await hanging.stop()
})

test('new alerts go out in the order they were written', async () => {
  await write(...Array.from({ length: 12 }, (_, n) => alertOf(`a${n}`)))
  const started: string[] = []
  const channel: Channel = {
    ...hook(),
    deliver: (alert, signal) => {
      started.push(alert.id)
      return hook().deliver(alert, signal)
    },
  }
  start({ channels: [channel] })
  await watched.committed(12)
  expect(started).toEqual(Array.from({ length: 12 }, (_, n) => `a${n}`))
})

test('close waits for what is on its way and starts nothing more', async () => {
  const held = new Promise<() => void>((resolve) => receiver.answer((response) => resolve(() => response.end('late'))))
  await write(alertOf('a1'))
  const box = start()
  const release = await held
  const closed = box.close()
  await write(alertOf('a2'))
  box.nudge()
  release()
  await closed
  expect(await row('a1')).toMatchObject({ receipt: 'HTTP 200 late' })
  expect(ids()).toEqual(['a1'])
})

test('a channel that throws anything fails its attempt only, and its words are not kept', async () => {
  const channel: Channel = {
    name: 'hook',
    outside: false,
    deliver: () => {
      throw new Error('https://hooks.example.com/token')
    },
  }
  await write(alertOf('a1'))
  start({ channels: [channel] })
  await watched.committed(1)
  expect((await row('a1'))?.lastError).not.toContain('token')
})

test('with the store gone an alert is sent from memory, and not again when the store is back', async () => {
  watched.failing = 'everything'
  const box = start()
  const alert = alertOf('m1', { type: 'recorder.failed' })
  expect(await box.sendNow(alert)).toEqual({ receipt: 'HTTP 200 ok' })
  watched.failing = 'nothing'
  await write(alert)
  box.nudge()
  await watched.committed(1)
  expect(ids()).toEqual(['m1'])
  expect(await row('m1')).toMatchObject({ receipt: 'HTTP 200 ok' })
})

test('from memory it is tried a few times, and once more when closing', async () => {
  receiver.answer((response) => response.writeHead(500).end())
  const box = start()
  const outcome = box.sendNow(alertOf('m1'))
  let isDone = false
  const marked = outcome.finally(() => (isDone = true))
  while (!isDone) {
    clock.advance(1000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(await marked).toBeUndefined()
  expect(receiver.received).toHaveLength(5)
  const last = box.sendNow(alertOf('m2'))
  await receiver.got(6)
  await box.close()
  expect(await last).toBeUndefined()
  expect(receiver.received.length).toBeLessThanOrEqual(7)
})
