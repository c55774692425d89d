import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PolicyList, TargetList } from '../../src/http/api.ts'
import type { Simulation } from '../../src/procedure/explanation.ts'
import { orders, writing } from './emergency.ts'
import { startWorld, type World } from './world.ts'

let world: World
const cookies = new Map<string, string>()

beforeAll(async () => {
  world = await startWorld({ policies: [writing], targets: [orders] })
  for (const user of ['alice', 'rita', 'bob', 'otto']) cookies.set(user, await world.signIn(user))
})
afterAll(() => world.close())

async function get(path: string, user: string): Promise<{ status: number; body: unknown }> {
  const answer = await world.get(path, cookies.get(user) ?? '')
  return { status: answer.status, body: await answer.json() }
}

test('whoever oversees reads every policy and the state of the file; everyone else what is about them', async () => {
  const otto = (await get('/api/policies', 'otto')).body as PolicyList
  expect(otto.policies.map(({ name }) => name)).toEqual([writing.name])
  expect(otto.configuration).toMatchObject({ refused: null })
  expect(otto.users).toContain('alice')
  const rita = await get('/api/policies', 'rita')
  expect(rita.body).toMatchObject({ policies: [], configuration: null, users: ['rita'], mayAskAboutOthers: false })
})

test('a target is shown without where it is and how Halligan logs in there', async () => {
  const body = (await get('/api/targets', 'otto')).body as TargetList
  expect(body.targets[0]).toEqual({
    name: orders.name,
    kind: 'postgres',
    labels: orders.labels,
    accounts: orders.accounts,
    databases: 'databases' in orders ? orders.databases : [],
    isCanary: false,
    policies: [writing.name],
  })
  expect(JSON.stringify(body)).not.toContain('credential')
  expect((await get('/api/targets', 'rita')).body).toMatchObject({ targets: [] })
})

test('the page explains with the rights of the command', async () => {
  const own = await get('/api/explain?target=orders', 'alice')
  expect(own).toMatchObject({ status: 200, body: { user: 'alice', chosen: writing.name } })
  expect((await get('/api/explain?target=orders&user=alice', 'otto')).status).toBe(200)
  expect((await get('/api/explain?target=orders&user=alice', 'rita')).status).toBe(403)
  expect((await get('/api/explain?target=nowhere', 'otto')).status).toBe(404)
  expect(await get('/api/explain?target=nowhere', 'rita')).toMatchObject({
    status: 200,
    body: { rule: 'no-policy', policies: [] },
  })
})

test('a simulation is of the person who asks, unless they oversee', async () => {
  const rows = async (user: string, query = '') =>
    ((await get(`/api/simulate${query}`, user)).body as Simulation).rows.map((row) => row.user)
  expect(new Set(await rows('alice'))).toEqual(new Set(['alice']))
  expect(await rows('rita')).toEqual([])
  expect(await rows('otto', '?user=alice')).not.toEqual([])
})

const mistakes = [
  '/api/simulate?at=soon',
  '/api/simulate?at=2026-11-22&at=2026-11-23',
  '/api/simulate?from=office',
  '/api/simulate?usr=alice',
  '/api/explain?target=',
  `/api/explain?target=${'x'.repeat(200)}`,
]
for (const path of mistakes)
  test(`a mistake is told: ${path.slice(0, 50)}`, async () => {
    expect((await get(path, 'otto')).status).toBe(400)
  })
