// The gate over the real store and the real outbox, with receivers that a test lets accept.

import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Grant } from '../../src/access/grant.ts'
import type { AlertGate } from '../../src/access/policy.ts'
import { Feed, withFeed } from '../../src/http/feed.ts'
import type { Channel } from '../../src/notify/channel.ts'
import { markedChannel } from '../../src/notify/marked-channel.ts'
import { Outbox } from '../../src/notify/outbox.ts'
import { grantAlerts } from '../../src/procedure/alert.ts'
import { announcedAt } from '../../src/procedure/announcement.ts'
import { endGrant } from '../../src/procedure/end.ts'
import { alertGate, type GatePorts } from '../../src/procedure/gate.ts'
import type { GateOutcome } from '../../src/session/admission.ts'
import { sessionOf } from '../../src/session/opening.ts'
import type { Session } from '../../src/session/session.ts'
import type { Alert, State } from '../../src/session/state.ts'
import { policyOf, ProcedureWorld, web1 } from './world.ts'

const gate = (over: Partial<AlertGate> = {}): AlertGate => ({
  accepted: 1,
  withinMs: 15_000,
  otherwise: 'hold',
  holdMaxMs: 120_000,
  afterHold: 'allow',
  ...over,
})

/** A receiver that takes alerts when a test says so. */
class Receiver {
  readonly got: Alert[] = []
  isUp = false
  readonly channel: Channel

  constructor(name: string, outside: boolean) {
    this.channel = {
      name,
      outside,
      deliver: async (alert) => {
        if (!this.isUp) throw new Error('down')
        this.got.push(alert)
        return { receipt: 'HTTP 200 ok' }
      },
    }
  }
}

let world: ProcedureWorld
let outbox: Outbox
let state: State
let feed: Feed
let receivers: { readonly near: Receiver; readonly far: Receiver; readonly other: Receiver }
let session: Session
let grant: Grant
let told: string[]
let looks: number

async function start(over: Partial<AlertGate> | null): Promise<void> {
  await stop()
  const alerts = { channels: ['near', 'far', 'other'], gate: over === null ? null : gate(over) }
  world = await ProcedureWorld.open([policyOf({ alerts })])
  feed = new Feed()
  const fed = withFeed(world.state, feed)
  state = {
    ...fed,
    commit: (change) => fed.commit({ ...change, alerts: (change.alerts ?? []).map((alert) => outbox.mark(alert)) }),
    alerts: (filter) => {
      looks++
      return fed.alerts(filter)
    },
  }
  receivers = { near: new Receiver('near', false), far: new Receiver('far', true), other: new Receiver('other', true) }
  outbox = new Outbox({ state, channels: channelsAs('1'), clock: world.clock, random: () => 0 })
  told = []
  looks = 0
}

const channelsAs = (configuration: string) =>
  Object.values(receivers).map(({ channel }) => markedChannel(channel, configuration))

let stopping: (() => Promise<void>) | undefined
async function stop(): Promise<void> {
  await stopping?.()
  stopping = async () => {
    await outbox.close()
    await world[Symbol.asyncDispose]()
  }
}
beforeEach(() => start({}))
afterEach(async () => {
  await stop()
  stopping = undefined
})

/** Breaks the glass, and tells of it as the bastion does, with the marks of the channels; the world's own alerts have none. */
async function activate(channels: readonly string[] = ['near', 'far', 'other']): Promise<void> {
  const identity = await world.proven('alice')
  const bare = await world.access.request(identity, { target: 'web-1', reason: 'checkout is down' })
  grant = bare
  await state.commit({
    at: world.clock.now(),
    writes: [],
    leaves: [],
    alerts: grantAlerts('grant.activated', bare, channels, world.clock.now()),
  })
  const what = { kind: 'exec', command: 'id', term: null } as const
  session = sessionOf(
    {
      identity,
      via: 'ceremony',
      grant: grant.id,
      target: web1,
      account: 'deploy',
      database: null,
      protocol: 'ssh',
      what,
    },
    'totp',
    world.clock.now(),
  )
}

const ports = (over: Partial<GatePorts> = {}): GatePorts => ({
  clock: world.clock,
  state,
  policy: (of) => world.access.policy(of),
  channels: ['near', 'far', 'other'],
  nudge: () => outbox.nudge(),
  ...over,
})

interface Waiting {
  readonly outcome: Promise<GateOutcome>
  readonly controller: AbortController
  isOver: boolean
}

