import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { applyGrantEvent, type Grant } from '../../src/access/grant.ts'
import { DEFAULT_CHECKLIST, type Judgement, statementText } from '../../src/access/review.ts'
import { buildDirectory } from '../../src/identity/directory.ts'
import { approve, override } from '../../src/procedure/approve.ts'
import { endGrant } from '../../src/procedure/end.ts'
import { countReviews, reopenReview, review, reviewCase, reviewQueue } from '../../src/procedure/review.ts'
import { ReviewDebts } from '../../src/procedure/review-debt.ts'
import { sweepReviews } from '../../src/procedure/review-late.ts'
import type { Seal } from '../../src/session/session.ts'
import { people, policyOf, ProcedureWorld } from './world.ts'

const HOUR = 3_600_000
const ask = { target: 'web-1', reason: 'checkout is down' }
const judgement: Judgement = {
  verdict: 'emergency',
  findings: 'restarted the service, nothing else',
  followUps: ['alert on the cache'],
  checklist: DEFAULT_CHECKLIST.map((question) => ({ question, answer: 'yes' })),
}
const escalating = () =>
  policyOf({ review: { ...policyOf().review, escalate: { afterMs: 2 * HOUR, channels: ['boss', 'desk'] } } })

/** A grant that alice used and gave back. */
async function used(world: ProcedureWorld): Promise<Grant> {
  const grant = await world.access.request(await world.proven('alice'), ask)
  return endGrant(world.end, grant.id, 'returned', 'alice', 'done')
}

let sessions = 0
async function open(world: ProcedureWorld, grant: string, seal?: Partial<Seal>): Promise<string> {
  const id = `s${String.fromCharCode(97 + (sessions++ % 26)).repeat(12)}`
  const at = world.clock.now()
  const session = {
    id,
    protocol: 'ssh',
    grant,
    user: 'alice',
    fingerprint: 'SHA256:alice',
    mfa: 'totp',
    address: '10.0.0.1',
    target: 'web-1',
    account: 'deploy',
    database: null,
    what: { kind: 'shell', term: { type: 'xterm', cols: 80, rows: 24 } },
    openedAt: at,
    state: 'open',
    endedAt: null,
    end: null,
    seal: null,
  } as const
  const end = { reason: 'exited', code: null, message: 'exited with 0' } as const
  await world.state.commit({ at, writes: [{ kind: 'session-open', session }], leaves: [] })
  await world.state.commit({ at, writes: [{ kind: 'session-ended', id, endedAt: at, end }], leaves: [] })
  if (seal !== undefined) await sealed(world, id, seal)
  return id
}

async function sealed(world: ProcedureWorld, id: string, change: Partial<Seal> = {}): Promise<void> {
  const seal: Seal = {
    file: `2026/11/21/${id}.cast.zst`,
    root: createHash('sha256').update(id).digest('hex'),
    lines: 3,
    firstSeq: 0,
    lastSeq: 2,
    sizeBytes: 100,
    sha256: 'ab'.repeat(32),
    state: 'complete',
    ...change,
  }
  await world.state.commit({ at: world.clock.now(), writes: [{ kind: 'session-sealed', id, seal }], leaves: [] })
}

async function watch(world: ProcedureWorld, session: string, user: string, share = 1): Promise<void> {
  const at = world.clock.now()
  await world.state.commit({ at, writes: [{ kind: 'view', view: { session, user, at, share } }], leaves: [] })
}

const by = (world: ProcedureWorld, name: string) => world.as(name).user
const alerts = async (world: ProcedureWorld, type: string): Promise<string[]> =>
  (await world.state.alerts({ limit: 100 })).filter((alert) => alert.type === type).map(({ channel }) => channel)

test('a verdict ends the wait: grant, leaf and alert in one transaction, bound to the recordings', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await used(world)
  const first = await open(world, grant.id, {})
  world.clock.advance(1000)
  const second = await open(world, grant.id, {})
  await watch(world, first, 'rita', 0.63)
  await watch(world, second, 'rita')
  const reviewed = await review(world.review, by(world, 'rita'), grant.id, judgement)
  expect(reviewed).toMatchObject({
    state: 'reviewed',
    review: { by: 'rita', verdict: 'emergency', attestedBy: 'halligan' },
  })
  expect(await world.state.grant(grant.id)).toEqual(reviewed)
  const [leaf] = await world.leaves('grant-reviewed')
  const roots = [first, second].map((id) => createHash('sha256').update(id).digest('hex'))
  expect(leaf).toMatchObject({ grant: grant.id, by: 'rita', roots, shares: [0.63, 1], damage: [null, null] })
  // The statement can be put together again from the ledger alone.
  const evidence = roots.map((root, at) => ({ session: '', root, share: leaf?.shares[at] ?? -1, damage: null }))
  const text = statementText(grant.id, 'rita', judgement, evidence)
  expect(leaf?.statement).toBe(createHash('sha256').update(text).digest('hex'))
  expect(await alerts(world, 'review.done')).toEqual(['desk'])
})

