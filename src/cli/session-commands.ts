// sessions, who, kill, revoke: what runs, and ending it. Taking access away needs a remembered second factor, a role and
// a reason.

import type { Command } from 'commander'
import { HalliganError } from '../errors.ts'
import type { Role } from '../identity/user.ts'
import { killSession, takeBack } from '../procedure/end.ts'
import { joined, print, requireCode, type Run } from './run.ts'
import { span, table } from './table.ts'

/** How long a ceremony counts for kill and revoke, which only take access away. */
const TAKE_AWAY_MS = 10 * 60_000

export function addSessionCommands(root: Command, run: Run): void {
  root
    .command('sessions')
    .description('recorded sessions, newest first: yours, or all for reviewers and admins')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) => sessions(run, options.json, false))
  root
    .command('who')
    .description('running sessions')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) => sessions(run, options.json, true))
  root
    .command('kill')
    .description('end one running session')
    .argument('<session>')
    .requiredOption('--reason <text...>', 'why, shown to the person inside', joined)
    .action(async (id: string, options: { reason: string }) => {
      mustBe(run, ['admin'])
      await requireCode(run, TAKE_AWAY_MS)
      mustBe(run, ['admin'])
      await killSession(run.ports.end, id, run.caller.identity.user.name, options.reason)
      run.io.stdout(`${id} is ended\n`)
    })
  root
    .command('revoke')
    .description('end a grant and everything under it: your own, or as an approver of its policy or an admin')
    .argument('<grant>')
    .requiredOption('--reason <text...>', 'why, shown to the person inside', joined)
    .action(async (id: string, options: { reason: string }) => {
      await requireCode(run, TAKE_AWAY_MS)
      const ended = await takeBack(run.ports.end, run.caller.identity.user, id, options.reason)
      run.io.stdout(`${id} is ${ended.end?.how ?? 'revoked'}\n`)
    })
}

async function sessions(run: Run, json: boolean | undefined, running: boolean): Promise<void> {
  const { user } = run.caller.identity
  const all = user.roles.some((role) => role === 'reviewer' || role === 'admin' || role === 'auditor')
  const found = await run.ports.state.sessions({
    ...(all ? {} : { user: user.name }),
    ...(running ? { states: ['open'] } : {}),
    limit: 50,
  })
  const now = run.ports.clock.now()
  const rows = found.map((one) => [
    one.id,
    one.user,
    `${one.account}@${one.target}`,
    one.protocol,
    `${span(now - one.openedAt)} ago`,
    one.state === 'open' ? 'running' : (one.seal?.state ?? one.state),
    one.end?.reason ?? '',
  ])
  print(
    run,
    json,
    found,
    table(['SESSION', 'WHO', 'ACCESS', 'VIA', 'OPENED', 'STATE', 'ENDED BY'], rows, 'no sessions'),
  )
}

function mustBe(run: Run, roles: readonly Role[]): void {
  const { user } = run.caller.identity
  if (!user.roles.some((role) => roles.includes(role)))
    throw new HalliganError('denied', `${user.name} has none of the roles ${roles.join(', ')}`)
}
