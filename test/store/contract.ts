// What every engine behind the port of src/session/state.ts must do. An engine's own test calls this with its opener.

import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { applyGrantEvent, type Grant, type GrantState } from '../../src/access/grant.ts'
import { decodeLeaf, encodeLeaf, type AuditEvent } from '../../src/audit.ts'
import { leafHash, verifyConsistency, verifyInclusion } from '../../src/ledger/merkle.ts'
import type { SessionRecord } from '../../src/session/session.ts'
import type { Alert, Change, GrantSecret, LedgerHead, State, Write } from '../../src/session/state.ts'
import { grantOf } from '../support/grant.ts'

/** A place for one state, opened as often as a test likes. */
export interface StatePlace {
  open(): Promise<State>
  remove(): Promise<void>
}

export const noon: number = Date.UTC(2026, 10, 21, 12)

export function sessionOf(over: Partial<SessionRecord> = {}): SessionRecord {
  return {
    id: 'sabcdefgh2345',
    protocol: 'ssh',
    grant: 'g7f3',
    user: 'alice',
    fingerprint: 'SHA256:abc',
    mfa: 'totp',
    address: '127.0.0.1',
    target: 'web-1',
    account: 'deploy',
    database: null,
    what: { kind: 'shell', term: { type: 'xterm', cols: 80, rows: 24 } },
    openedAt: noon,
    state: 'open',
    endedAt: null,
    end: null,
    seal: null,
    ...over,
  }
}

export function secretOf(over: Partial<GrantSecret> = {}): GrantSecret {
  return {
    id: 'secret-1',
    grant: 'g7f3',
    user: 'alice',
    target: 'orders',
    database: 'shop',
    from: '127.0.0.1',
    salt: Buffer.alloc(16, 1),
    iterations: 4096,
    storedKey: Buffer.alloc(32, 2),
    serverKey: Buffer.alloc(32, 3),
    createdAt: noon,
    firstUseBy: noon + 600_000,
    usedAt: null,
    endedAt: null,
    mfa: 'totp',
    fingerprint: 'SHA256:abc',
    ...over,
  }
}

export function alertOf(id: string, over: Partial<Alert> = {}): Alert {
  return { id, channel: 'hook', type: 'grant.activated', at: noon, payload: { grant: 'g7f3' }, ...over }
}

export function leafOf(n: number | string): AuditEvent {
  return { type: 'local-command', actor: 'local:0', command: `number ${n}` }
}

const seal = {
  file: '2026/11/21/sabcdefgh2345.cast.zst',
  root: 'ab'.repeat(32),
  lines: 12,
  firstSeq: 0,
  lastSeq: 11,
  sizeBytes: 4096,
  sha256: 'cd'.repeat(32),
  state: 'complete',
} as const

const end = { reason: 'exited', code: null, message: 'exited with 0', exitStatus: 0 } as const

/** RFC 6962 §2.1 by its definition, not by the code under test. */
function naiveRoot(leaves: readonly Uint8Array[]): string {
  const sha256 = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest()
  const tree = (part: readonly Uint8Array[]): Buffer => {
    if (part.length === 0) return sha256()
    const [only] = part
    if (part.length === 1 && only !== undefined) return sha256(Buffer.of(0), only)
    let split = 1
    while (split * 2 < part.length) split *= 2
    return sha256(Buffer.of(1), tree(part.slice(0, split)), tree(part.slice(split)))
  }
  return tree(leaves).toString('hex')
}

export async function expectSoundLedger(state: State): Promise<void> {
  const head = await state.ledgerHead()
  const leaves = await state.leaves(0, head.size)
  expect(leaves).toHaveLength(head.size)
  const root = Buffer.from(head.root, 'hex')
  for (const [index, leaf] of leaves.entries()) {
    const proof = await state.inclusionProof(index, head.size)
    expect(verifyInclusion({ leaf: leafHash(leaf), index, size: head.size, root, proof })).toBe(true)
  }
  expect(naiveRoot(leaves)).toBe(head.root)
}

