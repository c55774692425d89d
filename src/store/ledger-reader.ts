// Reading the ledger without opening the state: for `halligan verify --all`, beside a running Halligan or without one.

import Database from 'better-sqlite3'
import { HalliganError } from '../errors.ts'

/** Every row in order, read-only. Throws `store_failed` when the file is not a ledger. */
export async function* readLedger(
  file: string,
): AsyncGenerator<{ readonly position: number; readonly leaf: Buffer; readonly hash: Buffer }, void> {
  let database: Database.Database
  try {
    database = new Database(file, { readonly: true, fileMustExist: true })
  } catch (error) {
    throw new HalliganError('store_failed', `cannot read the ledger in ${file}`, { cause: error })
  }
  try {
    const rows = database.prepare<[], { position: number; leaf: Buffer; hash: Buffer }>(
      'SELECT position, leaf, hash FROM ledger ORDER BY position',
    )
    yield* rows.iterate()
  } finally {
    database.close()
  }
}
