import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Grant, Review } from '../../src/access/grant.ts'
import { DEFAULT_CHECKLIST } from '../../src/access/review.ts'
import type { ReviewDetail, ReviewList } from '../../src/http/api.ts'
import { buildDirectory } from '../../src/identity/directory.ts'
import type { LineBody } from '../../src/recording/event-line.ts'
import { policyOf } from '../procedure/world.ts'
import { people, startWorld, type World } from './world.ts'

let world: World
let rita: string
const out = (text: string): LineBody => ({ kind: 'bytes', stream: 'o', bytes: Buffer.from(text) })

beforeAll(async () => {
  const review = { ...policyOf().review, by: { groups: ['leads'], roles: [] } }
  world = await startWorld({ policies: [policyOf({ name: 'by-leads', review })] })
  rita = await world.signIn('rita')
  await world.stepUp('rita', rita)
})
afterAll(() => world.close())

let made = 0
const letters = 'abcdefghijklmnopqrstuvwxyz'

/** A grant that ended, with one recording of `text` that is sealed unless it says otherwise. */
async function ended(
  options: { text?: string; isSealed?: boolean; change?: Partial<Grant> } = {},
): Promise<{ grant: string; session: string }> {
  const name = letters.charAt(made++ % 26) + letters.charAt(Math.floor(made / 26))
  const [grant, session] = [`g${name}`, `s${name.repeat(6)}`]
  const now = Date.now()
  await world.grant({
    id: grant,
    state: 'awaiting-review',
    endedAt: now,
    reviewDueAt: now + 3_600_000,
    ...options.change,
  })
  await world.open({ id: session, grant })
  world.record(session, 1_000, out(options.text ?? 'hello'))
  await world.end(session)
  if (options.isSealed !== false) await world.seal(session)
  return { grant, session }
}

const judgement = {
  verdict: 'emergency',
  findings: 'as described',
  followUps: ['rotate the key'],
  checklist: DEFAULT_CHECKLIST.map((question) => ({ question, answer: 'n/a' })),
}

const detail = async (grant: string, cookie = rita): Promise<ReviewDetail['review']> =>
  ((await (await world.get(`/api/reviews/${grant}`, cookie)).json()) as ReviewDetail).review

const watch = async (session: string, cookie = rita, query = ''): Promise<void> => {
  await (await world.get(`/api/sessions/${session}/lines${query}`, cookie)).text()
}

const problem = async (answer: Response): Promise<{ status: number; code: string; title: string; hint: string }> =>
  (await answer.json()) as { status: number; code: string; title: string; hint: string }

test('a verdict on recordings that were opened: bound to their roots and to what was served', async () => {
  const { grant, session } = await ended()
  expect((await detail(grant)).sessions).toMatchObject([{ evidence: { share: 0, damage: null } }])
  await watch(session)
  const ready = await detail(grant)
  expect(ready).toMatchObject({ obstacle: null, may: { decide: true }, sessions: [{ evidence: { share: 1 } }] })
  const answer = await world.post(`/api/reviews/${grant}`, judgement, rita)
  expect(answer.status).toBe(200)
  const reviewed = await world.state.grant(grant)
  expect(reviewed).toMatchObject({ state: 'reviewed', review: { by: 'rita', sessions: [{ session, share: 1 }] } })
  const leaf = world.state.leavesWritten.findLast((each) => each.type === 'grant-reviewed')
  expect(leaf).toMatchObject({
    grant,
    by: 'rita',
    verdict: 'emergency',
    shares: [1],
    roots: ['c0ffee'.repeat(10) + 'beef'],
    statement: reviewed?.review?.statement,
    attestedBy: 'halligan',
  })
})

test('what was not opened is not judged, and what is missing is said', async () => {
  const { grant, session } = await ended()
  const refused = await problem(await world.post(`/api/reviews/${grant}`, judgement, rita))
  expect(refused).toMatchObject({ status: 403, code: 'denied' })
  expect(refused.title).toContain(session)
  expect((await detail(grant)).obstacle?.message).toContain(session)
})

