import { chmodSync, cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { decodeLeaf } from '../../src/audit.ts'
import { leafHash } from '../../src/ledger/merkle.ts'
import { readLedger } from '../../src/store/ledger-reader.ts'
import { leafOf, noon } from './contract.ts'
import { sqlitePlace, type SqlitePlace } from './place.ts'

let place: SqlitePlace
beforeEach(async () => {
  place = await sqlitePlace()
})
afterEach(() => place.remove())

test('every row is read beside a running owner, without its key', async () => {
  const state = await place.open()
  const size = 1203
  for (let from = 0; from < size; from += 401)
    await state.commit({
      at: noon,
      writes: [],
      leaves: Array.from({ length: 401 }, (_, n) => leafOf(from + n)),
    })
  const rows = await Array.fromAsync(readLedger(place.file))
  expect(rows.map(({ position }) => position)).toEqual(Array.from({ length: size }, (_, n) => n))
  expect(rows.every(({ leaf, hash }) => leafHash(leaf).equals(hash))).toBe(true)
  expect(decodeLeaf(Buffer.from(rows[1202]?.leaf ?? []))).toMatchObject({ command: 'number 1202' })
  await state.commit({ at: noon, writes: [], leaves: [leafOf(size)] })
  expect(await Array.fromAsync(readLedger(place.file))).toHaveLength(size + 1)
  await state.close()
})

test('rows that are missing or altered are given as they are', async () => {
  const state = await place.open()
  await state.commit({ at: noon, writes: [], leaves: [leafOf(0), leafOf(1), leafOf(2), leafOf(3)] })
  await state.close()
  const database = new Database(place.file)
  database.exec("DELETE FROM ledger WHERE position = 1; UPDATE ledger SET leaf = x'00' WHERE position = 2")
  database.close()
  const rows = await Array.fromAsync(readLedger(place.file))
  expect(rows.map(({ position }) => position)).toEqual([0, 2, 3])
  expect(rows.map(({ leaf, hash }) => leafHash(leaf).equals(hash))).toEqual([true, false, true])
})

test('a copy that may only be read is read', async () => {
  const state = await place.open()
  await state.commit({ at: noon, writes: [], leaves: [leafOf(0)] })
  await state.close()
  const copy = join(place.directory, 'copy.db')
  cpSync(place.file, copy)
  chmodSync(copy, 0o400)
  expect(await Array.fromAsync(readLedger(copy))).toHaveLength(1)
})

test('what is not there, or not a state, is an error with a hint', async () => {
  const hinted = expect.objectContaining({ code: 'store_failed', hint: expect.any(String) })
  for (const file of [place.file, join(place.directory, 'nowhere/state.db')])
    await expect(Array.fromAsync(readLedger(file))).rejects.toThrow(hinted)
  writeFileSync(place.file, 'no database at all'.repeat(500))
  await expect(Array.fromAsync(readLedger(place.file))).rejects.toThrow(hinted)
})
