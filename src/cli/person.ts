// The command tree that people speak over ssh: `ssh alice@bastion COMMAND`. Each command acts as that person.

import { Command, CommanderError } from 'commander'
import type { Clock } from '../clock.ts'
import { errorCodes, HalliganError, safeError } from '../errors.ts'
import { sshLog } from '../log.ts'
import type { Access } from '../procedure/access.ts'
import type { Caller, CommandIo, RunCommand } from '../procedure/command.ts'
import type { EndPorts } from '../procedure/end.ts'
import type { Mfa } from '../procedure/mfa.ts'
import type { Secrets } from '../procedure/secrets.ts'
import type { State } from '../session/state.ts'
import { addAccessCommands } from './access-commands.ts'
import { addApprovalCommands } from './approval-commands.ts'
import { addConnectCommands } from './connect-commands.ts'
import { addSessionCommands } from './session-commands.ts'

export interface CommandPorts {
  readonly clock: Clock
  readonly access: Access
  readonly mfa: Mfa
  readonly secrets: Secrets
  readonly state: State
  readonly end: EndPorts
  /** A one-time sign-in link for this person and address; null where no page is served. */
  readonly issueLink: ((user: string, address: string) => string) | null
  /** Where psql finds Halligan; null where no PostgreSQL port is served. */
  readonly postgres: { readonly host: string; readonly port: number } | null
  /** PEM file of the bastion's PostgreSQL CA, for verify-full. */
  readonly postgresCaFile: string | null
  /** How users reach the ssh port, for hints: `bastion` or `-p 2222 bastion`. */
  readonly sshHint: string
}

/** One command's surroundings. */
export interface Run {
  readonly ports: CommandPorts
  readonly caller: Caller
  readonly io: CommandIo
  /** Set by a command that ends with another status than 0. */
  exit: number
}

/** Binds the tree to its ports: the function that main.ts passes to `ssh/`. */
export function personCommands(ports: CommandPorts): RunCommand {
  return async (caller, argv, io) => {
    const run: Run = { ports, caller, io, exit: 0 }
    try {
      await program(run).parseAsync(argv.length === 0 ? ['help'] : [...argv], { from: 'user' })
      return run.exit
    } catch (error) {
      return failed(error, io)
    }
  }
}

function failed(error: unknown, io: CommandIo): number {
  // Commander has printed its own text by now.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : errorCodes.usage.exit
  const safe = safeError(error)
  if (safe.code === 'internal') sshLog.error('command.failed', { error })
  io.stderr(`halligan: ${safe.describe()}\n`)
  return errorCodes[safe.code].exit
}

function program(run: Run): Command {
  const { io } = run
  const root = new Command('halligan')
    .description('break-glass access: connect with ssh USER+TARGET@BASTION, or use a command below')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout(text),
      writeErr: (text) => io.stderr(text),
      getOutHelpWidth: () => io.columns,
      getErrHelpWidth: () => io.columns,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
  addAccessCommands(root, run)
  addConnectCommands(root, run)
  addApprovalCommands(root, run)
  addSessionCommands(root, run)
  for (const command of root.commands) command.copyInheritedSettings(root)
  return root
}

/** Asks for a code unless one given within `withinMs` counts. Throws what the second factor refuses with. */
export async function requireCode(run: Run, withinMs: number): Promise<void> {
  const { mfa } = run.ports
  const { identity } = run.caller
  if (mfa.isRemembered(identity, withinMs)) return
  for (let attempt = 1; ; attempt++) {
    const code = await run.io.ask('Code: ', { echo: false })
    if (code === undefined)
      throw new HalliganError('mfa_required', 'this needs your second factor', {
        hint: 'run it from a terminal and type your code',
      })
    const outcome = await mfa.verify(identity, code)
    if (outcome.kind === 'passed') return
    if (attempt === 3 || outcome.error.code !== 'code_wrong') throw outcome.error
    run.io.stderr(`halligan: ${outcome.error.describe()}\n`)
  }
}

/** Writes `value` as JSON with `--json`, else the text. */
export function print(run: Run, json: boolean | undefined, value: unknown, text: string): void {
  run.io.stdout(json === true ? `${JSON.stringify(value)}\n` : text)
}
