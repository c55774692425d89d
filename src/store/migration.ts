// Brings a database to the schema this program knows: numbered `.sql` files, each run once, in order, in a transaction
// together with the version it leads to (`user_version`). A database of a newer program is refused, never touched.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { assert, HalliganError } from '../errors.ts'
import type { Engine } from './engine.ts'

export interface Migration {
  readonly version: number
  readonly sql: string
}

const folder = join(import.meta.dirname, 'migrations')

/** `HLGN`: marks a SQLite file as Halligan's state. */
const applicationId = 0x484c474e

/** The migrations of this program, 1, 2, 3 … without a gap. */
export function readMigrations(): Migration[] {
  const migrations = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => ({ version: Number(name.slice(0, 4)), sql: readFileSync(join(folder, name), 'utf8') }))
  assert(
    migrations.every(({ version }, index) => version === index + 1),
    'migrations are numbered 0001, 0002, … without a gap',
  )
  return migrations
}

/** Runs what is missing. Throws `store_failed` for a newer database or one that is not Halligan's. */
export function migrate(engine: Engine, migrations: readonly Migration[]): void {
  const version = Number(engine.pragma('user_version'))
  const owner = Number(engine.pragma('application_id'))
  if (owner !== applicationId && (owner !== 0 || version !== 0))
    throw new HalliganError('store_failed', 'the state database belongs to another program', {
      hint: 'give Halligan a state directory of its own',
    })
  if (version > migrations.length)
    throw new HalliganError(
      'store_failed',
      `the state database has schema ${version}, this Halligan knows ${migrations.length}`,
      { hint: 'run the newer Halligan that wrote it, or restore the backup made before the upgrade' },
    )
  for (const migration of migrations.slice(version))
    engine.transaction(() => {
      engine.exec(migration.sql)
      engine.pragma(`application_id = ${applicationId}`)
      engine.pragma(`user_version = ${migration.version}`)
    })
}