test('live lines are no recording: what was watched before the seal does not count', async () => {
  const { grant, session } = await ended({ isSealed: false })
  await watch(session)
  const early = await problem(await world.post(`/api/reviews/${grant}`, judgement, rita))
  expect(early).toMatchObject({ status: 409, code: 'conflict' })
  expect(early.hint).toContain('wait')
  await world.seal(session)
  expect((await world.post(`/api/reviews/${grant}`, judgement, rita)).status).toBe(403)
})

test('a part that was served counts as that part, and twice the same part as once', async () => {
  const { grant, session } = await ended({ text: 'x'.repeat(1_000) })
  await watch(session, rita, '?from=0&to=1')
  await watch(session, rita, '?from=0&to=1')
  const [first] = (await detail(grant)).sessions
  expect(first?.evidence.share).toBeGreaterThan(0)
  expect(first?.evidence.share).toBeLessThan(0.2)
  await watch(session, rita, '?from=2')
  expect((await detail(grant)).sessions[0]?.evidence.share).toBeLessThan(0.2)
  await watch(session, rita, '?from=1')
  expect((await detail(grant)).sessions[0]?.evidence.share).toBeGreaterThan(0.8)
  expect((await detail(grant)).sessions[0]?.evidence.share).toBeLessThan(1)
})

test('nothing is served by an empty range, nor by the wrong method', async () => {
  const { grant, session } = await ended()
  await watch(session, rita, '?from=1000')
  await watch(session, rita, '?from=2&to=1')
  const head = await fetch(`http://127.0.0.1:${world.server.port}/api/sessions/${session}/lines`, {
    method: 'HEAD',
    headers: { cookie: rita },
  })
  expect(head.status).toBe(404)
  expect((await detail(grant)).sessions[0]?.evidence.share).toBe(0)
})

test('an answer that was cut off counts for what can have left, and no more', async () => {
  const { grant, session } = await ended({ text: 'y'.repeat(900_000) })
  for (let more = 0; more < 40; more++) world.record(session, 2_000 + more, out('y'.repeat(900_000)))
  const gone = Promise.withResolvers<void>()
  const socket = connect(world.server.port, '127.0.0.1')
  socket.once('data', () => socket.destroy())
  socket.once('close', () => gone.resolve())
  socket.on('error', () => undefined)
  const { host } = new URL(world.server.url)
  socket.write(`GET /api/sessions/${session}/lines HTTP/1.1\r\nHost: ${host}\r\nCookie: ${rita}\r\n\r\n`)
  await gone.promise
  const share = (await detail(grant)).sessions[0]?.evidence.share ?? 1
  expect(share).toBeLessThan(0.9)
})

test('somebody else’s watching is not the reviewer’s', async () => {
  const { grant, session } = await ended()
  const otto = await world.signIn('otto')
  await watch(session, otto)
  expect((await detail(grant)).sessions[0]?.evidence.share).toBe(0)
  expect((await world.post(`/api/reviews/${grant}`, judgement, rita)).status).toBe(403)
})

test('a downloaded file was served as well', async () => {
  const { grant, session } = await ended()
  await (await world.get(`/api/sessions/${session}/recording`, rita)).arrayBuffer()
  expect((await detail(grant)).sessions[0]?.evidence.share).toBe(1)
})

test('a recording that does not verify is judged as what was found, once it was tried', async () => {
  const { grant, session } = await ended()
  world.findings.set(session, { finding: 'content_altered', message: 'frame 3 was altered' })
  expect((await world.post(`/api/reviews/${grant}`, judgement, rita)).status).toBe(403)
  expect((await world.get(`/api/sessions/${session}/lines`, rita)).status).toBe(409)
  expect((await detail(grant)).sessions).toMatchObject([{ evidence: { share: 0, damage: 'content_altered' } }])
  expect((await world.post(`/api/reviews/${grant}`, judgement, rita)).status).toBe(200)
  const review = (await world.state.grant(grant))?.review
  expect(review?.sessions).toMatchObject([{ session, share: 0, damage: 'content_altered' }])
})

