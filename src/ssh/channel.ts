// One channel (RFC 4254 §5), the same code towards clients and targets. Bytes that come in are charged against the window
// until somebody says they are done with: what waits for the disk or for the other side holds the sender back, and
// nothing is ever buffered beyond what was granted.
import { ProtocolViolation } from '../errors.ts'
import { string, uint32 } from '../sshwire/reader.ts'
import type { Transport } from './transport.ts'

/** What one channel may have in flight towards us: enough for a fast link, little enough for many channels. */
export const WINDOW_BYTES: number = 2 << 20
/** Credit is given back in pieces, not for each packet. */
const ADJUST_BYTES = WINDOW_BYTES / 4
/** RFC 4253 §6.1 lets no packet be larger than this by right. */
export const PACKET_BYTES: number = 32 << 10
const MAX_WINDOW = 2 ** 32 - 1
/** One channel's turn on the socket, so that a bulk copy does not starve a shell beside it. */
const TURN_BYTES = 64 << 10

const WINDOW_ADJUST = 93
const EOF = 96
const CLOSE = 97
const REQUEST = 98
const SUCCESS = 99
const FAILURE = 100

/** What a channel needs of its connection. */
export interface ChannelCarrier {
  send(payload: Buffer): void
  flush(channel: Channel): void
}

/** What happens on a channel. Set once, before anything can happen; `closed` comes last and once. */
export interface ChannelListener {
  /** Bytes of the peer; `channel.consumed` gives their room back. `extended`: stderr. */
  data(bytes: Buffer, extended: boolean): void
  eof(): void
  request(request: ChannelRequest): void
  closed(): void
}

export interface ChannelRequest {
  readonly type: string
  readonly wantReply: boolean
  /** Type-specific fields, unread. */
  readonly payload: Buffer
}

type Item =
  | { readonly kind: 'data'; bytes: Buffer; readonly extended: boolean; readonly done: (() => void) | undefined }
  | { readonly kind: 'message'; readonly payload: Buffer }

/** One channel. Made by a Connection only, for which the methods named `send…` and `receive…` are. */
export class Channel {
  readonly #connection: ChannelCarrier
  readonly #remoteId: number
  readonly #packetSize: number
  readonly #replies: ((success: boolean) => void)[] = []
  #listener: ChannelListener | undefined
  #queue: Item[] = []
  #sendWindow: number
  #receiveWindow = WINDOW_BYTES
  #credit = 0
  #hasReceivedEof = false
  #ending: 'open' | 'eof' | 'closing' = 'open'
  #isClosed = false

  constructor(connection: ChannelCarrier, remote: { sender: number; window: number; packetSize: number }) {
    this.#connection = connection
    this.#remoteId = remote.sender
    this.#sendWindow = remote.window
    this.#packetSize = Math.min(remote.packetSize, PACKET_BYTES)
  }

