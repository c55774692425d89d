import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { has } from '../support/clients.ts'

// Whether the bench works, never how fast anything is: a tiny run's figures mean nothing.
test.runIf(has('ssh', 'psql', 'pgbench', 'postgres'))(
  'a tiny run of the bench gives a row for everything it was asked for',
  { timeout: 150_000 },
  () => {
    const args = ['bench/run.ts', '--tiny', '--json', '--only', 'statements,copies,verify,hour']
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: resolve(import.meta.dirname, '../..'),
      encoding: 'utf8',
      timeout: 120_000,
    })
    expect(status, stderr).toBe(0)
    const { rows, fileSystem } = JSON.parse(stdout) as { rows: { what: string; ratio: string }[]; fileSystem: string }
    expect(fileSystem).not.toBe('unknown')
    for (const what of [/pgbench/, /COPY/, /verify/, /an hour of SQL/])
      expect(rows.find((row) => what.test(row.what))?.ratio).toBeTruthy()
  },
)
