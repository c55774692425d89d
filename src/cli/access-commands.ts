// whoami, targets, request, grants, end, help: what may I have, asking for it, giving it back.

import type { Command } from 'commander'
import { formatDuration, parseDurationMs } from '../access/duration.ts'
import type { Decision } from '../access/decide.ts'
import type { Grant } from '../access/grant.ts'
import { errorCodes, HalliganError } from '../errors.ts'
import type { GrantAsk } from '../procedure/contract.ts'
import { override } from '../procedure/approve.ts'
import { endGrant } from '../procedure/end.ts'
import { print, requireCode, type Run } from './run.ts'
import { clockTime, span, table } from './table.ts'

/** How often a waiting `request --wait` looks whether it has been decided. */
const WAIT_POLL_MS = 1000

export function addAccessCommands(root: Command, run: Run): void {
  root
    .command('whoami')
    .description('who you are here, and what your key is called')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) => whoami(run, options.json))
  root
    .command('targets')
    .description('what you could reach now, and how')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) => targets(run, options.json))
  root
    .command('request')
    .description('break the glass: ask for a grant')
    .argument('[target]', 'the target; the one your login named when left out')
    .option('--account <name>', 'login or role on the target')
    .option('--reason <text>', 'why, for the people who are told')
    .option('--trigger <name>', 'the named emergency')
    .option('--incident <id>', 'incident reference')
    .option('--for <duration>', 'how long, such as 30m')
    .option('--policy <name>', 'the policy, where several match')
    .option('--override', 'nobody answered: go ahead after the policy allows it, with a longer reason')
    .option('--wait', 'wait until the request is decided')
    .option('--json', 'as JSON')
    .action((target: string | undefined, options: RequestOptions) => request(run, target, options))
  root
    .command('grants')
    .description('your grants, newest first')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) => grants(run, options.json))
  root
    .command('end')
    .description('give a grant back early')
    .argument('[grant]', 'its id; may be left out when exactly one is live')
    .action((id: string | undefined) => end(run, id))
}

function whoami({ caller: { identity }, ...run }: Run, json: boolean | undefined): void {
  const { name, groups, roles } = identity.user
  const value = { user: name, groups, roles, key: identity.fingerprint, address: identity.address }
  const lines = [
    `user     ${name}`,
    `groups   ${groups.join(', ') || '(none)'}`,
    `roles    ${roles.join(', ') || '(none)'}`,
    `key      ${identity.fingerprint}`,
    `address  ${identity.address}`,
  ]
  print({ ...run, caller: { identity, target: undefined, account: undefined } }, json, value, `${lines.join('\n')}\n`)
}

function targets(run: Run, json: boolean | undefined): void {
  const { access } = run.ports
  const rows = access.targets().flatMap((target) =>
    target.accounts.flatMap((account) => {
      const decision = access.preview(run.caller.identity, { target: target.name, account })
      return decision.kind === 'deny' ? [] : [{ target: target.name, kind: target.kind, account, ...outcome(decision) }]
    }),
  )
  const text = table(
    ['TARGET', 'KIND', 'ACCOUNT', 'YOU GET', 'POLICY'],
    rows.map((row) => [row.target, row.kind, row.account, row.gets, row.policy]),
    'nothing: no policy names you for any target',
  )
  print(run, json, rows, text)
}

function outcome(decision: Exclude<Decision, { kind: 'deny' }>): { gets: string; policy: string } {
  const required = decision.kind === 'allow' ? 0 : decision.required
  const how = required === 0 ? 'at once, everyone is told' : `after ${required} approval${required === 1 ? '' : 's'}`
  return { gets: `${formatDuration(decision.durationMs)}, ${how}`, policy: decision.policy.name }
}

interface RequestOptions {
  readonly account?: string
  readonly reason?: string
  readonly trigger?: string
  readonly incident?: string
  readonly for?: string
  readonly policy?: string
  readonly override?: boolean
  readonly wait?: boolean
  readonly json?: boolean
}

async function request(run: Run, named: string | undefined, options: RequestOptions): Promise<void> {
  const target = named ?? run.caller.target
  if (target === undefined) throw new HalliganError('usage', 'which target?', { hint: 'see: targets' })
  const durationMs = options.for === undefined ? undefined : parseDurationMs(options.for)
  if (options.for !== undefined && durationMs === undefined)
    throw new HalliganError('usage', `${options.for} is no duration`, { hint: 'write 45m, 2h or 1h30m' })
  const { account = run.caller.account, reason, trigger, incident, policy } = options
  if (options.override === true) return overrideRequest(run, target, reason, options.json)
  const grant = await breakGlass(run, { target, account, reason, trigger, incident, policy, durationMs })
  await report(run, options.wait === true ? await decided(run, grant) : grant, options.json)
}

/**
 * Asks on stderr for what is still open and requests the grant. At end of file: `denied` with the whole command to run.
 */
export async function breakGlass(run: Run, ask: GrantAsk): Promise<Grant> {
  const { access } = run.ports
  const { identity } = run.caller
  let open = ask
  for (let round = 0; round < 4; round++) {
    const decision = access.preview(identity, open)
    if (decision.kind !== 'incomplete') break
    if (round === 0) run.io.stderr(`${headline(open.target, decision)}\n`)
    open = await fill(run, open, decision)
  }
  const decision = access.preview(identity, open)
  if (decision.kind !== 'deny') await requireCode(run, decision.policy.mfa.rememberMs)
  return access.request(identity, open)
}

