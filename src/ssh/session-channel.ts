// One session channel of a client (RFC 4254 §6): what it asks for before its program starts, and where it leads. To a
// target: one Admission, one session, one dial, for this channel alone. Without a target: one of Halligan's commands.
import type { Grant } from '../access/grant.ts'
import type { Clock } from '../clock.ts'
import type { RefusalReason } from '../audit.ts'
import { errorCodes, type ErrorCode, HalliganError, ProtocolViolation, safeError } from '../errors.ts'
import { sshLog } from '../log.ts'
import type { RunCommand } from '../procedure/command.ts'
import type { AccessContract, ReportRefusal } from '../procedure/contract.ts'
import type { Admit } from '../session/admission.ts'
import { joinedPiece } from '../session/joined-piece.ts'
import { scopedEnvironment } from '../session/scope.ts'
import type { SessionSubject } from '../session/session.ts'
import type { Dial, Program, ProgramTerminal, WindowSize } from '../session/upstream.ts'
import { loginName } from '../sshwire/login.ts'
import { uint32 } from '../sshwire/reader.ts'
import type { Target } from '../target.ts'
import { type ApprovalPorts, awaitApproval } from './approval-wait.ts'
import { ascii, errorLines, terminalText } from './banner.ts'
import type { Channel, ChannelRequest } from './channel.ts'
import { readBreak, readSignal, readTerminal, readWindow, RequestedEnvironment, soleString } from './channel-request.ts'
import { runOnChannel } from './command-channel.ts'
import { Relay } from './relay.ts'
import type { Entry } from './userauth.ts'

/** Commands that a login naming a PostgreSQL target may run there. */
const CTRL_C = 0x03
const NOTHING = Buffer.alloc(0)
const POSTGRES_COMMANDS = ['dsn', 'env']

export interface SessionPorts extends ApprovalPorts {
  readonly clock: Clock
  readonly access: AccessContract
  readonly admit: Admit
  readonly runCommand: RunCommand
  readonly reportRefusal: ReportRefusal
  /** By kind of target: `ssh` and `command`. */
  readonly dial: (target: Target) => Dial
  /** What becomes of bulk data under the policy of a grant. */
  readonly bulk: (grant: Grant) => 'full' | 'hash'
}

/** Takes a freshly opened channel of an accepted connection. */
export function serveSession(ports: SessionPorts, entry: Entry, channel: Channel): void {
  const session = new SessionChannel(ports, entry, channel)
  channel.listen(session)
}

class SessionChannel {
  readonly #ports: SessionPorts
  readonly #entry: Entry
  readonly #channel: Channel
  readonly #environment = new RequestedEnvironment()
  #terminal: ProgramTerminal | undefined
  #isStarted = false
  /** What came before there was a relay or a command to take it; bounded by the channel's window. */
  #early: Buffer[] = []
  #hasEarlyEof = false
  #sink: Sink | undefined
  readonly #gone = new AbortController()
  readonly #interrupted = new AbortController()

  constructor(ports: SessionPorts, entry: Entry, channel: Channel) {
    this.#ports = ports
    this.#entry = entry
    this.#channel = channel
  }

