import { expect, test } from 'vitest'
import { watchFile } from '../../src/bastion/file-watch.ts'
import { FakeClock } from '../support/clock.ts'

async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
}

test('a file that keeps changing is left alone until it stops, and then looked at once', async () => {
  const clock = new FakeClock()
  let state = 'one'
  const seen: string[] = []
  const stop = watchFile(
    clock,
    () => state,
    async () => seen.push(state),
  )
  const look = async (next = state) => {
    state = next
    clock.advance(2000)
    await settle()
  }
  await look()
  expect(seen).toEqual(['one'])
  for (const half of ['t', 'tw', 'two']) await look(half)
  expect(seen).toEqual(['one'])
  await look()
  await look()
  expect(seen).toEqual(['one', 'two'])
  await look('gone: ENOENT')
  await look()
  expect(seen).toEqual(['one', 'two', 'gone: ENOENT'])
  await stop()
  await look('three')
  await look()
  expect(seen).toHaveLength(3)
})

test('a look that fails is not the last', async () => {
  const clock = new FakeClock()
  let runs = 0
  let state = 'one'
  const stop = watchFile(
    clock,
    () => state,
    () => Promise.reject(new Error(`run ${(runs += 1)}`)),
  )
  for (const next of ['one', 'two', 'two']) {
    state = next
    clock.advance(2000)
    await settle()
  }
  expect(runs).toBe(2)
  await stop()
})