/** Declares the suite for one engine. */
export function describeState(engine: string, makePlace: () => Promise<StatePlace>): void {
  describe(engine, () => {
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
    const addGrant = async (over: Partial<Grant> = {}) => {
      const grant = grantOf(noon, over)
      await commit([{ kind: 'grant', grant, expectVersion: null }])
      return grant
    }

    describe('grants', () => {
      test('a grant comes back as it was written, whatever its texts hold', async () => {
        const grant = grantOf(noon, {
          reason: 'quotes " \' and \u0000 and 🔥 and \n',
          databases: ['orders', 'o"; drop table grants;--'],
          approvals: [{ by: 'bob', at: noon, comment: '' }],
          end: { how: 'revoked', by: 'adam', reason: 'done' },
        })
        await commit([{ kind: 'grant', grant, expectVersion: null }])
        expect(await state.grant('g7f3')).toEqual(grant)
        await reopen()
        expect(await state.grant('g7f3')).toEqual(grant)
        expect(await state.grant('g000')).toBeUndefined()
      })

      test('a second grant of the same id is a conflict', async () => {
        await addGrant()
        await expect(addGrant({ user: 'mallory' })).rejects.toMatchObject({ code: 'conflict' })
        expect((await state.grant('g7f3'))?.user).toBe('alice')
      })

      test('of two approvals at once one wins and the other is a conflict', async () => {
        const grant = await addGrant({ state: 'requested', activatedAt: null, expiresAt: null })
        const approveBy = (by: string) =>
          commit(
            [
              {
                kind: 'grant',
                grant: applyGrantEvent(grant, { kind: 'approve', at: noon, by, comment: 'ok' }),
                expectVersion: grant.version,
              },
            ],
            { leaves: [{ type: 'grant-approved', grant: grant.id, by, comment: 'ok' }] },
          )
        const outcomes = await Promise.allSettled([approveBy('bob'), approveBy('lea')])
        expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
        expect(outcomes[1]).toMatchObject({ reason: { code: 'conflict' } })
        expect((await state.grant('g7f3'))?.approvals.map(({ by }) => by)).toEqual(['bob'])
        expect((await state.ledgerHead()).size).toBe(1)
      })

      test('an activation and a denial at once: whichever comes second changes nothing', async () => {
        const grant = await addGrant({ state: 'requested', activatedAt: null, expiresAt: null })
        const activate = applyGrantEvent(grant, { kind: 'activate', at: noon, expiresAt: noon + 60_000 })
        const deny = applyGrantEvent(grant, { kind: 'deny', at: noon, by: 'bob', comment: 'no' })
        const outcomes = await Promise.allSettled(
          [deny, activate].map((changed) => commit([{ kind: 'grant', grant: changed, expectVersion: grant.version }])),
        )
        expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
        expect(await state.grant('g7f3')).toEqual(deny)
      })

      test('a grant that does not exist cannot be changed', async () => {
        await expect(
          commit([{ kind: 'grant', grant: grantOf(noon, { version: 2 }), expectVersion: 1 }]),
        ).rejects.toMatchObject({ code: 'conflict' })
      })

      test('two steps may be one change', async () => {
        const grant = await addGrant({ state: 'requested', activatedAt: null, expiresAt: null })
        const approved = applyGrantEvent(grant, { kind: 'approve', at: noon, by: 'bob', comment: 'ok' })
        const active = applyGrantEvent(approved, { kind: 'activate', at: noon, expiresAt: noon + 60_000 })
        await commit([{ kind: 'grant', grant: active, expectVersion: grant.version }])
        expect(await state.grant('g7f3')).toEqual(active)
      })

      test('lists are newest first, filtered by user and states, and whole without a limit', async () => {
        const states: readonly GrantState[] = ['requested', 'active', 'denied']
        const grants = Array.from({ length: 1200 }, (_, n) =>
          grantOf(noon, {
            id: `g${n}`,
            user: n % 2 === 0 ? 'alice' : 'bob',
            state: states[n % 3] ?? 'active',
            // Some asked in the same millisecond.
            requestedAt: noon + Math.floor(n / 3),
          }),
        )
        for (let from = 0; from < grants.length; from += 600)
          await commit(grants.slice(from, from + 600).map((grant) => ({ kind: 'grant', grant, expectVersion: null })))
        const newest = grants.toReversed().map(({ id }) => id)
        const ids = async (filter: Parameters<State['grants']>[0]) => (await state.grants(filter)).map(({ id }) => id)
        expect(await ids({})).toEqual(newest)
        expect(await ids({ limit: 3 })).toEqual(newest.slice(0, 3))
        expect(await ids({ limit: 0 })).toEqual([])
        expect(await ids({ user: 'bob', states: ['active', 'denied'], limit: 700 })).toEqual(
          newest.filter((id) => Number(id.slice(1)) % 2 === 1 && Number(id.slice(1)) % 3 > 0),
        )
        expect(await ids({ states: [] })).toEqual([])
        expect(await ids({ user: 'nobody' })).toEqual([])
      })
    })

    describe('sessions', () => {
      beforeEach(async () => {
        await addGrant()
      })

      test('a session goes from open over ended to sealed, each once', async () => {
        const session = sessionOf()
        await commit([{ kind: 'session-open', session }])
        expect(await state.session(session.id)).toEqual(session)
        await commit([{ kind: 'session-ended', id: session.id, endedAt: noon + 5, end }])
        await expect(commit([{ kind: 'session-ended', id: session.id, endedAt: noon + 6, end }])).rejects.toMatchObject(
          { code: 'conflict' },
        )
        await commit([{ kind: 'session-sealed', id: session.id, seal }])
        await expect(commit([{ kind: 'session-sealed', id: session.id, seal }])).rejects.toMatchObject({
          code: 'conflict',
        })
        await expect(commit([{ kind: 'session-ended', id: session.id, endedAt: noon + 6, end }])).rejects.toMatchObject(
          { code: 'conflict' },
        )
        const sealed = { ...session, state: 'sealed', endedAt: noon + 5, end, seal }
        await reopen()
        expect(await state.session(session.id)).toEqual(sealed)
      })

      test('what a crash left open can be sealed', async () => {
        await commit([{ kind: 'session-open', session: sessionOf() }])
        await commit([{ kind: 'session-sealed', id: 'sabcdefgh2345', seal: { ...seal, state: 'interrupted' } }])
        expect(await state.session('sabcdefgh2345')).toMatchObject({ state: 'sealed', end: null })
      })

      test('a session under a grant that does not exist, or opened twice, is a conflict', async () => {
        await expect(commit([{ kind: 'session-open', session: sessionOf({ grant: 'g000' }) }])).rejects.toMatchObject({
          code: 'conflict',
        })
        await commit([{ kind: 'session-open', session: sessionOf() }])
        await expect(commit([{ kind: 'session-open', session: sessionOf() }])).rejects.toMatchObject({
          code: 'conflict',
        })
        await expect(commit([{ kind: 'session-ended', id: 'sunknown', endedAt: noon, end }])).rejects.toMatchObject({
          code: 'conflict',
        })
        await expect(commit([{ kind: 'session-sealed', id: 'sunknown', seal }])).rejects.toMatchObject({
          code: 'conflict',
        })
      })

      test('lists are newest first and filtered', async () => {
        await addGrant({ id: 'g2', user: 'bob' })
        const rows = [
          { id: 's1', openedAt: noon + 1 },
          { id: 's2', openedAt: noon + 2, grant: 'g2', user: 'bob' },
          { id: 's3', openedAt: noon + 3 },
          { id: 's4', openedAt: noon + 4 },
        ].map((over) => sessionOf(over))
        await commit(rows.map((session) => ({ kind: 'session-open', session })))
        await commit([{ kind: 'session-ended', id: 's3', endedAt: noon + 9, end }])
        const ids = async (filter: Parameters<State['sessions']>[0]) =>
          (await state.sessions(filter)).map(({ id }) => id)
        expect(await ids({})).toEqual(['s4', 's3', 's2', 's1'])
        expect(await ids({ user: 'alice' })).toEqual(['s4', 's3', 's1'])
        expect(await ids({ grant: 'g2' })).toEqual(['s2'])
        expect(await ids({ states: ['open'] })).toEqual(['s4', 's2', 's1'])
        expect(await ids({ before: noon + 4, limit: 2 })).toEqual(['s3', 's2'])
        expect(await ids({ before: noon + 2 })).toEqual(['s1'])
      })

      test('a session with a huge command is kept whole, and a list of such sessions too', async () => {
        const command = '"'.repeat(400_000)
        const sessions = Array.from({ length: 6 }, (_, n) =>
          sessionOf({ id: `s${n}`, openedAt: noon + n, what: { kind: 'exec', command, term: null } }),
        )
        for (const session of sessions) await commit([{ kind: 'session-open', session }])
        expect(await state.sessions({})).toEqual(sessions.toReversed())
      })
    })

    describe('second factor', () => {
      test('the secret comes back, a step is accepted once and only grows', async () => {
        expect(await state.totp('alice')).toBeUndefined()
        await commit([{ kind: 'totp-enrolled', user: 'alice', secret: 'JBSWY3DPEHPK3PXP' }])
        expect(await state.totp('alice')).toEqual({ secret: 'JBSWY3DPEHPK3PXP', lastStep: 0 })
        const step = (at: number) => commit([{ kind: 'totp-step', user: 'alice', step: at }])
        await step(59_000_000)
        for (const again of [59_000_000, 58_999_999, 0])
          await expect(step(again)).rejects.toMatchObject({ code: 'conflict' })
        await step(59_000_001)
        await reopen()
        expect((await state.totp('alice'))?.lastStep).toBe(59_000_001)
      })

      test('the same code given twice at once passes once', async () => {
        await commit([{ kind: 'totp-enrolled', user: 'alice', secret: 'JBSWY3DPEHPK3PXP' }])
        const outcomes = await Promise.allSettled(
          Array.from({ length: 8 }, () => commit([{ kind: 'totp-step', user: 'alice', step: 59_000_000 }])),
        )
        expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      })

      test('a new secret replaces the old one but never makes a used step fresh', async () => {
        await commit([{ kind: 'totp-enrolled', user: 'alice', secret: 'AAAAAAAAAAAAAAAA' }])
        await commit([{ kind: 'totp-step', user: 'alice', step: 59_000_000 }])
        await commit([{ kind: 'totp-enrolled', user: 'alice', secret: 'BBBBBBBBBBBBBBBB' }])
        expect(await state.totp('alice')).toEqual({ secret: 'BBBBBBBBBBBBBBBB', lastStep: 59_000_000 })
      })

      test('nobody without a secret passes', async () => {
        await expect(commit([{ kind: 'totp-step', user: 'bob', step: 59_000_000 }])).rejects.toMatchObject({
          code: 'conflict',
        })
      })
    })

    describe('grant secrets', () => {
      beforeEach(async () => {
        await addGrant()
      })
      const use = (id: string, at: number) => commit([{ kind: 'grant-secret-used', id, at }])

      test('a secret comes back with its keys until it ends', async () => {
        await commit([{ kind: 'grant-secret', secret: secretOf() }])
        await commit([{ kind: 'grant-secret', secret: secretOf({ id: 'secret-2' }) }])
        expect(await state.grantSecrets('g7f3')).toEqual([secretOf(), secretOf({ id: 'secret-2' })])
        expect(await state.grantSecrets('g000')).toEqual([])
        await commit([{ kind: 'grant-secret-ended', id: 'secret-1', at: noon + 1 }])
        await commit([{ kind: 'grant-secret-ended', id: 'secret-1', at: noon + 2 }])
        expect((await state.grantSecrets('g7f3')).map(({ id }) => id)).toEqual(['secret-2'])
        await commit([{ kind: 'grant-secrets-ended', grant: 'g7f3', at: noon + 1 }])
        await commit([{ kind: 'grant-secrets-ended', grant: 'g7f3', at: noon + 2 }])
        await reopen()
        expect(await state.grantSecrets('g7f3')).toEqual([])
      })

      test('a first use in time keeps it alive, later uses keep the first time', async () => {
        await commit([{ kind: 'grant-secret', secret: secretOf() }])
        await use('secret-1', noon + 600_000)
        await use('secret-1', noon + 900_000)
        expect((await state.grantSecrets('g7f3'))[0]?.usedAt).toBe(noon + 600_000)
      })

      test('a first use too late, a use after the end and a use of nothing are refused', async () => {
        await commit([{ kind: 'grant-secret', secret: secretOf() }])
        await expect(use('secret-1', noon + 600_001)).rejects.toMatchObject({ code: 'conflict' })
        await use('secret-1', noon)
        await commit([{ kind: 'grant-secrets-ended', grant: 'g7f3', at: noon + 1 }])
        await expect(use('secret-1', noon + 2)).rejects.toMatchObject({ code: 'conflict' })
        await expect(use('secret-9', noon)).rejects.toMatchObject({ code: 'conflict' })
      })

      test('a secret of no grant is a conflict', async () => {
        await expect(commit([{ kind: 'grant-secret', secret: secretOf({ grant: 'g000' }) }])).rejects.toMatchObject({
          code: 'conflict',
        })
      })
    })

    describe('outbox', () => {
      const due = async (now: number, limit = 10) => (await state.outboxDue(now, limit)).map(({ id }) => id)

      test('new alerts are due at once, in the order they were written', async () => {
        await commit([], { alerts: [alertOf('a'), alertOf('b')] })
        await commit([], { alerts: [alertOf('c', { payload: { text: 'ü', deep: [1, { x: null }] } })] })
        expect(await due(noon)).toEqual(['a', 'b', 'c'])
        expect(await due(noon, 2)).toEqual(['a', 'b'])
        expect((await state.outboxDue(noon, 10))[2]).toMatchObject({
          ...alertOf('c', { payload: { text: 'ü', deep: [1, { x: null }] } }),
          attempts: 0,
          lastError: null,
        })
      })

      test('a failed alert waits for its time, an accepted one is never due again', async () => {
        await commit([], { alerts: [alertOf('a'), alertOf('b'), alertOf('c')] })
        await commit([{ kind: 'alert-failed', id: 'a', nextAt: noon + 1000, error: 'status 500' }])
        await commit([{ kind: 'alert-accepted', id: 'b', at: noon + 1, receipt: 'status 200' }])
        await reopen()
        expect(await due(noon + 999)).toEqual(['c'])
        expect(await due(noon + 1000)).toEqual(['c', 'a'])
        const all = await state.alerts({ limit: 10 })
        expect(
          all.map(({ id, attempts, lastError, acceptedAt, receipt }) => [id, attempts, lastError, acceptedAt, receipt]),
        ).toEqual([
          ['c', 0, null, null, null],
          ['b', 1, null, noon + 1, 'status 200'],
          ['a', 1, 'status 500', null, null],
        ])
        expect(await state.alerts({ limit: 1 })).toHaveLength(1)
      })

      test('an alert is accepted once', async () => {
        await commit([], { alerts: [alertOf('a')] })
        await commit([{ kind: 'alert-accepted', id: 'a', at: noon, receipt: 'one' }])
        const again: Write[] = [
          { kind: 'alert-accepted', id: 'a', at: noon, receipt: 'two' },
          { kind: 'alert-failed', id: 'a', nextAt: noon, error: 'late' },
          { kind: 'alert-accepted', id: 'unknown', at: noon, receipt: 'x' },
        ]
        for (const write of again)
          await expect(commit([write], { leaves: [leafOf(1)] })).rejects.toMatchObject({ code: 'conflict' })
        expect((await state.alerts({ limit: 1 }))[0]?.receipt).toBe('one')
        expect((await state.ledgerHead()).size).toBe(0)
      })

      test('a clock that stepped back a day does not hold up a retry', async () => {
        await commit([], { alerts: [alertOf('a')] })
        await commit([{ kind: 'alert-failed', id: 'a', nextAt: noon + 1000, error: 'status 500' }])
        expect(await due(noon - 86_400_000)).toEqual(['a'])
      })
    })

    describe('ledger', () => {
      test('the empty ledger has the root of nothing', async () => {
        expect(await state.ledgerHead()).toEqual({ size: 0, root: naiveRoot([]) })
        expect(await state.leaves(0, 0)).toEqual([])
      })

      test('leaves are the canonical bytes, in order, and the root is that of RFC 6962', async () => {
        const changes = fc.array(fc.record({ at: fc.nat(), leaves: fc.array(fc.string().map(leafOf)) }), {
          maxLength: 12,
        })
        const written: Buffer[] = []
        await fc.assert(
          fc.asyncProperty(changes, async (batch) => {
            for (const { at, leaves } of batch) {
              const head = await state.commit({ at, writes: [], leaves })
              written.push(...leaves.map((leaf) => encodeLeaf(at, leaf)))
              expect(head).toEqual({ size: written.length, root: naiveRoot(written) })
            }
          }),
          { numRuns: 12 },
        )
        await expectSoundLedger(state)
        expect(await state.leaves(0, written.length)).toEqual(written)
        await reopen()
        await expectSoundLedger(state)
        expect(await state.commit({ at: noon, writes: [], leaves: [leafOf(1)] })).toEqual({
          size: written.length + 1,
          root: naiveRoot([...written, encodeLeaf(noon, leafOf(1))]),
        })
      })

      test('a range gives its leaves, and one beyond the head is refused', async () => {
        await commit([], { leaves: [leafOf(0), leafOf(1), leafOf(2), leafOf(3)] })
        expect((await state.leaves(1, 3)).map((leaf) => decodeLeaf(leaf))).toMatchObject([
          { at: noon, command: 'number 1' },
          { at: noon, command: 'number 2' },
        ])
        await expect(state.leaves(2, 5)).rejects.toMatchObject({ code: 'store_failed' })
        await expect(state.inclusionProof(4, 5)).rejects.toMatchObject({ code: 'store_failed' })
      })

      test('every earlier tree is proven to be a prefix of every later one', async () => {
        const heads: LedgerHead[] = []
        for (let index = 0; index < 12; index++) heads.push(await commit([], { leaves: [leafOf(index)] }))
        for (const [at, first] of heads.entries())
          for (const second of heads.slice(at)) {
            const proof = await state.consistencyProof(first.size, second.size)
            const [firstRoot, secondRoot] = [Buffer.from(first.root, 'hex'), Buffer.from(second.root, 'hex')]
            const trees = { firstSize: first.size, firstRoot, secondSize: second.size, secondRoot, proof }
            expect(verifyConsistency(trees)).toBe(true)
          }
        await expect(state.consistencyProof(5, 13)).rejects.toMatchObject({ code: 'store_failed' })
      })
    })

    describe('one commit is one transaction', () => {
      const before: Partial<Change> = { leaves: [leafOf(1)], alerts: [alertOf('a')] }

      test('a write that loses takes the writes before it, the leaves and the alerts with it', async () => {
        await addGrant()
        const losing: Write[] = [
          { kind: 'grant', grant: grantOf(noon, { version: 9 }), expectVersion: 8 },
          { kind: 'session-ended', id: 'sunknown', endedAt: noon, end },
          { kind: 'totp-step', user: 'alice', step: 1 },
          { kind: 'alert-accepted', id: 'a0', at: noon, receipt: 'x' },
        ]
        for (const write of losing) {
          await expect(
            commit(
              [{ kind: 'setting', name: 'x', value: 'y' }, { kind: 'session-open', session: sessionOf() }, write],
              before,
            ),
          ).rejects.toMatchObject({ code: 'conflict' })
          expect(await state.setting('x')).toBeUndefined()
          expect(await state.session('sabcdefgh2345')).toBeUndefined()
          expect(await state.ledgerHead()).toEqual({ size: 0, root: naiveRoot([]) })
          expect(await state.outboxDue(noon, 10)).toEqual([])
        }
      })

      test('an alert whose id exists takes the writes and the leaves with it', async () => {
        await commit([], { alerts: [alertOf('a')] })
        await expect(commit([{ kind: 'setting', name: 'x', value: 'y' }], before)).rejects.toMatchObject({
          code: 'conflict',
        })
        expect(await state.setting('x')).toBeUndefined()
        expect((await state.ledgerHead()).size).toBe(0)
        expect(await commit([], { leaves: [leafOf(1)] })).toMatchObject({ size: 1 })
        await expectSoundLedger(state)
      })

      test('a change too large is refused whole, and the next one goes through', async () => {
        const value = 'x'.repeat(9 << 20)
        const tooLarge: Partial<Change>[] = [
          { writes: [{ kind: 'setting', name: 'x', value }] },
          { leaves: [leafOf(value)] },
          { alerts: [alertOf('a', { payload: { value: 'x'.repeat(65 << 10) } })] },
          { leaves: Array.from({ length: 1001 }, (_, n) => leafOf(n)) },
        ]
        for (const change of tooLarge) await expect(commit([], change)).rejects.toMatchObject({ code: 'store_failed' })
        expect(await commit([{ kind: 'setting', name: 'x', value: 'y' }], before)).toMatchObject({ size: 1 })
        expect(await state.setting('x')).toBe('y')
      })
    })

    test('a setting is replaced', async () => {
      expect(await state.setting('genesis')).toBeUndefined()
      await commit([{ kind: 'setting', name: 'genesis', value: 'one' }])
      await commit([{ kind: 'setting', name: 'genesis', value: 'two' }])
      await reopen()
      expect(await state.setting('genesis')).toBe('two')
    })

    test('after close every call fails and closing again is harmless; what was asked before is answered', async () => {
      const asked = commit([{ kind: 'setting', name: 'x', value: 'y' }])
      await Promise.all([state.close(), state.close()])
      await expect(asked).resolves.toMatchObject({ size: 0 })
      await expect(state.grant('g7f3')).rejects.toMatchObject({ code: 'store_failed' })
      await expect(commit([])).rejects.toMatchObject({ code: 'store_failed' })
      await reopen()
      expect(await state.setting('x')).toBe('y')
    })
  })
}