function enter(over: Partial<GatePorts> = {}): Waiting {
  const controller = new AbortController()
  const watch = (listener: () => void) => feed.watch(listener)
  const outcome = alertGate(ports(over), watch)(session, grant, {
    signal: controller.signal,
    tell: (line) => told.push(line),
  })
  const waiting: Waiting = { outcome, controller, isOver: false }
  outcome.then(
    () => (waiting.isOver = true),
    () => (waiting.isOver = true),
  )
  return waiting
}

/** Until the gate has looked, and waits. */
async function held(waiting: Waiting, after = looks): Promise<void> {
  await expect.poll(() => looks > after || waiting.isOver).toBe(true)
  await expect.poll(() => told.length > 0 || waiting.isOver).toBe(true)
}

/** Real time passes for the outbox's own work, fake time by steps. */
async function deliver(...up: Receiver[]): Promise<void> {
  for (const receiver of up) receiver.isUp = true
  outbox.nudge()
  await expect
    .poll(() => {
      world.clock.advance(500)
      return up.every(({ got }) => got.some(({ type }) => type === 'grant.activated'))
    })
    .toBe(true)
  await expect
    .poll(async () => {
      const names = (await world.state.alerts({ grant: grant.id, limit: 50 })).filter((row) => row.acceptedAt !== null)
      return up.every(({ channel }) => names.some((row) => row.channel === channel.name))
    })
    .toBe(true)
}

test('a policy without a gate asks nobody', async () => {
  await start(null)
  await activate()
  expect(await enter().outcome).toEqual({ kind: 'open' })
  expect(looks).toBe(0)
})

test('told before the session opens: it does not wait, and nobody hears of waiting', async () => {
  await activate()
  await deliver(receivers.far)
  expect(await enter().outcome).toEqual({ kind: 'open' })
  expect(told).toEqual([])
  expect(await world.leaves('session-unannounced')).toEqual([])
})

test('held until an outside channel accepts; one on this machine does not count', async () => {
  await activate()
  const waiting = enter()
  await held(waiting)
  await deliver(receivers.near)
  expect(waiting.isOver).toBe(false)
  await deliver(receivers.far)
  expect(await waiting.outcome).toEqual({ kind: 'open' })
  expect(told).toHaveLength(1)
  expect((await world.state.grant(grant.id))?.unannouncedAt).toBeNull()
})

test('two must accept: the same one twice is one', async () => {
  await start({ accepted: 2 })
  await activate()
  const waiting = enter()
  await held(waiting)
  await deliver(receivers.far)
  // Another alert of the same grant, accepted by the same channel.
  await state.commit({
    at: world.clock.now(),
    writes: [],
    leaves: [],
    alerts: grantAlerts('grant.activated', grant, ['far'], world.clock.now()),
  })
  await deliver(receivers.far)
  expect(waiting.isOver).toBe(false)
  await deliver(receivers.other)
  expect(await waiting.outcome).toEqual({ kind: 'open' })
})

test('nobody accepts: after the wait and the hold it opens, marked in grant, ledger, alert and line', async () => {
  await activate()
  const waiting = enter()
  await held(waiting)
  world.clock.advance(134_000)
  expect(waiting.isOver).toBe(false)
  world.clock.advance(1_000)
  expect(await waiting.outcome).toMatchObject({ kind: 'unannounced', line: expect.stringContaining('UNANNOUNCED') })
  expect((await world.state.grant(grant.id))?.unannouncedAt).toBe(world.clock.now())
  expect(await world.leaves('session-unannounced')).toMatchObject([
    { session: session.id, grant: grant.id, waitedMs: 135_000 },
  ])
  expect(
    (await world.state.alerts({ limit: 50, type: 'session.unannounced' })).map(({ channel }) => channel).sort(),
  ).toEqual(['far', 'near', 'other'])
  // Delivery goes on, and the review is due within the hour.
  await deliver(receivers.far)
  const ended = await endGrant(world.end, grant.id, 'returned', 'alice', 'done')
  expect(ended.reviewDueAt).toBe(world.clock.now() + 3_600_000)
})

test('an unannounced grant does not make its other sessions wait; each has its leaf, the grant one mark', async () => {
  await start({ otherwise: 'allow' })
  await activate()
  const first = enter()
  await held(first)
  world.clock.advance(15_000)
  await first.outcome
  const markedAt = world.clock.now()
  world.clock.advance(1_000)
  expect((await enter().outcome).kind).toBe('unannounced')
  expect(await world.leaves('session-unannounced')).toHaveLength(2)
  expect((await world.state.grant(grant.id))?.unannouncedAt).toBe(markedAt)
  expect(await world.state.alerts({ limit: 50, type: 'session.unannounced' })).toHaveLength(3)
})