test('of two reviewers at once one wins, and one verdict is in the ledger', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await used(world)
  const outcomes = await Promise.allSettled(
    ['rita', 'sam', 'rita'].map((name) => review(world.review, by(world, name), grant.id, judgement)),
  )
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'conflict' })
  expect(await world.leaves('grant-reviewed')).toHaveLength(1)
  expect(await alerts(world, 'review.done')).toHaveLength(1)
})

test('a reminder that comes between reading and deciding costs nobody their verdict', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await used(world)
  world.clock.advance(7.5 * HOUR)
  let reminded = false
  const state = {
    ...world.review.state,
    grant: (id: string) => world.state.grant(id),
    grants: world.state.grants.bind(world.state),
    commit: world.state.commit.bind(world.state),
    views: world.state.views.bind(world.state),
    sessions: async (filter: Parameters<typeof world.state.sessions>[0]) => {
      if (!reminded) await sweepReviews(world.review)
      reminded = true
      return world.state.sessions(filter)
    },
  }
  const reviewed = await review({ ...world.review, state }, by(world, 'rita'), grant.id, judgement)
  expect(reviewed).toMatchObject({ state: 'reviewed', reviewStage: 'reminded' })
})

test('nobody who took part judges, whatever their roles', async () => {
  await using world = await ProcedureWorld.open([
    policyOf({ review: { ...policyOf().review, by: { groups: ['leads', 'oncall'], roles: ['admin'] } } }),
  ])
  const writing = { target: 'orders', account: 'app_readwrite', reason: 'stuck payments' }
  const request = await world.access.request(await world.proven('alice'), writing)
  await approve(world.end, await world.proven('bob'), request.id, 'go')
  const grant = await endGrant(world.end, request.id, 'returned', 'alice', 'done')
  for (const name of ['alice', 'bob']) {
    const found = await reviewCase(world.review, by(world, name), grant.id)
    expect(found).toMatchObject({ may: { decide: false, reopen: false }, obstacle: { code: 'denied' } })
    await expect(review(world.review, by(world, name), grant.id, judgement)).rejects.toMatchObject({ code: 'denied' })
  }
  expect((await reviewCase(world.review, by(world, 'carol'), grant.id)).reviewers).toEqual(['carol', 'dave', 'adam'])
  expect((await review(world.review, by(world, 'carol'), grant.id, judgement)).state).toBe('reviewed')
})

test('who left the group, or the configuration, between page and decision judges nothing', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await used(world)
  const rita = by(world, 'rita')
  expect((await reviewCase(world.review, rita, grant.id)).obstacle).toBeNull()
  // She is a reviewer still, but no more of this policy's.
  world.directory.replace(buildDirectory(people.map((user) => (user.name === 'rita' ? { ...user, groups: [] } : user))))
  await expect(review(world.review, rita, grant.id, judgement)).rejects.toMatchObject({ code: 'denied' })
  world.directory.replace(buildDirectory(people.filter(({ name }) => name !== 'rita')))
  await expect(review(world.review, rita, grant.id, judgement)).rejects.toMatchObject({ code: 'denied' })
  expect((await world.state.grant(grant.id))?.state).toBe('awaiting-review')
})

test('a session that is still being sealed is waited for', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await used(world)
  const session = await open(world, grant.id)
  await watch(world, session, 'rita')
  await expect(review(world.review, by(world, 'rita'), grant.id, judgement)).rejects.toMatchObject({ code: 'conflict' })
  await sealed(world, session)
  expect((await review(world.review, by(world, 'rita'), grant.id, judgement)).state).toBe('reviewed')
})

