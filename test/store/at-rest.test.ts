import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { Engine } from '../../src/store/engine.ts'
import { migrate, readMigrations } from '../../src/store/migration.ts'
import { openState } from '../../src/store/state.ts'
import { grantOf } from '../support/grant.ts'
import { noon, secretOf } from './contract.ts'
import { sqlitePlace, testKey, type SqlitePlace } from './place.ts'

let place: SqlitePlace
beforeEach(async () => {
  place = await sqlitePlace()
})
afterEach(() => place.remove())

const secret = 'JBSWY3DPEHPK3PXP'

async function enrol(): Promise<void> {
  const state = await place.open()
  await state.commit({
    at: noon,
    leaves: [],
    writes: [
      { kind: 'totp-enrolled', user: 'alice', secret },
      { kind: 'totp-enrolled', user: 'bob', secret: 'BBBBBBBBBBBBBBBB' },
      { kind: 'grant', grant: grantOf(noon), expectVersion: null },
      {
        kind: 'grant-secret',
        secret: secretOf({ storedKey: Buffer.alloc(32, 'stored'), serverKey: Buffer.alloc(32, 'server') }),
      },
    ],
  })
  await state.close()
}

function edit(sql: string): void {
  const database = new Database(place.file)
  database.exec(sql)
  database.close()
}

test('no secret stands in the files, and no file is open to others', async () => {
  const ballastBytes = 1 << 16
  const state = await openState({ file: place.file, clock: systemClock(), keyEncryptionKey: testKey, ballastBytes })
  await state.commit({ at: noon, leaves: [], writes: [{ kind: 'totp-enrolled', user: 'alice', secret }] })
  for (const suffix of ['', '-wal', '-shm', '-ballast'])
    expect([suffix, statSync(place.file + suffix).mode & 0o777]).toEqual([suffix, 0o600])
  expect(statSync(`${place.file}-ballast`).size).toBe(ballastBytes)
  expect(readFileSync(`${place.file}-wal`).includes('alice')).toBe(true)
  expect(readFileSync(`${place.file}-wal`).includes(secret)).toBe(false)
  await state.close()
  await enrol()
  const bytes = readFileSync(place.file)
  expect(bytes.includes('bob')).toBe(true)
  for (const hidden of [secret, 'storedstored', 'BBBBBBBB', testKey]) expect(bytes.includes(hidden)).toBe(false)
})

test('a sealed cell moved to another row or column, cut or altered does not open', async () => {
  await enrol()
  const edits: readonly [string, 'totp' | 'grant-secrets'][] = [
    ["UPDATE totp SET secret = (SELECT secret FROM totp WHERE user_name = 'bob') WHERE user_name = 'alice'", 'totp'],
    ["UPDATE totp SET secret = substr(secret, 1, 20) WHERE user_name = 'alice'", 'totp'],
    ["UPDATE totp SET secret = x'01' WHERE user_name = 'alice'", 'totp'],
    ["UPDATE totp SET secret = zeroblob(60) WHERE user_name = 'alice'", 'totp'],
    ['UPDATE grant_secrets SET stored_key = server_key', 'grant-secrets'],
  ]
  for (const [sql, what] of edits) {
    edit(sql)
    const state = await place.open()
    const read = what === 'totp' ? state.totp('alice') : state.grantSecrets('g7f3')
    await expect(read).rejects.toMatchObject({ code: 'store_failed' })
    expect(await state.totp('bob')).toMatchObject({ secret: 'BBBBBBBBBBBBBBBB' })
    await state.close()
  }
})

test('another key is refused with a hint, and the right one still opens', async () => {
  await enrol()
  await expect(
    openState({ file: place.file, clock: systemClock(), keyEncryptionKey: Buffer.alloc(32, 8), ballastBytes: 0 }),
  ).rejects.toMatchObject({ code: 'store_failed', hint: expect.stringContaining('key') })
  const state = await place.open()
  expect(await state.totp('alice')).toEqual({ secret, lastStep: 0 })
  await state.close()
})

test('a database of a newer schema is refused untouched', async () => {
  await enrol()
  edit('PRAGMA user_version = 999')
  await expect(place.open()).rejects.toMatchObject({ code: 'store_failed', hint: expect.stringContaining('newer') })
  edit(`PRAGMA user_version = ${readMigrations().length}`)
  const state = await place.open()
  expect(await state.totp('alice')).toEqual({ secret, lastStep: 0 })
  await state.close()
})

test('a file that is not a state is refused', async () => {
  writeFileSync(place.file, 'not a database, but long enough to be taken for one'.repeat(200))
  await expect(place.open()).rejects.toMatchObject({ code: 'store_failed' })
  const other = await sqlitePlace()
  const database = new Database(other.file)
  database.exec('CREATE TABLE recipes (id INTEGER); PRAGMA user_version = 1')
  database.close()
  await expect(other.open()).rejects.toMatchObject({ code: 'store_failed' })
  await other.remove()
})

test('a state that cannot be made is refused', async () => {
  writeFileSync(`${place.directory}/file`, '')
  await expect(
    openState({ file: `${place.directory}/file/state.db`, clock: systemClock(), keyEncryptionKey: testKey }),
  ).rejects.toMatchObject({ code: 'store_failed' })
})

test('a migration that fails leaves the schema before it', () => {
  writeFileSync(place.file, '')
  chmodSync(place.file, 0o600)
  const engine = new Engine(place.file)
  const known = readMigrations()
  migrate(engine, known)
  const version = known.length
  const broken = { version: version + 1, sql: 'CREATE TABLE half (id INTEGER); CREATE TABLE half (id INTEGER)' }
  expect(() => migrate(engine, [...known, broken])).toThrow()
  expect(engine.pragma('user_version')).toBe(version)
  expect(() => engine.exec('SELECT * FROM half')).toThrow()
  migrate(engine, [...known, { version: version + 1, sql: 'CREATE TABLE whole (id INTEGER)' }])
  expect(engine.pragma('user_version')).toBe(version + 1)
  engine.close()
})

test('commits are synced to the disk and the log is kept apart from the database', async () => {
  const state = await place.open()
  await state.commit({ at: noon, leaves: [], writes: [{ kind: 'setting', name: 'x', value: 'y' }] })
  expect(existsSync(`${place.file}-wal`)).toBe(true)
  await state.close()
  expect(existsSync(`${place.file}-wal`)).toBe(false)
})