test('deny refuses after the wait, and opens once somebody was told', async () => {
  await start({ otherwise: 'deny' })
  await activate()
  const waiting = enter()
  await held(waiting)
  world.clock.advance(15_000)
  await expect(waiting.outcome).rejects.toMatchObject({ code: 'denied', hint: expect.any(String) })
  expect(await world.leaves('session-unannounced')).toEqual([])
  await deliver(receivers.other)
  expect(await enter().outcome).toEqual({ kind: 'open' })
})

test('hold, then deny, refuses at the end of the hold', async () => {
  await start({ afterHold: 'deny' })
  await activate()
  const waiting = enter()
  await held(waiting)
  world.clock.advance(135_000)
  await expect(waiting.outcome).rejects.toMatchObject({ code: 'denied' })
})

test('an end during the hold cancels it at once, and nothing is marked', async () => {
  await activate()
  const waiting = enter()
  await held(waiting)
  waiting.controller.abort()
  await expect(waiting.outcome).rejects.toMatchObject({ code: 'unavailable' })
  expect(await world.leaves('session-unannounced')).toEqual([])
})

test('a grant that ended while the hold ran out opens nothing', async () => {
  await activate()
  const waiting = enter()
  await held(waiting)
  await endGrant(world.end, grant.id, 'revoked', 'adam', 'wrong person')
  world.clock.advance(135_000)
  await expect(waiting.outcome).rejects.toMatchObject({ code: 'conflict' })
  expect(await world.leaves('session-unannounced')).toEqual([])
})

test('a mark that loses against another change of the grant is written behind it', async () => {
  await start({ otherwise: 'allow' })
  await activate()
  let isFirst = true
  const racing: GatePorts['state'] = {
    alerts: state.alerts,
    commit: state.commit,
    grant: async (id) => {
      const seen = await state.grant(id)
      // Right behind this look somebody else changes it.
      if (told.length > 0 && isFirst && seen !== undefined) {
        isFirst = false
        const changed = { ...seen, version: seen.version + 1, reason: 'changed meanwhile' }
        await world.state.commit({
          at: world.clock.now(),
          writes: [{ kind: 'grant', grant: changed, expectVersion: seen.version }],
          leaves: [],
        })
      }
      return seen
    },
  }
  const waiting = enter({ state: racing })
  await held(waiting)
  world.clock.advance(15_000)
  expect((await waiting.outcome).kind).toBe('unannounced')
  expect(await world.state.grant(grant.id)).toMatchObject({
    reason: 'changed meanwhile',
    unannouncedAt: expect.any(Number),
  })
})

test('attack: a channel edited before entry does not open the gate, and editing it back does not either', async () => {
  await activate()
  const waiting = enter()
  await held(waiting)
  // The same name, now a sink that accepts everything; the receivers there were stay silent.
  const sink = new Receiver('far', true)
  sink.isUp = true
  outbox.replaceChannels([markedChannel(sink.channel, '2')])
  const receiptOf = async (name: string) =>
    (await world.state.alerts({ grant: grant.id, limit: 50 })).find(({ channel }) => channel === name)?.receipt
  await expect
    .poll(() => {
      world.clock.advance(500)
      return receiptOf('far')
    })
    .toContain('reconfigured')
  outbox.replaceChannels(channelsAs('1'))
  world.clock.advance(1_000)
  expect(waiting.isOver).toBe(false)
  // Whoever delivers after a new start knows the present channels alone.
  await outbox.close()
  const later = new Outbox({ state, channels: channelsAs('3'), clock: world.clock, random: () => 0 })
  receivers.other.isUp = true
  later.nudge()
  await expect
    .poll(() => {
      world.clock.advance(500)
      return receiptOf('other')
    })
    .toContain('reconfigured')
  await later.close()
  expect(waiting.isOver).toBe(false)
  waiting.controller.abort()
  await expect(waiting.outcome).rejects.toMatchObject({ code: 'unavailable' })
})

test('an alert that was written before a crash and accepted after the new start opens the gate', async () => {
  await activate()
  await outbox.close()
  const after = new Outbox({ state, channels: channelsAs('1'), clock: world.clock, random: () => 0 })
  receivers.far.isUp = true
  const waiting = enter()
  await held(waiting)
  after.nudge()
  await expect
    .poll(() => {
      world.clock.advance(100)
      return waiting.isOver
    })
    .toBe(true)
  expect(await waiting.outcome).toEqual({ kind: 'open' })
  await after.close()
})

