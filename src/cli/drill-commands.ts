// drill run, list, show; readiness: rehearsing, and who could break the glass tonight.

import type { Command } from 'commander'
import { formatDuration } from '../access/duration.ts'
import { HalliganError } from '../errors.ts'
import {
  type DrillContract,
  type DrillOverview,
  type DrillReport,
  type DrillStory,
  type DrillSummary,
  mustSeeDrills,
  mustStartDrills,
} from '../procedure/drill.ts'
import { freshMs } from '../procedure/mfa.ts'
import type { Readiness } from '../procedure/readiness.ts'
import { print, requireCode, type Run } from './run.ts'
import { clockTime, printable, span, table } from './table.ts'

/** A run whose promises did not all hold: `drill run` ends with it. */
const BROKEN_EXIT = 1

/** Runs of one list. */
const LISTED = 20

/** A sign of life while a rehearsal runs. */
const PROGRESS_MS = 10_000

export function addDrillCommands(root: Command, run: Run): void {
  const drill = root.command('drill').description('rehearse the promises on canary targets, and see how it went')
  drill
    .command('run')
    .description('rehearse now: a drill of the configuration, one story, or (without a name) every story')
    .argument('[name]')
    .option('--json', 'the report as JSON')
    .action((name: string | undefined, options: { json?: boolean }) => runDrill(run, name, options.json))
  drill
    .command('list')
    .description('runs, newest first, what is due, and which stories there are')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) => list(run, options.json))
  drill
    .command('show')
    .description('the report of one run')
    .argument('<run>')
    .option('--json', 'as JSON')
    .action((id: string, options: { json?: boolean }) => show(run, id, options.json))
  drill
    .command('readiness')
    .description('who could break the glass tonight, and what keeps others from it')
    .option('--json', 'as JSON')
    .action(async (options: { json?: boolean }) => {
      const ready = await drillsFor(run).readiness()
      print(run, options.json, ready, readinessText(ready))
    })
  for (const command of drill.commands) command.copyInheritedSettings(root)
}

/** Throws `denied` for who sees only their own. */
function drillsFor(run: Run): DrillContract {
  const { drills } = run.ports
  mustSeeDrills(run.caller.identity.user)
  if (drills === null) throw new HalliganError('unavailable', 'nothing is rehearsed here')
  return drills
}

async function runDrill(run: Run, name: string | undefined, json: boolean | undefined): Promise<void> {
  const { user } = run.caller.identity
  mustStartDrills(user)
  const drills = drillsFor(run)
  await requireCode(run, freshMs)
  mustStartDrills(user)
  const { id, finished } = await drills.start(name, user.name)
  run.io.stderr(`halligan: drill ${id} has begun; it goes on if you leave\n`)
  const report = await watched(run, finished)
  if (report === undefined) return
  print(run, json, report, reportText(report))
  if (report.failed > 0 || report.passed === 0) run.exit = BROKEN_EXIT
}

/** The report, with a sign of life until then; undefined when the person has left. */
async function watched(run: Run, finished: Promise<DrillReport>): Promise<DrillReport | undefined> {
  const { clock } = run.ports
  const since = clock.now()
  for (;;) {
    const { promise: later, resolve } = Promise.withResolvers<'later'>()
    const timer = clock.after(PROGRESS_MS, () => resolve('later'))
    const report = await Promise.race([finished, later])
    timer.cancel()
    if (report !== 'later') return report
    if (run.io.signal.aborted) return undefined
    run.io.stderr(`halligan: rehearsing, ${span(clock.now() - since)} so far\n`)
  }
}

async function list(run: Run, json: boolean | undefined): Promise<void> {
  const overview = await drillsFor(run).overview(LISTED)
  print(run, json, overview, overviewText(overview))
}

async function show(run: Run, id: string, json: boolean | undefined): Promise<void> {
  const { run: summary, report } = await drillsFor(run).report(id)
  if (report === undefined) print(run, json, summary, `drill ${summary.id} is running\n`)
  else print(run, json, report, reportText(report))
}

