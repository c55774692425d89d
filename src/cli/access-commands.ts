// whoami, targets, grants, end, help: what may I have, what have I, giving it back.

import type { Command } from 'commander'
import { formatDuration } from '../access/duration.ts'
import type { Decision } from '../access/decide.ts'
import type { Grant } from '../access/grant.ts'
import { HalliganError } from '../errors.ts'
import { endGrant } from '../procedure/end.ts'
import { print, requireCode, type Run } from './run.ts'
import { span, table } from './table.ts'

/** How long a ceremony counts for what only takes access away. */
const TAKE_AWAY_MS = 10 * 60_000

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
  print(run, json, value, `${lines.join('\n')}\n`)
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
  // It only takes access away; but who merely holds the key must not end somebody's emergency.
  if (run.ports.access.ceremony(run.caller.identity, grant) === undefined) await requireCode(run, TAKE_AWAY_MS)
  const name = run.caller.identity.user.name
  const ended = await endGrant(run.ports.end, grant.id, 'returned', name, 'given back')
  print(
    run,
    false,
    ended,
    `thank you, ${name}: ${ended.id} is given back, ${span((grant.expiresAt ?? 0) - run.ports.clock.now())} early\n`,
  )
}

function only(grants: readonly Grant[]): Grant | undefined {
  if (grants.length > 1)
    throw new HalliganError('usage', `you have ${grants.length} live grants`, {
      hint: `name one: ${grants.map((grant) => grant.id).join(', ')}`,
    })
  return grants[0]
}
