import { afterEach, beforeEach, expect, test } from 'vitest'
import type { RequestDetail, RequestList, RequestOffer, RequestOutcome } from '../../src/http/api.ts'
import type { Problem } from '../../src/http/problem.ts'
import { issueBypass } from '../../src/procedure/bypass.ts'
import { FakeClock } from '../support/clock.ts'
import { orders, writing } from './emergency.ts'
import { readSocket } from './socket-reader.ts'
import { startWorld, type World } from './world.ts'

const reason = 'payments are stuck since the outage'
const longReason = 'nobody answers and payments have been stuck for an hour'
const ask = { target: 'orders', account: 'app_readwrite', trigger: 'customer-impact', reason }

let clock: FakeClock
let world: World
beforeEach(async () => {
  clock = new FakeClock()
  world = await startWorld({ clock, policies: [writing], targets: [orders] })
})
afterEach(() => world.close())

/** A browser session that has just given a code. */
async function fresh(user: string): Promise<string> {
  const cookie = await world.signIn(user)
  clock.advance(60_000)
  await world.stepUp(user, cookie)
  return cookie
}

interface Answer<T> {
  readonly status: number
  readonly body: T & Partial<Problem>
}

async function answer<T>(response: Promise<Response>): Promise<Answer<T>> {
  const got = await response
  return { status: got.status, body: (await got.json()) as T & Partial<Problem> }
}

const post = (path: string, body: unknown, cookie?: string) => answer<RequestOutcome>(world.post(path, body, cookie))

async function waiting(): Promise<{ id: string; alice: string }> {
  const alice = await fresh('alice')
  const { status, body } = await post('/api/requests', ask, alice)
  expect(status).toBe(200)
  expect(body.request.grant.state).toBe('requested')
  return { id: body.request.grant.id, alice }
}

test('what I would get is told before anything is asked for, and asking writes nothing', async () => {
  const cookie = await world.signIn('alice')
  const before = world.state.leavesWritten.length
  const { body } = await answer<RequestOffer>(
    world.get('/api/requests/preview?target=orders&account=app_readwrite', cookie),
  )
  expect(body.offer).toMatchObject({
    kind: 'open',
    policy: 'database-emergency',
    rule: 'database-emergency/approval[0]',
    required: 1,
    approvers: ['bob'],
    overrideAfterMs: 120_000,
    durationMs: 1_800_000,
    told: ['sec'],
    missing: ['trigger', 'reason'],
  })
  const least = await answer<RequestOffer>(world.get('/api/requests/preview?target=orders', cookie))
  expect(least.body.offer).toMatchObject({ account: 'app_readonly', required: 0 })
  const unknown = await answer<RequestOffer>(world.get('/api/requests/preview?target=nowhere', cookie))
  expect(unknown.body.offer).toMatchObject({ kind: 'deny', rule: 'no-policy' })
  expect(world.state.leavesWritten.length).toBe(before)
})

test('breaking the glass from the page needs a code, given before or with it', async () => {
  const cookie = await world.signIn('alice')
  expect(await post('/api/requests', ask, cookie)).toMatchObject({ status: 403, body: { code: 'mfa_required' } })
  expect(await post('/api/requests', { ...ask, code: '000000' }, cookie)).toMatchObject({
    body: { code: 'code_wrong' },
  })
  clock.advance(60_000)
  const done = await post('/api/requests', { ...ask, account: 'app_readonly', code: world.code('alice') }, cookie)
  expect(done.body.request.grant).toMatchObject({ state: 'active', account: 'app_readonly', vouchedBy: null })
  // It was a second factor of her own: it counts for this session from now on.
  expect((await post('/api/requests', ask, cookie)).body.request.grant.state).toBe('requested')
})

test('asking twice, and a double click, is asking once', async () => {
  const alice = await fresh('alice')
  const all = await Promise.all([1, 2, 3].map(() => post('/api/requests', ask, alice)))
  expect(new Set(all.map(({ body }) => body.request.grant.id)).size).toBe(1)
})

test('a refused request says which rule refused it, and is a leaf', async () => {
  const bob = await fresh('bob')
  expect(await post('/api/requests', ask, bob)).toMatchObject({ status: 403, body: { code: 'denied' } })
  expect(world.state.leavesWritten.at(-1)).toMatchObject({ type: 'admission-refused', user: 'bob' })
})

test('who waits sees who was asked; who was asked sees who waits and why; nobody else sees anything', async () => {
  const { id, alice } = await waiting()
  world.announced.set(id, clock.now())
  const mine = (await answer<RequestList>(world.get('/api/requests', alice))).body
  expect(mine.mine).toMatchObject([
    { grant: { id }, waiting: { asked: ['bob'], announcedAt: clock.now(), overrideInMs: 120_000 } },
  ])
  expect(JSON.stringify(mine)).not.toContain('SHA256:')
  const bobs = (await answer<RequestList>(world.get('/api/requests', await world.signIn('bob')))).body
  expect(bobs.pending).toMatchObject([{ grant: { id, user: 'alice', reason }, may: { decide: true, override: false } }])
  const erins = (await answer<RequestList>(world.get('/api/requests', await world.signIn('erin')))).body
  expect([erins.pending, erins.mine]).toEqual([[], []])
})