test('a share that the page makes up is no part of the question', async () => {
  const { grant, session } = await ended()
  const forged = [
    { ...judgement, shares: [1] },
    { ...judgement, sessions: [{ session, share: 1 }] },
    { ...judgement, by: 'otto' },
    { ...judgement, statement: '00' },
  ]
  for (const body of forged) expect((await world.post(`/api/reviews/${grant}`, body, rita)).status).toBe(400)
})

test('a double click decides once', async () => {
  const { grant, session } = await ended()
  await watch(session)
  const answers = await Promise.all([1, 2, 3].map(() => world.post(`/api/reviews/${grant}`, judgement, rita)))
  expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 409, 409])
  const leaves = world.state.leavesWritten.filter((leaf) => leaf.type === 'grant-reviewed' && leaf.grant === grant)
  expect(leaves).toHaveLength(1)
})

test('a verdict needs a fresh code, and so does taking one back', async () => {
  const { grant, session } = await ended()
  const cookie = await world.signIn('rita')
  await watch(session, cookie)
  for (const path of [`/api/reviews/${grant}`, `/api/reviews/${grant}/reopen`])
    expect(await problem(await world.post(path, judgement, cookie))).toMatchObject({
      status: 403,
      code: 'mfa_required',
    })
  expect((await world.state.grant(grant))?.state).toBe('awaiting-review')
})

test('a reviewer who left the group between the page and the verdict decides nothing', async () => {
  const { grant, session } = await ended()
  await watch(session)
  expect((await detail(grant)).may.decide).toBe(true)
  const without = people.map((user) =>
    user.name === 'rita' ? { ...user, roles: ['engineer' as const], groups: [] } : user,
  )
  world.directory.replace(buildDirectory(without))
  const refused = await world.post(`/api/reviews/${grant}`, judgement, rita)
  world.directory.replace(buildDirectory(people))
  expect([403, 404]).toContain(refused.status)
  expect((await world.state.grant(grant))?.state).toBe('awaiting-review')
})

test('a policy that names reviewers by group: they see the recordings they are to judge, and only those', async () => {
  const { grant, session } = await ended({ change: { policy: 'by-leads' } })
  const other = await ended()
  const live = await ended({ change: { policy: 'by-leads', state: 'active' } })
  const bob = await world.signIn('bob')
  await world.stepUp('bob', bob)
  expect((await world.get(`/api/sessions/${other.session}`, bob)).status).toBe(404)
  expect((await world.get(`/api/sessions/${live.session}`, bob)).status).toBe(404)
  await watch(session, bob)
  expect((await world.post(`/api/reviews/${grant}`, judgement, bob)).status).toBe(200)
  // Rita has the role, but this policy names the leads alone.
  const again = await ended({ change: { policy: 'by-leads' } })
  await watch(again.session)
  expect((await world.post(`/api/reviews/${again.grant}`, judgement, rita)).status).toBe(403)
})

test('whoever approved it does not judge it, whatever they have opened', async () => {
  const { grant, session } = await ended({ change: { approvals: [{ by: 'rita', at: 1, comment: '' }] } })
  await watch(session)
  expect((await detail(grant)).may).toEqual({ decide: false, reopen: false })
  expect(await problem(await world.post(`/api/reviews/${grant}`, judgement, rita))).toMatchObject({ code: 'denied' })
})

const bodies: readonly { name: string; body: unknown }[] = [
  { name: 'a megabyte of findings', body: { ...judgement, findings: 'x'.repeat(1 << 20) } },
  { name: 'findings with an escape', body: { ...judgement, findings: 'fine \u001b[2K not' } },
  { name: 'findings of nothing', body: { ...judgement, verdict: 'misuse', findings: '' } },
  { name: 'another verdict', body: { ...judgement, verdict: 'fine' } },
  { name: 'no verdict', body: { findings: 'x' } },
  { name: 'an answer that is none', body: { ...judgement, checklist: [{ question: 'x', answer: 'maybe' }] } },
  { name: 'a list', body: [] },
  { name: 'a number', body: 7 },
]
for (const { name, body } of bodies)
  test(`${name} is refused with a sentence`, async () => {
    const { grant, session } = await ended()
    await watch(session)
    expect(await problem(await world.post(`/api/reviews/${grant}`, body, rita))).toMatchObject({
      status: 400,
      code: 'usage',
    })
    expect((await world.state.grant(grant))?.state).toBe('awaiting-review')
  })

