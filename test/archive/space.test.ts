import { expect, test } from 'vitest'
import { levelOf, type Space, type SpaceLevel, SpaceWatch } from '../../src/archive/space.ts'

const floors = { bulkBelow: 0.2, sessionsBelow: 0.05, endBelow: 0.01 }
const gib = 1024 ** 3
const small = (share: number): Space => ({ leftBytes: share * gib, totalBytes: gib })

for (const { share, before, want } of [
  { share: 0.9, before: 'ample', want: 'ample' },
  { share: 0.2, before: 'ample', want: 'ample' },
  { share: 0.199, before: 'ample', want: 'low' },
  { share: 0.049, before: 'ample', want: 'lowest' },
  { share: 0.009, before: 'ample', want: 'last' },
  { share: 0, before: 'lowest', want: 'last' },
  // Left only when there is clearly more.
  { share: 0.24, before: 'low', want: 'low' },
  { share: 0.26, before: 'low', want: 'ample' },
  { share: 0.06, before: 'lowest', want: 'lowest' },
  { share: 0.07, before: 'lowest', want: 'low' },
  { share: 0.012, before: 'last', want: 'last' },
  { share: 0.013, before: 'last', want: 'lowest' },
  { share: 0.24, before: 'last', want: 'low' },
] as const)
  test(`${share * 100} % left after ${before} is ${want}`, () => {
    expect(levelOf(small(share), floors, before)).toBe(want)
  })

test('of a large disk no floor asks for a fifth', () => {
  const large = (leftBytes: number): Space => ({ leftBytes, totalBytes: 10_000 * gib })
  expect(levelOf(large(17 * gib), floors, 'ample')).toBe('ample')
  expect(levelOf(large(15 * gib), floors, 'ample')).toBe('low')
  expect(levelOf(large(3 * gib), floors, 'ample')).toBe('lowest')
})

test('a floor of 0 is none, and a file system that does not say its size has room', () => {
  expect(levelOf(small(0), { bulkBelow: 0, sessionsBelow: 0, endBelow: 0 }, 'ample')).toBe('ample')
  expect(levelOf({ leftBytes: 0, totalBytes: 0 }, floors, 'ample')).toBe('ample')
})

test('each floor is told of once, however the space goes up and down on it', async () => {
  let share = 1
  const told: SpaceLevel[] = []
  const watch = new SpaceWatch({
    measure: () => Promise.resolve(small(share)),
    floors: () => floors,
    onScarcer: (level) => told.push(level),
  })
  for (share of [0.21, 0.19, 0.21, 0.19, 0.049, 0.051, 0.049, 0.2, 0.04]) await watch.look()
  expect(told).toEqual(['low', 'lowest', 'lowest'])
  share = 0.5
  await watch.look()
  expect(watch.bulkRefusal()).toBeUndefined()
  share = 0.1
  await watch.look()
  expect(told.at(-1)).toBe('low')
  expect(watch.bulkRefusal()).toMatchObject({ code: 'recorder_failed' })
})

test('a new session is looked after with what is left at that moment', async () => {
  let share = 0.9
  const watch = new SpaceWatch({
    measure: () => Promise.resolve(small(share)),
    floors: () => floors,
    onScarcer: () => {},
  })
  await watch.checkNewSession()
  share = 0.1
  await watch.checkNewSession()
  share = 0.04
  await expect(watch.checkNewSession()).rejects.toMatchObject({ code: 'unavailable' })
})
