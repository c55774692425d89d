import { expect, test } from 'vitest'
import { encodeLeaf } from '../../src/audit.ts'
import { HalliganError } from '../../src/errors.ts'
import { linked } from '../../src/procedure/link.ts'
import { reviewCase } from '../../src/procedure/review.ts'
import { RiskyActions, type RiskyAction } from '../../src/procedure/risky-action.ts'
import { openRow } from '../../src/session/opening.ts'
import type { Session } from '../../src/session/session.ts'
import type { Alert, Change } from '../../src/session/state.ts'
import { FakeClock } from '../support/clock.ts'
import { grantOf } from '../support/grant.ts'
import { ProcedureWorld } from './world.ts'

const MINUTE = 60_000

class Ports {
  readonly clock = new FakeClock()
  readonly changes: Change[] = []
  failure: Error | undefined
  readonly state = {
    commit: async (change: Change) => {
      if (this.failure !== undefined) throw this.failure
      this.changes.push(change)
      return { size: 0, root: '' }
    },
  }
  readonly channels = ['desk']
  readonly policy = () => undefined
  readonly nudge = () => {}

  get alerts(): readonly Alert[] {
    return this.changes.flatMap(({ alerts }) => alerts ?? [])
  }

  get leaves() {
    return this.changes.flatMap(({ leaves }) => leaves)
  }
}

const session: Session = {
  id: 's1',
  protocol: 'postgres',
  grant: 'g7f3',
  user: 'alice',
  fingerprint: 'SHA256:x',
  mfa: 'totp',
  address: '10.0.0.1',
  target: 'orders',
  account: 'app_readwrite',
  database: 'shop',
  what: { kind: 'sql', application: 'psql' },
  openedAt: 0,
}
const grant = grantOf(0, { target: 'orders', account: 'app_readwrite' })
const action = (what: string, statement: number, of: Partial<Session> = {}): RiskyAction => ({
  session: { ...session, ...of },
  grant,
  what,
  statement,
})

test('it is told at once, with leaf and alert in one transaction: who, where, which kind, and where to look', () => {
  const ports = new Ports()
  new RiskyActions(ports).tell(action('DROP', 12))
  expect(ports.changes).toHaveLength(1)
  expect(ports.leaves).toEqual([{ type: 'risky-action', session: 's1', grant: 'g7f3', what: 'DROP', statement: 12 }])
  const [alert] = ports.alerts
  expect(alert).toMatchObject({
    type: 'session.risky',
    channel: 'desk',
    payload: { user: 'alice', target: 'orders', account: 'app_readwrite', grant: 'g7f3', session: 's1', what: 'DROP' },
  })
  expect(linked(alert as Alert, 'https://bastion.example').payload['url']).toBe('https://bastion.example/sessions/s1')
})

test('a loop of them is one alert a minute for each session and kind, with a count, and none is lost', () => {
  const ports = new Ports()
  const risky = new RiskyActions(ports)
  for (let n = 1; n <= 500; n++) risky.tell(action('DELETE without WHERE', n))
  risky.tell(action('DROP', 501))
  risky.tell(action('DROP', 1, { id: 's2' }))
  expect(ports.leaves).toHaveLength(3)
  ports.clock.advance(MINUTE)
  expect(ports.leaves.slice(3)).toEqual([
    { type: 'risky-action', session: 's1', grant: 'g7f3', what: 'DELETE without WHERE', statement: 500, count: 499 },
  ])
  expect(ports.alerts).toHaveLength(4)
  expect(ports.alerts.at(-1)).toMatchObject({ type: 'session.risky', payload: { session: 's1', count: 499 } })
  ports.clock.advance(MINUTE)
  expect(ports.leaves).toHaveLength(4)
})

test('a loop that opens session after session is told of by its grant, and drowns nobody else', () => {
  const ports = new Ports()
  const risky = new RiskyActions(ports)
  for (let n = 1; n <= 1_000; n++) risky.tell(action('DROP', 1, { id: `s${n}` }))
  const other = grantOf(0, { id: 'g9' })
  risky.tell({ ...action('DROP', 1, { id: 't1', grant: 'g9' }), grant: other })
  expect(ports.alerts).toHaveLength(20 + 1 + 1)
  expect(ports.leaves.at(-1)).toMatchObject({ session: 't1', grant: 'g9' })
  ports.clock.advance(MINUTE)
  const told = ports.leaves.map((leaf) => (leaf.type === 'risky-action' ? (leaf.count ?? 1) : 0))
  expect(told.reduce((sum, count) => sum + count)).toBe(1_001)
  expect(ports.leaves.at(-1)).toEqual({ type: 'risky-action', grant: 'g7f3', what: 'DROP', count: 979 })
  ports.clock.advance(2 * MINUTE)
  risky.tell(action('DROP', 1, { id: 's0' }))
  expect(ports.leaves.at(-1)).toMatchObject({ session: 's0', statement: 1 })
})