  listen(listener: ChannelListener): void {
    this.#listener = listener
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Sends bytes in order; `done` is called when the last of them is on its way. Nothing is sent after `eof` or `close`. */
  write(bytes: Buffer, extended: boolean, done?: () => void): void {
    if (this.#ending !== 'open' || bytes.length === 0) return done?.()
    this.#queue.push({ kind: 'data', bytes, extended, done })
    this.#connection.flush(this)
  }

  /** No more bytes from us, after those written. */
  eof(): void {
    if (this.#ending !== 'open') return
    this.#ending = 'eof'
    this.#control(Buffer.concat([Buffer.of(EOF), uint32(this.#remoteId)]))
  }

  /** Closes after what was written. */
  close(): void {
    if (this.#ending === 'closing') return
    this.#ending = 'closing'
    this.#control(Buffer.concat([Buffer.of(CLOSE), uint32(this.#remoteId)]))
  }

  /** Drops what was written and has not gone: a revoked session's output ends here. */
  discard(): void {
    const dropped = this.#queue
    this.#queue = dropped.filter((item) => item.kind === 'message')
    for (const item of dropped) if (item.kind === 'data') item.done?.()
  }

  /** Sends a channel request behind what was written; with `wantReply` the promise tells the answer (false when closed). */
  request(type: string, payload: Buffer, wantReply: boolean): Promise<boolean> {
    if (this.#ending === 'closing' || this.#isClosed) return Promise.resolve(false)
    this.#control(
      Buffer.concat([Buffer.of(REQUEST), uint32(this.#remoteId), string(type), Buffer.of(wantReply ? 1 : 0), payload]),
    )
    return wantReply ? new Promise((resolve) => this.#replies.push(resolve)) : Promise.resolve(true)
  }

  /** Answers a request of the peer that wanted it. */
  reply(success: boolean): void {
    if (this.#isClosed || this.#ending === 'closing') return
    this.#connection.send(Buffer.concat([Buffer.of(success ? SUCCESS : FAILURE), uint32(this.#remoteId)]))
  }

  /** Gives the room of `count` received bytes back to the peer. */
  consumed(count: number): void {
    this.#credit += count
    if (this.#credit < ADJUST_BYTES || this.#hasReceivedEof || this.#isClosed || this.#ending === 'closing') return
    this.#connection.send(Buffer.concat([Buffer.of(WINDOW_ADJUST), uint32(this.#remoteId), uint32(this.#credit)]))
    this.#receiveWindow += this.#credit
    this.#credit = 0
  }

  /** Sends up to one turn; true while there is more that could go now. */
  sendTurn(transport: Transport): boolean {
    let left = TURN_BYTES
    let gone = 0
    while (left > 0 && transport.hasRoom) {
      const item = this.#queue[gone]
      if (item === undefined) break
      if (item.kind === 'message') {
        gone++
        transport.send(item.payload)
        continue
      }
      if (this.#sendWindow === 0) break
      const size = Math.min(item.bytes.length, this.#sendWindow, this.#packetSize)
      transport.sendData(this.#remoteId, item.bytes.subarray(0, size), item.extended)
      this.#sendWindow -= size
      left -= size
      item.bytes = item.bytes.subarray(size)
      if (item.bytes.length === 0) gone++
    }
    // Out of the queue together: one at a time, a long queue of small pieces would be moved once for each.
    for (const item of this.#queue.splice(0, gone)) if (item.kind === 'data') item.done?.()
    return left <= 0
  }

  receiveData(bytes: Buffer, extended: boolean): void {
    if (this.#hasReceivedEof) throw new ProtocolViolation('channel data after the end of file')
    if (bytes.length > this.#receiveWindow) {
      throw new ProtocolViolation(`${bytes.length} bytes into a window of ${this.#receiveWindow}`)
    }
    this.#receiveWindow -= bytes.length
    // Nothing takes no window, so nothing would bound how much of it is kept.
    if (this.#ending === 'closing' || bytes.length === 0) return
    this.#listener?.data(bytes, extended)
  }

  receiveAdjust(bytes: number): void {
    this.#sendWindow += bytes
    if (this.#sendWindow > MAX_WINDOW) throw new ProtocolViolation('window beyond 2^32 - 1')
    this.#connection.flush(this)
  }

  receiveEof(): void {
    if (this.#hasReceivedEof) return
    this.#hasReceivedEof = true
    this.#listener?.eof()
  }

  receiveRequest(request: ChannelRequest): void {
    if (this.#ending === 'closing') return
    if (this.#listener === undefined) return request.wantReply ? this.reply(false) : undefined
    this.#listener.request(request)
  }

  receiveReply(success: boolean): void {
    const resolve = this.#replies.shift()
    if (resolve === undefined) throw new ProtocolViolation('a reply to no request')
    resolve(success)
  }

  /** The peer closed the channel or is gone. */
  receiveClose(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.discard()
    // RFC 4254 §5.3: each side sends CLOSE once; ours goes now if it has not.
    const isSent = this.#ending === 'closing' && this.#queue.length === 0
    this.#queue = []
    this.#ending = 'closing'
    if (!isSent) this.#connection.send(Buffer.concat([Buffer.of(CLOSE), uint32(this.#remoteId)]))
    for (const resolve of this.#replies.splice(0)) resolve(false)
    this.#listener?.closed()
  }

  #control(payload: Buffer): void {
    if (this.#isClosed) return
    this.#queue.push({ kind: 'message', payload })
    this.#connection.flush(this)
  }
}
