// One session channel of the demo's SSH target (RFC 4254 §6): what may be asked before the program, the program, and
// what may be asked of it while it runs. Forwardings of every kind have no listener and are refused by ssh2.
import type { Session } from 'ssh2'
import type { Account } from './account.ts'
import type { Keeper } from './keeper.ts'
import type { SftpProgram } from './sftp-program.ts'
import type { ShellHome } from './shell-home.ts'
import { runOnPipes, runOnPty, type Pty, type ShellProcess } from './shell-process.ts'

export interface SessionPorts {
  readonly home: ShellHome
  readonly account: Account
  readonly keeper: Keeper
  readonly sftp: SftpProgram
  /** Sessions that may be open at once on one connection. */
  readonly mostSessions: number
}

/** What a client may set: language and colour, as Debian's sshd lets it. */
const allowedVariables = /^(LANG|LC_[A-Z]+|COLORTERM|NO_COLOR|TZ)$/
const MOST_VARIABLES = 32
const LONGEST_VARIABLE = 256
/** A terminal of absurd size is a client's mistake; no program here copes with it. */
const LARGEST_SIDE = 2000

/** Serves one accepted session until its channel closes. */
export function serveSession(session: Session, ports: SessionPorts): void {
  const asked = new Map<string, string>()
  let terminal: Pty | undefined
  let running: ShellProcess | undefined
  const ignore = () => undefined

  session.on('env', (accept, reject, { key, val }) => {
    const isAllowed = allowedVariables.test(key) && val.length <= LONGEST_VARIABLE && asked.size < MOST_VARIABLES
    if (!isAllowed) return (reject ?? ignore)()
    asked.set(key, val)
    return (accept ?? ignore)()
  })
  session.on('pty', (accept, _reject, info) => {
    terminal = { term: termOf(info), columns: side(info.cols, 80), rows: side(info.rows, 24) }
    return (accept ?? ignore)()
  })
  session.on('window-change', (accept, _reject, info) => {
    running?.resize(side(info.cols, 80), side(info.rows, 24))
    return (accept ?? ignore)()
  })
  session.on('signal', (accept, _reject, info) => {
    running?.signal(info.name)
    return (accept ?? ignore)()
  })

  const what = (program: string, args: readonly string[]) => {
    const { home, account, keeper } = ports
    return { program, args, cwd: home.folder, env: { ...home.env, ...Object.fromEntries(asked) }, account, keeper }
  }
  session.on('shell', (accept) => {
    const channel = accept()
    const { shell, interactive } = ports.home
    running = terminal
      ? runOnPty(what(shell, interactive), terminal, channel)
      : runOnPipes(what(shell, ['-s']), channel)
  })
  session.on('exec', (accept, _reject, { command }) => {
    const channel = accept()
    const program = what(ports.home.shell, ['-c', command])
    running = terminal ? runOnPty(program, terminal, channel) : runOnPipes(program, channel)
  })
  session.on('subsystem', (accept, reject, { name }) => {
    if (name !== 'sftp') return reject()
    const { program, args } = ports.sftp
    running = runOnPipes(what(program, args), accept())
  })
}

function termOf(info: object): string {
  const { term } = info as { term?: unknown }
  return typeof term === 'string' && /^[\w.+-]{1,64}$/.test(term) ? term : 'xterm'
}

function side(asked: number, otherwise: number): number {
  return asked > 0 ? Math.min(asked, LARGEST_SIDE) : otherwise
}
