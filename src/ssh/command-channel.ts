// One of Halligan's own commands on a channel: stdout carries the result alone, questions go to stderr, answers are
// lines of stdin. What such a command prints is never recorded.
import { errorCodes, safeError } from '../errors.ts'
import { sshLog } from '../log.ts'
import type { Caller, CommandIo, RunCommand } from '../procedure/command.ts'
import type { Program } from '../session/upstream.ts'
import { uint32 } from '../sshwire/reader.ts'
import { errorLines } from './banner.ts'
import type { Channel } from './channel.ts'
import { splitCommand } from './command-line.ts'
import { LineInput } from './line-input.ts'
import type { Sink } from './session-channel.ts'

/** Echo that the client has not taken: a screen or two. What is typed beyond it is read and not shown. */
const MAX_ECHO_BYTES = 16 << 10

export interface ChannelCommand {
  readonly channel: Channel
  readonly program: Program
  readonly caller: Caller
  readonly run: RunCommand
  /** Aborted when the channel is gone. */
  readonly gone: AbortSignal
}

/** Starts the command; `sink` takes the client's bytes, `ended` resolves when the channel is closed. */
export function runOnChannel(command: ChannelCommand): { readonly sink: Sink; readonly ended: Promise<void> } {
  const { channel, program, gone } = command
  const hasTerminal = program.terminal !== undefined
  const interrupted = new AbortController()
  const write = (text: string, extended: boolean) =>
    channel.write(Buffer.from(hasTerminal ? text.replace(/\r?\n/g, '\r\n') : text), extended)
  const input = new LineInput(hasTerminal, echoTo(channel), () => interrupted.abort())
  const io: CommandIo = {
    stdout: (text) => write(text, false),
    stderr: (text) => write(text, true),
    ask: (prompt, options) => {
      write(prompt, true)
      return input.next(options?.echo ?? true)
    },
    isTerminal: hasTerminal,
    columns: program.terminal?.cols ?? 80,
    signal: AbortSignal.any([gone, interrupted.signal]),
  }
  return { sink: sinkOf(channel, input, interrupted), ended: finish(command, io) }
}

/** What is typed costs the client a window; its echo must not pile up here while nobody reads it. */
function echoTo(channel: Channel): (text: string) => void {
  let waiting = 0
  return (text) => {
    const bytes = Buffer.from(text)
    if (waiting + bytes.length > MAX_ECHO_BYTES) return
    waiting += bytes.length
    channel.write(bytes, true, () => (waiting -= bytes.length))
  }
}

async function finish({ channel, program, caller, run }: ChannelCommand, io: CommandIo): Promise<void> {
  const status = await statusOf(program, caller, run, io)
  void channel.request('exit-status', uint32(status), false)
  channel.close()
}

async function statusOf({ start }: Program, caller: Caller, run: RunCommand, io: CommandIo): Promise<number> {
  try {
    if (start.kind === 'subsystem') {
      io.stderr('halligan: files are copied to and from a target: scp FILE user+target@BASTION:\n')
      return errorCodes.usage.exit
    }
    const words = start.kind === 'exec' ? splitCommand(start.command) : []
    return await run(caller, words.length === 0 ? ['help'] : words, io)
  } catch (error) {
    const shown = safeError(error)
    if (shown.code === 'internal') sshLog.error('ssh.command-failed', { user: caller.identity.user.name, error })
    io.stderr(
      errorLines(shown)
        .map((line) => `${line}\n`)
        .join(''),
    )
    return errorCodes[shown.code].exit
  }
}

function sinkOf(channel: Channel, input: LineInput, interrupted: AbortController): Sink {
  return {
    clientData: (bytes) => {
      input.push(bytes)
      channel.consumed(bytes.length)
    },
    clientEof: () => input.end(),
    clientClosed: () => input.end(),
    signal: (name) => {
      if (name === 'INT' || name === 'TERM' || name === 'HUP') interrupted.abort()
    },
    resize: () => undefined,
    break: () => undefined,
    refuseOutput: () => channel.discard(),
  }
}
