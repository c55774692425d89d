import { expect, test } from 'vitest'
import { grantOf } from '../support/grant.ts'
import { FakeClock } from '../support/clock.ts'
import { AlertFlood } from '../../src/procedure/alert-flood.ts'
import { tellExpiring } from '../../src/procedure/expiring.ts'
import { LockOutAlerts } from '../../src/procedure/lock-out-alert.ts'
import { Refusals } from '../../src/procedure/refusal.ts'
import { SessionOpenings } from '../../src/procedure/session-opening.ts'
import { Registry } from '../../src/session/registry.ts'
import type { Session } from '../../src/session/session.ts'
import type { Alert, Change } from '../../src/session/state.ts'

const MINUTE = 60_000

class Ports {
  readonly clock = new FakeClock()
  readonly changes: Change[] = []
  readonly state = {
    commit: async (change: Change) => {
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
}

test('the first is told at once, the rest together when the window is over, and the next ones are counted on', () => {
  const clock = new FakeClock()
  const told: (readonly [string, number])[] = []
  const flood = new AlertFlood<string>(clock, MINUTE, (last, count) => told.push([last, count]))
  expect(flood.take('a', 'a1')).toBe(true)
  expect(flood.take('b', 'b1')).toBe(true)
  for (const fact of ['a2', 'a3', 'a4']) expect(flood.take('a', fact)).toBe(false)
  clock.advance(MINUTE)
  expect(told).toEqual([['a4', 3]])
  expect(flood.take('a', 'a5')).toBe(false)
  expect(flood.take('b', 'b2')).toBe(true)
  clock.advance(MINUTE)
  expect(told).toEqual([
    ['a4', 3],
    ['a5', 1],
  ])
  clock.advance(10 * MINUTE)
  expect(told).toHaveLength(2)
  expect(flood.take('a', 'a6')).toBe(true)
})

test('no fact is lost, however they come: told at once and counted are all there were', () => {
  const clock = new FakeClock()
  let counted = 0
  const flood = new AlertFlood<number>(clock, MINUTE, (_, count) => (counted += count))
  let atOnce = 0
  for (let fact = 0; fact < 5_000; fact++) {
    if (flood.take(`key ${fact % 1_700}`, fact)) atOnce++
    clock.advance(fact % 977)
  }
  clock.advance(2 * MINUTE)
  expect(atOnce + counted).toBe(5_000)
})

const session = (id: string, at: number): Session => ({
  id,
  protocol: 'postgres',
  grant: 'g7f3',
  user: 'alice',
  fingerprint: 'SHA256:x',
  mfa: 'totp',
  address: '10.0.0.1',
  target: 'orders',
  account: 'app_readonly',
  database: 'shop',
  what: { kind: 'sql', application: 'psql' },
  openedAt: at,
})

test('a pool of connections is told of once, then with its number', () => {
  const ports = new Ports()
  const openings = new SessionOpenings(ports)
  const grant = grantOf(ports.clock.now())
  const first = openings.alerts(session('s1', ports.clock.now()), grant)
  expect(first).toMatchObject([
    { type: 'session.opened', payload: { session: 's1', grant: 'g7f3', protocol: 'postgres' } },
  ])
  for (let n = 2; n <= 20; n++) expect(openings.alerts(session(`s${n}`, ports.clock.now()), grant)).toEqual([])
  // Another grant has its own.
  expect(openings.alerts(session('t1', ports.clock.now()), grantOf(ports.clock.now(), { id: 'g9' }))).toHaveLength(1)
  ports.clock.advance(MINUTE)
  expect(ports.alerts).toMatchObject([{ type: 'session.opened', payload: { session: 's20', sessions: 19 } }])
})

test('whoever tries codes on and on is told of once, then with a number', () => {
  const ports = new Ports()
  const lockOuts = new LockOutAlerts(ports)
  const identity = {
    user: { name: 'alice', groups: [], roles: [], keys: [] },
    fingerprint: 'SHA256:a',
    address: '10.0.0.1',
  }
  expect(lockOuts.alerts(identity)).toMatchObject([{ type: 'user.locked-out', payload: { user: 'alice' } }])
  for (let n = 0; n < 30; n++) expect(lockOuts.alerts({ ...identity, fingerprint: `SHA256:${n}` })).toEqual([])
  ports.clock.advance(10 * MINUTE)
  expect(ports.alerts).toMatchObject([{ type: 'user.locked-out', payload: { user: 'alice', count: 30 } }])
})

test('a scan is one alert with a count, from however many addresses; a few refusals are none', async () => {
  const ports = new Ports()
  const refusals = new Refusals(ports.clock, ports.state, (address, count, at) => [
    { id: `a${at}`, channel: 'desk', type: 'logins.refused', at, payload: { address, count } },
  ])
  const refuse = (address: string) =>
    refusals.report({ protocol: 'ssh', login: 'root', address, reason: 'unknown-user' })
  for (let n = 0; n < 20; n++) refuse('192.0.2.1')
  expect(ports.alerts).toEqual([])
  for (let n = 0; n < 3_000; n++) refuse(`198.51.100.${n % 250}`)
  expect(ports.alerts).toHaveLength(1)
  ports.clock.advance(10 * MINUTE)
  expect(ports.alerts.map(({ payload }) => payload['count'])).toEqual([1, 3_000 - 180 - 1])
})

test('ten minutes before the end word goes out, once; an extension starts anew', async () => {
  const ports = new Ports()
  const { clock } = ports
  const grant = grantOf(clock.now())
  const registry = new Registry(
    clock,
    () => {},
    undefined,
    (one, minutes) => tellExpiring(ports, one, minutes),
  )
  registry.track(grant)
  clock.advance(19 * MINUTE)
  expect(ports.alerts).toEqual([])
  clock.advance(2 * MINUTE)
  expect(ports.alerts).toMatchObject([{ type: 'grant.expiring', payload: { grant: grant.id, minutes: 10 } }])
  registry.extend({ ...grant, expiresAt: (grant.expiresAt ?? 0) + 30 * MINUTE })
  clock.advance(30 * MINUTE)
  expect(ports.alerts).toHaveLength(2)
  registry.close({ reason: 'shutdown', code: null, message: 'test over' })
})
