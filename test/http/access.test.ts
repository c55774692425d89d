import { afterAll, beforeAll, expect, test } from 'vitest'
import { routes } from '../../src/http/routes.ts'
import type { Role } from '../../src/identity/user.ts'
import { orders, writing } from './emergency.ts'
import { readSocket } from './socket-reader.ts'
import { startWorld, type World } from './world.ts'

const own = 'saaaaaaaaaaaa'
const alive = 'sbbbbbbbbbbbb'
let world: World
const cookies = new Map<string, string>()

beforeAll(async () => {
  world = await startWorld({ policies: [writing], targets: [orders] })
  await world.grant({ id: 'g7f3' })
  await world.grant({
    id: 'gwaits',
    state: 'requested',
    policy: writing.name,
    policyHash: writing.hash,
    rule: `${writing.name}/approval[0]`,
    target: 'orders',
    account: 'app_readwrite',
    activatedAt: null,
    expiresAt: null,
  })
  await world.grant({ id: 'gdone', state: 'awaiting-review', endedAt: 0, reviewDueAt: 0 })
  await world.open({ id: own })
  await world.end(own)
  await world.seal(own)
  await world.open({ id: alive })
  for (const user of ['alice', 'erin', 'bob', 'rita', 'adam', 'otto']) cookies.set(user, await world.signIn(user))
})
afterAll(() => world.close())

const roleOf: Record<string, readonly Role[]> = {
  alice: ['engineer'],
  erin: ['engineer'],
  bob: ['approver'],
  rita: ['reviewer'],
  adam: ['admin', 'engineer'],
  otto: ['auditor'],
}

/** The status of a call; for websockets of the upgrade (101 when it was taken). */
async function call(
  route: (typeof routes)[number],
  options: { cookie?: string; headers?: Record<string, string>; session?: string } = {},
): Promise<number> {
  const session = options.session ?? (route.path.includes('kill') || route.kind === 'socket' ? alive : own)
  const path = route.path
    .replace('/grants/:id', '/grants/g7f3')
    .replace(':grant', 'gdone')
    .replace(':run', 'd7f3a')
    .replace(':request', 'gwaits')
    .replace(':id', session)
  if (route.kind === 'socket') {
    const origin = options.headers?.['origin']
    const socket = world.socket(path, options.cookie, origin === undefined ? {} : { origin })
    const reader = readSocket(socket)
    const opened = new Promise<number>((resolve) => socket.on('open', () => resolve(101)))
    const status = await Promise.race([opened, reader.closed.then(({ code }) => code)])
    if (status === 101) socket.terminate()
    return status
  }
  const answer =
    route.kind === 'read'
      ? await world.get(path, options.cookie, options.headers)
      : await world.post(path, {}, options.cookie, options.headers)
  await answer.text()
  return answer.status
}

for (const route of routes) {
  const name = `${route.kind} ${route.path}`
  if (route.access !== 'anyone') {
    test(`${name}: without a session nothing is given`, async () => {
      expect(await call(route)).toBe(401)
      expect(await call(route, { cookie: `__Host-halligan=${'A'.repeat(43)}` })).toBe(401)
    })
  }

  test(`${name}: another site cannot call it through the browser`, async () => {
    const cookie = cookies.get('adam') ?? ''
    expect(await call(route, { cookie, headers: { origin: 'https://evil.example' } })).toBe(403)
    if (route.kind !== 'socket') {
      expect(await call(route, { cookie, headers: { 'sec-fetch-site': 'cross-site' } })).toBe(403)
      expect(await call(route, { cookie, headers: { 'sec-fetch-site': 'same-site' } })).toBe(403)
    }
    if (route.kind === 'act') expect(await call(route, { cookie, headers: { origin: 'null' } })).toBe(403)
  })

  for (const [user, roles] of Object.entries(roleOf)) {
    if (route.path.includes('sign-out')) continue
    test(`${name}: as ${user}`, async () => {
      const status = await call(route, { cookie: cookies.get(user) ?? '' })
      expect(status).toBe(expected(route, user, roles))
    })
  }
}

