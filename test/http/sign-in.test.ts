import { afterAll, beforeAll, expect, test } from 'vitest'
import { LINK_LIFETIME_MS, Links } from '../../src/http/links.ts'
import { ABSOLUTE_MS, IDLE_MS, REMEMBERED_MS, WebSessions } from '../../src/http/web-session.ts'
import { startHttp } from '../../src/http/server.ts'
import type { User } from '../../src/identity/user.ts'
import { FakeClock } from '../support/clock.ts'
import { startWorld, type World } from './world.ts'
import { randomBytes } from 'node:crypto'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world.close())

const rita: User = { name: 'rita', groups: [], roles: ['reviewer'], keys: [] }

test('a link shows whose account it is, signs in once, and both are in the ledger', async () => {
  const link = await world.server.issueLink('rita', '127.0.0.1')
  expect(link).toMatch(/^http:\/\/localhost:\d+\/#once=[\w-]{22}$/)
  const token = link.split('#once=')[1]
  const peeked = await world.post('/api/links/peek', { token })
  expect(await peeked.json()).toEqual({ user: 'rita', installation: 'test-house' })
  const redeemed = await world.post('/api/links/redeem', { token })
  expect(redeemed.status).toBe(200)
  const cookie = redeemed.headers.get('set-cookie') ?? ''
  expect(cookie).toMatch(/^__Host-halligan=[\w-]{43}; Max-Age=28800; Path=\/; HttpOnly; Secure; SameSite=Strict$/)
  expect((await world.post('/api/links/redeem', { token })).status).toBe(403)
  expect((await world.post('/api/links/peek', { token })).status).toBe(403)
  const types = world.state.leavesWritten.map((leaf) => leaf.type)
  expect(types).toContain('web-link-issued')
  expect(types).toContain('web-login')
  expect(world.refusals).toContain('bad-link')
})

test('a link opens nothing from another address, and trying does not spend it', async () => {
  const token = (await world.server.issueLink('rita', '192.0.2.9')).split('#once=')[1]
  expect((await world.post('/api/links/redeem', { token })).status).toBe(403)
  const links = new Links(new FakeClock(), randomBytes)
  const kept = links.mint('rita', '192.0.2.9')
  expect(() => links.redeem(kept, '127.0.0.1')).toThrow()
  expect(links.redeem(kept, '192.0.2.9')).toBe('rita')
})

test('a link is for a known user only', async () => {
  await expect(world.server.issueLink('mallory', '127.0.0.1')).rejects.toMatchObject({ code: 'not_found' })
})

test('a link dies after a minute, one without end at its first use; loopback forms are one address', () => {
  const clock = new FakeClock()
  const links = new Links(clock, randomBytes)
  const short = links.mint('rita', '::1')
  const long = links.mint('rita', '::ffff:127.0.0.1', Infinity)
  clock.advance(LINK_LIFETIME_MS - 1)
  expect(links.peek(short, '127.0.0.1')).toBe('rita')
  clock.advance(1)
  expect(() => links.peek(short, '127.0.0.1')).toThrow(expect.objectContaining({ code: 'denied' }))
  clock.advance(86_400_000)
  clock.step(-86_400_000)
  expect(links.redeem(long, '127.0.0.1')).toBe('rita')
  expect(() => links.redeem(long, '127.0.0.1')).toThrow(expect.objectContaining({ code: 'denied' }))
})

test.each([{ token: 'short' }, { token: 7 }, {}, 'x', null, { token: '../../../etc/passwd...' }])(
  'a malformed link %j is a clear refusal',
  async (body) => {
    const answer = await world.post('/api/links/redeem', body)
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ code: 'usage', status: 400 })
  },
)

test('a session ends when idle, at the end of the shift, and not when the wall clock steps', () => {
  const clock = new FakeClock()
  const sessions = new WebSessions(clock, randomBytes)
  const token = sessions.open(rita, '127.0.0.1')
  const session = sessions.find(token)
  clock.step(-365 * 86_400_000)
  clock.advance(IDLE_MS - 1)
  expect(sessions.find(token)).toBeDefined()
  clock.advance(IDLE_MS)
  expect(sessions.find(token)).toBeUndefined()
  expect(session?.signal.aborted).toBe(true)

  const busy = sessions.open(rita, '127.0.0.1')
  for (let ms = 0; ms < ABSOLUTE_MS - 60_000; ms += 60_000) {
    clock.advance(60_000)
    expect(sessions.find(busy)).toBeDefined()
  }
  clock.advance(60_000)
  expect(sessions.find(busy)).toBeUndefined()
})