test('every recording must have been opened by this very reviewer', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await used(world)
  const [first, second] = [await open(world, grant.id, {}), await open(world, grant.id, {})]
  await watch(world, first, 'rita')
  await watch(world, second, 'sam')
  for (const name of ['rita', 'sam'])
    await expect(review(world.review, by(world, name), grant.id, judgement)).rejects.toMatchObject({ code: 'denied' })
  await watch(world, second, 'rita', 0.1)
  await watch(world, second, 'rita', 0.4)
  await watch(world, second, 'rita', 0.3)
  const reviewed = await review(world.review, by(world, 'rita'), grant.id, judgement)
  expect(reviewed.review?.sessions.map(({ share }) => share)).toEqual([1, 0.4])
})

test('a damaged recording, and one that was tried and does not verify, may be judged and say so', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await used(world)
  await open(world, grant.id, { state: 'damaged' })
  const altered = await open(world, grant.id, {})
  world.findings.set(altered, 'content_altered')
  const rita = by(world, 'rita')
  await expect(review(world.review, rita, grant.id, judgement)).rejects.toMatchObject({ code: 'denied' })
  await watch(world, altered, 'rita', 0)
  const reviewed = await review(world.review, rita, grant.id, judgement)
  expect(reviewed.review?.sessions.map(({ damage }) => damage)).toEqual(['damaged', 'content_altered'])
  expect((await world.leaves('grant-reviewed'))[0]?.damage).toEqual(['damaged', 'content_altered'])
})

test('having tried counts for nothing when the recording is sound', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await used(world)
  const session = await open(world, grant.id, {})
  await watch(world, session, 'rita', 0)
  await expect(review(world.review, by(world, 'rita'), grant.id, judgement)).rejects.toMatchObject({ code: 'denied' })
})

test('a policy asks its own questions, and a verdict that answers other ones is refused', async () => {
  const checklist = ['Was the customer told?']
  await using world = await ProcedureWorld.open([policyOf({ review: { ...policyOf().review, checklist } })])
  const grant = await used(world)
  const rita = by(world, 'rita')
  expect((await reviewCase(world.review, rita, grant.id)).questions).toEqual(checklist)
  await expect(review(world.review, rita, grant.id, judgement)).rejects.toMatchObject({ code: 'conflict' })
  const own = { ...judgement, checklist: [{ question: 'Was the customer told?', answer: 'no' as const }] }
  expect((await review(world.review, rita, grant.id, own)).review?.checklist).toEqual(own.checklist)
})

test('a grant that runs has no review yet; a request never has one', async () => {
  await using world = await ProcedureWorld.open()
  const live = await world.access.request(await world.proven('alice'), ask)
  const rita = by(world, 'rita')
  await expect(review(world.review, rita, live.id, judgement)).rejects.toMatchObject({ code: 'conflict' })
  const writing = { target: 'orders', account: 'app_readwrite', reason: 'stuck payments' }
  const waiting = await world.access.request(await world.proven('alice'), writing)
  await expect(review(world.review, rita, waiting.id, judgement)).rejects.toMatchObject({ code: 'not_found' })
  await expect(reviewCase(world.review, rita, 'g-none')).rejects.toMatchObject({ code: 'not_found' })
})

test('reminder, overdue and escalation are told once each: however often it is looked, and after a restart', async () => {
  await using world = await ProcedureWorld.open([escalating()])
  const grant = await used(world)
  const sweep = async () => {
    // A new process knows nothing but what is in the store.
    const debts = new ReviewDebts({ ...world.review, directory: world.directory })
    await Promise.all([sweepReviews(world.review), sweepReviews({ ...world.review, debts })])
  }
  const told = async () => [
    await alerts(world, 'review.due'),
    await alerts(world, 'review.overdue'),
    await alerts(world, 'review.escalated'),
  ]
  const steps = [
    { afterMs: 6 * HOUR, want: [[], [], []] },
    { afterMs: HOUR, want: [['desk'], [], []] },
    { afterMs: HOUR, want: [['desk'], ['desk'], []] },
    { afterMs: HOUR, want: [['desk'], ['desk'], []] },
    { afterMs: HOUR, want: [['desk'], ['desk'], ['boss', 'desk']] },
    { afterMs: 1000 * HOUR, want: [['desk'], ['desk'], ['boss', 'desk']] },
  ]
  for (const { afterMs, want } of steps) {
    world.clock.advance(afterMs)
    await sweep()
    await sweep()
    expect((await told()).map((channels) => [...channels].sort((a, b) => a.localeCompare(b)))).toEqual(want)
  }
  expect(await world.leaves('review-late')).toMatchObject([
    { grant: grant.id, stage: 'overdue' },
    { grant: grant.id, stage: 'escalated' },
  ])
})

