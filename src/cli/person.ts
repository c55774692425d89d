// The command tree that people speak over ssh: `ssh alice@bastion COMMAND`. Each command acts as that person.

import { Command, CommanderError } from 'commander'
import { errorCodes, HalliganError, safeError } from '../errors.ts'
import { sshLog } from '../log.ts'
import type { Identity } from '../identity/user.ts'
import type { CommandIo, RunCommand } from '../procedure/command.ts'
import { addAccessCommands } from './access-commands.ts'
import { addAlertCommands } from './alert-commands.ts'
import { addApprovalCommands } from './approval-commands.ts'
import { addBypassCommands } from './bypass-commands.ts'
import { addConnectCommands } from './connect-commands.ts'
import { addDrillCommands } from './drill-commands.ts'
import { addExtendCommands } from './extend-commands.ts'
import { addLockCommands, lockRefusal } from './lock-commands.ts'
import { addReportCommands } from './report-commands.ts'
import { addPolicyCommands } from './policy-commands.ts'
import { addReviewCommands } from './review-commands.ts'
import { addRequestCommand } from './request-command.ts'
import { addSearchCommand } from './search-command.ts'
import { addSessionCommands } from './session-commands.ts'
import type { CommandPorts, Run } from './run.ts'

/** Binds the tree to its ports: the function that main.ts passes to `ssh/`. */
export function personCommands(ports: CommandPorts): RunCommand {
  return async (caller, argv, io) => {
    const { locks } = ports.end.registry
    const barred = () => lockRefusal(locks, caller.identity, argv) ?? departure(caller.identity)
    const gone = new AbortController()
    const unwatch = locks.watch(() => {
      if (barred() !== undefined) gone.abort()
    })
    const run: Run = { ports, caller, io: guarded(io, gone.signal, barred), exit: 0 }
    try {
      throwIf(barred())
      await program(run).parseAsync(argv.length === 0 ? ['help'] : [...argv], { from: 'user' })
      return run.exit
    } catch (error) {
      return failed(error, io)
    } finally {
      unwatch()
    }
  }
}

/** A changed configuration reaches commands that run: who left, or whose key did, gives no answer any more. */
function departure({ user, fingerprint }: Identity): HalliganError | undefined {
  if (user.isDisabled !== true && user.keys.some((key) => key.fingerprint === fingerprint)) return undefined
  return new HalliganError('denied', `${user.name} may no longer come in with this key`, {
    hint: "ask Halligan's administrator; the configuration has changed",
  })
}

/** A lock reaches commands that run: they wait no longer, and no answer of the person is taken any more. */
function guarded(io: CommandIo, gone: AbortSignal, barred: () => HalliganError | undefined): CommandIo {
  return {
    stdout: (text) => io.stdout(text),
    stderr: (text) => io.stderr(text),
    ask: async (prompt, options) => {
      const answer = await io.ask(prompt, options)
      throwIf(barred())
      return answer
    },
    isTerminal: io.isTerminal,
    columns: io.columns,
    signal: AbortSignal.any([io.signal, gone]),
  }
}

function throwIf(error: HalliganError | undefined): void {
  if (error !== undefined) throw error
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
  addRequestCommand(root, run)
  addConnectCommands(root, run)
  addAlertCommands(root, run)
  addApprovalCommands(root, run)
  addBypassCommands(root, run)
  addSessionCommands(root, run)
  addSearchCommand(root, run)
  addDrillCommands(root, run)
  addReviewCommands(root, run)
  addPolicyCommands(root, run)
  addReportCommands(root, run)
  addExtendCommands(root, run)
  addLockCommands(root, run)
  for (const command of root.commands) command.copyInheritedSettings(root)
  return root
}