test('a code given here counts for a while, in this session only', () => {
  const clock = new FakeClock()
  const sessions = new WebSessions(clock, randomBytes)
  const here = sessions.find(sessions.open(rita, '127.0.0.1'))
  const there = sessions.find(sessions.open(rita, '127.0.0.1'))
  if (here === undefined || there === undefined) throw new Error('no session')
  sessions.stepUp(here)
  expect(sessions.steppedUp(here)).toEqual({ freshForMs: 300_000, rememberedForMs: REMEMBERED_MS })
  expect(sessions.steppedUp(there)).toEqual({ freshForMs: 0, rememberedForMs: 0 })
  clock.advance(REMEMBERED_MS)
  expect(sessions.steppedUp(here)).toEqual({ freshForMs: 0, rememberedForMs: 0 })
})

test('a person has at most twenty sessions: the oldest ends', () => {
  const sessions = new WebSessions(new FakeClock(), randomBytes)
  const tokens = Array.from({ length: 21 }, () => sessions.open(rita, '127.0.0.1'))
  expect(tokens.filter((token) => sessions.find(token) !== undefined)).toEqual(tokens.slice(1))
})

test('me says who, and signing out ends the session everywhere', async () => {
  const cookie = await world.signIn('rita')
  const me = (await (await world.get('/api/me', cookie)).json()) as Record<string, unknown>
  expect(me).toMatchObject({ user: 'rita', roles: ['reviewer'], stepUp: { freshForMs: 0, rememberedForMs: 0 } })
  expect(Math.abs(Number(me['now']) - Date.now())).toBeLessThan(5_000)
  expect((await world.post('/api/sign-out', {}, cookie)).headers.get('set-cookie')).toContain('Max-Age=0')
  expect((await world.get('/api/me', cookie)).status).toBe(401)
})

test.each([
  ['', 'mfa_required'],
  ['000000', 'code_wrong'],
  ['not a code', 'code_wrong'],
])('stepping up with %j is refused with %s', async (code, want) => {
  const cookie = await world.signIn('otto')
  const answer = await world.post('/api/step-up', { code }, cookie)
  expect(answer.status).toBe(403)
  expect(await answer.json()).toMatchObject({ code: want })
})

test('a code steps up once', async () => {
  const cookie = await world.signIn('bob')
  const code = world.code('bob')
  expect((await world.post('/api/step-up', { code }, cookie)).status).toBe(200)
  expect(await (await world.post('/api/step-up', { code }, cookie)).json()).toMatchObject({ code: 'code_replayed' })
})

test('the listener refuses to speak plain HTTP to a network', async () => {
  const options = { host: '0.0.0.0', port: 0, trustedProxies: [] } as unknown as Parameters<typeof startHttp>[0]
  await expect(startHttp(options)).rejects.toMatchObject({ code: 'config_invalid' })
})

test('behind a trusted proxy the address is the forwarded one; from anyone else the header counts nothing', async () => {
  const proxied = await startWorld({ trustedProxies: ['127.0.0.1'], origins: ['https://bastion.example'] })
  const headers = { host: 'bastion.example', 'x-forwarded-for': '198.51.100.7' }
  const ask = async (link: string) => {
    const { request } = await import('node:http')
    const body = JSON.stringify({ token: link.split('#once=')[1] })
    return new Promise<number>((resolve, reject) => {
      const asked = request(
        {
          host: '127.0.0.1',
          port: proxied.server.port,
          path: '/api/links/peek',
          method: 'POST',
          headers: { ...headers, origin: 'https://bastion.example', 'content-type': 'application/json' },
        },
        (answer) => {
          answer.resume()
          resolve(answer.statusCode ?? 0)
        },
      )
      asked.on('error', reject)
      asked.end(body)
    })
  }
  expect(await ask(await proxied.server.issueLink('rita', '198.51.100.7'))).toBe(200)
  expect(await ask(await proxied.server.issueLink('rita', '127.0.0.1'))).toBe(403)
  expect(await proxied.server.issueLink('rita', '127.0.0.1')).toMatch(/^https:\/\/bastion\.example\/#once=/)
  await proxied.close()
  const link = await world.server.issueLink('rita', '198.51.100.7')
  const answer = await world.post(
    '/api/links/peek',
    { token: link.split('#once=')[1] },
    undefined,
    headersOnly(headers),
  )
  expect(answer.status).toBe(403)
})

function headersOnly({ 'x-forwarded-for': forwarded }: { 'x-forwarded-for': string }): Record<string, string> {
  return { 'x-forwarded-for': forwarded }
}
