// The leg to an SSH server: one connection and one channel per session, the host key pinned, the stored key its login.
// Nothing is dialled without an Admission, and an end of the session cancels the dial at any point.
import { connect, type Socket } from 'node:net'
import ssh2 from 'ssh2'
import type { Clock } from '../clock.ts'
import { assert, HalliganError, ProtocolViolation } from '../errors.ts'
import { sshLog } from '../log.ts'
import { Admission } from '../session/admission.ts'
import type { SessionEnd } from '../session/session.ts'
import type { Dial, Program, ProgramExit, Upstream, UpstreamListener, WindowSize } from '../session/upstream.ts'
import { fingerprint, type NamedKey, parseKeyLine } from '../sshwire/public-key.ts'
import { SshReader, string, uint32 } from '../sshwire/reader.ts'
import type { SshTarget } from '../target.ts'
import { IDENT, upstreamAlgorithms } from './algorithms.ts'
import { type Channel, type ChannelRequest } from './channel.ts'
import { Connection } from './connection.ts'
import { Transport } from './transport.ts'

/** From the first packet to a login: a target in trouble is told apart from one that is slow. */
const LOGIN_TIMEOUT_MS = 15_000
/** A target that has gone silent is noticed within two minutes. */
const KEEPALIVE_INTERVAL_MS = 30_000
const KEEPALIVE_COUNT = 3

export interface SshDialPorts {
  readonly clock: Clock
  /** The private key a target's `credential` names, as OpenSSH or PEM text. Throws when there is none. */
  readonly privateKey: (credential: string) => string
}

/** Dials targets of kind `ssh`. */
export function sshDialer(ports: SshDialPorts): Dial {
  return (admission, program, listener) => dialSsh(ports, admission, program, listener)
}

