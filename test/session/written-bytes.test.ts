import { expect, test } from 'vitest'
import { WrittenBytes } from '../../src/session/written-bytes.ts'
import { FakeClock } from '../support/clock.ts'

const mib = 1 << 20

test('whoever wrote most in the last minute is the largest, and after them the next', () => {
  const written = new WrittenBytes(new FakeClock())
  written.add('sa', mib)
  written.add('sb', 3 * mib)
  written.add('sc', 2 * mib)
  expect(written.largest()).toEqual({ session: 'sb', bytes: 3 * mib })
  written.forget('sb')
  expect(written.largest()).toEqual({ session: 'sc', bytes: 2 * mib })
})

test('what was written a minute ago no longer counts', () => {
  const clock = new FakeClock()
  const written = new WrittenBytes(clock)
  written.add('old', 10 * mib)
  clock.advance(40_000)
  written.add('new', mib)
  expect(written.largest()?.session).toBe('old')
  clock.advance(20_000)
  expect(written.largest()).toEqual({ session: 'new', bytes: mib })
  clock.advance(3_600_000)
  expect(written.largest()).toBeUndefined()
})

test('people who only type are never the largest', () => {
  const written = new WrittenBytes(new FakeClock())
  for (let key = 0; key < 500; key++) written.add('typist', 100)
  expect(written.largest()).toBeUndefined()
})
