// `policy`, `policy explain`, `policy simulate`: the policies asked, not used. Over ssh as oneself, and on the machine
// with a file.

import { Command } from 'commander'
import { formatDuration } from '../access/duration.ts'
import { parseInstant } from '../access/instant.ts'
import { HalliganError } from '../errors.ts'
import { explainAccess, type ExplanationPorts, policiesFor, simulateAccess } from '../procedure/explanation.ts'
import type { Identity } from '../identity/user.ts'
import { explanationText, simulationText } from './policy-text.ts'
import { print, type RunWith } from './run.ts'
import { table } from './table.ts'

interface Options {
  readonly account?: string
  readonly policy?: string
  readonly trigger?: string
  readonly user?: string
  readonly target?: string
  readonly at?: string
  readonly from?: string
  readonly config?: string
  readonly json?: boolean
}

/** Adds the commands that people speak over ssh. */
export function addPolicyCommands(root: Command, run: RunWith<'explanation'>): void {
  const policy = root.command('policy').description('the policies that are about you, and why they answer as they do')
  // A command of its own: an option of `policy` itself would take the `--json` of those below it.
  policy
    .command('list', { isDefault: true })
    .description('the policies that are about you')
    .option('--json', 'as JSON')
    .action((options: Options) => list(run, options.json))
  explainCommand(policy).action(async (first: string, second: string | undefined, options: Options) => {
    await explained(run, options.json, run.ports.explanation, run.caller.identity, first, second, options)
  })
  simulateCommand(policy).action((options: Options) =>
    simulated(run, options.json, run.ports.explanation, run.caller.identity, options),
  )
}

/** Where a command of the machine itself reads its policies, and as whom it asks: an auditor of the file. */
export interface LocalPolicies {
  readonly ports: ExplanationPorts
  readonly identity: Identity
}

/** Adds `explain` and `simulate` with `--config FILE` to the local `policy` command. */
export function addLocalPolicyCommands(
  policy: Command,
  open: (file: string) => LocalPolicies,
  write: (text: string) => void,
): void {
  const run = { io: { stdout: write } }
  explainCommand(policy)
    .requiredOption('--config <file>', 'configuration file')
    .action(async (first: string, second: string | undefined, options: Options) => {
      const { ports, identity } = open(options.config ?? '')
      if (second === undefined) throw new HalliganError('usage', 'name the user and the target')
      await explained(run, options.json, ports, identity, first, second, options)
    })
  simulateCommand(policy)
    .requiredOption('--config <file>', 'configuration file')
    .action((options: Options) => {
      const { ports, identity } = open(options.config ?? '')
      simulated(run, options.json, ports, identity, options)
    })
}

function explainCommand(policy: Command): Command {
  return policy
    .command('explain')
    .description('why a request would be answered as it would: every policy, clause by clause')
    .argument('<user>', 'who; left out, it is you')
    .argument('[target]')
    .option('--account <account>')
    .option('--policy <name>', 'as if it were named in the request')
    .option('--trigger <name>')
    .option('--at <time>', 'as if it were then: 2026-11-22T03:00, UTC')
    .option('--from <address>', 'as if from there')
    .option('--json', 'as JSON')
}

function simulateCommand(policy: Command): Command {
  return policy
    .command('simulate')
    .description('who could get what, now or at another time')
    .option('--user <name>')
    .option('--target <name>')
    .option('--at <time>', '2026-11-22T03:00, UTC')
    .option('--from <address>')
    .option('--json', 'as JSON')
}

type Out = Parameters<typeof print>[0]

async function explained(
  run: Out,
  json: boolean | undefined,
  ports: ExplanationPorts,
  identity: Identity,
  first: string,
  second: string | undefined,
  options: Options,
): Promise<void> {
  const { account, policy, trigger, from } = options
  const who = second === undefined ? { target: first } : { user: first, target: second }
  const ask = { ...who, account, policy, trigger, from, at: instantOf(options.at) }
  const explanation = await explainAccess(ports, identity, ask)
  print(run, json, explanation, explanationText(explanation))
}

function simulated(
  run: Out,
  json: boolean | undefined,
  ports: ExplanationPorts,
  identity: Identity,
  { user, target, from, at }: Options,
): void {
  const simulation = simulateAccess(ports, identity, { user, target, from, at: instantOf(at) })
  print(run, json, simulation, simulationText(simulation))
}

function list(run: RunWith<'explanation'>, json: boolean | undefined): void {
  const policies = policiesFor(run.ports.explanation, run.caller.identity.user)
  const rows = policies.map(({ name, accounts, triggers, duration, hash }) => [
    name,
    accounts.join(','),
    triggers.map((trigger) => trigger.name).join(','),
    formatDuration(duration.maxMs),
    hash.slice(0, 12),
  ])
  print(
    run,
    json,
    policies,
    table(['POLICY', 'ACCOUNTS', 'TRIGGERS', 'AT MOST', 'HASH'], rows, 'no policy is about you'),
  )
}

function instantOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const at = parseInstant(text)
  if (at === undefined)
    throw new HalliganError('usage', `"${text.slice(0, 64)}" is no time`, { hint: 'write 2026-11-22T03:00, in UTC' })
  return at
}
