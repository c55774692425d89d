// Packets in and out of one SSH connection (RFC 4253), either side. The only file that reaches into ssh2: the library
// does versions, key exchange, ciphers and the authentication messages; channels are ours (connection.ts). What it
// leaves open, this file closes: a peer that does not read, keys that are never renewed, messages before their time.
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import type { Client, Connection } from 'ssh2'
import type { Clock, Timer } from '../clock.ts'
import { ProtocolViolation } from '../errors.ts'
import { SshReader, string, uint32 } from '../sshwire/reader.ts'
import { quickenCipher } from './packet-cipher.ts'
import { gcm, kex, macs, signatureAlgorithms } from './algorithms.ts'

/** Unsent bytes in one socket above which no channel data is added: the peer reads slower than we write. */
const SOCKET_HIGH_WATER_BYTES = 1 << 20
/** Replies alone cannot pile up this far unless the peer asks and never reads; then it is gone. */
const SOCKET_LIMIT_BYTES = 16 << 20
/** The same before anybody has logged in. */
const UNAUTHENTICATED_LIMIT_BYTES = 256 << 10
/** RFC 4253 §9: new keys after a gigabyte or an hour. */
const REKEY_BYTES = 1 << 30
const REKEY_MS = 3_600_000
/** A key exchange that takes longer has stalled: what waits for it would wait for ever. */
const REKEY_TIMEOUT_MS = 30_000
/** How long a connection we have ended may take to say goodbye. */
const LINGER_MS = 2_000

/** Messages that connection.ts understands, as the library has cut them apart; requests come whole. */
export interface ChannelMessages {
  open(open: { type: string; sender: number; window: number; packetSize: number }): void
  confirmed(confirmed: { recipient: number; sender: number; window: number; packetSize: number }): void
  openFailed(channel: number, description: string): void
  adjust(channel: number, bytes: number): void
  data(channel: number, bytes: Buffer, extended: boolean): void
  eof(channel: number): void
  close(channel: number): void
  replied(channel: number, success: boolean): void
  /** RFC 4254 §5.4, read from the packet itself: the library alters text and loses terminal modes. */
  request(channel: number, type: string, wantReply: boolean, payload: Buffer): void
  /** `no-more-sessions@openssh.com`: the client promises, and we hold it to that. */
  noMoreSessions(): void
  /** Room again after `hasRoom` was false. */
  room(): void
  closed(): void
}

/** A `publickey` request with a signature, as it stood in the packet. */
export interface SignedRequest {
  readonly algorithm: string
  readonly blob: Buffer
  readonly signature: Buffer
}

export interface TransportOptions {
  readonly clock: Clock
  /** For tests: new keys after fewer bytes. */
  readonly rekeyBytes?: number
}

type Handler = (protocol: Protocol, payload: Buffer) => unknown

interface Protocol {
  readonly _handlers: Record<string, (...args: never[]) => unknown>
  readonly _packetRW: {
    readonly write: { allocStart: number; alloc(size: number): Buffer; finalize(packet: Buffer): Buffer }
  }
  readonly _kexinit: unknown
  readonly _kex: { sessionID: Buffer; remoteExtInfoEnabled: boolean }
  readonly _remoteIdentRaw: Buffer | undefined
  readonly _server: boolean
  readonly _cipher: object
  _offer: { lists: { serverHostKey: { array: string[] } } }
  _onWrite: (bytes: Buffer) => void
  _onHandshakeComplete: (negotiated: unknown) => void
  _destruct: unknown
  rekey(): void
  channelData(channel: number, bytes: Buffer): void
  channelExtData(channel: number, bytes: Buffer, type: number): void
}

interface Peer {
  readonly _protocol: Protocol
  readonly _sock: Socket
  end(): unknown
}

const load = createRequire(import.meta.url)
const handlers = load('ssh2/lib/protocol/handlers.js') as Handler[]
const { sendPacket } = load('ssh2/lib/protocol/utils.js') as { sendPacket(protocol: Protocol, packet: Buffer): void }
const { KexInit } = load('ssh2/lib/protocol/kex.js') as { KexInit: new (lists: unknown) => Protocol['_offer'] }

const USERAUTH_REQUEST = 50
const CHANNEL_REQUEST = 98
const EXT_INFO = 7
const REQUEST_SUCCESS = 81
const REQUEST_FAILURE = 82
const EXTENDED_DATA_STDERR = 1

const transports = new WeakMap<Protocol, Transport>()
const signedRequests = new WeakMap<Protocol, SignedRequest>()

