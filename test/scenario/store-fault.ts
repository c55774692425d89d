// What happens to the state database from outside of Halligan: another program holds it, or it takes no writes.
// By the very library the store uses: two of them in one process would take each other's locks away.
import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { House } from './house.ts'

/** Another program writes to the database for so long. */
export function keepStoreBusy(house: House, forMs: number): void {
  const database = open(house)
  database.exec('BEGIN IMMEDIATE')
  // Real time: the store waits in a thread of its own, which knows no clock of ours.
  setTimeout(() => {
    database.exec('ROLLBACK')
    database.close()
  }, forMs)
}

/** From now on no decision can be written, or all can again. */
export function breakStore(house: House, isBroken: boolean): void {
  const database = open(house)
  try {
    database.exec(
      isBroken
        ? "CREATE TRIGGER broken BEFORE UPDATE ON grants BEGIN SELECT RAISE(ABORT, 'the disk says no'); END"
        : 'DROP TRIGGER broken',
    )
  } finally {
    database.close()
  }
}

function open(house: House): Database.Database {
  return new Database(join(house.folder, 'state', 'halligan.db'))
}