function expected(route: (typeof routes)[number], user: string, roles: readonly Role[]): number {
  const overseer = roles.some((role) => ['reviewer', 'admin', 'auditor'].includes(role))
  if (route.access === 'anyone') return 400
  if (route.access !== 'signed-in' && !route.access.some((role) => roles.includes(role))) return 403
  // Sending again asks for a code before anything is looked up.
  if (route.path.endsWith('/retry')) return 403
  if (route.path.includes(':id')) {
    if (user !== 'alice' && !overseer) return 404
    if (['/kill', '/revoke', '/extend'].some((end) => route.path.endsWith(end))) return 403
  }
  if (route.path.includes(':grant')) {
    // Judging asks for a fresh code before anything is looked up.
    if (route.kind === 'act') return 403
    if (user !== 'alice' && !overseer) return 404
  }
  if (route.path.includes(':request')) {
    // Whoever asked for it, could decide on it or oversees may look; nobody acts without a fresh code.
    if (user === 'erin') return 404
    if (route.kind === 'act') return 403
  }
  if (route.path === '/api/requests/preview') return 400
  // Which target is asked about comes first.
  if (route.path === '/api/explain') return 400
  if (route.path === '/api/denials/lift') return 403
  if (route.path === '/api/requests' && route.kind === 'act') return 400
  // Both ask for a code before they look at what was sent.
  if (route.path.startsWith('/api/locks') && route.kind === 'act') return 403
  if (route.path === '/api/step-up') return 400
  // A drill breaks the glass: it asks for a fresh code first.
  if (route.kind === 'act' && route.path === '/api/drills') return 403
  return route.kind === 'socket' ? 101 : 200
}

test('the table has a rule for every route and no route twice', () => {
  const names = routes.map((route) => `${route.kind === 'act' ? 'POST' : 'GET'} ${route.path}`)
  expect(new Set(names).size).toBe(names.length)
  expect(names.length).toBe(48)
})

test('a session that is not mine reads exactly like one that does not exist', async () => {
  const cookie = cookies.get('erin') ?? ''
  for (const suffix of ['', '/lines', '/recording']) {
    const foreign = await world.get(`/api/sessions/${own}${suffix}`, cookie)
    const unknown = await world.get(`/api/sessions/szzzzzzzzzzzz${suffix}`, cookie)
    expect(foreign.status).toBe(404)
    expect(await foreign.text()).toBe(await unknown.text())
  }
})

test('engineers list their own sessions, overseers all', async () => {
  const count = async (user: string) => {
    const answer = await world.get('/api/sessions', cookies.get(user) ?? '')
    return ((await answer.json()) as { sessions: unknown[] }).sessions.length
  }
  expect(await count('alice')).toBe(2)
  expect(await count('erin')).toBe(0)
  expect(await count('bob')).toBe(0)
  for (const user of ['rita', 'adam', 'otto']) expect(await count(user)).toBe(2)
})

test('a flood pipelined by one person is turned away, and costs nobody else an answer', async () => {
  const { connect } = await import('node:net')
  const { host } = new URL(world.server.url)
  const socket = connect(world.server.port, '127.0.0.1')
  const head = `GET /api/sessions HTTP/1.1\r\nHost: ${host}\r\nCookie: ${cookies.get('alice') ?? ''}\r\n\r\n`
  const { promise: flooded, resolve } = Promise.withResolvers<void>()
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
    if (text.includes('HTTP/1.1 503')) resolve()
  })
  socket.write(head.repeat(500))
  expect((await world.get('/api/sessions', cookies.get('rita') ?? '')).status).toBe(200)
  await flooded
  expect(text).toContain('HTTP/1.1 200')
  socket.destroy()
})

test('a name that was pointed here is refused', async () => {
  const { request } = await import('node:http')
  const status = await new Promise<number>((resolve, reject) => {
    request(
      { host: '127.0.0.1', port: world.server.port, path: '/api/me', headers: { host: 'evil.example' } },
      (answer) => {
        answer.resume()
        resolve(answer.statusCode ?? 0)
      },
    )
      .on('error', reject)
      .end()
  })
  expect(status).toBe(400)
})
