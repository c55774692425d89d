// The leg to a target of kind `command`: a program on a pseudo-terminal, under a user id that is not Halligan's, with an
// environment of its own. The wall between it and the bastion is that user id; nothing else here is one.
import type { Socket } from 'node:net'
import { constants } from 'node:os'
import { type IPty, spawn } from 'node-pty'
import { assert, HalliganError } from '../errors.ts'
import { Admission } from '../session/admission.ts'
import type { SessionEnd } from '../session/session.ts'
import type { Program, Upstream, UpstreamListener, WindowSize } from '../session/upstream.ts'
import type { CommandTarget } from '../target.ts'

/** Output that may be on its way to the user before the program is held back. */
const HIGH_WATER_BYTES = 1 << 20
/** What a program wrote just before it ended is still read for this long. */
const LAST_OUTPUT_MS = 200
/** A program that ignores the hang-up is killed. */
const HANGUP_GRACE_MS = 2_000
/** The kernel takes 16 bits; nobody's screen is larger than this. */
const MAX_CELLS = 4096
const DEFAULT_SIZE = { cols: 80, rows: 24 }
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** What a client may say about its language; everything else of its environment stays where it is. */
const LOCALE = /^(LANG|LC_[A-Z]+)$/
/** VEOF of a terminal in its usual state: what a person types to end the input. */
const END_OF_FILE = Buffer.of(4)

/** Whether this process may run a target, said at start: undefined, or why not and what to do. */
export function runAsProblem(target: CommandTarget): HalliganError | undefined {
  const { runAs, name } = target
  const own = process.getuid?.()
  if (runAs === 'demo-self') return undefined
  if (runAs.uid === own || runAs.uid === 0) {
    return new HalliganError(
      'config_invalid',
      `target ${name} would run as ${runAs.uid === 0 ? 'root' : "Halligan's own user"}`,
      {
        hint: 'give it a user of its own in runAs: it could read and change every recording otherwise',
      },
    )
  }
  if (own === 0) return undefined
  return new HalliganError(
    'config_invalid',
    `target ${name} runs as uid ${runAs.uid}, which uid ${own} may not become`,
    {
      hint: 'start Halligan with CAP_SETUID and CAP_SETGID or as root, or reach the program as an ssh target',
    },
  )
}

/** Starts the admission's program. Throws `config_invalid`, `usage`, `unreachable`, or the admission's own end. */
export async function dialCommand(
  admission: Admission,
  program: Program,
  listener: UpstreamListener,
): Promise<Upstream> {
  Admission.assertMinted(admission)
  const { target, signal } = admission
  assert(target.kind === 'command', `${target.name} is a command target`)
  const problem = runAsProblem(target)
  if (problem !== undefined) throw problem
  if (program.start.kind !== 'shell') {
    throw new HalliganError('usage', `${target.name} runs one program: it takes no command and no files`, {
      hint: `connect without a command: ssh -t USER+${target.name}@BASTION`,
    })
  }
  if (signal.aborted) {
    const end = signal.reason as SessionEnd
    throw new HalliganError(end.code ?? 'unavailable', end.message)
  }
  return new CommandUpstream(start(target, program), listener)
}

function start(target: CommandTarget, { terminal, environment }: Program): IPty {
  const [file = '', ...args] = target.argv
  const locale = environment
    .filter(([name]) => LOCALE.test(name))
    .map(([name, value]) => [name, value.toString('utf8')])
  const options = {
    name: terminal?.type === undefined || terminal.type === '' ? 'dumb' : terminal.type,
    ...sizeOf(terminal ?? DEFAULT_SIZE),
    cwd: target.cwd,
    env: { PATH, HOME: target.cwd, ...Object.fromEntries(locale), ...target.env },
    encoding: null,
  }
  try {
    if (target.runAs === 'demo-self') return spawn(file, args, options)
    return withoutGroups(target.runAs.gid, () =>
      spawn(file, args, { ...options, ...(target.runAs as { uid: number; gid: number }) }),
    )
  } catch (cause) {
    throw new HalliganError('unreachable', `${target.name} could not be started`, {
      cause,
      hint: "tell Halligan's operator: the log has the cause",
    })
  }
}

