// What every engine behind the port must do with what only the procedure keeps: locks, codes, views, drills, revocations,
// dead alerts, and the ledger read by type. An engine's own test calls this with its opener.

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Change, DrillRun, IssuedCode, Revocation, State, Write } from '../../src/session/state.ts'
import { grantOf } from '../support/grant.ts'
import { alertOf, leafOf, noon, sessionOf, type StatePlace } from './contract.ts'

function codeOf(over: Partial<IssuedCode> = {}): IssuedCode {
  return {
    id: 'c1',
    purpose: 'bypass',
    user: 'alice',
    hash: 'ab'.repeat(32),
    by: 'bob',
    createdAt: noon,
    expiresAt: noon + 900_000,
    usedAt: null,
    ...over,
  }
}

function drillOf(over: Partial<DrillRun> = {}): DrillRun {
  return {
    id: 'd1',
    name: 'nightly',
    by: 'schedule',
    startedAt: noon,
    endedAt: null,
    passed: 0,
    failed: 0,
    report: null,
    ...over,
  }
}

function revocationOf(over: Partial<Revocation> = {}): Revocation {
  return {
    id: 'r1',
    grant: 'g7f3',
    target: 'orders',
    what: { kind: 'drop-role', role: 'hlgn_g7f3' },
    queuedAt: noon,
    attempts: 0,
    nextAt: noon,
    lastError: null,
    doneAt: null,
    ...over,
  }
}

const conflict = { code: 'conflict' }

