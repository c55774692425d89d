import { expect, test } from 'vitest'
import { Registry } from '../../src/session/registry.ts'
import type { Session, SessionEnd } from '../../src/session/session.ts'
import { FakeClock } from '../support/clock.ts'
import { grantOf } from '../support/grant.ts'

function session(id: string, grant = 'g7f3'): Session {
  return {
    id,
    protocol: 'ssh',
    grant,
    user: 'alice',
    fingerprint: 'SHA256:x',
    mfa: 'totp',
    address: '127.0.0.1',
    target: 'web-1',
    account: 'deploy',
    database: null,
    what: { kind: 'shell', term: { type: 'xterm', cols: 80, rows: 24 } },
    openedAt: 0,
  }
}

function setUp() {
  const clock = new FakeClock()
  const expired: string[] = []
  const registry = new Registry(clock, (grant) => expired.push(grant.id))
  const ends: { id: string; end: SessionEnd }[] = []
  const notices: string[] = []
  const hold = (id: string, grant?: string) =>
    registry.hold({
      session: session(id, grant),
      end: (end) => ends.push({ id, end }),
      notice: (text) => notices.push(text),
    })
  return { clock, registry, expired, ends, notices, hold }
}

test('a grant that is not tracked lets nobody in', () => {
  const { hold } = setUp()
  expect(() => hold('s1')).toThrowError(expect.objectContaining({ code: 'no_grant' }))
})

test('expiry ends every session of the grant within a second and tells once', () => {
  const { clock, registry, expired, ends, hold } = setUp()
  registry.track(grantOf(clock.now()))
  hold('s1')
  hold('s2')
  clock.advance(30 * 60_000 - 1)
  expect(ends).toEqual([])
  clock.advance(1000)
  expect(ends.map(({ id, end }) => [id, end.reason, end.code])).toEqual([
    ['s1', 'expired', 'grant_expired'],
    ['s2', 'expired', 'grant_expired'],
  ])
  expect(expired).toEqual(['g7f3'])
  expect(registry.live('g7f3')).toBeUndefined()
})

test('a wall clock set back extends nothing: the monotonic deadline ends it', () => {
  const { clock, registry, ends, hold } = setUp()
  registry.track(grantOf(clock.now()))
  hold('s1')
  clock.advance(60_000)
  clock.step(-3 * 3_600_000)
  clock.advance(29 * 60_000 + 1000)
  expect(ends).toHaveLength(1)
})

test('a wall clock set forward ends it at once', () => {
  const { clock, registry, ends, hold } = setUp()
  registry.track(grantOf(clock.now()))
  hold('s1')
  clock.step(31 * 60_000)
  clock.advance(1000)
  expect(ends).toHaveLength(1)
})

test('between ticks nobody gets in on a grant that is over', () => {
  const { clock, registry, hold } = setUp()
  registry.track(grantOf(clock.now()))
  clock.step(31 * 60_000)
  expect(() => hold('s1')).toThrowError(expect.objectContaining({ code: 'no_grant' }))
})

test('warnings come at ten, five and one minute, each once, to that grant only', () => {
  const { clock, registry, notices, hold } = setUp()
  registry.track(grantOf(clock.now()))
  hold('s1')
  clock.advance(29 * 60_000 + 30_000)
  expect(notices).toEqual(['grant g7f3 ends in 10 min', 'grant g7f3 ends in 5 min', 'grant g7f3 ends in 1 min'])
})

test('a short grant is not greeted with warnings that were never due', () => {
  const { clock, registry, notices, hold } = setUp()
  registry.track(grantOf(clock.now(), { expiresAt: clock.now() + 3 * 60_000 }))
  hold('s1')
  clock.advance(60_000)
  expect(notices).toEqual([])
  clock.advance(70_000)
  expect(notices).toEqual(['grant g7f3 ends in 1 min'])
})

test('revoking closes sockets before it returns, and the grant opens nothing any more', () => {
  const { clock, registry, ends, hold } = setUp()
  registry.track(grantOf(clock.now()))
  hold('s1')
  const count = registry.endGrant('g7f3', { reason: 'revoked', code: 'killed', message: 'revoked by adam: wrong host' })
  expect(count).toBe(1)
  expect(ends[0]?.end.reason).toBe('revoked')
  expect(() => hold('s2')).toThrowError(expect.objectContaining({ code: 'no_grant' }))
})

test('killing one session leaves the others of its grant alone', () => {
  const { clock, registry, ends, hold } = setUp()
  registry.track(grantOf(clock.now()))
  hold('s1')
  hold('s2')
  expect(registry.endSession('s1', { reason: 'killed', code: 'killed', message: 'x' })).toBe(true)
  expect(registry.endSession('s9', { reason: 'killed', code: 'killed', message: 'x' })).toBe(false)
  expect(ends.map(({ id }) => id)).toEqual(['s1'])
})

test('tracking a grant again, as a restart of a caller might, keeps the earlier deadline', () => {
  const { clock, registry, ends, hold } = setUp()
  const grant = grantOf(clock.now())
  registry.track(grant)
  hold('s1')
  clock.step(-20 * 60_000)
  registry.track(grant)
  clock.advance(30 * 60_000 + 1000)
  expect(ends).toHaveLength(1)
})

test('once closed nobody gets in', () => {
  const { clock, registry, ends, hold } = setUp()
  registry.track(grantOf(clock.now()))
  hold('s1')
  registry.close({ reason: 'shutdown', code: 'unavailable', message: 'halligan is stopping' })
  expect(ends).toHaveLength(1)
  expect(() => hold('s2')).toThrowError(expect.objectContaining({ code: 'unavailable' }))
})
