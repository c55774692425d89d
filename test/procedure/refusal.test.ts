import { expect, test } from 'vitest'
import { Refusals } from '../../src/procedure/refusal.ts'
import type { Change } from '../../src/session/state.ts'
import { FakeClock } from '../support/clock.ts'

function setUp() {
  const clock = new FakeClock()
  const changes: Change[] = []
  const refusals = new Refusals(clock, {
    commit: async (change) => {
      changes.push(change)
      return { size: changes.length, root: '' }
    },
  })
  const refuse = (address: string) =>
    refusals.report({ protocol: 'ssh', login: 'root', address, reason: 'unknown-user' })
  return { clock, changes, refuse }
}

test('a refused login is a leaf', () => {
  const { changes, refuse } = setUp()
  refuse('192.0.2.1')
  expect(changes.flatMap(({ leaves }) => leaves)).toEqual([
    { type: 'login-refused', protocol: 'ssh', login: 'root', address: '192.0.2.1', reason: 'unknown-user' },
  ])
})

test('a scan is counted, not written one by one, and the next leaf says how many', () => {
  const { clock, changes, refuse } = setUp()
  for (let at = 0; at < 1000; at++) refuse('192.0.2.1')
  expect(changes).toHaveLength(20)
  clock.advance(60_000)
  refuse('198.51.100.7')
  expect(changes.at(-1)?.leaves).toMatchObject([{ address: '198.51.100.7', unwritten: 980 }])
})

test('a scan from many addresses is bounded as well', () => {
  const { changes, refuse } = setUp()
  for (let at = 0; at < 5000; at++) refuse(`10.${at >> 8}.${at & 255}.1`)
  expect(changes).toHaveLength(200)
})
