// `halligan doctor`: everything that must be right before the night in which it is needed, looked at now.

import type { Command } from 'commander'
import type { Finding } from './doctor-finding.ts'
import { printable } from './table.ts'

/** Looks at all of it. Throws `config_invalid` only where there is no configuration to look at. */
export type Doctor = (options: { readonly config: string }) => Promise<readonly Finding[]>

/** Adds `doctor`; `exit` is told the status: 1 when something fails. */
export function addDoctorCommand(
  root: Command,
  doctor: Doctor,
  write: (text: string) => void,
  exit: (status: number) => void,
): void {
  root
    .command('doctor')
    .description('check configuration, secrets, state, clock, ports and channels; each channel gets a test message')
    .requiredOption('--config <file>', 'configuration file')
    .option('--json', 'as JSON')
    .action(async (options: { config: string; json?: boolean }) => {
      const findings = await doctor(options)
      write(options.json === true ? `${JSON.stringify({ findings })}\n` : findings.map(lineOf).join(''))
      exit(findings.some(({ standing }) => standing === 'fail') ? 1 : 0)
    })
}

function lineOf({ subject, standing, detail, hint }: Finding): string {
  const first = `${standing.padEnd(4)}  ${printable(subject)}: ${detail.split('\n').map(printable).join('\n        ')}\n`
  return hint === undefined || standing === 'ok' ? first : `${first}        hint: ${printable(hint)}\n`
}
