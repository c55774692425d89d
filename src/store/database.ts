// Opens the state database: file and modes, the settings that make a commit durable, the schema, the key that belongs to it.

import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { HalliganError } from '../errors.ts'
import { isDiskFull } from './engine-error.ts'
import { sql, Engine } from './engine.ts'
import { migrate, readMigrations } from './migration.ts'
import { isSameKey } from './sealed-column.ts'

/**
 * Opens or makes the database at `file` (0600, its directory 0700). `keyCheck` says under which key its cells are sealed.
 * Throws `store_failed` for another key, a newer schema, a file that is not Halligan's, and what the engine throws.
 */
export function openDatabase(file: string, keyCheck: Uint8Array): Engine {
  makeFile(file)
  const engine = new Engine(file)
  try {
    makeDurable(engine)
    migrate(engine, readMigrations())
    checkKey(engine, keyCheck)
    emptyLog(engine)
    return engine
  } catch (error) {
    engine.close()
    throw error
  }
}

/** SQLite gives the write-ahead log the mode of the database, but makes the database itself by the umask. */
function makeFile(file: string): void {
  const directory = dirname(file)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  closeSync(openSync(file, 'a', 0o600))
  const entry = openSync(directory, 'r')
  try {
    fsyncSync(entry)
  } finally {
    closeSync(entry)
  }
}

function makeDurable(engine: Engine): void {
  engine.pragma('journal_mode = WAL')
  // FULL syncs the log at every commit; the default (NORMAL in WAL mode) would lose the last ones with the power.
  engine.pragma('synchronous = FULL')
  engine.pragma('foreign_keys = ON')
  engine.pragma('trusted_schema = OFF')
  // SQLite ignores a failing automatic checkpoint and syncs again later, when the kernel has forgotten the failure.
  // Halligan checkpoints itself and listens to the error.
  engine.pragma('wal_autocheckpoint = 0')
}

function checkKey(engine: Engine, keyCheck: Uint8Array): void {
  const kept = engine.get(sql.selectFrom('key_check').select('value'))
  if (kept === undefined) {
    engine.run(sql.insertInto('key_check').values({ id: 1, value: keyCheck }))
    return
  }
  if (!isSameKey(kept.value, keyCheck))
    throw new HalliganError('store_failed', 'the key-encryption key is not the one this state was written with', {
      hint: 'give Halligan the key of this state directory, or a new state directory',
    })
}

/** A fresh database is all log; one that crashed may have a long one. A disk too full for this is met again at the next commit. */
function emptyLog(engine: Engine): void {
  try {
    engine.pragma('wal_checkpoint(TRUNCATE)')
  } catch (error) {
    if (!isDiskFull(error)) throw error
  }
}
