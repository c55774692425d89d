// One websocket towards a browser, with a bound on what may wait for it.

import type { WebSocket } from 'ws'
import type { Clock } from '../clock.ts'
import { SLOW_CONSUMER_MS, SOCKET_HIGH_WATER_BYTES } from './limits.ts'

/** Close codes; asciinema's player takes 4000 to 4100 as "the stream has ended". */
export const closeCodes = { ended: 4000, killed: 4001, notPermitted: 4002, slow: 4003, unproven: 4004 } as const

export class Outbound {
  readonly #socket: WebSocket
  readonly #clock: Clock
  readonly #closed = new AbortController()

  constructor(socket: WebSocket, clock: Clock) {
    this.#socket = socket
    this.#clock = clock
    socket.once('close', () => this.#closed.abort())
    // A broken connection is its own business: 'close' follows.
    socket.on('error', () => socket.terminate())
  }

  /** Aborted when the socket has closed, from whichever side. */
  get signal(): AbortSignal {
    return this.#closed.signal
  }

  /** More waits for this browser than it may. */
  get isFull(): boolean {
    return this.#socket.bufferedAmount > SOCKET_HIGH_WATER_BYTES
  }

  /** Queues `data`; while the browser is behind, resolves only when it has caught up. A slow one is closed (4003). */
  async send(data: string | Buffer): Promise<void> {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    const written = Promise.withResolvers<void>()
    this.#socket.send(data, () => written.resolve())
    if (this.isFull) await this.#within(written.promise)
  }

  /** Resolves when all that was queued has been written; a browser that is too slow for it is closed (4003). */
  async drained(): Promise<void> {
    const written = Promise.withResolvers<void>()
    this.#socket.ping(undefined, undefined, () => written.resolve())
    await this.#within(written.promise)
  }

  close(code: number, reason: string): void {
    // RFC 6455 §5.5: a close frame carries at most 123 bytes of reason.
    this.#socket.close(
      code,
      Buffer.from(reason)
        .subarray(0, 120)
        .toString('utf8')
        .replace(/\uFFFD+$/, ''),
    )
  }

  async #within(written: Promise<void>): Promise<void> {
    const timer = this.#clock.after(SLOW_CONSUMER_MS, () => {
      this.close(closeCodes.slow, 'too slow')
      this.#socket.terminate()
    })
    const gone = Promise.withResolvers<void>()
    const onGone = () => gone.resolve()
    if (this.signal.aborted) gone.resolve()
    this.signal.addEventListener('abort', onGone, { once: true })
    await Promise.race([written, gone.promise])
    this.signal.removeEventListener('abort', onGone)
    timer.cancel()
  }
}
