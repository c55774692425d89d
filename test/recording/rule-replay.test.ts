import { expect, test } from 'vitest'
import { type AuditEvent, encodeLeaf } from '../../src/audit.ts'
import { RuleReplay } from '../../src/recording/rule-replay.ts'

const minute = 60_000
const requested: AuditEvent = {
  type: 'grant-requested',
  grant: 'g1',
  user: 'alice',
  policy: 'p',
  policyHash: 'h',
  target: 'orders',
  account: 'app',
  trigger: 't',
  reason: 'r',
  durationMs: 30 * minute,
  rule: 'self',
  address: '127.0.0.1',
}
const activated: AuditEvent = {
  type: 'grant-activated',
  grant: 'g1',
  user: 'alice',
  target: 'orders',
  account: 'app',
  rule: 'self',
  expiresAt: 31 * minute,
}
const opened: AuditEvent = {
  type: 'session-opened',
  session: 's1',
  grant: 'g1',
  user: 'alice',
  target: 'orders',
  account: 'app',
  protocol: 'postgres',
  address: '127.0.0.1',
  fingerprint: 'f',
}
const sealed: AuditEvent = {
  type: 'session-sealed',
  session: 's1',
  root: '00',
  lines: 1,
  firstSeq: 0,
  lastSeq: 0,
  sizeBytes: 1,
  sha256: '00',
  file: 'f',
  endReason: 'exited',
  state: 'complete',
}
const ended: AuditEvent = { type: 'grant-ended', grant: 'g1', how: 'revoked', by: 'bob', reason: 'r' }
const extended: AuditEvent = { type: 'grant-extended', grant: 'g1', by: 'bob', reason: 'r', expiresAt: 50 * minute }
const locked: AuditEvent = { type: 'locked', scope: 'user:alice', by: 'adam', reason: 'r' }
const unlocked: AuditEvent = { ...locked, type: 'unlocked' }
const reopened: AuditEvent = { type: 'review-reopened', grant: 'g1', by: 'adam', reason: 'r' }
const overridden: AuditEvent = { type: 'grant-overridden', grant: 'g1', by: 'alice', reason: 'r' }
const approved: AuditEvent = { type: 'grant-approved', grant: 'g1', by: 'bob', comment: '' }
const denied: AuditEvent = { type: 'grant-denied', grant: 'g1', by: 'bob', comment: '' }
const review: AuditEvent & { type: 'grant-reviewed' } = {
  type: 'grant-reviewed',
  grant: 'g1',
  by: 'rita',
  verdict: 'emergency',
  findings: '',
  roots: [],
  followUps: [],
  shares: [],
  damage: [],
  checklist: [],
  statement: '00',
  attestedBy: 'halligan',
}

/** How many findings each row gives. Row n is at minute n, if it does not say otherwise. */
function replay(...events: (AuditEvent & { at?: number })[]): number[] {
  const rules = new RuleReplay()
  return events.map((event, row) => rules.take(row, encodeLeaf(row * minute, event)).length)
}

test('a grant from request to review breaks no rule', () => {
  expect(replay(requested, approved, activated, opened, sealed, ended, review)).toEqual([0, 0, 0, 0, 0, 0, 0])
})

test('an extension moves the end, and what is unlocked may be opened', () => {
  expect(replay(requested, activated, extended, { ...opened, at: 40 * minute }, sealed, ended, review)).toEqual(
    Array.from({ length: 7 }, () => 0),
  )
  expect(replay(requested, activated, locked, unlocked, opened)).toEqual([0, 0, 0, 0, 0])
})

test('a vouched grant that somebody else approves and reviews, and a review that is judged anew, break no rule', () => {
  const vouched = { ...requested, vouchedBy: 'carol' }
  expect(replay(vouched, approved, activated, ended, review, reopened, { ...review, by: 'sam' })).toEqual(
    Array.from({ length: 7 }, () => 0),
  )
  expect(replay(requested, overridden, activated)).toEqual([0, 0, 0])
  expect(replay(requested, { ...ended, how: 'lapsed' })).toEqual([0, 0])
})

