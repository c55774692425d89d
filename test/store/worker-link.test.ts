import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { mostPendingCalls } from '../../src/store/message.ts'
import { WorkerLink } from '../../src/store/worker-link.ts'
import { FakeClock } from '../support/clock.ts'

function linkTo(code: string, clock = new FakeClock()): WorkerLink {
  return new WorkerLink(new Worker(code, { eval: true }), clock)
}

for (const { name, code } of [
  { name: 'exits', code: "require('worker_threads').parentPort.on('message', () => process.exit(3))" },
  { name: 'throws', code: "require('worker_threads').parentPort.on('message', () => { throw new Error('boom') })" },
])
  test(`a worker that ${name} fails the calls that wait and every later one`, async () => {
    const link = linkTo(code)
    const outcomes = await Promise.allSettled([link.call('setting', 'a'), link.call('setting', 'b')])
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'store_failed' } })
    await expect(link.call('setting', 'c')).rejects.toMatchObject({ code: 'store_failed' })
    await link.close()
  })

test('calls beyond the limit are refused at once', async () => {
  const clock = new FakeClock()
  const link = linkTo("require('worker_threads').parentPort.on('message', () => {})", clock)
  const change = { writes: [], leaves: [], alerts: [] }
  const waiting = Array.from({ length: mostPendingCalls }, () => link.call('commit', change))
  await expect(link.call('setting', 'b')).rejects.toMatchObject({ code: 'store_failed' })
  const closed = link.close()
  clock.advance(10_000)
  await closed
  for (const outcome of await Promise.allSettled(waiting)) expect(outcome.status).toBe('rejected')
})

test('however many ask, there is room for what must be written', async () => {
  const clock = new FakeClock()
  const link = linkTo("require('worker_threads').parentPort.on('message', () => {})", clock)
  const waiting = Array.from({ length: mostPendingCalls }, () => link.call('setting', 'a'))
  const refused = await Promise.race(
    [...waiting, link.call('setting', 'b')].map((call) => call.catch((e: unknown) => e)),
  )
  expect(refused).toMatchObject({ code: 'store_failed' })
  let isRefused = false
  const commit = link.call('commit', { writes: [], leaves: [], alerts: [] }).catch(() => {
    isRefused = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  expect(isRefused).toBe(false)
  const closed = link.close()
  clock.advance(10_000)
  await closed
  await Promise.allSettled([...waiting, commit])
})

test('closing does not wait for ever for a worker whose disk is stuck', async () => {
  const clock = new FakeClock()
  const link = linkTo("require('worker_threads').parentPort.on('message', () => {})", clock)
  const stuck = expect(link.call('setting', 'a')).rejects.toMatchObject({ code: 'store_failed' })
  const closed = link.close()
  clock.advance(10_000)
  await closed
  await stuck
})