test('a clock that goes back and forth tells nothing twice and takes nothing back', async () => {
  await using world = await ProcedureWorld.open([escalating()])
  await used(world)
  for (const step of [9, -9, 9, -20, 40, -40, 9]) {
    world.clock.step(step * HOUR)
    await sweepReviews(world.review)
  }
  expect(await alerts(world, 'review.overdue')).toEqual(['desk'])
  expect(await alerts(world, 'review.due')).toEqual([])
  expect(await alerts(world, 'review.escalated')).toHaveLength(2)
  world.clock.step(-48 * HOUR)
  expect(world.debts.overdue('alice')).toHaveLength(1)
})

test('what the store could not write is told by the next sweep', async () => {
  await using world = await ProcedureWorld.open()
  await used(world)
  world.clock.advance(9 * HOUR)
  const failing = {
    grants: world.state.grants.bind(world.state),
    commit: () => Promise.reject(new Error('disk full')),
  }
  await sweepReviews({ ...world.review, state: failing })
  expect(await alerts(world, 'review.overdue')).toEqual([])
  await sweepReviews(world.review)
  expect(await alerts(world, 'review.overdue')).toEqual(['desk'])
})

test('overdue takes self-activation away, says why and by whom it ends, and gives it back with the verdict', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await used(world)
  world.clock.advance(8 * HOUR)
  const alice = await world.proven('alice')
  await sweepReviews(world.review)
  const decision = world.access.preview(alice, ask)
  expect(decision).toMatchObject({ kind: 'needs-approval', required: 1, overrideAfterMs: 10 * 60_000 })
  const note = world.access.standingNote(alice, decision) ?? ''
  for (const word of [grant.id, 'rita', 'sam', '10m', 'not a wall']) expect(note).toContain(word)
  const request = await world.access.request(alice, ask)
  expect(request).toMatchObject({ state: 'requested', rule: 'emergency/approval[1]+overdue-review' })
  expect(world.access.standingNote(await world.proven('dave'), decision)).toBeUndefined()
  await review(world.review, by(world, 'rita'), grant.id, judgement)
  expect(world.access.preview(alice, ask).kind).toBe('allow')
  const again = await world.access.request(await world.proven('alice'), ask)
  expect(again).toMatchObject({ state: 'active', rule: 'emergency/approval[1]' })
  expect(again.id).not.toBe(request.id)
})

test('the decision reads the truth: a preview that does not know yet opens nothing', async () => {
  await using world = await ProcedureWorld.open()
  await used(world)
  world.clock.advance(8 * HOUR)
  const alice = await world.proven('alice')
  // No sweep has run: the memory is empty.
  expect(world.access.preview(alice, ask).kind).toBe('allow')
  expect((await world.access.request(alice, ask)).state).toBe('requested')
  expect(world.registry.liveGrants()).toEqual([])
})

test('a person or a delay, never a wall: a lead approves, or alice goes ahead after ten minutes', async () => {
  await using world = await ProcedureWorld.open()
  await used(world)
  world.clock.advance(8 * HOUR)
  const first = await world.access.request(await world.proven('alice'), ask)
  const approver = await world.proven('bob')
  // The rule names nobody for what needed no approval: whoever has the role steps in.
  expect((await approve(world.end, approver, first.id, 'go')).state).toBe('active')
  await endGrant(world.end, first.id, 'returned', 'alice', 'done')
  const alice = await world.proven('alice')
  const second = await world.access.request(alice, ask)
  const reason = 'nobody answers, and the shop has been down for an hour'
  await expect(override(world.end, alice, second.id, reason)).rejects.toMatchObject({ code: 'approval_pending' })
  world.clock.advance(10 * 60_000)
  expect((await override(world.end, alice, second.id, reason)).state).toBe('active')
})

test('only the debts of the person themselves count', async () => {
  await using world = await ProcedureWorld.open()
  await used(world)
  world.clock.advance(8 * HOUR)
  expect((await world.access.request(await world.proven('dave'), ask)).state).toBe('active')
})