test('a verdict is taken back with a reason, and judged anew', async () => {
  const { grant, session } = await ended()
  await watch(session)
  await world.post(`/api/reviews/${grant}`, judgement, rita)
  expect((await world.post(`/api/reviews/${grant}/reopen`, { reason: '' }, rita)).status).toBe(400)
  const adam = await world.signIn('adam')
  await world.stepUp('adam', adam)
  expect((await world.post(`/api/reviews/${grant}`, judgement, adam)).status).toBe(409)
  expect((await world.post(`/api/reviews/${grant}/reopen`, { reason: 'a new ticket' }, adam)).status).toBe(200)
  expect((await world.post(`/api/reviews/${grant}/reopen`, { reason: 'a new ticket' }, adam)).status).toBe(409)
  const open = await detail(grant)
  expect(open.grant).toMatchObject({ state: 'awaiting-review', review: null })
  expect(open.grant.earlierReviews).toMatchObject([{ by: 'rita', reopened: { by: 'adam', reason: 'a new ticket' } }])
  expect(world.state.leavesWritten.at(-1)).toMatchObject({ type: 'review-reopened', grant, by: 'adam' })
  // An administrator who is not named as reviewer re-opens, and does not judge.
  await watch(session, adam)
  expect((await world.post(`/api/reviews/${grant}`, judgement, adam)).status).toBe(403)
  expect((await world.post(`/api/reviews/${grant}`, { ...judgement, verdict: 'mistake' }, rita)).status).toBe(200)
})

test('the queue goes by due time; engineers see their own, overseers all', async () => {
  const now = Date.now()
  const late = await ended({ change: { reviewDueAt: now - 60_000 } })
  const soon = await ended({ change: { reviewDueAt: now + 60_000 } })
  const foreign = await ended({ change: { user: 'erin', reviewDueAt: now + 120_000 } })
  const queue = async (user: string, query = '') => {
    const answer = await world.get(`/api/reviews${query}`, await world.signIn(user))
    return ((await answer.json()) as ReviewList).reviews
  }
  const all = await queue('rita')
  const order = all.map(({ grant }) => grant.id)
  expect(order.indexOf(late.grant)).toBe(0)
  expect(order.indexOf(soon.grant)).toBeLessThan(order.indexOf(foreign.grant))
  expect(all[0]).toMatchObject({ standing: { kind: 'overdue' }, reviewers: ['rita'], may: { decide: true } })
  expect((await queue('erin')).map(({ grant }) => grant.id)).toEqual([foreign.grant])
  expect((await queue('erin'))[0]?.may).toEqual({ decide: false, reopen: false })
  expect((await queue('otto')).length).toBe(all.length)
  expect((await queue('rita', '?all=1')).some(({ grant }) => grant.state === 'reviewed')).toBe(true)
})

test('statistics are counted for overseers', async () => {
  const answer = await world.get('/api/reviews/statistics', rita)
  const figures = (await answer.json()) as { reviewed: number; byVerdict: Record<Review['verdict'], number> }
  expect(figures.reviewed).toBeGreaterThan(3)
  expect(figures.byVerdict.mistake).toBe(1)
  expect((await world.get('/api/reviews/statistics?days=0', rita)).status).toBe(400)
  expect((await world.get('/api/reviews/statistics', await world.signIn('alice'))).status).toBe(403)
})

test('a grant that is nobody’s to see reads like none', async () => {
  const { grant } = await ended()
  const bob = await world.signIn('bob')
  const [foreign, unknown] = [await world.get(`/api/reviews/${grant}`, bob), await world.get('/api/reviews/gzz', bob)]
  expect([foreign.status, unknown.status]).toEqual([404, 404])
  expect((await foreign.text()).replaceAll(grant, 'gzz')).toBe(await unknown.text())
  expect((await world.get('/api/reviews/G..%2f', bob)).status).toBe(400)
})
