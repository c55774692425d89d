// A real HTTP server on the loopback that keeps what it gets and answers as a test says.

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

export interface Received {
  readonly method: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

export class Receiver {
  readonly received: Received[] = []
  readonly #server = createServer((request, response) => {
    void this.#take(request, response)
  })
  #answer: (response: ServerResponse, nth: number) => void = (response) => response.end('ok')
  readonly #waiting: { readonly count: number; readonly resolve: () => void }[] = []

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook`
  }

  /** How requests are answered from now on; `nth` counts from 1. */
  answer(answer: (response: ServerResponse, nth: number) => void): void {
    this.#answer = answer
  }

  /** Resolves when `count` requests have come in all. */
  async got(count: number): Promise<void> {
    if (this.received.length < count) await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }))
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request)
    this.received.push({ method: request.method ?? '', headers: request.headers, body })
    this.#answer(response, this.received.length)
    for (const { count, resolve } of this.#waiting) if (this.received.length >= count) resolve()
  }
}
