import { afterAll, beforeAll, expect, test } from 'vitest'
import type { GrantList } from '../../src/http/api.ts'
import { startWorld, type World } from './world.ts'

let world: World
let adam: string
let alice: string
beforeAll(async () => {
  world = await startWorld()
  adam = await world.signIn('adam')
  alice = await world.signIn('alice')
})
afterAll(() => world.close())

test('an admin kills with a code and a reason, and not without', async () => {
  const id = 'saaaaaaaaaaaa'
  await world.open({ id })
  const kill = (body: unknown) => world.post(`/api/sessions/${id}/kill`, body, adam)
  expect(await (await kill({ reason: 'wrong host' })).json()).toMatchObject({ code: 'mfa_required', status: 403 })
  expect(world.kills).toEqual([])
  await world.stepUp('adam', adam)
  for (const reason of ['', '  ', 'x', 'a'.repeat(501), 'two\nlines', 'esc \u001b[2J', undefined, 7])
    expect((await kill({ reason })).status).toBe(400)
  expect((await kill({ reason: '  wrong host ' })).status).toBe(200)
  expect(world.kills).toEqual([{ session: id, by: 'adam', reason: 'wrong host' }])
  expect((await kill({ reason: 'once more' })).status).toBe(409)
})

test('the owner gives a grant back, an admin revokes it, nobody ends it twice', async () => {
  await world.grant({ id: 'g2' })
  await world.grant({ id: 'g3' })
  await world.grant({ id: 'g4', expiresAt: Date.now() - 1 })
  await world.stepUp('alice', alice)
  const list = (await (await world.get('/api/grants', alice)).json()) as GrantList
  expect(list.grants.map(({ id, may }) => ({ id, may })).sort((a, b) => (a.id < b.id ? -1 : 1))).toEqual([
    { id: 'g2', may: { end: true, extend: false } },
    { id: 'g3', may: { end: true, extend: false } },
  ])
  expect(Math.abs(list.now - Date.now())).toBeLessThan(5_000)
  expect((await world.post('/api/grants/g2/revoke', { reason: 'done here' }, alice)).status).toBe(200)
  expect((await world.post('/api/grants/g3/revoke', { reason: 'not an emergency' }, adam)).status).toBe(200)
  expect((await world.post('/api/grants/g3/revoke', { reason: 'not an emergency' }, adam)).status).toBe(409)
  const ends = world.state.leavesWritten.filter((leaf) => leaf.type === 'grant-ended')
  expect(ends).toMatchObject([
    { grant: 'g2', how: 'returned', by: 'alice' },
    { grant: 'g3', how: 'revoked', by: 'adam' },
  ])
})

test.each([
  ['a body that is too large', JSON.stringify({ reason: 'x'.repeat(20_000) }), 'application/json', 400],
  ['a body that is no JSON', '{"reason":', 'application/json', 400],
  ['a form', 'reason=because', 'application/x-www-form-urlencoded', 400],
  ['plain text', '{"reason":"because of it"}', 'text/plain', 400],
  ['a prototype in the body', '{"__proto__":{"reason":"because"}}', 'application/json', 400],
])('%s is refused', async (_name, body, type, want) => {
  const answer = await fetch(`http://127.0.0.1:${world.server.port}/api/grants/g2/revoke`, {
    method: 'POST',
    headers: { origin: world.origin, cookie: adam, 'content-type': type },
    body,
  })
  expect(answer.status).toBe(want)
  expect(answer.headers.get('content-type')).toContain('application/problem+json')
})

test('alerts carry their receipts, the ledger its head', async () => {
  const { alerts } = (await (await world.get('/api/alerts', adam)).json()) as { alerts: unknown[] }
  expect(alerts[0]).toMatchObject({ channel: 'sec', type: 'grant.activated', receipt: '200 OK msg_2Yb…' })
  const head = (await (await world.get('/api/ledger/head', alice)).json()) as { size: number; root: string }
  expect(head.size).toBeGreaterThan(3)
  expect(head.root).toMatch(/^[0-9a-f]{64}$/)
  expect(head).toMatchObject({ anchored: { promisedMs: 5_000, windowMs: 4_000, places: [{ name: 'vault' }, {}] } })
})

test('every answer forbids sniffing, framing and referrers, and runs nothing', async () => {
  for (const path of ['/', '/api/me', '/api/links/peek', '/nothing.js', '/assets/../server.ts']) {
    const { headers } = await world.get(path, adam)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(headers.get('cross-origin-opener-policy')).toBe('same-origin')
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin')
    expect(headers.get('x-frame-options')).toBe('DENY')
  }
  const { headers } = await world.get('/api/me', adam)
  expect(headers.get('cache-control')).toBe('no-store')
  expect(headers.get('content-security-policy')).toContain("default-src 'none'")
})
