import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Grant } from '../../src/access/grant.ts'
import { Reports, type ReportLimits } from '../../src/procedure/report.ts'
import type { FigureName } from '../../src/procedure/figure.ts'
import type { Report } from '../../src/procedure/report.ts'
import type { State, Write } from '../../src/session/state.ts'
import { FakeClock } from '../support/clock.ts'
import { grantOf } from '../support/grant.ts'
import { sqlitePlace, type SqlitePlace } from '../store/place.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE
const since = Date.UTC(2026, 9)
const before = Date.UTC(2026, 10)
const noon = Date.UTC(2026, 9, 21, 12)

let place: SqlitePlace
let state: State
let clock: FakeClock
beforeEach(async () => {
  place = await sqlitePlace()
  state = await place.open()
  clock = new FakeClock()
  clock.step(before + DAY - clock.now())
})
afterEach(async () => {
  await state.close()
  await place.remove()
})

function value(report: Report, name: FigureName): number | null | undefined {
  return report.sections[0]?.figures.find((figure) => figure.name === name)?.value
}

/** A use as it is kept: the row, its leaves and an alert that was accepted after 80 ms. */
async function use(grant: Grant): Promise<void> {
  const { id, user, policy, policyHash, target, account, trigger, reason, rule, durationMs } = grant
  const at = grant.activatedAt ?? grant.requestedAt
  const asked = {
    grant: id,
    user,
    policy,
    policyHash,
    target,
    account,
    trigger,
    reason,
    durationMs,
    rule,
    address: '::1',
  }
  await state.commit({
    at,
    writes: [{ kind: 'grant', grant, expectVersion: null }],
    leaves: [
      { type: 'grant-requested', ...asked },
      { type: 'grant-activated', grant: id, user, target, account, rule, expiresAt: at + durationMs },
    ],
    alerts: [{ id: `a-${id}`, channel: 'desk', type: 'grant.activated', at, payload: { grant: id } }],
  })
  await state.commit({
    at,
    writes: [{ kind: 'alert-accepted', id: `a-${id}`, at: at + 80, receipt: '200' }],
    leaves: [],
  })
}

function usedAt(at: number, over: Partial<Grant> = {}): Grant {
  return grantOf(at, {
    requestedAt: at - MINUTE,
    activatedAt: at,
    endedAt: at + 5 * MINUTE,
    state: 'awaiting-review',
    reviewDueAt: at + DAY,
    ...over,
  })
}

test('a month over the real store: uses with their leaves and alerts, those beside it left out', async () => {
  await use(usedAt(since - 1, { id: 'g1' }))
  await use(usedAt(since, { id: 'g2' }))
  await use(usedAt(noon, { id: 'g3', vouchedBy: 'bob' }))
  await use(usedAt(before - 1, { id: 'g4', drill: true }))
  await use(usedAt(before, { id: 'g5' }))
  const report = await new Reports({ clock, state }).of('2026-10')
  expect(report).toMatchObject({ month: '2026-10', since, before, isOver: true, cut: [], contradictions: [] })
  const uses = report.sections[0]?.figures.find(({ name }) => name === 'uses')
  expect(uses).toMatchObject({ value: 2, evidence: { grants: ['g2', 'g3'], leaves: [3, 5] } })
  expect(value(report, 'time-to-access-p50')).toBe(MINUTE)
  expect(value(report, 'duration-total')).toBe(10 * MINUTE)
  expect(value(report, 'alert-latency-p95')).toBe(80)
  expect(value(report, 'bypasses')).toBe(1)
  expect(value(report, 'drill-grants')).toBe(1)
  // g2 asked in the minute before midnight.
  expect(value(report, 'requests')).toBe(2)
  expect(report.controls.length).toBeGreaterThan(5)
})

test('a row that was put in without the ledger, and a leaf whose row is gone, are named', async () => {
  await state.commit({
    at: noon,
    writes: [{ kind: 'grant', grant: usedAt(noon, { id: 'g1' }), expectVersion: null }],
    leaves: [
      { type: 'grant-activated', grant: 'g9', user: 'a', target: 't', account: 'x', rule: '', expiresAt: noon + 1 },
    ],
  })
  const report = await new Reports({ clock, state }).of('2026-10')
  expect(report.contradictions).toEqual([expect.stringContaining('g1'), expect.stringContaining('g9')])
})

describe('which month', () => {
  const reports = () => new Reports({ clock, state })

  test('this one without any, up to now', async () => {
    await use(usedAt(before + 60 * MINUTE, { id: 'g1' }))
    const report = await reports().of()
    expect(report).toMatchObject({ month: '2026-11', asOf: clock.now(), isOver: false })
    expect(value(report, 'uses')).toBe(1)
  })

  for (const month of [
    '2026-12',
    '9999-12',
    '1999-01',
    '2026-13',
    '2026-00',
    '2026-1',
    '26-01',
    'last',
    '',
    '2026-10\n',
    '２０２６-10',
  ])
    test(`${JSON.stringify(month)} is refused`, async () => {
      await expect(reports().of(month)).rejects.toMatchObject({ code: 'usage' })
    })

  test('December ends with the year', async () => {
    clock.step(70 * DAY)
    expect(await reports().of('2026-12')).toMatchObject({ before: Date.UTC(2027, 0), isOver: true })
  })
})