/** Declares the suite for one engine. */
export function describeProcedureState(engine: string, makePlace: () => Promise<StatePlace>): void {
  describe(`${engine}, the procedure's rows`, () => {
    let place: StatePlace
    let state: State

    beforeEach(async () => {
      place = await makePlace()
      state = await place.open()
    })
    afterEach(async () => {
      await state.close()
      await place.remove()
    })

    const commit = (writes: readonly Write[], rest: Partial<Change> = {}) =>
      state.commit({ at: noon, writes, leaves: [], ...rest })
    const reopen = async () => {
      await state.close()
      state = await place.open()
    }
    /** How many of `changes`, sent at once, went through; the others must have lost by compare-and-set. */
    const winners = async (changes: readonly Write[]) => {
      const outcomes = await Promise.allSettled(changes.map((write) => commit([write], { leaves: [leafOf(1)] })))
      for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject(conflict)
      const won = outcomes.filter(({ status }) => status === 'fulfilled').length
      expect((await state.ledgerHead()).size).toBe(won)
      return won
    }

    describe('locks', () => {
      const lock = { scope: 'user:alice', by: 'adam', at: noon, reason: 'key "lost"\n🔑' }

      test('a lock stays until it is taken back, over a restart as well', async () => {
        await commit([
          { kind: 'lock', lock },
          { kind: 'lock', lock: { ...lock, scope: 'all' } },
        ])
        await reopen()
        expect(await state.locks()).toEqual([{ ...lock, scope: 'all' }, lock])
        await commit([{ kind: 'unlock', scope: 'user:alice' }])
        expect(await state.locks()).toEqual([{ ...lock, scope: 'all' }])
      })

      test('a second lock of one scope takes the place of the first', async () => {
        const second = { ...lock, by: 'bob', at: noon + 1, reason: 'again' }
        await commit([{ kind: 'lock', lock }])
        await commit([{ kind: 'lock', lock: second }])
        expect(await state.locks()).toEqual([second])
      })

      test('of several who unlock at once one does, and nobody unlocks what is not locked', async () => {
        await commit([{ kind: 'lock', lock }])
        const unlock: Write = { kind: 'unlock', scope: 'user:alice' }
        expect(await winners([unlock, unlock, unlock])).toBe(1)
        await expect(commit([unlock])).rejects.toMatchObject(conflict)
        expect(await state.locks()).toEqual([])
      })

      test('more locks than one answer holds are all there', async () => {
        const locks = Array.from({ length: 700 }, (_, n) => ({ ...lock, scope: `user:u${String(n).padStart(4, '0')}` }))
        await commit(locks.map((each) => ({ kind: 'lock', lock: each })))
        expect(await state.locks()).toEqual(locks)
      })
    })

    describe('codes', () => {
      const use = (id: string, at: number): Write => ({ kind: 'code-used', id, at })
      const ids = async (user: string, purpose: IssuedCode['purpose']) =>
        (await state.codes(user, purpose)).map(({ id }) => id)

      test('codes come back newest first, to their owner and purpose alone', async () => {
        const codes = [
          codeOf(),
          codeOf({ id: 'c2' }),
          codeOf({ id: 'c3', purpose: 'recovery', expiresAt: null }),
          codeOf({ id: 'c4', user: 'bob' }),
        ]
        await commit(codes.map((code) => ({ kind: 'code-issued', code })))
        await reopen()
        expect(await state.codes('alice', 'bypass')).toEqual([codes[1], codes[0]])
        expect(await state.codes('alice', 'recovery')).toEqual([codes[2]])
        expect(await state.codes('alice', 'invite')).toEqual([])
        await expect(commit([{ kind: 'code-issued', code: codeOf() }])).rejects.toMatchObject(conflict)
      })

      test('one code used by many at once opens once, and never again', async () => {
        await commit([{ kind: 'code-issued', code: codeOf() }])
        expect(await winners(Array.from({ length: 8 }, () => use('c1', noon)))).toBe(1)
        await expect(commit([use('c1', noon)])).rejects.toMatchObject(conflict)
        expect(await ids('alice', 'bypass')).toEqual([])
      })

      const lateness = [
        { name: 'a millisecond before its end', expiresAt: noon + 1, at: noon, opens: true },
        { name: 'at its end', expiresAt: noon, at: noon, opens: false },
        { name: 'after its end', expiresAt: noon, at: noon + 1, opens: false },
        { name: 'without an end, years later', expiresAt: null, at: noon * 2, opens: true },
      ]
      for (const { name, expiresAt, at, opens } of lateness)
        test(`a code ${name} ${opens ? 'opens' : 'is refused'}`, async () => {
          await commit([{ kind: 'code-issued', code: codeOf({ expiresAt }) }])
          if (opens) await commit([use('c1', at)])
          else await expect(commit([use('c1', at)])).rejects.toMatchObject(conflict)
          expect(await ids('alice', 'bypass')).toEqual(opens ? [] : ['c1'])
        })

      test('codes that were replaced open nothing; one used before stays used; other purposes stay', async () => {
        await commit([
          { kind: 'code-issued', code: codeOf() },
          { kind: 'code-issued', code: codeOf({ id: 'c2' }) },
          { kind: 'code-issued', code: codeOf({ id: 'c3', purpose: 'recovery', expiresAt: null }) },
          { kind: 'code-issued', code: codeOf({ id: 'c4', user: 'bob' }) },
          use('c1', noon),
        ])
        const end: Write = { kind: 'codes-ended', user: 'alice', purpose: 'bypass', at: noon + 1 }
        await commit([end, end, { kind: 'codes-ended', user: 'nobody', purpose: 'invite', at: noon }])
        for (const id of ['c1', 'c2', 'c9']) await expect(commit([use(id, noon + 2)])).rejects.toMatchObject(conflict)
        expect(await ids('alice', 'bypass')).toEqual([])
        expect(await ids('alice', 'recovery')).toEqual(['c3'])
        expect(await ids('bob', 'bypass')).toEqual(['c4'])
      })

      test('a use and a replacement at once: the code opens before it ends or not at all', async () => {
        await commit([{ kind: 'code-issued', code: codeOf() }])
        const end: Write = { kind: 'codes-ended', user: 'alice', purpose: 'bypass', at: noon }
        const [ended, used] = await Promise.allSettled([commit([end]), commit([use('c1', noon)])])
        expect([ended?.status, used?.status]).toEqual(['fulfilled', 'rejected'])
      })

      test('a use that fails with its change leaves the code unused', async () => {
        await commit([{ kind: 'code-issued', code: codeOf() }])
        await expect(commit([use('c1', noon), { kind: 'unlock', scope: 'all' }])).rejects.toMatchObject(conflict)
        await commit([use('c1', noon)])
      })
    })

    describe('views', () => {
      beforeEach(async () => {
        await commit([
          { kind: 'grant', grant: grantOf(noon), expectVersion: null },
          ...Array.from({ length: 3 }, (_, n): Write => ({
            kind: 'session-open',
            session: sessionOf({ id: `s${n}` }),
          })),
        ])
      })
      const view = (session: string, over: object = {}) => ({ session, user: 'rita', at: noon, share: 0.25, ...over })

      test('views of the sessions asked for, oldest first', async () => {
        const views = [view('s1'), view('s0', { share: 0 }), view('s1', { share: 1, at: noon + 1 }), view('s2')]
        for (const each of views) await commit([{ kind: 'view', view: each }])
        await reopen()
        expect(await state.views(['s1', 's0', 'sunknown'])).toEqual(views.slice(0, 3))
        expect(await state.views([])).toEqual([])
      })

      test('more views and more sessions than one answer holds', async () => {
        const views = Array.from({ length: 1300 }, (_, n) => view(`s${n % 2}`, { at: noon + n }))
        for (let from = 0; from < views.length; from += 900)
          await commit(views.slice(from, from + 900).map((each) => ({ kind: 'view', view: each })))
        const many = Array.from({ length: 1000 }, (_, n) => `s${n}`)
        expect(await state.views(many.toReversed())).toEqual(views)
      })

      test('a view of no session is a conflict, one of more than everything is refused', async () => {
        await expect(commit([{ kind: 'view', view: view('sunknown') }])).rejects.toMatchObject(conflict)
        for (const share of [-0.1, 1.1])
          await expect(commit([{ kind: 'view', view: view('s0', { share }) }])).rejects.toMatchObject({
            code: 'store_failed',
          })
      })
    })

    describe('drill runs', () => {
      test('a run is kept as it goes on, newest first, by name and time', async () => {
        const first = drillOf()
        await commit([{ kind: 'drill-run', run: first }])
        await commit([{ kind: 'drill-run', run: drillOf({ id: 'd2', startedAt: noon + 5 }) }])
        await commit([{ kind: 'drill-run', run: drillOf({ id: 'd3', name: 'red-button', startedAt: noon + 5 }) }])
        const done = {
          ...first,
          endedAt: noon + 9,
          passed: 7,
          failed: 1,
          report: { steps: [{ ok: true }, { ok: false }] },
        }
        await commit([{ kind: 'drill-run', run: done }])
        await reopen()
        const ids = async (filter: Parameters<State['drillRuns']>[0]) =>
          (await state.drillRuns(filter)).map(({ id }) => id)
        expect(await ids({ limit: 10 })).toEqual(['d3', 'd2', 'd1'])
        expect(await ids({ limit: 2 })).toEqual(['d3', 'd2'])
        expect(await ids({ limit: 10, name: 'nightly' })).toEqual(['d2', 'd1'])
        expect(await ids({ limit: 10, since: noon + 5 })).toEqual(['d3', 'd2'])
        expect(await state.drillRuns({ limit: 1, name: 'nightly', since: noon })).toHaveLength(1)
        expect((await state.drillRuns({ limit: 10 })).at(-1)).toEqual(done)
      })

      test('large reports come back whole, page after page', async () => {
        const runs = Array.from({ length: 5 }, (_, n) =>
          drillOf({ id: `d${n}`, startedAt: noon, report: { text: 'x'.repeat(600_000) } }),
        )
        for (const run of runs) await commit([{ kind: 'drill-run', run }])
        expect(await state.drillRuns({ limit: 10 })).toEqual(runs.toReversed())
      })
    })

    describe('revocations', () => {
      const ids = async (limit = 10) => (await state.revocations({ limit })).map(({ id }) => id)

      test('what is due next comes first; a failure counts and waits', async () => {
        await commit([
          { kind: 'revocation-queued', revocation: revocationOf() },
          { kind: 'revocation-queued', revocation: revocationOf({ id: 'r2', nextAt: noon - 1 }) },
          { kind: 'revocation-queued', revocation: revocationOf({ id: 'r3' }) },
        ])
        expect(await ids()).toEqual(['r2', 'r1', 'r3'])
        await commit([{ kind: 'revocation-failed', id: 'r2', nextAt: noon + 1000, error: 'connection refused' }])
        await commit([{ kind: 'revocation-failed', id: 'r2', nextAt: noon + 2000, error: 'timeout' }])
        await reopen()
        expect(await ids()).toEqual(['r1', 'r3', 'r2'])
        expect(await ids(2)).toEqual(['r1', 'r3'])
        expect((await state.revocations({ limit: 10 }))[2]).toEqual(
          revocationOf({ id: 'r2', attempts: 2, nextAt: noon + 2000, lastError: 'timeout' }),
        )
      })

      test('one is done once, and then no longer there, nor failing', async () => {
        await commit([{ kind: 'revocation-queued', revocation: revocationOf() }])
        const done: Write = { kind: 'revocation-done', id: 'r1', at: noon }
        const failed: Write = { kind: 'revocation-failed', id: 'r1', nextAt: noon, error: 'late' }
        expect(await winners([done, done, failed])).toBe(1)
        expect(await ids()).toEqual([])
        for (const write of [done, failed, { ...done, id: 'unknown' }])
          await expect(commit([write])).rejects.toMatchObject(conflict)
      })

      test('one is queued although its grant is not known', async () => {
        await commit([{ kind: 'revocation-queued', revocation: revocationOf({ grant: 'g000' }) }])
        expect(await ids()).toEqual(['r1'])
        await expect(commit([{ kind: 'revocation-queued', revocation: revocationOf() }])).rejects.toMatchObject(
          conflict,
        )
      })

      test('more than one answer holds come in order', async () => {
        const all = Array.from({ length: 800 }, (_, n) =>
          revocationOf({ id: `r${n}`, nextAt: noon + Math.floor(n / 3) }),
        )
        await commit(all.map((revocation) => ({ kind: 'revocation-queued', revocation })))
        expect(await ids(1000)).toEqual(all.map(({ id }) => id))
      })
    })

    describe('alerts given up', () => {
      const due = async (now: number) => (await state.outboxDue(now, 10)).map(({ id }) => id)
      const dead: Write = { kind: 'alert-dead', id: 'a', at: noon + 9, error: 'status 410' }
      const retried: Write = { kind: 'alert-retried', id: 'a' }

      test('a dead alert is never due; retried, it is due at once with its attempts counted anew', async () => {
        await commit([], { alerts: [alertOf('a')] })
        await commit([{ kind: 'alert-failed', id: 'a', nextAt: noon + 1000, error: 'status 500' }])
        await commit([dead])
        await reopen()
        expect(await due(noon * 2)).toEqual([])
        expect(await due(noon - 86_400_000)).toEqual([])
        expect((await state.alerts({ limit: 1 }))[0]).toMatchObject({
          attempts: 2,
          deadAt: noon + 9,
          lastError: 'status 410',
          acceptedAt: null,
        })
        await commit([retried])
        expect(await state.outboxDue(0, 10)).toMatchObject([{ id: 'a', attempts: 0 }])
        expect((await state.alerts({ limit: 1 }))[0]?.deadAt).toBeNull()
      })

      test('an alert dies once, is retried once, and only what is dead is retried', async () => {
        await commit([], { alerts: [alertOf('a'), alertOf('b')] })
        await expect(commit([retried])).rejects.toMatchObject(conflict)
        expect(await winners([dead, dead])).toBe(1)
        await expect(commit([{ kind: 'alert-failed', id: 'a', nextAt: noon, error: 'late' }])).rejects.toMatchObject(
          conflict,
        )
        const outcomes = await Promise.allSettled([commit([retried]), commit([retried])])
        expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
        await commit([{ kind: 'alert-accepted', id: 'b', at: noon, receipt: 'ok' }])
        for (const write of [
          { ...dead, id: 'b' },
          { ...retried, id: 'b' },
          { ...dead, id: 'unknown' },
        ])
          await expect(commit([write])).rejects.toMatchObject(conflict)
      })

      test('a receipt that comes after giving up still counts', async () => {
        await commit([], { alerts: [alertOf('a')] })
        await commit([dead])
        await commit([{ kind: 'alert-accepted', id: 'a', at: noon + 10, receipt: 'status 200' }])
        expect((await state.alerts({ limit: 1 }))[0]).toMatchObject({ acceptedAt: noon + 10, deadAt: null })
        await expect(commit([retried])).rejects.toMatchObject(conflict)
      })

      test('alerts are found by grant, type, time and whether they are dead', async () => {
        await commit([], {
          alerts: [
            alertOf('a', { at: noon }),
            alertOf('b', { at: noon + 1, type: 'review.overdue', payload: { grant: 'g2' } }),
            alertOf('c', { at: noon + 2, payload: { grant: 'g2', n: 1 } }),
            alertOf('d', { at: noon + 3, payload: {} }),
            alertOf('e', { at: noon + 4, payload: { grant: { odd: true } } }),
          ],
        })
        await commit([dead])
        const ids = async (filter: Omit<Parameters<State['alerts']>[0], 'limit'>) =>
          (await state.alerts({ ...filter, limit: 10 })).map(({ id }) => id)
        expect(await ids({})).toEqual(['e', 'd', 'c', 'b', 'a'])
        expect(await ids({ grant: 'g2' })).toEqual(['c', 'b'])
        expect(await ids({ grant: 'g2', type: 'review.overdue' })).toEqual(['b'])
        expect(await ids({ grant: "g2' or 1=1 --" })).toEqual([])
        expect(await ids({ isDead: true })).toEqual(['a'])
        expect(await ids({ isDead: false, since: noon + 1, before: noon + 4 })).toEqual(['d', 'c', 'b'])
      })

      test('a filtered list goes on over many answers', async () => {
        const alerts = Array.from({ length: 1000 }, (_, n) =>
          alertOf(`a${n}`, { payload: { grant: n % 2 === 0 ? 'g1' : 'g2', text: 'x'.repeat(4000) } }),
        )
        for (let from = 0; from < alerts.length; from += 500)
          await commit([], { alerts: alerts.slice(from, from + 500) })
        const found = await state.alerts({ grant: 'g2', limit: 450 })
        expect(found.map(({ id }) => id)).toEqual(Array.from({ length: 450 }, (_, n) => `a${999 - 2 * n}`))
      })
    })

    describe('lists by time', () => {
      test('grants requested within a time', async () => {
        const at = (n: number): Write => ({
          kind: 'grant',
          grant: grantOf(noon, { id: `g${n}`, requestedAt: noon + n }),
          expectVersion: null,
        })
        await commit([0, 1, 2, 3].map(at))
        const ids = async (filter: Parameters<State['grants']>[0]) => (await state.grants(filter)).map(({ id }) => id)
        expect(await ids({ since: noon + 1, before: noon + 3 })).toEqual(['g2', 'g1'])
        expect(await ids({ since: noon + 3 })).toEqual(['g3'])
        expect(await ids({ before: noon + 1, user: 'alice', states: ['active'] })).toEqual(['g0'])
        expect(await ids({ before: noon })).toEqual([])
      })

      test('a list of sessions goes on after any of them, also amid one millisecond', async () => {
        await commit([
          { kind: 'grant', grant: grantOf(noon), expectVersion: null },
          ...Array.from({ length: 9 }, (_, n): Write => ({
            kind: 'session-open',
            session: sessionOf({ id: `s${n}`, openedAt: noon + Math.floor(n / 5), user: n === 3 ? 'bob' : 'alice' }),
          })),
        ])
        const seen: string[] = []
        for (let after: string | undefined; ;) {
          const page = await state.sessions({ ...(after === undefined ? {} : { after }), limit: 2 })
          seen.push(...page.map(({ id }) => id))
          after = page.at(-1)?.id
          if (after === undefined) break
        }
        expect(seen).toEqual(['s8', 's7', 's6', 's5', 's4', 's3', 's2', 's1', 's0'])
        expect((await state.sessions({ after: 's5', user: 'bob' })).map(({ id }) => id)).toEqual(['s3'])
        expect(await state.sessions({ after: 'sunknown' })).toEqual([])
      })
    })

    describe('events', () => {
      const at = async (time: number, ...leaves: Change['leaves']) => state.commit({ at: time, writes: [], leaves })
      const locked = { type: 'locked', scope: 'all', by: 'adam', reason: 'drill' } as const
      const unlocked = { ...locked, type: 'unlocked' } as const

      test('leaves come back with index and time, newest first, by type, time and index', async () => {
        await at(noon, locked, leafOf(0))
        await at(noon + 10, unlocked)
        // The clock stepped back: what was written last is still newest.
        await at(noon + 5, locked)
        await reopen()
        const all = await state.events({ limit: 10 })
        expect(all).toEqual([
          { index: 3, at: noon + 5, event: locked },
          { index: 2, at: noon + 10, event: unlocked },
          { index: 1, at: noon, event: leafOf(0) },
          { index: 0, at: noon, event: locked },
        ])
        const indexes = async (filter: Omit<Parameters<State['events']>[0], 'limit'>) =>
          (await state.events({ ...filter, limit: 10 })).map(({ index }) => index)
        expect(await indexes({ types: ['locked'] })).toEqual([3, 0])
        expect(await indexes({ types: ['locked', 'unlocked', 'locked'] })).toEqual([3, 2, 0])
        expect(await indexes({ types: [] })).toEqual([])
        expect(await indexes({ since: noon + 5 })).toEqual([3, 2])
        expect(await indexes({ since: noon + 5, before: noon + 10, types: ['locked', 'unlocked'] })).toEqual([3])
        expect(await indexes({ before: noon + 10 })).toEqual([3, 1, 0])
        expect(await indexes({ below: 3 })).toEqual([2, 1, 0])
        expect(await indexes({ below: 3, since: noon, types: ['locked'] })).toEqual([0])
        expect((await state.events({ limit: 1, types: ['locked', 'unlocked'] })).map(({ index }) => index)).toEqual([3])
        expect(await state.events({ limit: 0 })).toEqual([])
      })

      test('a long list goes over many answers without losing or repeating one', async () => {
        for (let n = 0; n < 1200; n += 400)
          await at(
            noon + n,
            ...Array.from({ length: 400 }, (_, m) => [locked, unlocked, leafOf(n + m)][m % 3] ?? locked),
          )
        const want = Array.from({ length: 1200 }, (_, n) => n).filter((n) => (n % 400) % 3 !== 2)
        for (const bounds of [{}, { since: noon, before: noon + 400 * 3 }]) {
          const found = await state.events({ types: ['unlocked', 'locked'], limit: 5000, ...bounds })
          expect(found.map(({ index }) => index)).toEqual(want.toReversed())
          const every = await state.events({ limit: 5000, ...bounds })
          expect(every.map(({ index }) => index)).toEqual(Array.from({ length: 1200 }, (_, n) => 1199 - n))
        }
      })

      test('large leaves come back whole', async () => {
        for (let n = 0; n < 4; n += 1) await at(noon, leafOf('x'.repeat(700_000)))
        expect(await state.events({ types: ['local-command'], limit: 10 })).toHaveLength(4)
      })
    })
  })
}
