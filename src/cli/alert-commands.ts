// alerts: who has been told and who has not, and sending again what was given up.

import type { Command } from 'commander'
import { HalliganError } from '../errors.ts'
import type { Role } from '../identity/user.ts'
import { mostOwed, owedAlerts, retryAlert, retryDeadAlerts } from '../procedure/retry-alerts.ts'
import type { AlertRecord } from '../session/state.ts'
import { requireCode, type RunWith } from './run.ts'
import { span, table } from './table.ts'

/** Newest ones beside those that are owed. */
const recent = 50
/** How long a ceremony counts for sending something again: it tells people what they should have been told. */
const codeMs = 10 * 60_000

/** What the commands need of their surroundings. */
type AlertRun = RunWith<'alerts' | 'mfa'>

export function addAlertCommands(root: Command, run: AlertRun): void {
  const alerts = root
    .command('alerts')
    .description('who has been told: what no channel has taken first (admins, reviewers, auditors)')
    .option('--dead', 'only what was given up after a week')
    .option('--json', 'as JSON')
    .action((options: { dead?: boolean; json?: boolean }) => list(run, options))
  alerts
    .command('retry')
    .description('send again what was given up (admins)')
    .argument('[alert]')
    .option('--all', 'everything that was given up')
    .action((id: string | undefined, options: { all?: boolean }) => retry(run, id, options.all === true))
}

async function list(run: AlertRun, options: { dead?: boolean; json?: boolean }): Promise<void> {
  mustBe(run, ['admin', 'reviewer', 'auditor'])
  const owed = await owedAlerts(run.ports.alerts)
  const newest = options.dead === true ? [] : await run.ports.alerts.state.alerts({ limit: recent })
  const isOwed = new Set(owed.map(({ id }) => id))
  const shown = [
    ...owed.filter(({ deadAt }) => options.dead !== true || deadAt !== null),
    ...newest.filter(({ id }) => !isOwed.has(id)),
  ]
  if (options.json === true) return run.io.stdout(`${JSON.stringify(shown)}\n`)
  const now = run.ports.alerts.clock.now()
  run.io.stdout(table(['ALERT', 'TO', 'WHAT', 'WHEN', 'STATE', ''], shown.map(rowOf(now)), noneOf(options.dead)))
  if (owed.length >= mostOwed) run.io.stdout(`the first ${mostOwed} that wait, and the first ${mostOwed} given up\n`)
}

function rowOf(now: number): (alert: AlertRecord) => string[] {
  return (alert) => [
    alert.id,
    alert.channel,
    alert.type,
    `${span(now - alert.at)} ago`,
    stateOf(alert),
    alert.acceptedAt === null ? (alert.lastError ?? '') : (alert.receipt ?? ''),
  ]
}

function stateOf({ acceptedAt, deadAt, attempts }: AlertRecord): string {
  if (acceptedAt !== null) return 'accepted'
  if (deadAt !== null) return `given up after ${attempts} tries`
  return attempts === 0 ? 'on its way' : `waiting, ${attempts} tries`
}

function noneOf(dead: boolean | undefined): string {
  return dead === true ? 'nothing was given up' : 'no alert yet'
}

async function retry(run: AlertRun, id: string | undefined, all: boolean): Promise<void> {
  mustBe(run, ['admin'])
  if ((id === undefined) === !all)
    throw new HalliganError('usage', 'retry which alert?', { hint: 'name one of `alerts --dead`, or give --all' })
  await requireCode(run, codeMs)
  const by = run.caller.identity.user.name
  if (id !== undefined) {
    await retryAlert(run.ports.alerts, id, by)
    return run.io.stdout(`${id} is sent again\n`)
  }
  const count = await retryDeadAlerts(run.ports.alerts, by)
  return run.io.stdout(count === 0 ? 'nothing was given up\n' : `${count} sent again\n`)
}

function mustBe({ caller }: AlertRun, roles: readonly Role[]): void {
  const { user } = caller.identity
  if (!user.roles.some((role) => roles.includes(role)))
    throw new HalliganError('denied', `${user.name} has none of the roles ${roles.join(', ')}`)
}
