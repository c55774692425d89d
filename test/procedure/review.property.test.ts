import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { tookPart } from '../../src/access/grant.ts'
import { DEFAULT_CHECKLIST, reviewStanding } from '../../src/access/review.ts'
import { HalliganError } from '../../src/errors.ts'
import { endGrant } from '../../src/procedure/end.ts'
import { reopenReview, review } from '../../src/procedure/review.ts'
import { sweepReviews } from '../../src/procedure/review-late.ts'
import { policyOf, ProcedureWorld } from './world.ts'

const HOUR = 3_600_000
const people = ['alice', 'bob', 'carol', 'dave', 'rita', 'sam', 'adam'] as const

type Step =
  | { readonly kind: 'review' | 'reopen'; readonly by: string }
  | { readonly kind: 'view'; readonly by: string; readonly share: number }
  | { readonly kind: 'sweep' }
  | { readonly kind: 'clock'; readonly hours: number }
  | { readonly kind: 'request' }

const person = fc.constantFrom(...people)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constantFrom('review', 'reopen'), by: person }),
  fc.record({ kind: fc.constant('view'), by: person, share: fc.constantFrom(0, 0.3, 1) }),
  fc.constant({ kind: 'sweep' }),
  fc.record({ kind: fc.constant('clock'), hours: fc.integer({ min: -12, max: 12 }) }),
  fc.constant({ kind: 'request' }),
)

/** Steps of one group happen at the same time. */
const play = fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 14 })

test('whatever happens at once and in whatever order, a review keeps its rules', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(play, async (groups) => {
      const rules = { ...policyOf().review, escalate: { afterMs: HOUR, channels: ['boss'] } }
      await using world = await ProcedureWorld.open([
        // Everybody may be asked to review: only having taken part keeps them from it.
        policyOf({ review: { ...rules, by: { groups: ['security', 'oncall', 'leads'], roles: [] } } }),
      ])
      const { id } = await world.access.request(await world.proven('alice'), { target: 'web-1', reason: 'it is down' })
      const session = await recorded(world, id)
      await endGrant(world.end, id, 'returned', 'alice', 'done')
      const served = new Map<string, number>()
      for (const group of groups) {
        const outcomes = await Promise.allSettled(group.map((each) => take(world, id, session, each, served)))
        for (const outcome of outcomes)
          if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(HalliganError)
        await holds(world, id, served)
      }
    }),
    { numRuns: 12 },
  )
})

async function take(
  world: ProcedureWorld,
  id: string,
  session: string,
  step: Step,
  served: Map<string, number>,
): Promise<void> {
  switch (step.kind) {
    case 'review': {
      const checklist = DEFAULT_CHECKLIST.map((question) => ({ question, answer: 'yes' as const }))
      const judgement = { verdict: 'emergency' as const, findings: '', followUps: [], checklist }
      await review(world.review, world.as(step.by).user, id, judgement)
      return
    }
    case 'reopen':
      await reopenReview(world.review, world.as(step.by).user, id, 'once more')
      return
    case 'view': {
      served.set(step.by, Math.max(served.get(step.by) ?? 0, step.share))
      const view = { session, user: step.by, at: world.clock.now(), share: step.share }
      await world.state.commit({ at: view.at, writes: [{ kind: 'view', view }], leaves: [] })
      return
    }
    case 'sweep':
      return sweepReviews(world.review)
    case 'clock':
      return world.clock.step(step.hours * HOUR)
    case 'request': {
      const grant = await world.state.grant(id)
      const isOverdue = grant !== undefined && reviewStanding(grant, world.clock.now()).kind === 'overdue'
      const alice = world.as('alice')
      const decision = await world.access.offer(alice, { target: 'web-1', reason: 'it is down again' })
      // The clock and the review may have moved between the two looks; both are looked at again then.
      const again = await world.state.grant(id)
      const isStill = again !== undefined && reviewStanding(again, world.clock.now()).kind === 'overdue'
      if (isOverdue && isStill && again.version === grant.version) expect(decision.kind).not.toBe('allow')
    }
  }
}

async function holds(world: ProcedureWorld, id: string, served: ReadonlyMap<string, number>): Promise<void> {
  const grant = await world.state.grant(id)
  if (grant === undefined) throw new Error('the grant is gone')
  const passed = [...grant.earlierReviews, ...(grant.review === null ? [] : [grant.review])]
  for (const each of passed) {
    expect(tookPart(grant, each.by)).toBe(false)
    expect(served.get(each.by) ?? 0).toBeGreaterThan(0)
    expect(each.sessions[0]?.share).toBeLessThanOrEqual(served.get(each.by) ?? 0)
  }
  for (const { reopened } of grant.earlierReviews) expect(tookPart(grant, reopened.by)).toBe(false)
  expect(grant.state).toBe(grant.review === null ? 'awaiting-review' : 'reviewed')
  // One leaf for each verdict and each re-opening: no two winners.
  expect((await world.leaves('grant-reviewed')).map(({ statement }) => statement)).toEqual(
    passed.map(({ statement }) => statement),
  )
  expect(await world.leaves('review-reopened')).toHaveLength(grant.earlierReviews.length)
  // Told at most once for each time it waited.
  const told = (await world.state.alerts({ limit: 500 })).filter(({ channel }) => channel === 'desk')
  for (const type of ['review.due', 'review.overdue', 'review.escalated'])
    expect(told.filter((alert) => alert.type === type).length).toBeLessThanOrEqual(grant.earlierReviews.length + 1)
}

async function recorded(world: ProcedureWorld, grant: string): Promise<string> {
  const at = world.clock.now()
  const id = 'saaaaaaaaaaaa'
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
    what: { kind: 'subsystem', name: 'sftp' },
    openedAt: at,
    state: 'open',
    endedAt: null,
    end: null,
    seal: null,
  } as const
  const seal = {
    file: `2026/11/21/${id}.cast.zst`,
    root: 'ab'.repeat(32),
    lines: 3,
    firstSeq: 0,
    lastSeq: 2,
    sizeBytes: 100,
    sha256: 'ab'.repeat(32),
    state: 'complete',
  } as const
  await world.state.commit({ at, writes: [{ kind: 'session-open', session }], leaves: [] })
  await world.state.commit({ at, writes: [{ kind: 'session-sealed', id, seal }], leaves: [] })
  return id
}
