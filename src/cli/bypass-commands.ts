// bypass, enrol --recovery-codes: codes that stand in for a lost second factor. What they print is shown once; it is never
// recorded nor logged.

import type { Command } from 'commander'
import { HalliganError } from '../errors.ts'
import { issueBypass, issueRecoveryCodes } from '../procedure/bypass.ts'
import { freshMs } from '../procedure/mfa.ts'
import { joined, requireCode, type Run } from './run.ts'
import { clockTime, printable } from './table.ts'

export function addBypassCommands(root: Command, run: Run): void {
  root
    .command('bypass')
    .description('vouch for someone who lost their second factor: one code, 15 minutes, one grant')
    .argument('<user>')
    .requiredOption('--reason <text...>', 'why you are sure that it is them', joined)
    .action((user: string, options: { reason: string }) => bypass(run, user, options.reason))
  root
    .command('enrol')
    .description('recovery codes for the day your phone is gone')
    .option('--recovery-codes', 'ten new ones; those you had stop working')
    .action((options: { recoveryCodes?: boolean }) => enrol(run, options.recoveryCodes === true))
}

async function bypass(run: Run, user: string, reason: string): Promise<void> {
  await requireCode(run, freshMs)
  const { code, expiresAt } = await issueBypass(run.ports.vouch, run.caller.identity, user, reason)
  run.io.stderr(
    `halligan: for ${printable(user)}, until ${clockTime(expiresAt)}, for one grant marked as vouched for by you; ` +
      'everyone is told\nhint: read it out to them; they type it where Halligan asks for their code\n',
  )
  run.io.stdout(`${code}\n`)
}

async function enrol(run: Run, isForRecovery: boolean): Promise<void> {
  if (!isForRecovery)
    throw new HalliganError('usage', 'enrol what?', { hint: 'ssh YOU@BASTION enrol --recovery-codes' })
  await requireCode(run, freshMs)
  const codes = await issueRecoveryCodes({ ...run.ports.vouch, mfa: run.ports.mfa }, run.caller.identity, freshMs)
  run.io.stderr('halligan: print these and keep them away from your phone; each works once, older ones no more\n')
  run.io.stdout(`${codes.join('\n')}\n`)
}