/** The child inherits our supplementary groups, and no option clears them: ours are put aside while it is forked. */
function withoutGroups(gid: number, run: () => IPty): IPty {
  const own = process.getgroups?.() ?? []
  process.setgroups?.([gid])
  try {
    return run()
  } finally {
    process.setgroups?.(own)
  }
}

function sizeOf({ cols, rows }: { cols: number; rows: number }): { cols: number; rows: number } {
  const within = (count: number, otherwise: number) => (count < 1 ? otherwise : Math.min(count, MAX_CELLS))
  return { cols: within(cols, DEFAULT_SIZE.cols), rows: within(rows, DEFAULT_SIZE.rows) }
}

class CommandUpstream implements Upstream {
  readonly #pty: IPty
  readonly #listener: UpstreamListener
  /** The library's own socket: its `write` alone tells when bytes have left. */
  readonly #socket: Socket
  #untaken = 0
  #isPaused = false
  #isRefused = false
  #isOver = false

  constructor(pty: IPty, listener: UpstreamListener) {
    this.#pty = pty
    this.#listener = listener
    this.#socket = (pty as unknown as { _socket: Socket })._socket
    this.#keepLastOutput()
    pty.onData((data) => this.#output(data as unknown as Buffer))
    pty.onExit(({ exitCode, signal }) => this.#exited(exitCode, signal ?? 0))
  }

  write(bytes: Buffer, done: () => void): void {
    if (this.#isOver || this.#socket.destroyed) return done()
    this.#socket.write(bytes, () => done())
  }

  end(): void {
    this.write(END_OF_FILE, () => undefined)
  }

  taken(count: number): void {
    this.#untaken -= count
    if (!this.#isPaused || this.#untaken > HIGH_WATER_BYTES / 2) return
    this.#isPaused = false
    this.#pty.resume()
  }

  resize(size: WindowSize): void {
    const { cols, rows } = sizeOf(size)
    if (!this.#isOver) this.#pty.resize(cols, rows)
  }

  signal(name: string): void {
    if (`SIG${name}` in constants.signals) this.#kill(`SIG${name}`)
  }

  break(): boolean {
    return false
  }

  refuseOutput(): void {
    this.#isRefused = true
    this.#kill('SIGHUP')
  }

  close(): void {
    this.#isRefused = true
    this.#kill('SIGHUP')
    if (this.#isPaused) this.#pty.resume()
    setTimeout(() => this.#kill('SIGKILL'), HANGUP_GRACE_MS).unref()
  }

  #output(bytes: Buffer): void {
    if (this.#isRefused) return
    this.#untaken += bytes.length
    this.#listener.output('o', bytes)
    if (this.#untaken <= HIGH_WATER_BYTES || this.#isPaused) return
    this.#isPaused = true
    this.#pty.pause()
  }

  #exited(status: number, signal: number): void {
    if (this.#isOver) return
    this.#isOver = true
    const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0]
    if (signal !== 0)
      this.#listener.exit({ kind: 'signal', name: (name ?? `SIG${signal}`).slice(3), coreDumped: false, message: '' })
    else this.#listener.exit({ kind: 'status', status })
    this.#listener.outputEnded()
    this.#listener.closed()
  }

  /** The library throws its socket away shortly after the program's end, read or not; held-back output is read first. */
  #keepLastOutput(): void {
    const socket = this.#socket
    const destroy = socket.destroy.bind(socket)
    socket.destroy = (error?: Error) => {
      if (!this.#isPaused) return destroy(error)
      this.#isPaused = false
      this.#pty.resume()
      setTimeout(() => destroy(error), LAST_OUTPUT_MS).unref()
      return socket
    }
  }

  #kill(signal: string): void {
    if (this.#isOver) return
    // The program leads a session of its own: its whole foreground is meant, as a hang-up of the line would.
    try {
      process.kill(-this.#pty.pid, signal)
    } catch {
      this.#pty.kill(signal)
    }
  }
}
