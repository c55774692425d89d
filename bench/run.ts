// `npm run bench`: one table of ratios, measured in one run on this machine. Contenders take turns, medians are shown, and
// each row says whether it is what design §14 asks for. Nothing here is a test: figures depend on the machine.
//
//   --quick          a short look, about a minute
//   --tiny           no figures worth anything: whether the bench works
//   --only a,b       some groups: statements copies files keystrokes connect idle journal verify search hour
//   --json           the rows as JSON
//   --profile DIR    the bastion writes CPU profiles there when it ends
//   HALLIGAN_BENCH_DIR   where state and journal lie, instead of the system's temporary directory

import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { copyRows } from './copies.ts'
import { fileRows } from './files.ts'
import { hourRows } from './hour.ts'
import { install, type Installation } from './installation.ts'
import { journalRows } from './journal.ts'
import { keystrokeRows } from './keystrokes.ts'
import { machine, syncCostMs } from './machine.ts'
import { searchRows } from './search.ts'
import { connectRows, idleRows } from './sessions.ts'
import { sizes as allSizes, type Sizes } from './sizes.ts'
import { statementRows } from './statements.ts'
import { absentRow, formatTable, type Row } from './table.ts'
import { verificationRows } from './verification.ts'

type Group = (place: Installation, sizes: Sizes) => Promise<Row[]>

/** In this order: idle sessions need a process that has done nothing yet, or they move into room that others left. */
const groups: Readonly<Record<string, Group>> = {
  idle: idleRows,
  journal: ({ folder }, sizes) => journalRows(folder, sizes),
  statements: statementRows,
  copies: copyRows,
  files: fileRows,
  keystrokes: keystrokeRows,
  connect: connectRows,
  verify: verificationRows,
  search: ({ folder }, sizes) => searchRows(folder, sizes),
  hour: hourRows,
}

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    tiny: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    only: { type: 'string' },
    profile: { type: 'string' },
  },
})
const kind = values.tiny ? 'tiny' : values.quick ? 'quick' : 'full'
const sizes: Sizes = allSizes[kind]
const chosen = values.only?.split(',') ?? Object.keys(groups)
const unknown = chosen.find((name) => groups[name] === undefined)
if (unknown !== undefined) throw new Error(`no group ${unknown}; there are ${Object.keys(groups).join(', ')}`)

const base = process.env['HALLIGAN_BENCH_DIR']
const say = (text: string) => process.stderr.write(`${text}\n`)
const startedAt = new Date()
const [loadBefore = 0] = loadavg()
const rows: Row[] = []
await using opened = new AsyncDisposableStack()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void opened.disposeAsync().finally(() => process.exit(130)))
say('starting targets, pgbouncer and the bastion')
const place = await install({ base, profile: values.profile }, opened)
for (const name of chosen) {
  say(`measuring ${name}`)
  rows.push(...((await groups[name]?.(place, sizes)) ?? []))
}
if (values.only === undefined)
  rows.push(absentRow('expiry → last byte relayed, 100 sessions', '< 1 s', 'not measured here: a test holds it'))
print()

function print(): void {
  const facts = {
    at: startedAt.toISOString(),
    kind,
    loadBefore,
    ...machine(place.folder),
    syncMs: syncCostMs(place.folder, 500),
  }
  if (values.json) return void process.stdout.write(`${JSON.stringify({ ...facts, rows }, undefined, 2)}\n`)
  const { cores, processor, memoryGib, system, node, fileSystem, syncMs } = facts
  process.stdout.write(
    [
      `${facts.at.slice(0, 10)}, ${kind} run: ${cores} cores (${processor}), ${memoryGib} GiB, ${system}, Node ${node};`,
      `state and journal on ${fileSystem}, one write and sync of 200 bytes takes ${syncMs.toFixed(3)} ms (p50).`,
      'Clients, targets and all contenders share these cores. Medians of interleaved rounds.',
      `Load before the run, from other programs: ${loadBefore.toFixed(1)} on ${cores} cores.`,
      'A grant admits at most 20 PostgreSQL connections: 16 clients stand where design §14 says 32.',
      '',
      formatTable(rows),
    ].join('\n'),
  )
}
