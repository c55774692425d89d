// One process of the demo's SSH target, on a PTY or on pipes, joined to one SSH channel until either ends.
import { spawn } from 'node:child_process'
import { Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { constants } from 'node:os'
import { spawn as spawnPty } from 'node-pty'
import type { ServerChannel } from 'ssh2'
import { sshLog } from '../log.ts'
import { withoutGroups, type Account } from './account.ts'
import type { Keeper } from './keeper.ts'

/** What runs: a program with its arguments, as whom, where, and who ends it if nobody else does. */
export interface ShellProgram {
  readonly program: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly account: Account
  readonly keeper: Keeper
}

export interface Pty {
  readonly term: string
  readonly columns: number
  readonly rows: number
}

/** What the client may still ask of a running process. */
export interface ShellProcess {
  /** Sends a signal, named as in RFC 4254 §6.10, to the process group; unknown names are ignored. */
  signal(name: string): void
  resize(columns: number, rows: number): void
}

/** Signal names that RFC 4254 §6.10 lists and ssh2 can say; anything else is told as exit status 128 + n. */
const wireSignals = new Set('ABRT ALRM FPE HUP ILL INT KILL PIPE QUIT SEGV TERM USR1 USR2'.split(' '))

/** Runs the program on pipes: stdout and stderr apart, half-close and back-pressure both ways. */
export function runOnPipes(what: ShellProgram, channel: ServerChannel): ShellProcess {
  const { keeper } = what
  const child = spawn(what.program, what.args, {
    ...what.account.ids,
    detached: true,
    cwd: what.cwd,
    env: { ...what.env, [keeper.mark.name]: keeper.mark.value },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const group = holdGroup(keeper, child.pid)
  child.on('error', (error) => refuse(channel, error))
  // A program that does not read its input is no error of the session.
  child.stdin.on('error', (error) => sshLog.debug('demo.stdin-closed', { error }))
  channel.pipe(child.stdin)
  const [out, err] = inTurn(channel)
  child.stdout.pipe(out)
  child.stderr.pipe(err)
  child.once('exit', () => group.gone())
  child.once('close', (code, signal) => void endChannel(channel, [out, err], code, signal))
  hangUpWith(channel, () => {
    group.signal('SIGHUP')
    // Nobody reads any more; what is left must not keep the pipes open.
    child.stdin.destroy()
    for (const gate of [out, err]) gate.destroy()
    for (const stream of [child.stdout, child.stderr]) stream.unpipe().resume()
  })
  return { signal: (name) => group.signal(`SIG${name}`), resize: () => undefined }
}

/** Where ssh2 keeps what waits for the window. */
interface Waiting {
  _chunk: unknown
  _chunkcb: unknown
  _chunkErr: unknown
  _chunkcbErr: unknown
}

/**
 * Ways into a channel's output and error output, of which one writes at a time. ssh2 has one note for both that something
 * waits, looks for it in the output first, and never lets go of what waited there: two that wait would send old output
 * again and leave the error output behind.
 */
function inTurn(channel: ServerChannel): [out: Writable, err: Writable] {
  let last = Promise.resolve()
  const gate = (to: Writable): Writable =>
    new Writable({
      write: (chunk: Buffer, _, done) => {
        last = last.then(
          () =>
            new Promise((written) => {
              const nothing = { _chunk: undefined, _chunkcb: undefined, _chunkErr: undefined, _chunkcbErr: undefined }
              Object.assign(channel, nothing satisfies Waiting)
              to.write(chunk, () => {
                written()
                done()
              })
            }),
        )
      },
    }).on('error', (error: Error) => sshLog.debug('demo.output-closed', { error }))
  return [gate(channel), gate(channel.stderr)]
}

/** Runs the program on a pseudo-terminal of the asked size; output is one stream and waits for the client. */
export function runOnPty(what: ShellProgram, terminal: Pty, channel: ServerChannel): ShellProcess {
  const { keeper } = what
  const pty = withoutGroups(what.account, () =>
    spawnPty(what.program, what.args, {
      ...what.account.ids,
      name: terminal.term,
      cols: terminal.columns,
      rows: terminal.rows,
      cwd: what.cwd,
      env: { ...what.env, TERM: terminal.term, [keeper.mark.name]: keeper.mark.value },
      // Bytes: a character split between two reads must not be lost.
      encoding: null,
    }),
  )
  const group = holdGroup(keeper, pty.pid)
  let isOver = false
  pty.onData((data: string | Buffer) => {
    if (!channel.write(data)) pty.pause()
  })
  channel.on('drain', () => pty.resume())
  channel.on('data', (data: Buffer) => {
    if (!isOver) pty.write(data)
  })
  pty.onExit(({ exitCode, signal }) => {
    isOver = true
    group.gone()
    void endChannel(channel, [], signal ? null : exitCode, signalName(signal))
  })
  hangUpWith(channel, () => {
    group.signal('SIGHUP')
    pty.resume()
  })
  return {
    signal: (name) => group.signal(`SIG${name}`),
    resize: (columns, rows) => {
      if (!isOver) pty.resize(columns, rows)
    },
  }
}

function holdGroup(keeper: Keeper, groupId: number | undefined): { gone(): void; signal(name: string): void } {
  if (groupId === undefined) return { gone: () => undefined, signal: () => undefined }
  keeper.hold(groupId)
  let isGone = false
  return {
    gone: () => {
      isGone = true
      keeper.release(groupId)
    },
    signal: (name) => {
      if (isGone || !Object.hasOwn(constants.signals, name)) return
      try {
        process.kill(-groupId, name)
      } catch (error) {
        // It ended in this very moment; its exit is on the way.
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      }
    },
  }
}

function hangUpWith(channel: ServerChannel, hangUp: () => void): void {
  channel.once('close', hangUp)
  channel.on('error', (error: Error) => sshLog.debug('demo.channel-error', { error }))
}

function signalName(number: number | undefined): string | null {
  if (!number) return null
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? null
}

/** Tells how the process ended, behind the last byte it wrote, and closes the channel. */
async function endChannel(
  channel: ServerChannel,
  outputs: readonly Writable[],
  code: number | null,
  signal: string | null,
): Promise<void> {
  try {
    await Promise.all(outputs.map((output) => finished(output)))
    channel.stderr.end()
    await finished(channel.stderr)
  } catch (error) {
    // Closed by the client meanwhile: nobody is left to tell.
    sshLog.debug('demo.channel-gone', { error })
  }
  const name = signal?.replace(/^SIG/, '')
  if (name === undefined) channel.exit(code ?? 255)
  else if (wireSignals.has(name)) channel.exit(name)
  else channel.exit(128 + (constants.signals[`SIG${name}` as NodeJS.Signals] ?? 0))
  channel.end()
}

/** sshd's answer to a program that cannot be started. */
function refuse(channel: ServerChannel, error: Error): void {
  sshLog.warn('demo.program-not-started', { error })
  channel.stderr.write('the demo target could not start a process\n')
  channel.exit(127)
  channel.end()
}