test('the link of an alert opens nothing by itself: followed, guessed, forwarded or used again', async () => {
  const { id } = await waiting()
  const before = world.state.leavesWritten.length
  // Not signed in.
  expect((await world.get(`/api/requests/${id}`)).status).toBe(401)
  expect((await world.post(`/api/requests/${id}/approve`, { comment: '' })).status).toBe(401)
  // Forwarded to somebody who was not asked: as if it did not exist.
  const erin = await fresh('erin')
  const foreign = await world.get(`/api/requests/${id}`, erin)
  const guessed = await world.get('/api/requests/gzzzzz', erin)
  expect([foreign.status, guessed.status]).toEqual([404, 404])
  expect(await foreign.text()).toBe(await guessed.text())
  expect((await post(`/api/requests/${id}/approve`, {}, erin)).status).toBe(404)
  // Looking changes nothing, for whoever may look.
  const bob = await world.signIn('bob')
  for (const path of ['', '/approve', '/deny', '/override'])
    await (await world.get(`/api/requests/${id}${path}`, bob)).text()
  expect((await world.state.grant(id))?.state).toBe('requested')
  // Signed in with the role, without a code.
  expect(await post(`/api/requests/${id}/approve`, {}, bob)).toMatchObject({ body: { code: 'mfa_required' } })
  expect(world.state.leavesWritten.slice(before).map(({ type }) => type)).not.toContain('grant-approved')
})

test('bob approves with a fresh code: alice is in, and the link then shows how it was decided', async () => {
  const { id } = await waiting()
  const bob = await fresh('bob')
  const { body } = await post(`/api/requests/${id}/approve`, { comment: 'go, I am watching' }, bob)
  expect(body.request.grant).toMatchObject({
    state: 'active',
    approvals: [{ by: 'bob', comment: 'go, I am watching' }],
  })
  expect(await post(`/api/requests/${id}/approve`, {}, bob)).toMatchObject({ status: 409, body: { code: 'conflict' } })
  expect((await answer<RequestDetail>(world.get(`/api/requests/${id}`, bob))).body.request).toMatchObject({
    grant: { state: 'active' },
    waiting: null,
    may: { decide: false },
  })
})

test('a code of ten minutes ago decides nothing any more', async () => {
  const { id } = await waiting()
  const bob = await fresh('bob')
  clock.advance(5 * 60_000)
  expect(await post(`/api/requests/${id}/approve`, {}, bob)).toMatchObject({ body: { code: 'mfa_required' } })
})

test('an approval and a denial from two phones at once have one outcome', async () => {
  const { id } = await waiting()
  const bob = await fresh('bob')
  const both = await Promise.all([
    post(`/api/requests/${id}/approve`, {}, bob),
    post(`/api/requests/${id}/deny`, { comment: 'not now' }, bob),
  ])
  expect(both.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409])
})

test('a denial says why, to the person as well, and takes the way alone for four hours unless it is lifted', async () => {
  const { id, alice } = await waiting()
  const bob = await fresh('bob')
  expect(await post(`/api/requests/${id}/deny`, {}, bob)).toMatchObject({ status: 400, body: { code: 'usage' } })
  await post(`/api/requests/${id}/deny`, { comment: 'use the read replica' }, bob)
  expect((await answer<RequestDetail>(world.get(`/api/requests/${id}`, alice))).body).toMatchObject({
    request: { grant: { state: 'denied', rule: 'database-emergency/approval[0]' } },
    denial: { by: 'bob', comment: 'use the read replica' },
  })
  const preview = '/api/requests/preview?target=orders&account=app_readwrite'
  expect((await answer<RequestOffer>(world.get(preview, alice))).body.offer).toMatchObject({ overrideAfterMs: null })
  expect((await answer<RequestList>(world.get('/api/requests', bob))).body.denials).toMatchObject([
    { id, user: 'alice' },
  ])
  expect((await answer<RequestList>(world.get('/api/requests', alice))).body.denials).toEqual([])
  const lift = { user: 'alice', target: 'orders', comment: 'replica is down' }
  expect((await post('/api/denials/lift', lift, await fresh('alice'))).status).toBe(403)
  expect((await post('/api/denials/lift', lift, bob)).status).toBe(200)
  expect((await answer<RequestOffer>(world.get(preview, alice))).body.offer).toMatchObject({ overrideAfterMs: 120_000 })
})

