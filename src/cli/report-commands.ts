// report: the figures of a month, for those who oversee.

import type { Command } from 'commander'
import { formatDuration } from '../access/duration.ts'
import { HalliganError } from '../errors.ts'
import type { Role } from '../identity/user.ts'
import { reportCsv } from '../procedure/report-csv.ts'
import { figures, type Figure, type FigureName } from '../procedure/figure.ts'
import type { Section } from '../procedure/report-figures.ts'
import type { Report } from '../procedure/report.ts'
import type { CommandPorts, Run } from './run.ts'
import { table } from './table.ts'

const readers: readonly Role[] = ['admin', 'auditor', 'reviewer']

/** The columns of the table of policies. */
const columns: readonly (readonly [string, FigureName])[] = [
  ['ASKED', 'requests'],
  ['USES', 'uses'],
  ['ACCESS P50', 'time-to-access-p50'],
  ['P95', 'time-to-access-p95'],
  ['OVERRIDES', 'overrides'],
  ['UNANNOUNCED', 'unannounced'],
  ['ON TIME', 'reviews-on-time'],
  ['LATE', 'reviews-late'],
  ['OVERDUE', 'reviews-overdue'],
  ['MISUSE', 'misuse'],
]

/** What the command needs of its surroundings. */
type ReportRun = Pick<Run, 'caller' | 'io'> & { readonly ports: Pick<CommandPorts, 'reports'> }

export function addReportCommands(root: Command, run: ReportRun): void {
  root
    .command('report')
    .description('what a month of broken glass amounts to (admins, auditors, reviewers)')
    .option('--month <month>', 'such as 2026-11 (UTC); this month without it')
    .option('--json', 'as JSON, with the evidence of each figure and the control map')
    .option('--csv', 'as CSV, with the evidence of each figure')
    .action(async (options: { month?: string; json?: boolean; csv?: boolean }) => {
      const { user } = run.caller.identity
      if (!user.roles.some((role) => readers.includes(role)))
        throw new HalliganError('denied', `${user.name} has none of the roles ${readers.join(', ')}`)
      if (options.json === true && options.csv === true)
        throw new HalliganError('usage', 'choose one of --json and --csv')
      const report = await run.ports.reports.of(options.month)
      run.io.stdout(textOf(report, options))
    })
}

function textOf(report: Report, { json, csv }: { readonly json?: boolean; readonly csv?: boolean }): string {
  if (json === true) return `${JSON.stringify(report)}\n`
  if (csv === true) return reportCsv(report)
  const [all, ...policies] = report.sections
  return [
    `Report of ${report.month} (UTC), as of ${new Date(report.asOf).toISOString().slice(0, 16).replace('T', ' ')}${report.isOver ? '' : ', the month is not over'}\n`,
    ...report.cut.map((what) => `NOT COMPLETE: ${what}\n`),
    ...report.contradictions.map((what) => `CONTRADICTION: ${what}\n`),
    '\n',
    table(['POLICY', ...columns.map(([title]) => title)], policies.map(policyRow), 'nobody asked for anything'),
    '\n',
    table(['FIGURE', 'VALUE', 'EVIDENCE'], (all?.figures ?? []).map(figureRow), ''),
    '\nEach figure by its grants, ledger leaves and alerts: --json or --csv.\n',
  ].join('')
}

function policyRow({ policy, figures: of }: Section): string[] {
  return [policy ?? '', ...columns.map(([, name]) => valueOf(of.find((figure) => figure.name === name)))]
}

function figureRow(figure: Figure): string[] {
  const { grants, leaves, alerts } = figure.evidence
  const title = figure.of === null ? figures[figure.name].title : `${figures[figure.name].title}: ${figure.of}`
  const evidence = [some('grant', grants), some('leaf', leaves), some('alert', alerts)].filter((part) => part !== '')
  return [title, valueOf(figure), evidence.join(', ')]
}

/** `grant g7f3`, `3 grants`. */
function some(what: 'grant' | 'leaf' | 'alert', of: readonly (string | number)[]): string {
  const [first] = of
  if (first === undefined) return ''
  if (of.length === 1) return `${what} ${what === 'leaf' ? `#${first}` : first}`
  return `${of.length} ${what === 'leaf' ? 'leaves' : `${what}s`}`
}

function valueOf(figure: Figure | undefined): string {
  if (figure?.value === null || figure === undefined) return '-'
  return figure.unit === 'count' ? String(figure.value) : formatDuration(figure.value)
}
