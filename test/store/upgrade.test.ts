// A database made by the first version, with rows in it, opened by this one.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { grantDefaults, type Grant } from '../../src/access/grant.ts'
import { encodeLeaf } from '../../src/audit.ts'
import { Frontier, leafHash } from '../../src/ledger/merkle.ts'
import { readMigrations } from '../../src/store/migration.ts'
import type { StoredState } from '../../src/store/state.ts'
import { SealedColumns } from '../../src/store/sealed-column.ts'
import { grantOf } from '../support/grant.ts'
import { expectSoundLedger, leafOf, noon, sessionOf } from './contract.ts'
import { sqlitePlace, testKey, type SqlitePlace } from './place.ts'

const firstSchema = readFileSync(join(import.meta.dirname, '../../src/store/migrations/0001-first.sql'), 'utf8')
const applicationId = 0x484c474e
const locked = { type: 'locked', scope: 'all', by: 'adam', reason: 'x' } as const

let place: SqlitePlace
beforeEach(async () => {
  place = await sqlitePlace()
})
afterEach(() => place.remove())

/** As the first version left it: its schema, its grant without what it did not know, leaves, alerts in every state. */
function makeFirst(leaves: readonly Buffer[], change: (database: Database.Database) => void = () => {}): void {
  const database = new Database(place.file)
  database.pragma('journal_mode = WAL')
  database.exec(firstSchema)
  database.pragma(`application_id = ${applicationId}`)
  database.pragma('user_version = 1')
  database.prepare('INSERT INTO key_check VALUES (1, ?)').run(new SealedColumns(testKey).keyCheck)
  const known = Object.entries(grantOf(noon)).filter(([key]) => !(key in grantDefaults))
  database
    .prepare('INSERT INTO grants (id, document) VALUES (?, ?)')
    .run('g7f3', JSON.stringify(Object.fromEntries(known)))
  const { state, endedAt: _at, end: _end, seal: _seal, ...session } = sessionOf()
  database
    .prepare('INSERT INTO sessions (id, document, state) VALUES (?, ?, ?)')
    .run(session.id, JSON.stringify(session), state)
  const alert = database.prepare(
    'INSERT INTO outbox (id, channel, type, at, payload, attempts, next_at, accepted_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  )
  alert.run('a', 'hook', 'grant.activated', noon, '{"grant":"g7f3"}', 3, noon + 5, null)
  alert.run('b', 'hook', 'grant.ended', noon, '{"grant":"g7f3"}', 1, 0, noon)
  const frontier = new Frontier()
  for (const leaf of leaves) {
    database
      .prepare('INSERT INTO ledger (position, leaf, hash) VALUES (?, ?, ?)')
      .run(frontier.size, leaf, leafHash(leaf))
    frontier.append(leafHash(leaf))
  }
  database
    .prepare('INSERT INTO ledger_head VALUES (1, ?, ?, ?)')
    .run(frontier.size, frontier.root(), Buffer.concat(frontier.peaks))
  change(database)
  database.close()
}

async function opened<T>(work: (state: StoredState) => Promise<T>): Promise<T> {
  const state = await place.open()
  try {
    return await work(state)
  } finally {
    await state.close()
  }
}

test('what the first version kept is all there, completed with what it did not know', async () => {
  makeFirst([encodeLeaf(noon, locked), encodeLeaf(noon + 1, leafOf(1))])
  await opened(async (state) => {
    expect(state.integrity).toBe('ok')
    const grant: Grant = grantOf(noon)
    expect(await state.grant('g7f3')).toEqual({ ...grant, ...grantDefaults })
    expect(await state.grants({ since: noon })).toEqual([{ ...grant, ...grantDefaults }])
    expect(await state.session(sessionOf().id)).toEqual(sessionOf())
    expect((await state.outboxDue(noon + 5, 10)).map(({ id, attempts }) => [id, attempts])).toEqual([['a', 3]])
    expect((await state.alerts({ grant: 'g7f3', limit: 10 })).map(({ id, deadAt }) => [id, deadAt])).toEqual([
      ['b', null],
      ['a', null],
    ])
    expect(await state.events({ types: ['locked'], limit: 10 })).toEqual([{ index: 0, at: noon, event: locked }])
    expect(await state.events({ since: noon + 1, limit: 10 })).toMatchObject([{ index: 1 }])
    await expectSoundLedger(state)
  })
})

test('a changed grant of the first version is kept with everything it now means', async () => {
  makeFirst([])
  await opened(async (state) => {
    const grant = await state.grant('g7f3')
    if (grant === undefined) throw new Error('no grant')
    const changed = { ...grant, version: grant.version + 1, unannouncedAt: noon }
    await state.commit({
      at: noon,
      writes: [{ kind: 'grant', grant: changed, expectVersion: grant.version }],
      leaves: [],
    })
    expect(await state.grant('g7f3')).toEqual(changed)
  })
})

const broken: readonly { readonly name: string; readonly leaf: Buffer }[] = [
  { name: 'no JSON', leaf: Buffer.from('{"at":1,"type":"lock') },
  { name: 'no UTF-8', leaf: Buffer.from([0xff, 0xfe, 0x00, 0x22]) },
  { name: 'nothing', leaf: Buffer.alloc(0) },
  { name: 'a NUL amid it', leaf: Buffer.from('{"at":1,"type":"locked"}\0rest') },
  { name: 'another type of everything', leaf: Buffer.from('{"at":"noon","type":{"a":[1]}}') },
  { name: 'an array', leaf: Buffer.from('[1,2]') },
  { name: 'brackets without end', leaf: Buffer.from('['.repeat(100_000)) },
]
for (const { name, leaf } of broken)
  test(`a ledger with a leaf that holds ${name} still opens, names it, and goes on`, async () => {
    const leaves = [encodeLeaf(noon, locked), encodeLeaf(noon, leafOf(1)), encodeLeaf(noon + 1, locked)]
    makeFirst(leaves, (database) => database.prepare('UPDATE ledger SET leaf = ? WHERE position = 1').run(leaf))
    await opened(async (state) => {
      expect(state.integrity).toEqual({ problem: 'leaf 1 was altered' })
      expect((await state.events({ types: ['locked'], limit: 10 })).map(({ index }) => index)).toEqual([2, 0])
      await state.commit({ at: noon, writes: [], leaves: [leafOf(2)] })
      expect((await state.events({ types: ['local-command'], limit: 10 })).map(({ index }) => index)).toEqual([3])
    })
  })

test('rows beyond the head are set aside after the upgrade too', async () => {
  makeFirst([encodeLeaf(noon, locked)], (database) => {
    const stray = encodeLeaf(noon, leafOf(9))
    database.prepare('INSERT INTO ledger VALUES (?, ?, ?)').run(5, stray, leafHash(stray))
  })
  await opened(async (state) => {
    expect((await state.ledgerHead()).size).toBe(1)
    await state.commit({ at: noon, writes: [], leaves: [leafOf(1)] })
    await expectSoundLedger(state)
  })
  const database = new Database(place.file, { readonly: true })
  expect(database.prepare('SELECT position FROM ledger_stray').all()).toEqual([{ position: 5 }])
  expect(database.pragma('user_version', { simple: true })).toBe(readMigrations().length)
  database.close()
})
