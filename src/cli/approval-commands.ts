// pending, approve, deny: deciding on what others ask for. A fresh second factor each time.

import type { Command } from 'commander'
import { HalliganError } from '../errors.ts'
import { approve, deny } from '../procedure/approve.ts'
import { freshMs } from '../procedure/mfa.ts'
import { print, requireCode, type Run } from './run.ts'
import { span, table } from './table.ts'

export function addApprovalCommands(root: Command, run: Run): void {
  root
    .command('pending')
    .description('requests that wait for a decision')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) => pending(run, options.json))
  root
    .command('approve')
    .description('approve a request')
    .argument('<request>')
    .option('--note <text>', 'a comment for the record', '')
    .action((id: string, options: { note: string }) => decideOn(run, id, 'approve', options.note))
  root
    .command('deny')
    .description('deny a request')
    .argument('<request>')
    .requiredOption('--reason <text>', 'why')
    .action((id: string, options: { reason: string }) => decideOn(run, id, 'deny', options.reason))
}

async function pending(run: Run, json: boolean | undefined): Promise<void> {
  if (!run.caller.identity.user.roles.some((role) => role === 'approver' || role === 'admin'))
    throw new HalliganError('denied', 'only approvers see what waits')
  const waiting = await run.ports.state.grants({ states: ['requested'], limit: 50 })
  const now = run.ports.clock.now()
  const rows = waiting.map((grant) => [
    grant.id,
    grant.user,
    `${grant.account}@${grant.target}`,
    span(now - grant.requestedAt),
    grant.trigger,
    grant.reason,
  ])
  print(run, json, waiting, table(['REQUEST', 'WHO', 'ACCESS', 'WAITS', 'TRIGGER', 'REASON'], rows, 'nothing waits'))
}

async function decideOn(run: Run, id: string, how: 'approve' | 'deny', comment: string): Promise<void> {
  await requireCode(run, freshMs)
  const decision = how === 'approve' ? approve : deny
  const grant = await decision(run.ports.end, run.caller.identity, id, comment)
  run.io.stdout(
    `${grant.id} is ${grant.state === 'requested' ? 'approved, and waits for another approval' : grant.state}\n`,
  )
}