function overviewText({ runs, schedule, stories, readiness }: DrillOverview): string {
  const rows = runs.map((one) => [one.id, one.name, day(one.startedAt), one.by, outcome(one)])
  const due = schedule.map(({ name, everyMs, dueAt, isMissed }) => [
    name,
    formatDuration(everyMs),
    `${day(dueAt)}${isMissed ? ', left undone' : ''}`,
  ])
  const told = stories.map(({ name, proves, title, why }) => [name, proves.join(' '), why ?? title])
  return [
    table(['DRILL', 'NAME', 'STARTED', 'BY', 'OUTCOME'], rows, 'nothing has been rehearsed yet: drill run'),
    ...(due.length === 0 ? [] : [table(['SCHEDULE', 'EVERY', 'DUE'], due, '')]),
    table(['STORY', 'PROVES', 'TITLE, OR WHY IT IS LEFT OUT'], told, 'there are no stories here'),
    readinessText(readiness),
  ].join('\n')
}

function outcome({ outcome: how, passed, failed }: DrillSummary): string {
  switch (how) {
    case 'running':
      return 'running'
    case 'passed':
      return `green, ${passed} passed`
    case 'failed':
      return `red, ${failed} failed`
  }
}

/** The whole report as a person reads it. */
export function reportText(report: DrillReport): string {
  const { drill, name, by, startedAt, endedAt, passed, failed, leftOut, cut, figures, stories } = report
  const isGreen = failed === 0 && passed > 0
  const time = (ms: number | null): string => (ms === null ? '-' : `${ms} ms`)
  return [
    `drill ${drill} (${printable(name)}), started ${day(startedAt)} by ${by}, took ${span(endedAt - startedAt)}\n`,
    `${isGreen ? 'GREEN' : 'RED'}: ${passed} passed, ${failed} failed, ${leftOut} left out${cut === null ? '' : `; ${cut}`}\n`,
    `time to access ${time(figures.accessMs)}, to alert ${time(figures.alertMs)}, to kill ${time(figures.killMs)}\n\n`,
    ...stories.map(storyText),
    `\n${readinessText(report.readiness)}`,
  ].join('')
}

function storyText({ name, title, proves, outcome: how, why, steps }: DrillStory): string {
  const mark = { passed: 'ok  ', failed: 'FAIL', 'left-out': '-   ' }[how]
  const head = `${mark} ${name}: ${printable(title)} [${proves.join(', ')}]${why === null ? '' : `, left out: ${why}`}\n`
  if (how !== 'failed') return head
  return `${head}${steps
    .map((step) => {
      if (step.outcome === 'not-reached') return `       line ${step.line}: not reached: ${step.text}\n`
      if (step.outcome === 'as-expected') return `       line ${step.line}: ${step.text}\n`
      return `  ->   line ${step.line}: ${step.text}\n         expected ${step.expected}, got ${printable(step.actual)}\n`
    })
    .join('')}`
}

/** `3 of 4 people can break the glass tonight`, and who is missing what. */
export function readinessText({ people, ready, now }: Readiness): string {
  const troubled = people.flatMap(({ user, missing, isStale, lastUsedAt }) => [
    ...(missing.length === 0 ? [] : [`  ${user}: no ${missing.join(', no ').replace('no lock', 'locked')}\n`]),
    ...(isStale
      ? [`  ${user}: second factor ${lastUsedAt === null ? 'never used' : `not used for ${days(now - lastUsedAt)}`}\n`]
      : []),
  ])
  const count = `${ready} of ${people.length} ${people.length === 1 ? 'person' : 'people'} can break the glass tonight\n`
  return `${count}${troubled.join('')}`
}

function days(ms: number): string {
  return `${Math.floor(ms / 86_400_000)} days`
}

function day(at: number): string {
  return `${new Date(at).toISOString().slice(0, 10)} ${clockTime(at)}`
}
