import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { leafHash } from '../../src/ledger/merkle.ts'
import { expectSoundLedger, leafOf, noon } from './contract.ts'
import { sqlitePlace, type SqlitePlace } from './place.ts'

const size = 11
let place: SqlitePlace
let root: string

beforeEach(async () => {
  place = await sqlitePlace()
  const state = await place.open()
  for (let n = 0; n < size; n += 1) ({ root } = await state.commit({ at: noon, writes: [], leaves: [leafOf(n)] }))
  expect(state.integrity).toBe('ok')
  await state.close()
})
afterEach(() => place.remove())

function edit(change: (database: Database.Database) => void): void {
  const database = new Database(place.file)
  change(database)
  database.close()
}

const forged = Buffer.from('{"at":0,"type":"local-command","actor":"nobody","command":"nothing happened"}')
const damages: readonly {
  readonly name: string
  readonly change: (database: Database.Database) => void
  /** Size and root the tree goes on from: those of the checkpoints outside, wherever they are still known. */
  readonly goesOnFromHead: boolean
}[] = [
  {
    name: 'a leaf rewritten',
    change: (database) => database.prepare('UPDATE ledger SET leaf = ? WHERE position = 4').run(forged),
    goesOnFromHead: true,
  },
  {
    name: 'a leaf rewritten with its hash',
    change: (database) =>
      database.prepare('UPDATE ledger SET leaf = ?, hash = ? WHERE position = 4').run(forged, leafHash(forged)),
    goesOnFromHead: true,
  },
  {
    name: 'a hash rewritten',
    change: (database) => database.exec('UPDATE ledger SET hash = zeroblob(32) WHERE position = 4'),
    goesOnFromHead: true,
  },
  {
    name: 'two leaves swapped',
    change: (database) =>
      database.exec(`UPDATE ledger SET position = -1 WHERE position = 4; UPDATE ledger SET position = 4 WHERE position = 5;
        UPDATE ledger SET position = 5 WHERE position = -1`),
    goesOnFromHead: true,
  },
  {
    name: 'a leaf deleted in the middle',
    change: (database) => database.exec('DELETE FROM ledger WHERE position = 4'),
    goesOnFromHead: true,
  },
  {
    name: 'the tail deleted',
    change: (database) => database.exec('DELETE FROM ledger WHERE position > 6'),
    goesOnFromHead: true,
  },
  { name: 'everything deleted', change: (database) => database.exec('DELETE FROM ledger'), goesOnFromHead: true },
  {
    name: 'a leaf deleted and the rest moved up',
    change: (database) =>
      database.exec(`DELETE FROM ledger WHERE position = 4;
        UPDATE ledger SET position = -position WHERE position > 4; UPDATE ledger SET position = -position - 1 WHERE position < 0`),
    goesOnFromHead: true,
  },
  {
    name: 'a leaf altered and another appended past the head',
    change: (database) => {
      database.prepare('UPDATE ledger SET leaf = ? WHERE position = 4').run(forged)
      database.prepare('DELETE FROM ledger WHERE position = 5').run()
      database.prepare('INSERT INTO ledger VALUES (?, ?, ?)').run(size, forged, leafHash(forged))
    },
    goesOnFromHead: true,
  },
  {
    name: 'a head row that contradicts itself',
    change: (database) => database.exec('UPDATE ledger_head SET root = zeroblob(32)'),
    goesOnFromHead: true,
  },
  {
    name: 'a head row of impossible numbers',
    change: (database) => database.exec('UPDATE ledger_head SET size = -3'),
    goesOnFromHead: true,
  },
  {
    name: 'the head row deleted',
    change: (database) => database.exec('DELETE FROM ledger_head'),
    goesOnFromHead: true,
  },
  {
    name: 'a leaf forged behind the last',
    change: (database) => database.prepare('INSERT INTO ledger VALUES (?, ?, ?)').run(size, forged, leafHash(forged)),
    goesOnFromHead: false,
  },
]

for (const { name, change, goesOnFromHead } of damages)
  test(`${name} shows at open, and the ledger goes on`, async () => {
    edit(change)
    const state = await place.open()
    expect(state.integrity).toEqual({ problem: expect.any(String) })
    const head = await state.ledgerHead()
    if (goesOnFromHead) expect(head).toEqual({ size, root })
    const next = await state.commit({ at: noon, writes: [], leaves: [leafOf(99), leafOf(100)] })
    expect(next.size).toBe(head.size + 2)
    expect(await state.leaves(head.size, next.size)).toHaveLength(2)
    await state.close()
    // What was damaged stays damaged: it is not healed by going on.
    const again = await place.open()
    expect(await again.ledgerHead()).toEqual(next)
    await again.close()
  })

test('a head row put back to an older one shows, and no leaf is lost', async () => {
  const state = await place.open()
  const older = new Database(place.file, { readonly: true }).prepare('SELECT * FROM ledger_head').get()
  const newer = await state.commit({ at: noon, writes: [], leaves: [leafOf(20)] })
  await state.close()
  edit((database) => {
    const { size, root, peaks } = older as Record<string, unknown>
    database.prepare('UPDATE ledger_head SET size = ?, root = ?, peaks = ?').run(size, root, peaks)
  })
  const again = await place.open()
  expect(again.integrity).toEqual({ problem: expect.any(String) })
  expect(await again.ledgerHead()).toEqual(newer)
  await again.commit({ at: noon, writes: [], leaves: [leafOf(21)] })
  await expectSoundLedger(again)
  await again.close()
})

test('a missing leaf is never left out of a proof in silence', async () => {
  edit((database) => database.exec('DELETE FROM ledger WHERE position = 4'))
  const state = await place.open()
  await expect(state.inclusionProof(5, size)).rejects.toMatchObject({ code: 'store_failed' })
  await expect(state.leaves(4, 5)).rejects.toMatchObject({ code: 'store_failed' })
  expect(await state.leaves(5, size)).toHaveLength(size - 5)
  await state.close()
})
