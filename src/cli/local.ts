// The local command tree: what root on the machine may do. Nothing here acts as a person.

import { Command, CommanderError } from 'commander'
import { errorCodes, HalliganError, safeError } from '../errors.ts'
import { mainLog } from '../log.ts'
import { addDoctorCommand, type Doctor } from './doctor-command.ts'
import { addExportCommand } from './export-command.ts'
import { addLocalControlCommands, type LocalControl } from './local-control-commands.ts'
import { addLocalPolicyCommands, type LocalPolicies } from './policy-commands.ts'
import { addVerifyCommand } from './verify-command.ts'

export interface LocalCommands {
  /** Runs the demo until it is stopped. */
  demo(options: { readonly state: string | undefined; readonly portBase: number | undefined }): Promise<void>
  /** The one-time code of a demo user, as text. */
  demoCode(user: string, state: string | undefined): string
  /** Runs the real thing until it is stopped. */
  serve(options: { readonly config: string }): Promise<void>
  /** Problems of a configuration file as text, empty when there are none. */
  policyCheck(file: string): string
  /** What a configuration file says, to be asked. Throws `config_invalid`. */
  policies(file: string): LocalPolicies
  /** Looks at everything a night shift needs; opens no state. */
  readonly doctor: Doctor
  /** Enrols a new one-time-code secret for a user while Halligan is down; gives what to show once. */
  enrol(user: string, options: { readonly config: string }): Promise<string>
  /** Tells the running Halligan; with none running lock and unlock write into its state directory. */
  readonly control: LocalControl
}

/** Runs `argv` (without program name) and gives the exit status. Never throws. */
export async function runLocal(
  commands: LocalCommands,
  argv: readonly string[],
  out: { write(text: string): void; writeError(text: string): void },
): Promise<number> {
  let status = 0
  const root = new Command('halligan')
    .description('break-glass bastion for ssh and psql')
    .exitOverride()
    .configureOutput({ writeOut: (text) => out.write(text), writeErr: (text) => out.writeError(text) })
  const demo = root
    .command('demo')
    .description('run the demo, on loopback only')
    .option('--state <directory>', 'state directory; .halligan/demo when left out')
    .option('--port-base <n>', 'ports n, n+1, n+2; 0: free ones', portBase)
    .action((options: { state?: string; portBase?: number }) =>
      commands.demo({ state: options.state, portBase: options.portBase }),
    )
  demo
    .command('code')
    .description("a demo user's one-time code, now")
    .argument('<user>')
    .action((user: string) => out.write(`${commands.demoCode(user, demo.opts<{ state?: string }>().state)}\n`))
  root
    .command('serve')
    .description('run Halligan with a configuration')
    .requiredOption('--config <file>', 'configuration file')
    .action((options: { config: string }) => commands.serve(options))
  const policy = root.command('policy').description('policies')
  addLocalPolicyCommands(policy, commands.policies, (text) => out.write(text))
  policy
    .command('check')
    .description('check a configuration file: every problem with its line')
    .argument('<file>')
    .action((file: string) => {
      const problems = commands.policyCheck(file)
      if (problems !== '') status = 1
      out.write(problems === '' ? `${file} is sound\n` : `${problems}\n`)
    })
  root
    .command('user')
    .description('people')
    .command('enrol')
    .description('give a user a new one-time-code secret, while Halligan is down; it is shown once')
    .argument('<name>')
    .requiredOption('--config <file>', 'configuration file')
    .action(async (name: string, options: { config: string }) => out.write(await commands.enrol(name, options)))
  addExportCommand(root, (text) => out.write(text))
  addDoctorCommand(
    root,
    commands.doctor,
    (text) => out.write(text),
    (exit) => (status = exit),
  )
  addLocalControlCommands(root, commands.control, (text) => out.write(text))
  addVerifyCommand(
    root,
    (text) => out.write(text),
    (exit) => (status = exit),
  )
  for (const command of root.commands) inherit(command, root)
  try {
    await root.parseAsync([...argv], { from: 'user' })
    return status
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : errorCodes.usage.exit
    // What is wrong with the machine reads as it is; it is its operator who looks.
    const safe = isSystemError(error) ? new HalliganError('unavailable', error.message) : safeError(error)
    if (safe.code === 'internal') mainLog.error('main.command-failed', { error })
    out.writeError(`halligan: ${safe.describe()}\n`)
    return errorCodes[safe.code].exit
  }
}

function inherit(command: Command, parent: Command): void {
  command.copyInheritedSettings(parent)
  for (const child of command.commands) inherit(child, command)
}

function portBase(text: string): number {
  const base = Number(text)
  if (!Number.isInteger(base) || base < 0 || base > 65_533)
    throw new HalliganError('usage', `${text} is no port`, { hint: 'give 0, or a number from 1 to 65533' })
  return base
}

function isSystemError(error: unknown): error is Error & { readonly code: string } {
  return error instanceof Error && !(error instanceof HalliganError) && 'code' in error && 'syscall' in error
}
