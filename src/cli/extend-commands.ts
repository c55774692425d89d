// extend: more time for a running grant. A code within five minutes and a reason; everyone is told.

import type { Command } from 'commander'
import { parseDurationMs } from '../access/duration.ts'
import type { Grant } from '../access/grant.ts'
import { HalliganError } from '../errors.ts'
import { extend } from '../procedure/extend.ts'
import { freshMs } from '../procedure/mfa.ts'
import { joined, print, requireCode, type Run } from './run.ts'
import { clockTime, span } from './table.ts'

interface ExtendOptions {
  readonly for?: string
  readonly reason?: string
  readonly json?: boolean
}

export function addExtendCommands(root: Command, run: Run): void {
  root
    .command('extend')
    .description('more time for a running grant; what runs under it keeps its connection')
    .argument('[grant]', 'its id; may be left out when exactly one of yours is live')
    .option('--for <duration>', "how much longer, such as 30m; the policy's default when left out")
    .option('--reason <text...>', 'why, for the people who are told', joined)
    .option('--json', 'as JSON')
    .action((id: string | undefined, options: ExtendOptions) => extendGrant(run, id, options))
}

async function extendGrant(run: Run, named: string | undefined, options: ExtendOptions): Promise<void> {
  const durationMs = options.for === undefined ? undefined : parseDurationMs(options.for)
  if (options.for !== undefined && durationMs === undefined)
    throw new HalliganError('usage', `${options.for.slice(0, 40)} is no duration`, { hint: 'write 45m, 2h or 1h30m' })
  const id = named ?? (await only(run)).id
  await requireCode(run, freshMs)
  const reason = options.reason ?? (await run.io.ask('Reason: '))
  if (reason === undefined)
    throw new HalliganError('usage', 'an extension needs a reason', { hint: `extend ${id} --reason "..."` })
  const grant = await extend(run.ports.end, run.caller.identity, id, reason, durationMs)
  const ends = grant.expiresAt ?? 0
  print(
    run,
    options.json,
    grant,
    `grant ${grant.id} now ends ${clockTime(ends)} (${span(ends - run.ports.clock.now())}); everyone is told\n`,
  )
}

async function only(run: Run): Promise<Grant> {
  const { name } = run.caller.identity.user
  const mine = run.ports.end.registry.liveGrants().filter(({ user }) => user === name)
  const [grant, ...others] = mine
  if (grant === undefined)
    throw new HalliganError('not_found', 'you have no live grant', {
      hint: 'to extend that of another person, name it',
    })
  if (others.length > 0)
    throw new HalliganError('usage', `you have ${mine.length} live grants`, {
      hint: `name one: ${mine.map(({ id }) => id).join(', ')}`,
    })
  return grant
}