test('a verdict is taken back by a reviewer or an admin with no part in it, once, and is due anew', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await used(world)
  await review(world.review, by(world, 'rita'), grant.id, judgement)
  world.clock.advance(100 * HOUR)
  for (const name of ['alice', 'bob', 'dave'])
    await expect(reopenReview(world.review, by(world, name), grant.id, 'no good')).rejects.toMatchObject({
      code: expect.stringMatching(/denied|not_found/) as string,
    })
  const both = await Promise.allSettled(
    ['adam', 'sam'].map((name) => reopenReview(world.review, by(world, name), grant.id, 'a customer complained')),
  )
  expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  const open = await world.state.grant(grant.id)
  expect(open).toMatchObject({
    state: 'awaiting-review',
    review: null,
    reviewStage: 'none',
    reviewDueAt: world.clock.now() + 8 * HOUR,
    earlierReviews: [{ by: 'rita', reopened: { reason: 'a customer complained' } }],
  })
  expect(await world.leaves('review-reopened')).toHaveLength(1)
  expect(await alerts(world, 'review.reopened')).toEqual(['desk'])
  await sweepReviews(world.review)
  expect(await alerts(world, 'review.due')).toEqual([])
  const misuse = { ...judgement, verdict: 'misuse' as const, findings: 'read the customer’s mail' }
  await review(world.review, by(world, 'sam'), grant.id, misuse)
  expect(await countReviews(world.review, 0)).toMatchObject({
    reviewed: 2,
    onTime: 2,
    reopened: 1,
    byVerdict: { emergency: 1, misuse: 1, mistake: 0 },
  })
})

test('the queue shows the most urgent first, to whom it concerns', async () => {
  await using world = await ProcedureWorld.open()
  const first = await used(world)
  world.clock.advance(HOUR)
  const second = await used(world)
  const ids = async (name: string) =>
    (await reviewQueue(world.review, by(world, name), { all: false })).map(({ grant }) => grant.id)
  expect(await ids('rita')).toEqual([first.id, second.id])
  expect(await ids('alice')).toEqual([first.id, second.id])
  expect(await ids('adam')).toEqual([first.id, second.id])
  expect(await ids('dave')).toEqual([])
  await review(world.review, by(world, 'rita'), first.id, judgement)
  expect(await ids('rita')).toEqual([second.id])
  const all = await reviewQueue(world.review, by(world, 'rita'), { all: true })
  expect(all.map(({ grant, standing }) => [grant.id, standing.kind])).toEqual([
    [second.id, 'due'],
    [first.id, 'done'],
  ])
})

test('a grant whose policy left the configuration is reviewed by the role reviewer', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await used(world)
  const gone = { ...world.review, policy: () => undefined }
  const found = await reviewCase(gone, by(world, 'rita'), grant.id)
  expect(found).toMatchObject({ may: { decide: true }, questions: DEFAULT_CHECKLIST })
  expect((await review(gone, by(world, 'rita'), grant.id, judgement)).state).toBe('reviewed')
})

test('what was used though nobody outside had been told is due within the hour', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await world.access.request(await world.proven('alice'), ask)
  const marked = applyGrantEvent(grant, { kind: 'unannounced', at: world.clock.now() })
  const write = { kind: 'grant', grant: marked, expectVersion: grant.version } as const
  await world.state.commit({ at: world.clock.now(), writes: [write], leaves: [] })
  const ended = await endGrant(world.end, grant.id, 'returned', 'alice', 'done')
  expect(ended.reviewDueAt).toBe(world.clock.now() + HOUR)
  world.clock.advance(HOUR / 2)
  await sweepReviews(world.review)
  expect(await alerts(world, 'review.due')).toEqual(['desk'])
})

test('a rehearsal wakes nobody, and is in the queue only for who asks for everything', async () => {
  await using world = await ProcedureWorld.open()
  const grant = await used(world)
  const write = {
    kind: 'grant',
    grant: { ...grant, version: grant.version + 1, drill: true },
    expectVersion: grant.version,
  } as const
  await world.state.commit({ at: world.clock.now(), writes: [write], leaves: [] })
  world.clock.advance(99 * HOUR)
  await sweepReviews(world.review)
  expect(await alerts(world, 'review.overdue')).toEqual([])
  const rita = by(world, 'rita')
  expect(await reviewQueue(world.review, rita, { all: false })).toEqual([])
  expect(await reviewQueue(world.review, rita, { all: true })).toHaveLength(1)
})
