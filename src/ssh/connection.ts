// The channels of one connection (RFC 4254 §5): which are open, who may open more, and whose turn it is on the socket.
import { HalliganError, ProtocolViolation } from '../errors.ts'
import { string, uint32 } from '../sshwire/reader.ts'
import { Channel, PACKET_BYTES, WINDOW_BYTES } from './channel.ts'
import type { ChannelMessages, Transport } from './transport.ts'

/** A peer that takes smaller packets than this makes every byte cost one; zero would never end. */
const LEAST_PACKET_BYTES = 1 << 10
/** OpenSSH's MaxSessions. */
const MAX_CHANNELS = 10

const OPEN = 90
const OPEN_CONFIRMATION = 91
const OPEN_FAILURE = 92
const ADMINISTRATIVELY_PROHIBITED = 1
const RESOURCE_SHORTAGE = 4

/** What a client may open: `accept` gets the new channel, or nothing is opened and the client is told `reason`. */
export type ChannelOpened = (
  type: string,
) => { kind: 'accept'; accept(channel: Channel): void } | { kind: 'refuse'; reason: string }

/** The channels of one connection. */
export class Connection {
  readonly #transport: Transport
  readonly #opened: ChannelOpened
  readonly #channels = new Map<number, Channel>()
  readonly #waiting = new Set<Channel>()
  readonly #pending = new Map<number, { resolve(channel: Channel): void; reject(error: Error): void }>()
  #nextId = 0
  #takesSessions = true
  #isFlushing = false

  /** `opened` decides about channels the peer opens. */
  constructor(transport: Transport, opened: ChannelOpened) {
    this.#transport = transport
    this.#opened = opened
    transport.open(this.#messages())
  }

  /** Opens a session channel. Throws `unreachable` when the peer refuses or goes away. */
  openSession(): Promise<Channel> {
    const id = this.#nextId++
    const head = Buffer.concat([
      Buffer.of(OPEN),
      string('session'),
      uint32(id),
      uint32(WINDOW_BYTES),
      uint32(PACKET_BYTES),
    ])
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#transport.send(head)
    })
  }

  send(payload: Buffer): void {
    this.#transport.send(payload)
  }

  /** Sends what waits on `channel`, in turns with the others that have something to send. */
  flush(channel: Channel): void {
    this.#waiting.add(channel)
    if (this.#isFlushing) return
    this.#isFlushing = true
    // A Set hands out what is added while it is walked: channels take turns until nothing can go.
    for (const next of this.#waiting) {
      this.#waiting.delete(next)
      if (next.sendTurn(this.#transport)) this.#waiting.add(next)
    }
    this.#isFlushing = false
  }

  #messages(): ChannelMessages {
    return {
      open: (open) => this.#open(open),
      confirmed: ({ recipient, ...remote }) => this.#confirmed(recipient, remote),
      openFailed: (id, text) => this.#openFailed(id, text),
      adjust: (id, bytes) => this.#channel(id).receiveAdjust(bytes),
      data: (id, bytes, extended) => this.#channel(id).receiveData(bytes, extended),
      eof: (id) => this.#channel(id).receiveEof(),
      replied: (id, success) => this.#channel(id).receiveReply(success),
      request: (id, type, wantReply, payload) => this.#channel(id).receiveRequest({ type, wantReply, payload }),
      close: (id) => {
        this.#channel(id).receiveClose()
        this.#channels.delete(id)
      },
      room: () => {
        for (const channel of this.#channels.values()) this.flush(channel)
      },
      noMoreSessions: () => {
        this.#takesSessions = false
      },
      closed: () => {
        for (const channel of this.#channels.values()) channel.receiveClose()
        this.#channels.clear()
        for (const { reject } of this.#pending.values()) reject(unreachable('the connection closed'))
        this.#pending.clear()
      },
    }
  }

  #channel(id: number): Channel {
    const channel = this.#channels.get(id)
    if (channel === undefined) throw new ProtocolViolation(`message for channel ${id}, which is not open`)
    return channel
  }

  #open(open: { type: string; sender: number; window: number; packetSize: number }): void {
    const refuse = (code: number, reason: string) =>
      this.#transport.send(
        Buffer.concat([Buffer.of(OPEN_FAILURE), uint32(open.sender), uint32(code), string(reason), string('')]),
      )
    if (open.packetSize < LEAST_PACKET_BYTES)
      return refuse(ADMINISTRATIVELY_PROHIBITED, `packets of ${open.packetSize} bytes are too small`)
    if (this.#channels.size >= MAX_CHANNELS)
      return refuse(RESOURCE_SHORTAGE, `at most ${MAX_CHANNELS} channels per connection`)
    if (open.type === 'session' && !this.#takesSessions)
      return refuse(ADMINISTRATIVELY_PROHIBITED, 'the client asked for no more sessions')
    const decision = this.#opened(open.type)
    if (decision.kind === 'refuse') return refuse(ADMINISTRATIVELY_PROHIBITED, decision.reason)
    const id = this.#nextId++
    const channel = new Channel(this, open)
    this.#channels.set(id, channel)
    this.#transport.send(
      Buffer.concat([
        Buffer.of(OPEN_CONFIRMATION),
        uint32(open.sender),
        uint32(id),
        uint32(WINDOW_BYTES),
        uint32(PACKET_BYTES),
      ]),
    )
    decision.accept(channel)
  }

  #confirmed(id: number, remote: { sender: number; window: number; packetSize: number }): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) throw new ProtocolViolation(`channel ${id} was not asked for`)
    if (remote.packetSize < LEAST_PACKET_BYTES)
      throw new ProtocolViolation(`packets of ${remote.packetSize} bytes are too small`)
    this.#pending.delete(id)
    const channel = new Channel(this, remote)
    this.#channels.set(id, channel)
    pending.resolve(channel)
  }

  #openFailed(id: number, text: string): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) throw new ProtocolViolation(`channel ${id} was not asked for`)
    this.#pending.delete(id)
    pending.reject(unreachable(`the target refused a session: ${printable(text)}`))
  }
}

function unreachable(message: string): HalliganError {
  return new HalliganError('unreachable', message)
}

/** A peer's text without what a terminal would obey. */
export function printable(text: string): string {
  return text.slice(0, 200).replace(/[^\x20-\x7e]/g, '?')
}