/** Logs in to the admission's target and starts the program. Throws `unreachable`, `host_key_mismatch`, or why it was cancelled. */
export async function dialSsh(
  ports: SshDialPorts,
  admission: Admission,
  program: Program,
  listener: UpstreamListener,
): Promise<Upstream> {
  Admission.assertMinted(admission)
  const { target, signal } = admission
  assert(target.kind === 'ssh', `${target.name} is an ssh target`)
  throwIfEnded(signal)
  const socket = connect({ host: target.host, port: target.port })
  const cancel = () => socket.destroy()
  signal.addEventListener('abort', cancel)
  try {
    const transport = await logIn(ports, admission, target, socket)
    const connection = new Connection(transport, () => ({ kind: 'refuse', reason: 'the target may open nothing here' }))
    const channel = await connection.openSession()
    await start(channel, program, listener, () => transport.end())
    return new SshUpstream(channel, transport)
  } catch (error) {
    socket.destroy()
    throwIfEnded(signal)
    throw error
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

function throwIfEnded(signal: AbortSignal): void {
  if (!signal.aborted) return
  const end = signal.reason as SessionEnd
  throw new HalliganError(end.code ?? 'unavailable', end.message)
}

async function logIn(ports: SshDialPorts, admission: Admission, target: SshTarget, socket: Socket): Promise<Transport> {
  const pinned = target.hostKeys.map(parseKeyLine)
  const client = new ssh2.Client()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let presented: string | undefined
  client.on('ready', resolve)
  client.on('error', (error) => {
    if (!admission.signal.aborted)
      sshLog.warn('ssh.upstream-error', { session: admission.session.id, target: target.name, error })
    reject(dialError(error, target, pinned, presented))
  })
  client.on('close', () => reject(new HalliganError('unreachable', `${target.name} closed the connection`)))
  client.connect({
    sock: socket,
    username: admission.account,
    privateKey: ports.privateKey(target.credential),
    algorithms: { ...upstreamAlgorithms, serverHostKey: hostKeyAlgorithms(pinned) },
    ident: IDENT,
    readyTimeout: LOGIN_TIMEOUT_MS,
    keepaliveInterval: KEEPALIVE_INTERVAL_MS,
    keepaliveCountMax: KEEPALIVE_COUNT,
    hostVerifier: (key: Buffer) => {
      presented = fingerprint(key)
      return pinned.some(({ blob }) => blob.equals(key))
    },
  } as ssh2.ConnectConfig)
  const transport = new Transport(client, { clock: ports.clock })
  await promise
  return transport
}

/** Only the types that are pinned are asked for, so that a target with several keys shows the one we know. */
function hostKeyAlgorithms(pinned: readonly NamedKey[]): string[] {
  return pinned.flatMap(({ key }) => (key.kind === 'rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [key.type]))
}

function dialError(
  error: Error & { code?: unknown; level?: string },
  target: SshTarget,
  pinned: readonly NamedKey[],
  presented: string | undefined,
): HalliganError {
  const isForeign = presented !== undefined && !pinned.some((key) => key.fingerprint === presented)
  if (isForeign || /no matching host key format/.test(error.message)) {
    const shown = presented ?? 'none of a pinned type'
    return new HalliganError(
      'host_key_mismatch',
      `${target.name} shows another host key (${shown}): nothing was sent to it`,
      {
        cause: error,
        hint: 'if the host was rebuilt on purpose, an operator pins its new key; if not, somebody stands in between',
      },
    )
  }
  if (error.level === 'client-authentication') {
    return new HalliganError('unreachable', `${target.name} refused Halligan's login`, {
      cause: error,
      hint: "tell Halligan's operator: the target's credential or account is not accepted there",
    })
  }
  const why =
    typeof error.code === 'string'
      ? error.code
      : error instanceof ProtocolViolation
        ? 'protocol violation'
        : 'handshake failed'
  return new HalliganError('unreachable', `${target.name} cannot be reached (${why})`, {
    cause: error,
    hint: 'the target may be down; your grant stays, so try again',
  })
}

/** Sends everything at once and waits for the answer to the last: one round trip. */
async function start(channel: Channel, program: Program, listener: UpstreamListener, ended: () => void): Promise<void> {
  channel.listen({
    data: (bytes, extended) => listener.output(extended ? 'e' : 'o', bytes),
    eof: () => listener.outputEnded(),
    request: (request) => {
      const exit = exitOf(request)
      if (exit !== undefined) listener.exit(exit)
      if (request.wantReply) channel.reply(false)
    },
    closed: () => {
      listener.closed()
      ended()
    },
  })
  for (const [name, value] of program.environment)
    void channel.request('env', Buffer.concat([string(name), string(value)]), false)
  if (program.terminal !== undefined) {
    const { type, modes } = program.terminal
    void channel.request('pty-req', Buffer.concat([string(type), windowSize(program.terminal), string(modes)]), true)
  }
  if (!(await channel.request(program.start.kind, startPayload(program), true))) {
    throw new HalliganError('unreachable', `the target refused to start the ${program.start.kind}`)
  }
}

function startPayload({ start }: Program): Buffer {
  switch (start.kind) {
    case 'shell':
      return Buffer.alloc(0)
    case 'exec':
      return string(start.command)
    case 'subsystem':
      return string(start.name)
  }
}

function windowSize({ cols, rows, widthPx, heightPx }: WindowSize): Buffer {
  return Buffer.concat([uint32(cols), uint32(rows), uint32(widthPx), uint32(heightPx)])
}

function exitOf(request: ChannelRequest): ProgramExit | undefined {
  const reader = new SshReader(request.payload)
  if (request.type === 'exit-status') return { kind: 'status', status: reader.uint32() }
  if (request.type !== 'exit-signal') return undefined
  const name = reader.name()
  const coreDumped = reader.boolean()
  return { kind: 'signal', name, coreDumped, message: reader.string(1024).toString('utf8') }
}

class SshUpstream implements Upstream {
  readonly #channel: Channel
  readonly #transport: Transport

  constructor(channel: Channel, transport: Transport) {
    this.#channel = channel
    this.#transport = transport
  }

  write(bytes: Buffer, done: () => void): void {
    this.#channel.write(bytes, false, done)
  }

  end(): void {
    this.#channel.eof()
  }

  taken(count: number): void {
    this.#channel.consumed(count)
  }

  resize(size: WindowSize): void {
    void this.#channel.request('window-change', windowSize(size), false)
  }

  signal(name: string): void {
    void this.#channel.request('signal', string(name), false)
  }

  break(lengthMs: number): boolean {
    void this.#channel.request('break', uint32(lengthMs), false)
    return true
  }

  refuseOutput(): void {
    // OpenSSH's server ends the program's output as a closed pipe would; others have no word for it.
    if (this.#transport.software.startsWith('OpenSSH'))
      void this.#channel.request('eow@openssh.com', Buffer.alloc(0), false)
    else this.#channel.close()
  }

  close(): void {
    this.#transport.destroy()
  }
}
