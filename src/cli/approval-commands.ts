// pending, approve, deny, lift: deciding on what others ask for. A fresh second factor each time.

import type { Command } from 'commander'
import type { Grant } from '../access/grant.ts'
import { approve, deny } from '../procedure/approve.ts'
import { liftDenial } from '../procedure/lift.ts'
import { freshMs } from '../procedure/mfa.ts'
import { mayDecide, waitingOn, type Waiting } from '../procedure/waiting.ts'
import { joined, print, requireCode, type Run } from './run.ts'
import { span, table } from './table.ts'

/** Requests looked at: far more than ever wait at once. */
const PENDING_MAX = 200

export function addApprovalCommands(root: Command, run: Run): void {
  root
    .command('pending')
    .description('requests that wait for a decision of yours')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) => pending(run, options.json))
  root
    .command('approve')
    .description('approve a request')
    .argument('<request>')
    .option('--note <text...>', 'a comment for the record', joined, '')
    .action((id: string, options: { note: string }) => decideOn(run, id, 'approve', options.note))
  root
    .command('deny')
    .description('deny a request')
    .argument('<request>')
    .requiredOption('--reason <text...>', 'why', joined)
    .action((id: string, options: { reason: string }) => decideOn(run, id, 'deny', options.reason))
  root
    .command('lift')
    .description('take back what a denial forbids for its four hours')
    .argument('<user>')
    .argument('<target>')
    .option('--account <name>', 'the account; may be left out when one alone was denied')
    .option('--note <text...>', 'a comment for the record', joined, '')
    .action((user: string, target: string, options: { account?: string; note: string }) =>
      lift(run, { user, target, account: options.account }, options.note),
    )
}

async function pending(run: Run, json: boolean | undefined): Promise<void> {
  const { state, clock } = run.ports
  const requested = await state.grants({ states: ['requested'], limit: PENDING_MAX })
  const waiting = (await Promise.all(requested.map((grant) => decidable(run, grant)))).filter(
    (one) => one !== undefined,
  )
  const now = clock.now()
  const rows = waiting.map(({ grant, need, announcedAt }) => [
    grant.id,
    grant.vouchedBy === null ? grant.user : `${grant.user} (vouched for by ${grant.vouchedBy})`,
    `${grant.account}@${grant.target}`,
    span(now - grant.requestedAt),
    announcedAt === null ? 'not yet' : 'yes',
    need.rule,
    grant.trigger,
    grant.reason,
  ])
  const shown = waiting.map(({ grant, asked, announcedAt, overrideInMs, lapsesInMs }) => ({
    ...grant,
    asked,
    announcedAt,
    overrideInMs,
    lapsesInMs,
  }))
  const head = ['REQUEST', 'WHO', 'ACCESS', 'WAITS', 'TOLD', 'RULE', 'TRIGGER', 'REASON']
  print(run, json, shown, table(head, rows, 'nothing waits for you'))
}

/** How a request stands that the caller may decide on; undefined for any other. */
async function decidable(run: Run, grant: Grant): Promise<Waiting | undefined> {
  const { end } = run.ports
  const user = end.directory.byName(run.caller.identity.user.name)
  // One whose policy is gone is for nobody to decide: it lapses.
  if (user === undefined || end.policy(grant.policy)?.hash !== grant.policyHash) return undefined
  const waiting = await waitingOn(end, grant)
  return mayDecide(waiting.need, grant, user) && waiting.progress.kind === 'waiting' ? waiting : undefined
}

async function decideOn(run: Run, id: string, how: 'approve' | 'deny', comment: string): Promise<void> {
  await requireCode(run, freshMs)
  const decision = how === 'approve' ? approve : deny
  const grant = await decision(run.ports.end, run.caller.identity, id, comment)
  run.io.stdout(
    `${grant.id} is ${grant.state === 'requested' ? 'approved, and waits for another approval' : grant.state}\n`,
  )
}

async function lift(
  run: Run,
  what: { readonly user: string; readonly target: string; readonly account: string | undefined },
  comment: string,
): Promise<void> {
  await requireCode(run, freshMs)
  const { user, target, account } = await liftDenial(run.ports.end, run.caller.identity, what, comment)
  run.io.stdout(`what was denied to ${user} on ${account}@${target} is lifted; they may ask anew\n`)
}
