import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type Grant,
  type GrantEvent,
  type GrantState,
  type Review,
  applyGrantEvent,
  grantTable,
  isLive,
} from '../../src/access/grant.ts'
import { MINUTE, NOW, grant } from './examples.ts'

const review: Review = {
  by: 'rita',
  at: NOW,
  verdict: 'emergency',
  findings: 'as described',
  followUps: [],
  checklist: [],
  dueAt: NOW,
  sessions: [],
  statement: '00'.repeat(32),
  attestedBy: 'halligan',
}

const events: Readonly<Record<GrantEvent['kind'], GrantEvent>> = {
  activate: { kind: 'activate', at: NOW, expiresAt: NOW + 30 * MINUTE },
  approve: { kind: 'approve', at: NOW, by: 'bob', comment: 'go' },
  deny: { kind: 'deny', at: NOW, by: 'bob', comment: 'no' },
  override: { kind: 'override', at: NOW, by: 'alice', reason: 'nobody answers and customers cannot pay' },
  lapse: { kind: 'lapse', at: NOW },
  end: { kind: 'end', at: NOW, how: 'revoked', by: 'adam', reason: 'wrong host', reviewDueAt: NOW + 480 * MINUTE },
  extend: {
    kind: 'extend',
    at: NOW,
    by: 'alice',
    reason: 'not over yet',
    expiresAt: NOW + 60 * MINUTE,
    latest: NOW + 120 * MINUTE,
  },
  unannounced: { kind: 'unannounced', at: NOW },
  remind: { kind: 'remind', at: NOW, stage: 'overdue' },
  review: { kind: 'review', review },
  reopen: { kind: 'reopen', at: NOW, by: 'adam', reason: 'new facts', reviewDueAt: NOW + 480 * MINUTE },
}

// Written out by hand from design §4, not read from the table under test.
const want: Readonly<Record<GrantState, Partial<Record<GrantEvent['kind'], GrantState>>>> = {
  requested: { activate: 'active', approve: 'requested', override: 'requested', deny: 'denied', lapse: 'lapsed' },
  active: { extend: 'active', unannounced: 'active', end: 'awaiting-review' },
  denied: {},
  lapsed: {},
  'awaiting-review': { remind: 'awaiting-review', review: 'reviewed' },
  reviewed: { reopen: 'awaiting-review' },
}

const live = { activatedAt: NOW - MINUTE, expiresAt: NOW + 29 * MINUTE }
const grants: Readonly<Record<GrantState, Grant>> = {
  requested: grant(),
  active: grant({ state: 'active', ...live }),
  denied: grant({ state: 'denied', endedAt: NOW }),
  lapsed: grant({ state: 'lapsed', endedAt: NOW }),
  'awaiting-review': grant({ state: 'awaiting-review', ...live, endedAt: NOW }),
  reviewed: grant({ state: 'reviewed', ...live, endedAt: NOW, review }),
}

for (const before of Object.values(grants)) {
  for (const event of Object.values(events)) {
    const after = want[before.state][event.kind]
    test(`${before.state} × ${event.kind} → ${after ?? 'refused'}`, () => {
      if (after === undefined)
        expect(() => applyGrantEvent(before, event)).toThrow(expect.objectContaining({ code: 'conflict' }))
      else expect(applyGrantEvent(before, event)).toMatchObject({ state: after, version: before.version + 1 })
    })
  }
}

test('the table has no other step', () => {
  expect(grantTable).toEqual(want)
})

test('each event leaves its facts in the grant and nothing else changes', () => {
  const { activate, end } = events
  const active = applyGrantEvent(grants.requested, activate)
  expect(active).toEqual({
    ...grants.requested,
    state: 'active',
    version: 2,
    activatedAt: NOW,
    expiresAt: NOW + 30 * MINUTE,
  })
  const ended = applyGrantEvent(active, end)
  expect(ended).toMatchObject({
    endedAt: NOW,
    end: { how: 'revoked', by: 'adam', reason: 'wrong host' },
    reviewDueAt: NOW + 480 * MINUTE,
  })
  const reviewed = applyGrantEvent(ended, events.review)
  expect(reviewed.review).toEqual(review)
  expect(applyGrantEvent(reviewed, events.reopen)).toMatchObject({
    review: null,
    earlierReviews: [{ ...review, reopened: { by: 'adam', at: NOW, reason: 'new facts' } }],
  })
  expect(applyGrantEvent(active, events.extend)).toMatchObject({
    expiresAt: NOW + 60 * MINUTE,
    extensions: [{ by: 'alice', at: NOW, reason: 'not over yet', expiresAt: NOW + 60 * MINUTE }],
  })
})

const refusals = [
  { name: 'nobody approves their own request', event: { ...events.approve, by: 'alice' }, code: 'denied' },
  { name: 'nobody denies their own request', event: { ...events.deny, by: 'alice' }, code: 'denied' },
  { name: 'only the one who asked goes ahead unapproved', event: { ...events.override, by: 'bob' }, code: 'denied' },
  {
    name: 'nobody approves twice',
    before: grant({ approvals: [{ by: 'bob', at: NOW, comment: '' }] }),
    event: events.approve,
    code: 'conflict',
  },
  {
    name: 'nobody goes ahead twice',
    before: grant({ override: { by: 'alice', at: NOW, reason: '' } }),
    event: events.override,
    code: 'conflict',
  },
  {
    name: 'whoever asked does not review',
    before: grants['awaiting-review'],
    event: { kind: 'review', review: { ...review, by: 'alice' } },
    code: 'denied',
  },
  {
    name: 'whoever approved does not review',
    before: grant({ ...grants['awaiting-review'], approvals: [{ by: 'rita', at: NOW, comment: '' }] }),
    event: events.review,
    code: 'denied',
  },
] as const
for (const refusal of refusals) {
  test(refusal.name, () => {
    const before = 'before' in refusal ? refusal.before : grants.requested
    expect(() => applyGrantEvent(before, refusal.event)).toThrow(expect.objectContaining({ code: refusal.code }))
  })
}

test('no grant is activated for longer than was decided, nor for no time', () => {
  for (const expiresAt of [NOW + 30 * MINUTE + 1, NOW, NOW - 1, Number.NaN, Infinity])
    expect(() => applyGrantEvent(grants.requested, { kind: 'activate', at: NOW, expiresAt })).toThrow()
})

test('a grant is live only while active and before its end', () => {
  const active = grants.active
  expect(isLive(active, (active.expiresAt ?? 0) - 1)).toBe(true)
  expect(isLive(active, active.expiresAt ?? 0)).toBe(false)
  expect(isLive(active, Number.NaN)).toBe(false)
  for (const state of ['requested', 'denied', 'lapsed', 'awaiting-review', 'reviewed'] as const)
    expect(isLive({ ...active, state }, NOW)).toBe(false)
})

test('whatever happens in whatever order: live only after one activation, never revived, versions grow by one', () => {
  const some = fc.array(fc.constantFrom(...Object.values(events)), { maxLength: 30 })
  fc.assert(
    fc.property(some, (sequence) => {
      let held = grant()
      let activations = 0
      for (const event of sequence) {
        const before = held
        try {
          held = applyGrantEvent(held, event)
        } catch {
          expect(held).toBe(before)
          continue
        }
        expect(held.version).toBe(before.version + 1)
        if (event.kind === 'activate') activations++
        if (before.endedAt !== null) expect(isLive(held, NOW)).toBe(false)
      }
      expect(activations).toBeLessThanOrEqual(1)
      if (isLive(held, NOW)) expect(activations).toBe(1)
    }),
  )
})