test('a command outside its scope is told of, under its grant; other refusals are not', () => {
  const ports = new Ports()
  const risky = new RiskyActions(ports)
  const scoped = grantOf(0, { commands: ['uptime'], files: false })
  risky.refused(scoped, { kind: 'exec', command: 'rm -rf / --token=secret', term: null })
  risky.refused(scoped, { kind: 'exec', command: 'uptime', term: null })
  risky.refused(grantOf(0), { kind: 'exec', command: 'rm -rf /', term: null })
  expect(ports.leaves).toEqual([{ type: 'risky-action', grant: 'g7f3', what: 'refused exec outside the scope' }])
  expect(ports.alerts).toMatchObject([{ type: 'session.risky', payload: { user: 'alice', target: 'web-1' } }])
  expect(JSON.stringify(ports.changes)).not.toContain('secret')
  for (let n = 0; n < 10; n++) risky.refused(scoped, { kind: 'subsystem', name: 'sftp' })
  expect(ports.leaves).toHaveLength(2)
})

test('a rehearsal is marked as one', () => {
  const ports = new Ports()
  new RiskyActions(ports).tell({ ...action('DROP', 1), grant: { ...grant, drill: true } })
  expect(ports.alerts).toMatchObject([{ payload: { drill: true } }])
})

test('a state that cannot be written, or channels that cannot be told, throw nothing at whoever goes on', async () => {
  const ports = new Ports()
  ports.failure = new HalliganError('store_failed', 'disk full')
  const broken = {
    clock: ports.clock,
    state: ports.state,
    channels: [],
    nudge: () => {},
    policy: () => {
      throw new HalliganError('internal', 'no such policy')
    },
  }
  for (const risky of [new RiskyActions(ports), new RiskyActions(broken)]) {
    expect(() => risky.tell(action('DROP', 1))).not.toThrow()
    expect(() => risky.tell(action('DROP', 2))).not.toThrow()
    expect(() => ports.clock.advance(2 * MINUTE)).not.toThrow()
  }
  await Promise.resolve()
  expect(ports.changes).toEqual([])
})

test('a reviewer is told how much of it there was, by session, and nobody else’s', async () => {
  await using world = await ProcedureWorld.open()
  const { state, clock } = world
  const now = clock.now()
  for (const id of ['g1', 'g2'])
    await state.commit({
      at: now,
      writes: [{ kind: 'grant', grant: grantOf(now, { id }), expectVersion: null }],
      leaves: [],
    })
  for (const { id, grant: of } of [
    { id: 's1', grant: 'g1' },
    { id: 's2', grant: 'g1' },
    { id: 's3', grant: 'g2' },
  ])
    await state.commit({
      at: now,
      writes: [{ kind: 'session-open', session: openRow({ ...session, id, grant: of, openedAt: now }) }],
      leaves: [],
    })
  const risky = new RiskyActions({ clock, state, channels: ['desk'], policy: () => undefined, nudge: () => {} })
  const tell = (id: string, of: string) =>
    risky.tell({ session: { ...session, id }, grant: grantOf(now, { id: of }), what: 'DROP', statement: 1 })
  for (let n = 0; n < 7; n++) tell('s1', 'g1')
  tell('s3', 'g2')
  clock.advance(MINUTE)
  const counted = (await reviewCase(world.review, world.as('rita').user, 'g1')).sessions
  expect(new Map(counted.map((each) => [each.session.id, each.risky]))).toEqual(
    new Map([
      ['s1', 7],
      ['s2', 0],
    ]),
  )
})

test('its leaf carries no text of the statement', () => {
  const leaf = encodeLeaf(5, { type: 'risky-action', session: 's1', grant: 'g1', what: 'DROP', statement: 3 })
  expect(leaf.toString()).toBe('{"at":5,"type":"risky-action","session":"s1","grant":"g1","what":"DROP","statement":3}')
})