test('alice goes ahead alone after the policy’s wait, with a fresh code and a longer reason', async () => {
  const { id, alice } = await waiting()
  expect(await post(`/api/requests/${id}/override`, { reason: longReason }, alice)).toMatchObject({
    status: 409,
    body: { code: 'approval_pending' },
  })
  clock.advance(120_000)
  expect((await post(`/api/requests/${id}/override`, { reason: 'short' }, alice)).status).toBe(400)
  expect((await answer<RequestDetail>(world.get(`/api/requests/${id}`, alice))).body.request.may.override).toBe(true)
  const { body } = await post(`/api/requests/${id}/override`, { reason: longReason }, alice)
  expect(body.request.grant).toMatchObject({ state: 'active', override: { by: 'alice', skipped: ['bob'] } })
})

test('nobody but the owner overrides, nobody approves their own', async () => {
  const { id, alice } = await waiting()
  clock.advance(120_000)
  const bob = await fresh('bob')
  expect((await post(`/api/requests/${id}/override`, { reason: longReason }, bob)).status).toBe(404)
  expect((await post(`/api/requests/${id}/approve`, {}, alice)).status).toBe(403)
})

for (const { name, text } of [
  { name: '1 MB', text: 'x'.repeat(1 << 20) },
  { name: '9,000 characters', text: 'x'.repeat(9_000) },
  { name: 'an escape sequence', text: 'fine \x1b[2J and nothing else happened here at all' },
  { name: 'two lines', text: 'approved by everyone\nand now something else entirely' },
]) {
  test(`a reason or comment of ${name} is refused before anything is written`, async () => {
    const { id, alice } = await waiting()
    const bob = await fresh('bob')
    clock.advance(60_000)
    const before = world.state.leavesWritten.length
    const statuses = [
      await post('/api/requests', { ...ask, account: 'app_readonly', reason: text }, alice),
      await post(`/api/requests/${id}/approve`, { comment: text }, bob),
      await post(`/api/requests/${id}/deny`, { comment: text }, bob),
      await post(`/api/requests/${id}/override`, { reason: text }, alice),
      await post('/api/denials/lift', { user: 'alice', target: 'orders', comment: text }, bob),
    ].map(({ status }) => status)
    expect(statuses).toEqual([400, 400, 400, 400, 400])
    expect(world.state.leavesWritten.length).toBe(before)
  })
}

test('hostile bodies and ids are refused in one way', async () => {
  const { id } = await waiting()
  const bob = await fresh('bob')
  for (const body of [[], 'approve', { comment: 7 }, { comment: '', by: 'carol' }, null])
    expect((await post(`/api/requests/${id}/approve`, body, bob)).status).toBe(400)
  for (const path of ['..%2f..%2fx', '__proto__', `${id}%00`, 'g'.repeat(60), '%F0%9F%94%A5'])
    expect((await world.get(`/api/requests/${path}`, bob)).status).toBe(404)
})

test('a voucher’s code breaks the glass from the page, once, and steps nobody up', async () => {
  const cookie = await world.signIn('alice')
  const bob = world.directory.byName('bob')
  if (bob === undefined) throw new Error('no bob')
  const by = { user: bob, fingerprint: 'SHA256:bob', address: '10.0.0.2' }
  const { code } = await issueBypass(world.vouch, by, 'alice', 'her phone fell into the sea')
  expect(await post('/api/step-up', { code }, cookie)).toMatchObject({ status: 403, body: { code: 'mfa_required' } })
  const { body } = await post('/api/requests', { ...ask, account: 'app_readonly', code }, cookie)
  expect(body.request.grant).toMatchObject({ state: 'active', vouchedBy: 'bob' })
  expect(await post('/api/requests', ask, cookie)).toMatchObject({ body: { code: 'mfa_required' } })
  expect(await post('/api/requests', { ...ask, code }, cookie)).toMatchObject({ body: { code: 'code_wrong' } })
  const me = await answer<{ stepUp: { freshForMs: number } }>(world.get('/api/me', cookie))
  expect(me.body.stepUp.freshForMs).toBe(0)
})

test('whoever could decide hears at once that something waits, and nobody else does', async () => {
  const alice = await fresh('alice')
  const [bob, erin] = [await world.signIn('bob'), await world.signIn('erin')]
  const sockets = [bob, erin].map((cookie) => world.socket('/ws/events', cookie))
  const heard = sockets.map((socket) => readSocket(socket))
  await Promise.all(heard.map((reader) => reader.next()))
  const { id } = (await post('/api/requests', ask, alice)).body.request.grant
  await world.grant({ id: 'gerin', user: 'erin' })
  const messages = await Promise.all(heard.map(async (reader) => JSON.parse(String(await reader.next())) as unknown))
  expect(messages).toEqual([
    { type: 'changed', topic: 'grants', id },
    { type: 'changed', topic: 'grants', id: 'gerin' },
  ])
  for (const socket of sockets) socket.terminate()
})
