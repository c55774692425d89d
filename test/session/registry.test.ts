import { expect, test } from 'vitest'
import type { Grant } from '../../src/access/grant.ts'
import { Registry } from '../../src/session/registry.ts'
import type { Session, SessionEnd } from '../../src/session/session.ts'
import { FakeClock } from '../support/clock.ts'
import { grantOf } from '../support/grant.ts'

function session(id: string, grant = 'g7f3', over: Partial<Session> = {}): Session {
  return {
    ...over,
    id,
    protocol: 'ssh',
    grant,
    user: over.user ?? 'alice',
    fingerprint: 'SHA256:x',
    mfa: 'totp',
    address: '127.0.0.1',
    target: over.target ?? 'web-1',
    account: 'deploy',
    database: null,
    what: { kind: 'shell', term: { type: 'xterm', cols: 80, rows: 24 } },
    openedAt: 0,
  }
}

function setUp() {
  const clock = new FakeClock()
  const expired: string[] = []
  const registry = new Registry(
    clock,
    (grant) => expired.push(grant.id),
    (grant) => (grant.id === 'gmore' ? 'ssh alice@bastion extend' : undefined),
  )
  const ends: { id: string; end: SessionEnd }[] = []
  const notices: string[] = []
  const hold = (id: string, grant?: string, over?: Partial<Session>) =>
    registry.hold({
      session: session(id, grant, over),
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

const minute = 60_000

function extended(grant: Grant, byMs: number): Grant {
  return { ...grant, version: grant.version + 1, expiresAt: (grant.expiresAt ?? 0) + byMs }
}

test('an extension moves the end of what runs, says so in each of its sessions, and warns anew', () => {
  const { clock, registry, ends, notices, hold } = setUp()
  const grant = grantOf(clock.now(), { id: 'gmore' })
  registry.track(grant)
  hold('s1', 'gmore')
  clock.advance(26 * minute)
  expect(notices).toEqual([
    'grant gmore ends in 10 min; ssh alice@bastion extend',
    'grant gmore ends in 5 min; ssh alice@bastion extend',
  ])
  notices.length = 0
  registry.extend(extended(grant, 30 * minute))
  expect(notices).toEqual(['grant gmore now ends 04:00 UTC'])
  clock.advance(33 * minute)
  expect(ends).toEqual([])
  expect(notices.slice(1).map((text) => text.slice(0, 26))).toEqual([
    'grant gmore ends in 10 min',
    'grant gmore ends in 5 min;',
    'grant gmore ends in 1 min;',
  ])
  clock.advance(minute + 1000)
  expect(ends.map(({ end }) => end.message)).toEqual(['grant gmore expired at 04:00 UTC'])
})

test('what has ended is not extended: revoked, expired a moment ago, or never inside', () => {
  const { clock, registry, ends, expired, hold } = setUp()
  const grant = grantOf(clock.now())
  const refused = expect.objectContaining({ code: 'conflict' })
  expect(() => registry.extend(extended(grant, minute))).toThrowError(refused)
  registry.track(grant)
  hold('s1')
  registry.endGrant('g7f3', { reason: 'revoked', code: 'killed', message: 'revoked' })
  expect(() => registry.extend(extended(grant, minute))).toThrowError(refused)
  const other = grantOf(clock.now(), { id: 'gtwo' })
  registry.track(other)
  hold('s2', 'gtwo')
  clock.step(30 * minute)
  // Over, and the tick that says so has not come yet.
  expect(() => registry.extend(extended(other, 30 * minute))).toThrowError(refused)
  clock.advance(1000)
  expect(ends.map(({ id }) => id)).toEqual(['s1', 's2'])
  expect(expired).toEqual(['gtwo'])
})

test('an extension after the wall clock was set back gives the time asked for and no more', () => {
  const { clock, registry, ends, hold } = setUp()
  const grant = grantOf(clock.now())
  registry.track(grant)
  hold('s1')
  clock.advance(20 * minute)
  clock.step(-6 * 3_600_000)
  registry.extend(extended(grant, 10 * minute))
  clock.advance(20 * minute - 1)
  expect(ends).toEqual([])
  clock.advance(1000)
  expect(ends).toHaveLength(1)
})

test('a wall clock that swings around the end extends nothing', () => {
  for (const steps of [
    [40 * minute, -40 * minute],
    [-5 * minute, 5 * minute, -minute],
  ]) {
    const { clock, registry, ends, expired, hold } = setUp()
    registry.track(grantOf(clock.now()))
    hold('s1')
    clock.advance(29 * minute)
    for (const step of steps) {
      clock.step(step)
      clock.advance(1000)
    }
    clock.advance(minute)
    expect(ends).toHaveLength(1)
    expect(expired).toEqual(['g7f3'])
    expect(registry.live('g7f3')).toBeUndefined()
  }
})

const lockEnd: SessionEnd = { reason: 'revoked', code: 'killed', message: 'locked by adam' }
const lockOf = (scope: string) => ({ scope, by: 'adam', at: 0, reason: 'stolen laptop' })

for (const { scope, left } of [
  { scope: 'user:alice', left: ['s3'] },
  { scope: 'target:web-1', left: ['s2'] },
  { scope: 'all', left: [] },
]) {
  test(`a lock of ${scope} ends what falls under it before it returns, and lets nobody back in`, () => {
    const { clock, registry, ends, hold } = setUp()
    registry.track(grantOf(clock.now()))
    registry.track(grantOf(clock.now(), { id: 'gdb', target: 'orders' }))
    registry.track(grantOf(clock.now(), { id: 'gbob', user: 'bob' }))
    hold('s1')
    hold('s2', 'gdb', { target: 'orders' })
    hold('s3', 'gbob', { user: 'bob' })
    expect(registry.lock(lockOf(scope), lockEnd)).toBe(3 - left.length)
    const gone = ends.map(({ id }) => id)
    expect(['s1', 's2', 's3'].filter((id) => !gone.includes(id))).toEqual(left)
    expect(() => hold('s4')).toThrowError(expect.objectContaining({ code: 'denied' }))
    expect(registry.live('g7f3')).toBeUndefined()
    expect(registry.liveGrants().map(({ id }) => id)).toEqual(left.map((id) => (id === 's3' ? 'gbob' : 'gdb')))
    expect(() => registry.track(grantOf(clock.now(), { id: 'gnew' }))).toThrowError(
      expect.objectContaining({ code: 'denied' }),
    )
    registry.locks.remove(scope)
    expect(registry.live('g7f3')?.id).toBe('g7f3')
  })
}

test('backends are remembered past their session, and not past the written end of their grant', () => {
  const { clock, registry, hold } = setUp()
  registry.track(grantOf(clock.now()))
  hold('s1')
  registry.reached(session('s1'), 4711)
  expect(registry.backendsInside('web-1')).toEqual(new Set([4711]))
  registry.release('s1')
  expect(registry.backendsInside('web-1')).toEqual(new Set())
  expect(registry.backendsOf('g7f3')).toMatchObject([{ session: 's1', pid: 4711 }])
  registry.bury('g7f3')
  expect(registry.backendsOf('g7f3')).toEqual([])
})
