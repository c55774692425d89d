import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { backOffMs, longestBackOffMs } from '../../src/notify/back-off.ts'

test('retries start within seconds, double, and settle at an hour', () => {
  expect([1, 2, 3, 4, 5, 12, 13, 14, 1000].map((failures) => backOffMs(failures, 0))).toEqual([
    1000,
    2000,
    4000,
    8000,
    16_000,
    2_048_000,
    longestBackOffMs,
    longestBackOffMs,
    longestBackOffMs,
  ])
})

test('jitter takes at most half away', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), fc.double({ min: 0, max: 1, noNaN: true }), (failures, random) => {
      const whole = backOffMs(failures, 0)
      const delay = backOffMs(failures, random)
      expect(delay).toBeLessThanOrEqual(whole)
      expect(delay).toBeGreaterThanOrEqual(whole / 2)
      expect(Number.isInteger(delay)).toBe(true)
    }),
  )
})