describe('how much work', () => {
  test('a month with a hundred thousand leaves is read a page at a time, and other calls are answered meanwhile', async () => {
    const grants = 2_000
    const extensions = 48
    for (let n = 0; n < grants; n += 20) {
      const some = Array.from({ length: 20 }, (_, k) =>
        usedAt(since + MINUTE + (n + k) * 20 * MINUTE, { id: `g${n + k}` }),
      )
      await state.commit({
        at: some[0]?.activatedAt ?? 0,
        writes: some.map((grant): Write => ({ kind: 'grant', grant, expectVersion: null })),
        leaves: some.flatMap(({ id, activatedAt }) =>
          Array.from({ length: extensions }, () => ({
            type: 'grant-extended' as const,
            grant: id,
            by: 'alice',
            reason: 'not over yet',
            expiresAt: activatedAt ?? 0,
          })),
        ),
      })
      for (const { id, activatedAt } of some)
        await state.commit({
          at: activatedAt ?? 0,
          writes: [],
          leaves: [
            { type: 'grant-activated', grant: id, user: 'a', target: 't', account: 'x', rule: '', expiresAt: 1 },
            { type: 'grant-ended', grant: id, how: 'returned', by: 'alice', reason: '' },
          ],
        })
    }
    let largest = 0
    const watched: Pick<State, 'grants' | 'alerts' | 'events' | 'drillRuns'> = {
      grants: (filter) => state.grants(filter),
      alerts: (filter) => state.alerts(filter),
      drillRuns: (filter) => state.drillRuns(filter),
      events: async (filter) => {
        const page = await state.events(filter)
        largest = Math.max(largest, page.length)
        return page
      },
    }
    const making = new Reports({ clock, state: watched }).of('2026-10')
    let answered = 0
    let isMade = false
    void making.then(() => (isMade = true))
    while (!isMade) {
      await state.setting('nothing')
      answered += 1
    }
    const report = await making
    expect(report).toMatchObject({ cut: [], contradictions: [] })
    expect(value(report, 'uses')).toBe(grants)
    expect(largest).toBeLessThanOrEqual(500)
    // Each page is a turn of the store's queue: others are served in between.
    expect(answered).toBeGreaterThan((grants * extensions) / 500)
  }, 120_000)

  const limits: ReportLimits = { grants: 3, leaves: 1, alerts: 3, drillRuns: 1, contradictions: 1 }
  test('beyond its limits a report says what it left out, and calls nothing a contradiction for it', async () => {
    for (let n = 0; n < 6; n += 1) await use(usedAt(noon + n * MINUTE, { id: `g${n}` }))
    for (const id of ['d1', 'd2'])
      await state.commit({
        at: noon,
        writes: [
          {
            kind: 'drill-run',
            run: { id, name: 'n', by: 'x', startedAt: noon, endedAt: noon, passed: 1, failed: 0, report: {} },
          },
        ],
        leaves: [],
      })
    const few = await new Reports({ clock, state }, limits).of('2026-10')
    expect(few.cut).toHaveLength(4)
    expect(few.contradictions).toEqual([])
    const many = { grants: 99, leaves: 999, alerts: 99, drillRuns: 9, contradictions: 1 }
    for (const id of ['g-a', 'g-b'])
      await state.commit({
        at: noon,
        writes: [{ kind: 'grant', grant: usedAt(noon, { id }), expectVersion: null }],
        leaves: [],
      })
    const contradicted = await new Reports({ clock, state }, many).of('2026-10')
    expect(contradicted.contradictions).toHaveLength(1)
    expect(contradicted.cut).toEqual(['1 more contradictions'])
  })

  test('the same month asked for many times at once is made once, others one after the other, too many are turned away', async () => {
    let made = 0
    const counted = {
      ...reading(state),
      drillRuns: (filter: Parameters<State['drillRuns']>[0]) => (made++, state.drillRuns(filter)),
    }
    const reports = new Reports({ clock, state: counted })
    const same = await Promise.all(Array.from({ length: 50 }, () => reports.of('2026-10')))
    expect(new Set(same).size).toBe(1)
    expect(made).toBe(1)
    const months = ['01', '02', '03', '04', '05'].map((month) => reports.of(`2026-${month}`))
    const outcomes = await Promise.allSettled(months)
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
    ])
    expect(outcomes[4]).toMatchObject({ reason: { code: 'unavailable' } })
    expect(await reports.of('2026-05')).toMatchObject({ month: '2026-05' })
  })

  test('a store that fails fails this report, and not the next', async () => {
    let isBroken = true
    const failing = {
      ...reading(state),
      drillRuns: (filter: Parameters<State['drillRuns']>[0]) =>
        isBroken ? Promise.reject(new Error('disk')) : state.drillRuns(filter),
    }
    const reports = new Reports({ clock, state: failing })
    await expect(reports.of('2026-10')).rejects.toThrow('disk')
    isBroken = false
    expect(await reports.of('2026-10')).toMatchObject({ month: '2026-10' })
  })
})

function reading(from: State): Pick<State, 'grants' | 'alerts' | 'events' | 'drillRuns'> {
  return {
    grants: (filter) => from.grants(filter),
    alerts: (filter) => from.alerts(filter),
    events: (filter) => from.events(filter),
    drillRuns: (filter) => from.drillRuns(filter),
  }
}