  data(bytes: Buffer, extended: boolean): void {
    // RFC 4254 §5.2: a client has no stderr to send.
    if (extended) return this.#channel.consumed(bytes.length)
    if (this.#sink === undefined) {
      const joined = joinedPiece(this.#early.at(-1) ?? NOTHING, bytes)
      if (joined === undefined) this.#early.push(bytes)
      else this.#early.splice(-1, 1, joined)
      // A terminal in raw mode sends Ctrl-C as a byte; while there is no program to take it, it is for us.
      if (this.#terminal !== undefined && bytes.includes(CTRL_C)) this.#interrupted.abort()
    } else this.#sink.clientData(bytes)
  }

  eof(): void {
    if (this.#sink === undefined) this.#hasEarlyEof = true
    else this.#sink.clientEof()
  }

  closed(): void {
    this.#gone.abort()
    this.#sink?.clientClosed()
  }

  request(request: ChannelRequest): void {
    const isTaken = this.#take(request)
    if (request.wantReply) this.#channel.reply(isTaken)
  }

  #take(request: ChannelRequest): boolean {
    switch (request.type) {
      case 'pty-req':
        if (this.#isStarted) return false
        this.#terminal = readTerminal(request)
        return true
      case 'env':
        return !this.#isStarted && this.#environment.take(request)
      case 'shell':
        return this.#start({ kind: 'shell' })
      case 'exec':
        return this.#start({ kind: 'exec', command: Buffer.from(soleString(request)) })
      case 'subsystem':
        return this.#start({ kind: 'subsystem', name: soleString(request).toString('latin1') })
      case 'window-change':
        return this.#resize(readWindow(request))
      case 'signal':
        return this.#toRelay((sink) => sink.signal(readSignal(request)))
      case 'break':
        return this.#toRelay((sink) => sink.break(readBreak(request)))
      case 'eow@openssh.com':
        return this.#toRelay((sink) => sink.refuseOutput())
      default:
        // Agent and X11 forwarding, and whatever comes after them: nothing may bring the client's machine to the target.
        return false
    }
  }

  #resize(size: WindowSize): boolean {
    if (this.#terminal === undefined) return false
    this.#terminal = { ...this.#terminal, ...size }
    return this.#toRelay((sink) => sink.resize(size))
  }

  #toRelay(act: (sink: Sink) => void): boolean {
    if (this.#sink === undefined) return false
    act(this.#sink)
    return true
  }

  #start(start: Program['start']): boolean {
    if (this.#isStarted) return false
    this.#isStarted = true
    const program: Program = { start, terminal: this.#terminal, environment: this.#environment.variables }
    this.#run(program).catch((error: unknown) => this.#fail(error))
    return true
  }

  async #run(program: Program): Promise<void> {
    const { login, refusal } = this.#entry
    if (login.kind === 'user') return this.#runCommand(program)
    if (refusal !== undefined) throw refusal
    const locked = this.#ports.access.lockOn(this.#entry.identity, login.target)
    if (locked !== undefined) throw locked
    const target = this.#ports.access.target(login.target)
    if (target === undefined) throw new HalliganError('denied', `no policy gives you "${login.target}"`)
    if (target.kind === 'postgres') return this.#runPostgresCommand(program, target)
    await this.#relay(program, target)
  }

  #runCommand(program: Program): Promise<void> {
    const { identity, login } = this.#entry
    const caller =
      login.kind === 'target'
        ? { identity, target: login.target, account: login.account }
        : { identity, target: undefined, account: undefined }
    const command = runOnChannel({
      channel: this.#channel,
      program,
      caller,
      run: this.#ports.runCommand,
      gone: this.#gone.signal,
    })
    this.#open(command.sink)
    return command.ended
  }

  async #runPostgresCommand(program: Program, target: Target): Promise<void> {
    const { start } = program
    const isCommand =
      start.kind === 'exec' &&
      POSTGRES_COMMANDS.some((name) => new RegExp(`^\\s*${name}(\\s|$)`).test(start.command.toString('latin1')))
    if (!isCommand) {
      throw new HalliganError('usage', `${target.name} is a PostgreSQL server: there is no shell on it`, {
        hint: `psql "$(ssh ${this.#entry.identity.user.name}+${target.name}@BASTION dsn)", or eval "$(ssh … env)" && psql`,
      })
    }
    await this.#grantFor(target)
    return this.#runCommand(program)
  }

  async #relay(program: Program, target: Target): Promise<void> {
    const { access, admit, clock, bulk, dial } = this.#ports
    const { identity } = this.#entry
    const grant = await this.#grantFor(target)
    if (this.#gone.signal.aborted) return
    const hasTerminal = this.#terminal !== undefined
    const admission = await admit({
      identity,
      via: 'ceremony',
      grant: grant.id,
      target: access.target(target.name) ?? target,
      account: grant.account,
      database: null,
      protocol: target.kind === 'ssh' ? 'ssh' : 'command',
      what: subjectOf(program),
      // Until there is a program to take it, Ctrl-C is for us: whoever waits at the alert gate may leave.
      gone: AbortSignal.any([this.#gone.signal, this.#interrupted.signal]),
      ...(hasTerminal ? { tell: (line: string) => this.#channel.write(terminalText([ascii(line)], true), true) } : {}),
    })
    const relay = new Relay({
      clock,
      admission,
      program: {
        ...program,
        terminal: this.#terminal,
        environment: scopedEnvironment(admission.grant, program.environment),
      },
      channel: this.#channel,
      dial: dial(target),
      bulk: bulk(grant),
    })
    if (this.#gone.signal.aborted) return relay.clientClosed()
    this.#open(relay)
    await relay.run()
  }

  /** The live grant for this channel, now: one that ended since the login opens nothing. */
  async #grantFor(target: Target): Promise<Grant> {
    const { identity, login } = this.#entry
    const account = login.kind === 'target' ? login.account : undefined
    const live = await this.#ports.access.liveGrant(identity, target.name, account)
    if (live !== undefined) return live
    const write = (line: string) => this.#channel.write(terminalText([line], this.#terminal !== undefined), true)
    return awaitApproval(this.#ports, {
      identity,
      target: target.name,
      account,
      isTerminal: this.#terminal !== undefined,
      write,
      gone: AbortSignal.any([this.#gone.signal, this.#interrupted.signal]),
    })
  }

  #open(sink: Sink): void {
    this.#sink = sink
    for (const bytes of this.#early.splice(0)) sink.clientData(bytes)
    if (this.#hasEarlyEof) sink.clientEof()
  }

  /** One leaf per channel that was refused; a request that was denied has its own. */
  #report(error: HalliganError): void {
    const reason = attempts[error.code]
    const { identity, login, refusal } = this.#entry
    if (reason === undefined || (error === refusal && error.code === 'denied')) return
    const { user, fingerprint, address } = identity
    this.#ports.reportRefusal({
      protocol: 'ssh',
      login: loginName(user.name, login),
      address,
      reason,
      fingerprint,
    })
  }

  #fail(error: unknown): void {
    if (error instanceof ProtocolViolation || !(error instanceof HalliganError)) {
      sshLog.error('ssh.session-failed', { user: this.#entry.identity.user.name, error })
    }
    const shown = safeError(error)
    this.#report(shown)
    this.#channel.write(terminalText(errorLines(shown), this.#terminal !== undefined), true)
    void this.#channel.request('exit-status', uint32(errorCodes[shown.code].exit), false)
    this.#channel.close()
  }
}

/** Refusals on a channel that are attempts to enter; wrong codes have their leaf by the time they are said here. */
const attempts: Partial<Record<ErrorCode, RefusalReason>> = {
  no_grant: 'no-grant',
  grant_expired: 'no-grant',
  denied: 'no-grant',
  mfa_required: 'no-second-factor',
  not_enrolled: 'no-second-factor',
}

/** Where a started channel's bytes and requests go: a relay, or a command. */
export interface Sink {
  clientData(bytes: Buffer): void
  clientEof(): void
  clientClosed(): void
  resize(size: WindowSize): void
  signal(name: string): void
  break(lengthMs: number): void
  refuseOutput(): void
}

function subjectOf({ start, terminal }: Program): SessionSubject {
  const term = terminal === undefined ? null : { type: terminal.type, cols: terminal.cols, rows: terminal.rows }
  switch (start.kind) {
    case 'shell':
      return { kind: 'shell', term: term ?? { type: 'dumb', cols: 80, rows: 24 } }
    case 'exec':
      return { kind: 'exec', command: start.command.toString('utf8'), term }
    case 'subsystem':
      return { kind: 'subsystem', name: start.name }
  }
}