// The table is shared by every connection of the library in this process; connections without a Transport pass by.
intercept(USERAUTH_REQUEST, (protocol, payload) => {
  signedRequests.delete(protocol)
  if (!transports.has(protocol)) return false
  const reader = new SshReader(payload, 1)
  reader.string()
  reader.string()
  if (reader.string().toString('latin1') !== 'publickey' || !reader.boolean()) return false
  const [algorithm, blob, signature] = [reader.name(), reader.string(), reader.string()]
  reader.end('authentication request')
  signedRequests.set(protocol, { algorithm, blob: Buffer.from(blob), signature: Buffer.from(signature) })
  return false
})
intercept(CHANNEL_REQUEST, (protocol, payload) => transports.get(protocol)?.receiveRequest(payload) ?? false)

function intercept(message: number, handle: (protocol: Protocol, payload: Buffer) => boolean): void {
  const original = handlers[message]
  if (original === undefined) throw new Error(`ssh2 has no handler for message ${message}`)
  handlers[message] = (protocol, payload) => (handle(protocol, payload) ? undefined : original(protocol, payload))
}

/** One connection's packets. Made before the first packet: at `connection` of a server, right after `connect` of a client. */
export class Transport {
  readonly #peer: Peer
  readonly #protocol: Protocol
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #rekeyBytes: number
  #messages: ChannelMessages | undefined
  #timers: Timer[] = []
  /** Bytes both ways when the present keys came into use. */
  #bytesAtRekey = 0
  #bytesSent = 0
  #isRekeyDue = false
  #isCorked = false
  #isHandshaken = false
  #isWaiting = false

