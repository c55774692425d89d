// Bulk through PostgreSQL: what a GiB costs the process in the middle, in CPU time.

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { fillBulk } from './database.ts'
import type { Installation } from './installation.ts'
import { cpuOf, runClient } from './process.ts'
import { median, rounds } from './rounds.ts'
import type { Sizes } from './sizes.ts'
import { absentRow, factorRow, type Row } from './table.ts'

const GIB = 2 ** 30

/** COPY and SELECT of many rows, and COPY of as much into a table. */
export async function copyRows(place: Installation, sizes: Sizes): Promise<Row[]> {
  const { psql } = place.programs
  const { pgbouncer, bastionPid } = place
  if (psql === undefined || pgbouncer === undefined)
    return [absentRow('COPY / SELECT', '≤ 1.2×', 'left out: apt-get install pgbouncer')]
  await fillBulk(psql, place.direct, sizes.copyBytes)
  const file = join(place.folder, 'bulk')
  const sql = (env: Record<string, string>, statement: string, files: { stdin?: string; stdout?: string }) =>
    runClient(psql, ['-X', '-q', '-A', '-t', '-c', statement], { env, ...files })
  await sql(place.direct, 'copy bulk to stdout', { stdout: file })
  const perGib = (ms: number) => (ms / 1000 / sizes.copyBytes) * GIB
  const compare = async (statement: string, files: { stdin?: string; stdout?: string }) => {
    const way = (pid: number, env: Record<string, string>) => async () => {
      await sql(place.direct, 'truncate sink', {})
      return perGib(await cpuOf(pid, () => sql(env, statement, files)))
    }
    return rounds(sizes.rounds, {
      hash: way(bastionPid, place.halligan('hash')),
      pgbouncer: way(pgbouncer.pid, pgbouncer.environment),
      full: files.stdin === undefined ? () => Promise.resolve(0) : way(bastionPid, place.halligan('full')),
      digest: async () => perGib(await digestMs(file)),
    })
  }
  const rows: Row[] = []
  for (const [what, statement] of [
    ['COPY … TO STDOUT', 'copy bulk to stdout'],
    ['SELECT', 'select line from bulk'],
  ] as const) {
    const { hash, pgbouncer: beside } = await compare(statement, { stdout: '/dev/null' })
    rows.push(
      factorRow({
        what: `${what}, no rows kept: CPU of the process in the middle`,
        unit: 's/GiB',
        halligan: median(hash),
        beside: { name: 'pgbouncer', value: median(beside) },
        bound: { at: 'most', factor: 1.2 },
        later: 'then 1×',
      }),
    )
  }
  const upload = await compare('copy sink from stdin', { stdin: file })
  for (const bulk of ['hash', 'full'] as const)
    rows.push(
      factorRow({
        what: `COPY … FROM STDIN, ${bulk === 'hash' ? '`hash`' : '`full` (10 MiB whole, then hash)'}: CPU`,
        unit: 's/GiB',
        halligan: median(upload[bulk]),
        beside: { name: 'pgbouncer + SHA-256 of the bytes', value: median(upload.pgbouncer) + median(upload.digest) },
        bound: { at: 'most', factor: 1.1 },
      }),
    )
  return rows
}

/** CPU time of SHA-256 over a file, ms: OpenSSL's, as `openssl dgst -sha256` has it, without reading. */
async function digestMs(file: string): Promise<number> {
  const hash = createHash('sha256')
  let usedUs = 0
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) {
    const before = process.threadCpuUsage()
    hash.update(chunk as Buffer)
    const used = process.threadCpuUsage(before)
    usedUs += used.user + used.system
  }
  hash.digest()
  return usedUs / 1000
}
