// The command tree that people speak over ssh: `ssh alice@bastion COMMAND`. Each command acts as that person.

import { Command, CommanderError } from 'commander'
import { errorCodes, safeError } from '../errors.ts'
import { sshLog } from '../log.ts'
import type { CommandIo, RunCommand } from '../procedure/command.ts'
import { addAccessCommands } from './access-commands.ts'
import { addApprovalCommands } from './approval-commands.ts'
import { addConnectCommands } from './connect-commands.ts'
import { addReportCommands } from './report-commands.ts'
import { addSessionCommands } from './session-commands.ts'
import type { CommandPorts, Run } from './run.ts'

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
  addReportCommands(root, run)
  for (const command of root.commands) command.copyInheritedSettings(root)
  return root
}
