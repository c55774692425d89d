import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AlertPage } from '../../src/http/api.ts'
import { startWorld, type World } from './world.ts'

let world: World
let adam: string
let rita: string
beforeAll(async () => {
  world = await startWorld()
  adam = await world.signIn('adam')
  rita = await world.signIn('rita')
  const at = Date.now()
  const alerts = ['taken', 'waiting', 'dead', 'dead-too'].map((id) => ({
    id,
    channel: 'desk',
    type: 'grant.activated',
    at,
    payload: { grant: 'g7f3', via: { outside: true, configuration: 'mark' } },
  }))
  await world.state.commit({ at, writes: [], leaves: [], alerts })
  await world.state.commit({
    at,
    writes: [
      { kind: 'alert-failed', id: 'waiting', nextAt: at + 1000, error: 'desk refused' },
      { kind: 'alert-dead', id: 'dead', at, error: 'desk is gone' },
      { kind: 'alert-dead', id: 'dead-too', at, error: 'desk is gone' },
    ],
    leaves: [],
  })
})
afterAll(() => world.close())

const page = async (cookie: string) => (await (await world.get('/api/alerts', cookie)).json()) as AlertPage
const retried = () => world.state.leavesWritten.filter(({ type }) => type === 'alert-retried')

test('what no channel has taken is told apart from what is only recent', async () => {
  const { alerts, owed, may } = await page(rita)
  expect(alerts.map(({ id }) => id).sort()).toEqual(['dead', 'dead-too', 'taken', 'waiting'])
  expect(owed.map(({ id, deadAt }) => [id, deadAt !== null])).toEqual([
    ['dead-too', true],
    ['dead', true],
    ['waiting', false],
  ])
  expect(may).toEqual({ retry: false })
  expect(JSON.stringify(owed)).not.toContain('mark')
})

test('an admin sends one again with a code, once; a reviewer never', async () => {
  const retry = (id: string, cookie = adam) => world.post(`/api/alerts/${id}/retry`, {}, cookie)
  expect((await retry('dead', rita)).status).toBe(403)
  expect(await (await retry('dead')).json()).toMatchObject({ code: 'mfa_required' })
  expect(retried()).toEqual([])
  await world.stepUp('adam', adam)
  expect(await (await retry('dead')).json()).toEqual({ retried: 1 })
  expect((await retry('dead')).status).toBe(409)
  for (const id of ['taken', 'waiting', 'nothing', '%2e%2e', 'x'.repeat(2000)])
    expect((await retry(id)).status).toBeGreaterThanOrEqual(400)
  expect(retried()).toEqual([{ type: 'alert-retried', alert: 'dead', by: 'adam' }])
})

test('all that was given up is sent again, and then nothing is', async () => {
  expect(await (await world.post('/api/alerts/retry', {}, adam)).json()).toEqual({ retried: 1 })
  expect(await (await world.post('/api/alerts/retry', {}, adam)).json()).toEqual({ retried: 0 })
  expect((await page(adam)).owed.map(({ deadAt }) => deadAt)).toEqual([null, null, null])
})