/** `Break the glass on web-1 for 30m? Self-activation, everyone is told.` */
export function headline(target: string, decision: Exclude<Decision, { kind: 'deny' }>): string {
  const required = decision.kind === 'allow' ? 0 : decision.required
  const how =
    required === 0
      ? 'Self-activation, everyone is told.'
      : `It waits for ${required} approval${required === 1 ? '' : 's'}.`
  return `Break the glass on ${decision.account}@${target} for ${formatDuration(decision.durationMs)}? ${how}`
}

async function fill(run: Run, ask: GrantAsk, decision: Extract<Decision, { kind: 'incomplete' }>): Promise<GrantAsk> {
  const missing = decision.missing[0]
  const triggers = decision.policy.triggers.map((trigger) => trigger.name)
  const prompt =
    missing === 'trigger'
      ? `Trigger (${triggers.map((name, at) => `${at + 1} ${name}`).join(', ')}) [1]: `
      : missing === 'incident'
        ? 'Incident: '
        : 'Reason: '
  const line = await run.io.ask(prompt)
  if (line === undefined)
    throw new HalliganError('denied', decision.message, {
      hint: `give it on the command line: request ${ask.target} --trigger ${triggers[0] ?? 'NAME'} --reason "..."`,
    })
  if (missing === 'trigger') return { ...ask, trigger: triggers[Number(line.trim() || '1') - 1] ?? line.trim() }
  return missing === 'incident' ? { ...ask, incident: line.trim() } : { ...ask, reason: line.trim() }
}

async function overrideRequest(
  run: Run,
  target: string,
  reason: string | undefined,
  json: boolean | undefined,
): Promise<void> {
  const mine = await run.ports.state.grants({ user: run.caller.identity.user.name, states: ['requested'], limit: 20 })
  const waiting = mine.find((grant) => grant.target === target)
  if (waiting === undefined) throw new HalliganError('not_found', `no request of yours waits for ${target}`)
  await requireCode(run, 5 * 60_000)
  const given = reason ?? (await run.io.ask('Longer reason: ')) ?? ''
  await report(run, await override(run.ports.end, run.caller.identity, waiting.id, given), json)
}

async function decided(run: Run, asked: Grant): Promise<Grant> {
  let grant = asked
  const since = run.ports.clock.now()
  while (grant.state === 'requested' && !run.io.signal.aborted) {
    run.io.stderr(`waiting for approval of ${grant.id}, ${span(run.ports.clock.now() - since)} so far\n`)
    await new Promise<void>((resolve) => run.ports.clock.after(WAIT_POLL_MS * 5, resolve))
    grant = (await run.ports.state.grant(grant.id)) ?? grant
  }
  return grant
}

async function report(run: Run, grant: Grant, json: boolean | undefined): Promise<void> {
  print(run, json, grant, `${sentence(grant, run.ports.clock.now())}\n`)
  if (grant.state === 'requested') run.exit = errorCodes.approval_pending.exit
  else if (grant.state !== 'active') run.exit = errorCodes.denied.exit
}

function sentence(grant: Grant, now: number): string {
  const what = `${grant.id}: ${grant.account}@${grant.target}`
  switch (grant.state) {
    case 'active':
      return `grant ${what}, ends ${clockTime(grant.expiresAt ?? 0)} (${span((grant.expiresAt ?? 0) - now)})`
    case 'requested':
      return `request ${what} waits for approval; run the same command again to see`
    case 'denied':
    case 'lapsed':
    case 'awaiting-review':
    case 'reviewed':
      return `grant ${what} is ${grant.state}`
  }
}

async function grants(run: Run, json: boolean | undefined): Promise<void> {
  const now = run.ports.clock.now()
  const mine = await run.ports.state.grants({ user: run.caller.identity.user.name, limit: 20 })
  const rows = mine.map((grant) => [
    grant.id,
    `${grant.account}@${grant.target}`,
    grant.state,
    grant.state === 'active' ? `in ${span((grant.expiresAt ?? 0) - now)}` : '',
    grant.trigger,
    grant.reason,
  ])
  print(run, json, mine, table(['GRANT', 'ACCESS', 'STATE', 'ENDS', 'TRIGGER', 'REASON'], rows, 'you have no grants'))
}

async function end(run: Run, id: string | undefined): Promise<void> {
  const mine = await run.ports.state.grants({ user: run.caller.identity.user.name, states: ['active'], limit: 100 })
  const grant = id === undefined ? only(mine) : mine.find((one) => one.id === id)
  if (grant === undefined) throw new HalliganError('not_found', `no live grant ${id ?? ''} of yours`.replace('  ', ' '))
  const name = run.caller.identity.user.name
  const ended = await endGrant(run.ports.end, grant.id, 'returned', name, 'given back')
  print(
    run,
    false,
    ended,
    `thank you: ${ended.id} is given back, ${span((grant.expiresAt ?? 0) - run.ports.clock.now())} early\n`,
  )
}

function only(grants: readonly Grant[]): Grant | undefined {
  if (grants.length > 1)
    throw new HalliganError('usage', `you have ${grants.length} live grants`, {
      hint: `name one: ${grants.map((grant) => grant.id).join(', ')}`,
    })
  return grants[0]
}