test('attack: a channel that is called outside only now was inside when the alert was written', async () => {
  await activate()
  const { near } = receivers
  await deliver(near)
  const renamed = new Receiver('near', true)
  outbox.replaceChannels([markedChannel(renamed.channel, '1')])
  const waiting = enter()
  await held(waiting)
  expect(waiting.isOver).toBe(false)
  waiting.controller.abort()
  await expect(waiting.outcome).rejects.toMatchObject({ code: 'unavailable' })
})

test('attack: the alert of a request that was not active yet opens nothing', async () => {
  await activate([])
  const notActiveYet: Grant = { ...grant, expiresAt: null }
  const at = world.clock.now()
  const first = grantAlerts('grant.approved', notActiveYet, ['other'], at, { missing: 1 })
  const asked = grantAlerts('grant.requested', notActiveYet, ['other'], at)
  await state.commit({ at, writes: [], leaves: [], alerts: [...first, ...asked] })
  const { other } = receivers
  other.isUp = true
  outbox.nudge()
  await expect.poll(() => other.got.map(({ type }) => type)).toContain('grant.approved')
  const waiting = enter()
  await held(waiting)
  expect(waiting.isOver).toBe(false)
  waiting.controller.abort()
  await expect(waiting.outcome).rejects.toMatchObject({ code: 'unavailable' })
})

test('receivers do not see the mark', async () => {
  await activate()
  await deliver(receivers.far)
  expect(receivers.far.got[0]?.payload).not.toHaveProperty('via')
})

test('a store that fails holds the gate shut, and is not hammered', async () => {
  await start({ otherwise: 'allow' })
  await activate()
  let questions = 0
  const failing: GatePorts['state'] = {
    grant: () => {
      questions++
      return Promise.reject(new Error('busy'))
    },
    alerts: state.alerts,
    commit: state.commit,
  }
  const waiting = enter({ state: failing })
  await expect.poll(() => questions).toBe(1)
  for (let second = 1; second <= 15; second++) {
    await expect.poll(() => questions).toBe(second)
    expect(waiting.isOver).toBe(false)
    world.clock.advance(1_000)
  }
  await expect(waiting.outcome).rejects.toThrow('busy')
  expect(await world.leaves('session-unannounced')).toEqual([])
})

test('a wall clock that is set forward does not end the wait', async () => {
  await activate()
  const waiting = enter()
  await held(waiting)
  world.clock.step(600_000)
  world.clock.advance(1)
  expect(waiting.isOver).toBe(false)
  waiting.controller.abort()
  await expect(waiting.outcome).rejects.toMatchObject({ code: 'unavailable' })
})

test('a hundred sessions at the gate look a few times each, whatever the outbox does', async () => {
  await activate()
  const crowd = Array.from({ length: 100 }, () => enter())
  await expect.poll(() => looks).toBe(100)
  await deliver(receivers.near, receivers.far)
  await Promise.all(crowd.map(({ outcome }) => outcome))
  expect(looks).toBeLessThan(100 * 12)
})

test('the override clock starts when a channel has accepted the approvers alert', async () => {
  const alice = await world.proven('alice')
  const request = await world.access.request(alice, {
    target: 'orders',
    account: 'app_readwrite',
    reason: 'stuck payments',
  })
  expect(await announcedAt(world.state, request)).toBeNull()
  const [alert] = await world.state.alerts({ grant: request.id, limit: 1 })
  world.clock.advance(5_000)
  const at = world.clock.now()
  const accepted = { kind: 'alert-accepted', id: alert?.id ?? '', at, receipt: 'ok' } as const
  await world.state.commit({ at, writes: [accepted], leaves: [] })
  expect(await announcedAt(world.state, request)).toBe(at)
})

test('whatever else was told of the grant since, the receipt of its activation is found', async () => {
  await start({ otherwise: 'deny' })
  await activate()
  await deliver(receivers.far)
  const at = world.clock.now()
  const opened = Array.from({ length: 60 }, () =>
    grantAlerts('session.opened', grant, Array(10).fill('near'), at),
  ).flat()
  await world.state.commit({ at, writes: [], leaves: [], alerts: opened })
  expect(await enter().outcome).toEqual({ kind: 'open' })
})
