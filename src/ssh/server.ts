// The listener: who may connect, for how long without saying who they are, and what an accepted connection may open.
import { createServer, type Server, type Socket } from 'node:net'
import ssh2 from 'ssh2'
import type { Timer } from '../clock.ts'
import { addressBlock, normalizeAddress } from '../identity/address.ts'
import { sshLog } from '../log.ts'
import { IDENT, serverAlgorithms } from './algorithms.ts'
import { type ChannelOpened, Connection } from './connection.ts'
import { serveSession, type SessionPorts } from './session-channel.ts'
import { Transport } from './transport.ts'
import { type Entry, Userauth, type UserauthPorts } from './userauth.ts'

/** A client says its version at once; who only connects is gone. */
const VERSION_MS = 10_000
/** Connections without a login, of one address block and of all: what OpenSSH calls MaxStartups. */
const MAX_STRANGERS_PER_ADDRESS = 16
const MAX_STRANGERS = 128
/** All connections of one address block, and of all: each costs memory. */
const MAX_PER_ADDRESS = 256
const MAX_CONNECTIONS = 4096
/** How long a connection that we have hung up on may stay half open. */
const LINGER_MS = 2_000
/** A dead peer is noticed within three minutes. */
const KEEPALIVE_INTERVAL_MS = 30_000
const KEEPALIVE_COUNT = 5

export interface SshServerOptions {
  readonly host: string
  readonly port: number
  /** Private host keys, OpenSSH or PEM text. */
  readonly hostKeys: readonly string[]
  readonly ports: UserauthPorts & SessionPorts
  /** For tests: new keys after fewer bytes. */
  readonly rekeyBytes?: number
}

/** A running listener. */
export interface SshListener {
  readonly host: string
  readonly port: number
  /** Takes no more connections and closes those there are; sessions have been ended before. */
  close(): Promise<void>
}

/** Listens; resolves when connections are taken. Throws the listener's own error (`EADDRINUSE`). */
export async function listenSsh(options: SshServerOptions): Promise<SshListener> {
  const front = new Front(options)
  const server = createServer((socket) => front.connected(socket))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, resolve)
  })
  server.on('error', (error) => sshLog.error('ssh.listener-error', { error }))
  return { ...addressOf(server), close: () => front.close(server) }
}

function addressOf(server: Server): { host: string; port: number } {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the listener has no port')
  return { host: address.address, port: address.port }
}

/** A socket until its owner has logged in or it is gone. */
interface Stranger {
  readonly versionTimer: Timer
  /** Counts it as a stranger no more. */
  readonly known: () => void
}

class Front {
  readonly #options: SshServerOptions
  readonly #ssh: ssh2.Server
  readonly #sockets = new Set<Socket>()
  /** Connections by address block: all, and those without a login. */
  readonly #perAddress = new Map<string, { all: number; strangers: number }>()
  readonly #strangers = new Map<Socket, Stranger>()

  constructor(options: SshServerOptions) {
    this.#options = options
    this.#ssh = new ssh2.Server({
      hostKeys: [...options.hostKeys],
      ident: IDENT,
      algorithms: serverAlgorithms as ssh2.Algorithms,
      keepaliveInterval: KEEPALIVE_INTERVAL_MS,
      keepaliveCountMax: KEEPALIVE_COUNT,
    })
    this.#ssh.on('connection', (peer) => this.#greeted(peer))
  }

  /** A socket, before a byte was read. */
  connected(socket: Socket): void {
    const block = addressBlock(socket.remoteAddress ?? '')
    const counts = this.#perAddress.get(block) ?? { all: 0, strangers: 0 }
    const isFull =
      counts.all >= MAX_PER_ADDRESS ||
      counts.strangers >= MAX_STRANGERS_PER_ADDRESS ||
      this.#strangers.size >= MAX_STRANGERS ||
      this.#sockets.size >= MAX_CONNECTIONS
    if (isFull) {
      sshLog.warn('ssh.too-many-connections', { block, ...counts })
      socket.destroy()
      return
    }
    this.#count(socket, block, counts)
    this.#ssh.injectSocket(socket)
  }

  async close(server: Server): Promise<void> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroySoon()
    // A client that does not read its goodbye does not hold up the end.
    const timer = this.#options.ports.clock.after(LINGER_MS, () => {
      for (const socket of this.#sockets) socket.destroy()
    })
    await closed
    timer.cancel()
  }

  #count(socket: Socket, block: string, counts: { all: number; strangers: number }): void {
    const { clock } = this.#options.ports
    this.#sockets.add(socket)
    this.#perAddress.set(block, counts)
    counts.all++
    counts.strangers++
    const versionTimer = clock.after(VERSION_MS, () => socket.destroy())
    const known = () => {
      versionTimer.cancel()
      if (this.#strangers.delete(socket)) counts.strangers--
    }
    this.#strangers.set(socket, { versionTimer, known })
    // Whoever speaks something else than SSH is hung up on by the library; the socket must not wait for their goodbye.
    socket.once('finish', () => clock.after(LINGER_MS, () => socket.destroy()))
    socket.once('close', () => {
      known()
      this.#sockets.delete(socket)
      counts.all--
      if (counts.all === 0) this.#perAddress.delete(block)
    })
  }

  /** The client has sent its version. */
  #greeted(peer: ssh2.Connection): void {
    const { ports, rekeyBytes } = this.#options
    const transport = new Transport(peer, { clock: ports.clock, ...(rekeyBytes === undefined ? {} : { rekeyBytes }) })
    const stranger = this.#strangers.get(transport.socket)
    stranger?.versionTimer.cancel()
    let entry: Entry | undefined
    const address = normalizeAddress(transport.socket.remoteAddress ?? '')
    const userauth = new Userauth(ports, transport, address, (accepted) => {
      entry = accepted
      stranger?.known()
    })
    peer.on('authentication', (context) => void userauth.handle(context))
    peer.on('close', () => userauth.stop())
    peer.on('ready', () => {
      if (entry !== undefined) this.#serve(transport, entry)
    })
  }

  #serve(transport: Transport, entry: Entry): void {
    const opened: ChannelOpened = (type) => {
      if (type === 'session')
        return { kind: 'accept', accept: (channel) => serveSession(this.#options.ports, entry, channel) }
      return { kind: 'refuse', reason: refusals.get(type) ?? 'halligan opens recorded sessions only' }
    }
    void new Connection(transport, opened)
  }
}

/** Why a channel is not opened, as the client shows it. */
const refusals: ReadonlyMap<string, string> = new Map([
  ['direct-tcpip', 'halligan forwards no ports: what cannot be recorded is not relayed'],
  ['direct-streamlocal@openssh.com', 'halligan forwards no sockets: what cannot be recorded is not relayed'],
  ['tun@openssh.com', 'halligan forwards no networks: what cannot be recorded is not relayed'],
])