const broken: { name: string; events: (AuditEvent & { at?: number })[] }[] = [
  { name: 'an activation without a request', events: [activated] },
  { name: 'a request twice', events: [requested, requested] },
  { name: 'an activation for another user', events: [requested, { ...activated, user: 'eve' }] },
  { name: 'an activation on another target', events: [requested, { ...activated, target: 'web-1' }] },
  { name: 'an activation as another account', events: [requested, { ...activated, account: 'admin' }] },
  { name: 'an activation for longer', events: [requested, { ...activated, expiresAt: 40 * minute }] },
  { name: 'an activation after a denial', events: [requested, denied, activated] },
  { name: 'a second activation', events: [requested, activated, activated] },
  { name: 'an approval by the one who asked', events: [requested, { ...approved, by: 'alice' }] },
  { name: 'an approval of nothing', events: [approved] },
  { name: 'a second approval by one person', events: [requested, approved, approved] },
  { name: 'an approval by the one who vouched', events: [{ ...requested, vouchedBy: 'bob' }, approved] },
  { name: 'one who vouches for themselves', events: [{ ...requested, vouchedBy: 'alice' }] },
  { name: 'an approval after it lapsed', events: [requested, { ...ended, how: 'lapsed' }, approved] },
  { name: 'an approval after a denial', events: [requested, denied, approved] },
  { name: 'an approval after activation', events: [requested, activated, approved] },
  { name: 'a denial after activation', events: [requested, approved, activated, denied] },
  { name: 'a denial by the one who asked', events: [requested, { ...denied, by: 'alice' }] },
  { name: 'an override by somebody else', events: [requested, { ...overridden, by: 'bob' }] },
  { name: 'an override after a denial', events: [requested, denied, overridden] },
  { name: 'an override after activation', events: [requested, approved, activated, overridden] },
  { name: 'an end before activation', events: [requested, ended] },
  { name: 'a lapse after activation', events: [requested, activated, { ...ended, how: 'lapsed' }] },
  {
    name: 'a review by the one who vouched',
    events: [{ ...requested, vouchedBy: 'rita' }, activated, ended, review],
  },
  { name: 'a second review', events: [requested, activated, ended, review, { ...review, by: 'sam' }] },
  { name: 'a review re-opened before there was one', events: [requested, activated, ended, reopened] },
  {
    name: 'a review re-opened by the one who asked',
    events: [requested, activated, ended, review, { ...reopened, by: 'alice' }],
  },
  { name: 'a session without a grant', events: [opened] },
  { name: 'a session before activation', events: [requested, opened] },
  { name: 'an extension of nothing', events: [extended] },
  { name: 'an extension before activation', events: [requested, extended] },
  { name: 'an extension after the end', events: [requested, activated, ended, extended] },
  { name: 'an extension backwards', events: [requested, activated, { ...extended, expiresAt: 30 * minute }] },
  {
    name: 'a session after the extended end',
    events: [requested, activated, extended, { ...opened, at: 51 * minute }],
  },
  { name: 'a review by who extended it', events: [requested, activated, extended, ended, { ...review, by: 'bob' }] },
  ...['user:alice', 'target:orders', 'all'].map((scope) => ({
    name: `a session while ${scope} is locked`,
    events: [requested, activated, { ...locked, scope }, opened],
  })),
  { name: 'a session after revocation', events: [requested, activated, ended, opened] },
  { name: 'a session after expiry', events: [requested, activated, { ...opened, at: 31 * minute }] },
  { name: 'a session of another user', events: [requested, activated, { ...opened, user: 'eve' }] },
  { name: 'a session as another account', events: [requested, activated, { ...opened, account: 'admin' }] },
  { name: 'a session opened twice', events: [requested, activated, opened, opened] },
  { name: 'a seal without a session', events: [sealed] },
  { name: 'a second seal', events: [requested, activated, opened, sealed, sealed] },
  { name: 'a second end', events: [requested, activated, ended, ended] },
  { name: 'a review before the end', events: [requested, activated, review] },
  { name: 'a review by the user', events: [requested, activated, ended, { ...review, by: 'alice' }] },
  { name: 'a review by an approver', events: [requested, approved, activated, ended, { ...review, by: 'bob' }] },
]
for (const { name, events } of broken)
  test(`broken: ${name}`, () => {
    const found = replay(...events)
    expect(found.at(-1)).toBe(1)
    expect(found.slice(0, -1).every((count) => count === 0)).toBe(true)
  })
