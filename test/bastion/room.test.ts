import { expect, test } from 'vitest'
import { Room } from '../../src/bastion/room.ts'
import { HalliganError } from '../../src/errors.ts'
import type { Session, SessionEnd } from '../../src/session/session.ts'
import type { Change } from '../../src/session/state.ts'
import { FakeClock } from '../support/clock.ts'

const session = { id: 's1', user: 'alice', target: 'web-1', account: 'deploy', address: '192.0.2.1' } as Session
const mib = 1 << 20

function setUp() {
  const clock = new FakeClock()
  const changes: Change[] = []
  const ended: { readonly session: string; readonly end: SessionEnd }[] = []
  const disk = { leftBytes: 900 * mib, totalBytes: 1000 * mib }
  const trouble: { journal?: HalliganError } = {}
  const room = new Room({
    measure: () => Promise.resolve({ ...disk }),
    floors: () => ({ bulkBelow: 0.2, sessionsBelow: 0.05, endBelow: 0.01 }),
    channels: () => ['security'],
    clock,
    state: {
      commit: async (change) => {
        changes.push(change)
        return { size: changes.length, root: '' }
      },
    },
    registry: { endSession: (id, end) => ended.push({ session: id, end }) > 0 },
    nudge: () => {},
    journalProblem: () => trouble.journal,
  })
  const leaves = () => changes.flatMap((change) => change.leaves)
  const alerts = () =>
    changes.flatMap((change) => (change.alerts ?? []).map(({ type, payload }) => ({ type, payload })))
  return { clock, disk, trouble, room, ended, leaves, alerts }
}

test('a session refused for want of room is a leaf with its code, and people are told once', async () => {
  const { disk, room, leaves, alerts } = setUp()
  await room.check(session)
  expect(leaves()).toEqual([])
  disk.leftBytes = 40 * mib
  await expect(room.check(session)).rejects.toMatchObject({ code: 'unavailable' })
  await expect(room.check(session)).rejects.toMatchObject({ code: 'unavailable' })
  const refused = { type: 'admission-refused', user: 'alice', target: 'web-1', account: 'deploy', address: '192.0.2.1' }
  expect(leaves()).toEqual([
    { ...refused, code: 'unavailable' },
    { ...refused, code: 'unavailable' },
  ])
  expect(alerts()).toMatchObject([{ type: 'space.scarce', payload: { level: 'lowest', leftMib: 40 } }])
})

test('so is one refused because the journal failed', async () => {
  const { trouble, room, leaves } = setUp()
  trouble.journal = new HalliganError('unavailable', 'no session can be recorded')
  await expect(room.check(session)).rejects.toBe(trouble.journal)
  expect(leaves()).toMatchObject([{ type: 'admission-refused', code: 'unavailable' }])
})

test('a program that tries again and again is counted, by person and for all', async () => {
  const { clock, disk, room, leaves } = setUp()
  disk.leftBytes = 0
  for (let n = 0; n < 50; n++) await room.check(session).catch(() => {})
  expect(leaves()).toHaveLength(5)
  for (let n = 0; n < 100; n++) await room.check({ ...session, user: `user-${n}` }).catch(() => {})
  expect(leaves()).toHaveLength(60)
  clock.advance(60_000)
  await room.check(session).catch(() => {})
  expect(leaves()[5]).toMatchObject({ user: 'user-0', unwritten: 45 })
  expect(leaves().at(-1)).toMatchObject({ user: 'alice', unwritten: 45 })
})

test('at the last, whoever wrote most is ended first, then the next, and nobody who only types', async () => {
  const { disk, room, ended } = setUp()
  room.written.add('typing', 5000)
  room.written.add('upload', 50 * mib)
  room.written.add('export', 9 * mib)
  disk.leftBytes = 20 * mib
  await room.look()
  expect(ended).toEqual([])
  disk.leftBytes = 5 * mib
  for (let n = 0; n < 4; n++) await room.look()
  expect(ended.map((one) => one.session)).toEqual(['upload', 'export'])
  expect(ended[0]?.end).toMatchObject({ reason: 'no-room', code: 'recorder_failed' })
})

test('when there is room again, nobody is ended', async () => {
  const { disk, room, ended } = setUp()
  room.written.add('upload', 50 * mib)
  room.written.add('export', 9 * mib)
  disk.leftBytes = 5 * mib
  await room.look()
  disk.leftBytes = 500 * mib
  await room.look()
  expect(ended.map((one) => one.session)).toEqual(['upload'])
  expect(room.bulkRefusal()).toBeUndefined()
})
