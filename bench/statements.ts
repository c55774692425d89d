// pgbench through Halligan, through pgbouncer and past both.

import { syncCostMs } from './machine.ts'
import type { Installation } from './installation.ts'
import { fillPgbench } from './database.ts'
import { quiet, runClient } from './process.ts'
import { median, rounds } from './rounds.ts'
import type { Sizes } from './sizes.ts'
import { absentRow, factorRow, figure, type Row } from './table.ts'

type Load = Sizes['loads'][number]

/** Statements of one transaction of each script; each is held until its record is durable. */
const statements = { select: 1, tpcb: 7 }
const titles = { select: 'pgbench -S', tpcb: 'pgbench TPC-B' }
/** Beside the target's other terms, what a statement may cost. */
const ADDED_MS = 0.05

/** One row per load, and for one client a second one about the time added to each statement. */
export async function statementRows(place: Installation, sizes: Sizes): Promise<Row[]> {
  const { pgbench } = place.programs
  if (pgbench === undefined || place.pgbouncer === undefined)
    return [absentRow('pgbench', '≥ 0.7×', 'left out: apt-get install postgresql pgbouncer')]
  await fillPgbench(pgbench, place.direct, sizes.scale)
  const rows: Row[] = []
  for (const load of sizes.loads)
    rows.push(...(await loadRows(place, pgbench, place.pgbouncer.environment, load, sizes)))
  return rows
}

async function loadRows(
  place: Installation,
  pgbench: string,
  pgbouncer: Record<string, string>,
  load: Load,
  sizes: Sizes,
): Promise<Row[]> {
  const run = (env: Record<string, string>) => async () => {
    const tps = await transactionsPerSecond(pgbench, env, load, sizes.seconds)
    // Halligan's last sessions are still being sealed: the next contender must not pay for that.
    await quiet(place.bastionPid)
    return tps
  }
  const syncs: number[] = []
  const measured = await rounds(sizes.rounds, {
    sync: async () => {
      syncs.push(syncCostMs(place.folder, sizes.syncs))
      return 0
    },
    halligan: run(place.halligan('hash')),
    pgbouncer: run(pgbouncer),
    direct: run(place.direct),
  })
  const [halligan, beside, direct] = [measured.halligan, measured.pgbouncer, measured.direct].map(median)
  if (halligan === undefined || beside === undefined || direct === undefined) return []
  const { script, mode, clients } = load
  const what = `${titles[script]}, ${mode}, ${clients} client${clients === 1 ? '' : 's'}`
  const name = `direct ${figure(direct, 'tps')}; pgbouncer`
  if (clients > 1) {
    const bound = { at: 'least', factor: script === 'select' ? 0.7 : 0.9 } as const
    return [factorRow({ what, unit: 'tps', halligan, beside: { name, value: beside }, bound, later: 'then 1×' })]
  }
  const syncMs = median(syncs)
  const addedMs = (1000 / halligan - 1000 / beside) / statements[script]
  return [
    factorRow({ what, unit: 'tps', halligan, beside: { name, value: beside }, bound: null }),
    {
      what: `${what}: added to a statement`,
      halligan: figure(1000 / halligan / statements[script], 'ms'),
      beside: `pgbouncer ${figure(1000 / beside / statements[script], 'ms')} + one sync ${figure(syncMs, 'ms')}`,
      ratio: `${addedMs >= syncMs ? '+' : '−'} ${Math.abs(addedMs - syncMs).toFixed(3)} ms`,
      target: `≤ + ${ADDED_MS} ms`,
      isMet: addedMs - syncMs <= ADDED_MS,
    },
  ]
}

async function transactionsPerSecond(
  pgbench: string,
  env: Record<string, string>,
  { script, mode, clients }: Load,
  seconds: number,
): Promise<number> {
  const args = ['--no-vacuum', `--protocol=${mode}`, `--client=${clients}`, `--time=${seconds}`]
  const printed = await runClient(pgbench, script === 'select' ? ['--select-only', ...args] : args, { env })
  const [, tps] = /^tps = ([\d.]+)/m.exec(printed) ?? []
  if (tps === undefined) throw new Error(`pgbench printed no figure: ${printed}`)
  return Number(tps)
}