  constructor(peer: Connection | Client, options: TransportOptions) {
    this.#peer = peer as unknown as Peer
    this.#protocol = this.#peer._protocol
    this.#socket = this.#peer._sock
    this.#clock = options.clock
    this.#rekeyBytes = options.rekeyBytes ?? REKEY_BYTES
    transports.set(this.#protocol, this)
    this.#socket.setNoDelay(true)
    this.#guardWrites()
    this.#guardHandshake()
    this.#guardChannels()
    peer.on('error', (error) => this.#fail(error))
    this.#socket.on('drain', () => this.#wake())
    this.#socket.once('close', () => {
      for (const timer of this.#timers) timer.cancel()
      this.#messages?.closed()
    })
  }

  /** From now on channel messages are taken; before, one is a violation (RFC 4252 §6). */
  open(messages: ChannelMessages): void {
    this.#messages = messages
  }

  /** False while the peer's socket is full or keys are being exchanged: channel data waits, `room` tells when to go on. */
  get hasRoom(): boolean {
    const hasRoom = this.#protocol._kexinit === undefined && this.#socket.writableLength < SOCKET_HIGH_WATER_BYTES
    this.#isWaiting ||= !hasRoom
    return hasRoom
  }

  /** Software version of the peer's identification string, such as `OpenSSH_9.2p1`. */
  get software(): string {
    return /^SSH-2\.0-(\S+)/.exec(String(this.#protocol._remoteIdentRaw))?.[1] ?? ''
  }

  get socket(): Socket {
    return this.#socket
  }

  get isClosed(): boolean {
    return this.#socket.destroyed || !this.#protocol._destruct
  }

  /** Sends one message: its number and fields. */
  send(payload: Buffer): void {
    if (this.isClosed) return
    const writer = this.#protocol._packetRW.write
    const start = writer.allocStart
    const packet = writer.alloc(payload.length)
    packet.set(payload, start)
    sendPacket(this.#protocol, writer.finalize(packet))
  }

  /** Sends channel data (RFC 4254 §5.2), copied once, into its packet. */
  sendData(channel: number, bytes: Buffer, extended: boolean): void {
    if (this.isClosed) return
    if (extended) this.#protocol.channelExtData(channel, bytes, EXTENDED_DATA_STDERR)
    else this.#protocol.channelData(channel, bytes)
  }

  /** The signature of the request being decided, if it carried one. */
  signedRequest(): SignedRequest | undefined {
    return signedRequests.get(this.#protocol)
  }

  /** Says goodbye and closes, at the latest after two seconds. */
  end(): void {
    if (!this.isClosed) this.#peer.end()
    this.#timers.push(this.#clock.after(LINGER_MS, () => this.#socket.destroy()))
  }

  /** What the peer sends is not read any more; it is told to go. */
  #fail(error: Error): void {
    if (error instanceof ProtocolViolation) this.#socket.removeAllListeners('data')
    this.end()
  }

  /** Closes at once. */
  destroy(): void {
    this.#socket.destroy()
  }

  /** A whole CHANNEL_REQUEST packet. True: it is ours, the library does not see it. */
  receiveRequest(payload: Buffer): boolean {
    const reader = new SshReader(payload, 1)
    const channel = reader.uint32()
    const type = reader.name()
    const wantReply = reader.boolean()
    this.#ready().request(channel, type, wantReply, reader.rest())
    return true
  }

  #ready(): ChannelMessages {
    if (this.#messages === undefined) throw new ProtocolViolation('channel message before the login')
    return this.#messages
  }

  #guardWrites(): void {
    const socket = this.#socket
    const write = this.#protocol._onWrite
    this.#protocol._onWrite = (bytes) => {
      // The ciphers write text and tag apart: without this, each becomes a TCP segment of its own.
      if (!this.#isCorked) {
        this.#isCorked = true
        socket.cork()
        process.nextTick(() => {
          this.#isCorked = false
          socket.uncork()
        })
      }
      write(bytes)
      this.#bytesSent += bytes.length
      const limit = this.#messages === undefined ? UNAUTHENTICATED_LIMIT_BYTES : SOCKET_LIMIT_BYTES
      if (socket.writableLength > limit) socket.destroy(new ProtocolViolation('the peer asks and does not read'))
      if (this.#bytesSent + socket.bytesRead - this.#bytesAtRekey > this.#rekeyBytes) this.#rekey()
    }
  }

  #rekey(): void {
    if (this.#isRekeyDue || !this.#isHandshaken) return
    this.#isRekeyDue = true
    // Not from inside a packet being sent: the exchange would overtake it.
    setImmediate(() => {
      if (this.isClosed) return
      this.#protocol.rekey()
      this.#timers.push(this.#clock.after(REKEY_TIMEOUT_MS, () => this.#isRekeyDue && this.destroy()))
    })
  }

  #guardHandshake(): void {
    const protocol = this.#protocol
    const complete = protocol._onHandshakeComplete
    protocol._onHandshakeComplete = (negotiated) => {
      const sendsExtensions = !this.#isHandshaken && protocol._server && protocol._kex.remoteExtInfoEnabled
      protocol._kex.remoteExtInfoEnabled = false
      for (const timer of this.#timers.splice(0)) timer.cancel()
      this.#isHandshaken = true
      this.#isRekeyDue = false
      this.#bytesAtRekey = this.#bytesSent + this.#socket.bytesRead
      this.#timers.push(this.#clock.after(REKEY_MS, () => this.#rekey()))
      quickenCipher(protocol._cipher)
      complete(negotiated)
      if (sendsExtensions)
        this.send(
          Buffer.concat([Buffer.of(EXT_INFO), uint32(1), string('server-sig-algs'), string(signatureAlgorithms)]),
        )
      this.#wake()
    }
    if (
      protocol._server &&
      /^SSH-2\.0-OpenSSH_(?:for_Windows_)?(?:[7-9]|\d\d)/.test(String(protocol._remoteIdentRaw))
    ) {
      const side = { cipher: gcm, mac: macs, compress: ['none'], lang: [] }
      const strict = [...kex, 'kex-strict-s-v00@openssh.com']
      protocol._offer = new KexInit({
        kex: strict,
        serverHostKey: protocol._offer.lists.serverHostKey.array,
        cs: side,
        sc: side,
      })
    }
  }

  #guardChannels(): void {
    const on = (name: string, handle: (messages: ChannelMessages, ...args: never[]) => void) => {
      this.#protocol._handlers[name] = (_: never, ...args: never[]) => handle(this.#ready(), ...args)
    }
    on('CHANNEL_OPEN', (messages, open: Parameters<ChannelMessages['open']>[0]) => messages.open(open))
    on('CHANNEL_OPEN_CONFIRMATION', (messages, to: Parameters<ChannelMessages['confirmed']>[0]) =>
      messages.confirmed(to),
    )
    on('CHANNEL_OPEN_FAILURE', (messages, channel: number, _reason: number, text: string) =>
      messages.openFailed(channel, text),
    )
    on('CHANNEL_WINDOW_ADJUST', (messages, channel: number, bytes: number) => messages.adjust(channel, bytes))
    on('CHANNEL_DATA', (messages, channel: number, bytes: Buffer) => messages.data(channel, bytes, false))
    on('CHANNEL_EXTENDED_DATA', (messages, channel: number, bytes: Buffer) => messages.data(channel, bytes, true))
    on('CHANNEL_EOF', (messages, channel: number) => messages.eof(channel))
    on('CHANNEL_CLOSE', (messages, channel: number) => messages.close(channel))
    on('CHANNEL_SUCCESS', (messages, channel: number) => messages.replied(channel, true))
    on('CHANNEL_FAILURE', (messages, channel: number) => messages.replied(channel, false))
    this.#protocol._handlers['GLOBAL_REQUEST'] = (_: never, name: string, wantReply: boolean) => {
      // A target may ask (host key rotation, keepalive) as soon as it has let us in; a client may not before its login.
      const isPromise = name === 'no-more-sessions@openssh.com'
      if (this.#protocol._server && isPromise) this.#ready().noMoreSessions()
      else if (this.#protocol._server) this.#ready()
      if (wantReply) this.send(Buffer.of(isPromise ? REQUEST_SUCCESS : REQUEST_FAILURE))
    }
  }

  #wake(): void {
    if (!this.#isWaiting) return
    this.#isWaiting = false
    this.#messages?.room()
  }
}
