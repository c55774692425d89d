// The database under measurement, on the demo's PostgreSQL 18: a role of its own that owns it, pgbench's tables, and one
// table of bulk rows.

import { randomBytes } from 'node:crypto'
import { Client } from 'pg'
import type { DemoPostgres } from '../src/demo/postgres-server.ts'
import { clientEnvironment, runClient } from './process.ts'

export interface BenchDatabase {
  readonly name: string
  readonly user: string
  readonly password: string
}

/** A row of the bulk table, with its newline as COPY writes it. */
const BULK_ROW_BYTES = 1024

/** Makes role and database. */
export async function makeDatabase(postgres: DemoPostgres): Promise<BenchDatabase> {
  const database = { name: 'bench', user: 'bench', password: randomBytes(18).toString('base64url') }
  const superuser = new Client({
    ...postgres.superuser,
    host: postgres.host,
    port: postgres.port,
    database: 'postgres',
    ssl: { ca: postgres.ca, servername: 'localhost' },
  })
  await superuser.connect()
  await superuser.query(`create role bench login password '${database.password}'`)
  await superuser.query('create database bench owner bench')
  await superuser.end()
  return database
}

/** How a client of libpq gets to the database past Halligan, over TLS. */
export function directEnvironment(postgres: DemoPostgres, database: BenchDatabase): Record<string, string> {
  return clientEnvironment({
    PGHOST: postgres.host,
    PGPORT: String(postgres.port),
    PGUSER: database.user,
    PGPASSWORD: database.password,
    PGDATABASE: database.name,
    PGSSLMODE: 'require',
  })
}

/** pgbench's tables. */
export async function fillPgbench(pgbench: string, env: Record<string, string>, scale: number): Promise<void> {
  await runClient(pgbench, ['--initialize', '--quiet', `--scale=${scale}`], { env })
}

/** `bulk` with so many bytes as COPY writes them, and `sink`, empty. */
export async function fillBulk(psql: string, env: Record<string, string>, bytes: number): Promise<void> {
  const rows = Math.round(bytes / BULK_ROW_BYTES)
  const statements = [
    'create unlogged table sink (line text) with (autovacuum_enabled = off)',
    'create unlogged table bulk (line text) with (autovacuum_enabled = off)',
    // Not compressible to nothing inside the table: 1023 different characters a row, stored plain.
    'alter table bulk alter column line set storage plain',
    'alter table sink alter column line set storage plain',
    `insert into bulk select left(repeat(md5(n::text), 32), ${BULK_ROW_BYTES - 1}) from generate_series(1, ${rows}) n`,
  ]
  await runClient(psql, ['-X', '-q', ...statements.flatMap((statement) => ['-c', statement])], { env })
}
