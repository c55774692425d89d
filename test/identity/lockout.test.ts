import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  AddressDelay,
  CodeLockout,
  FREE_ADDRESS_FAILURES,
  FREE_CODE_FAILURES,
  MAX_ADDRESS_DELAY_MS,
} from '../../src/identity/lockout.ts'

const MINUTE = 60_000
const start = 1_800_000_000_000

/** A wrong code at `now`: what came of it. */
function wrong(lockout: CodeLockout, now: number, user = 'alice', key = 'SHA256:a') {
  const gate = lockout.beginCode(user, key, now)
  return gate.kind === 'wait' ? gate : lockout.settleCode(user, key, 'failed', now)
}

test('after five wrong codes it waits 1, 2, 4, 8, 15 and then always 15 minutes, and alerts', () => {
  const lockout = new CodeLockout()
  let now = start
  for (let count = 1; count < FREE_CODE_FAILURES; count++)
    expect(wrong(lockout, now)).toEqual({ failures: count, waitMs: 0, alert: false })
  for (const [index, minutes] of [1, 2, 4, 8, 15, 15, 15].entries()) {
    expect(wrong(lockout, now)).toEqual({ failures: 5 + index, waitMs: minutes * MINUTE, alert: true })
    expect(lockout.beginCode('alice', 'SHA256:a', now)).toEqual({ kind: 'wait', waitMs: minutes * MINUTE })
    now += minutes * MINUTE
  }
})

test('asking while waiting costs nothing and does not prolong the wait', () => {
  const lockout = new CodeLockout()
  for (let count = 0; count < FREE_CODE_FAILURES; count++) wrong(lockout, start)
  for (let second = 1; second < 60; second++)
    expect(lockout.beginCode('alice', 'SHA256:a', start + second * 1000)).toEqual({
      kind: 'wait',
      waitMs: MINUTE - second * 1000,
    })
  expect(lockout.beginCode('alice', 'SHA256:a', start + MINUTE)).toEqual({ kind: 'go' })
})

test("another key of the same person, and another person's same wait, are untouched", () => {
  const lockout = new CodeLockout()
  for (let count = 0; count < FREE_CODE_FAILURES; count++) wrong(lockout, start)
  expect(lockout.beginCode('alice', 'SHA256:other', start)).toEqual({ kind: 'go' })
  expect(lockout.beginCode('bob', 'SHA256:a', start)).toEqual({ kind: 'go' })
})

test('a right code clears the count', () => {
  const lockout = new CodeLockout()
  for (let count = 1; count < FREE_CODE_FAILURES; count++) wrong(lockout, start)
  expect(lockout.beginCode('alice', 'SHA256:a', start)).toEqual({ kind: 'go' })
  expect(lockout.settleCode('alice', 'SHA256:a', 'passed', start)).toEqual({ failures: 0, waitMs: 0, alert: false })
  expect(wrong(lockout, start)).toEqual({ failures: 1, waitMs: 0, alert: false })
})

test('a replayed code is neither a failure nor a success', () => {
  const lockout = new CodeLockout()
  for (let count = 1; count < FREE_CODE_FAILURES; count++) wrong(lockout, start)
  for (let count = 0; count < 20; count++) {
    expect(lockout.beginCode('alice', 'SHA256:a', start)).toEqual({ kind: 'go' })
    lockout.settleCode('alice', 'SHA256:a', 'forgiven', start)
  }
  expect(lockout.standing('alice', 'SHA256:a', start)).toEqual({ failures: 4, waitMs: 0, alert: false })
  expect(wrong(lockout, start)).toMatchObject({ failures: 5, waitMs: MINUTE })
})

test('codes tried all at once get no more looks than codes tried in turn', () => {
  const lockout = new CodeLockout()
  const gates = Array.from({ length: 100 }, () => lockout.beginCode('alice', 'SHA256:a', start).kind)
  expect(gates.filter((kind) => kind === 'go')).toHaveLength(FREE_CODE_FAILURES)
})

test('wrong codes are forgotten after a day, and at once by an unlock', () => {
  const lockout = new CodeLockout()
  for (let count = 0; count < 7; count++) wrong(lockout, start + count * 15 * MINUTE)
  expect(lockout.standing('alice', 'SHA256:a', start + 48 * 60 * MINUTE).failures).toBe(0)
  for (let count = 0; count < FREE_CODE_FAILURES; count++) wrong(lockout, start)
  lockout.forget('alice')
  expect(lockout.standing('alice', 'SHA256:a', start).failures).toBe(0)
})

test('no clock step makes anyone wait longer than 15 minutes', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 4_000_000_000_000 }), { maxLength: 50 }), (instants) => {
      const lockout = new CodeLockout()
      for (const now of instants) {
        const result = wrong(lockout, now)
        expect(result.waitMs).toBeLessThanOrEqual(15 * MINUTE)
      }
    }),
  )
})

test('an address is slowed after its free failures, up to a limit, and forgiven with time', () => {
  const delay = new AddressDelay()
  const delays = Array.from({ length: 12 }, () => delay.fail('192.0.2.1', start))
  expect(delays.slice(0, FREE_ADDRESS_FAILURES)).toEqual([0, 0, 0, 0, 0])
  expect(delays.slice(FREE_ADDRESS_FAILURES)).toEqual([500, 1000, 2000, 4000, 8000, 10_000, 10_000])
  expect(delay.delayMs('192.0.2.1', start)).toBe(MAX_ADDRESS_DELAY_MS)
  expect(delay.delayMs('192.0.2.1', start + 7 * MINUTE)).toBe(0)
  expect(delay.delayMs('192.0.2.2', start)).toBe(0)
})

test('the addresses of one IPv6 /64 count together, the spellings of one address too', () => {
  const delay = new AddressDelay()
  for (let host = 0; host < 10; host++) delay.fail(`2001:db8:0:1::${host.toString(16)}`, start)
  expect(delay.delayMs('2001:db8:0:1:ffff:ffff::', start)).toBeGreaterThan(0)
  expect(delay.delayMs('2001:db8:0:2::1', start)).toBe(0)
  for (let count = 0; count < 10; count++) delay.fail('::ffff:192.0.2.9', start)
  expect(delay.delayMs('192.0.2.9', start)).toBeGreaterThan(0)
})

test('a scan from very many addresses leaves the busiest recent ones counted', () => {
  const delay = new AddressDelay()
  for (let index = 0; index < 30_000; index++)
    delay.fail(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`, start)
  for (let count = 0; count < 10; count++) delay.fail('192.0.2.1', start)
  expect(delay.delayMs('192.0.2.1', start)).toBeGreaterThan(0)
})
