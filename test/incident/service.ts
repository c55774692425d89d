// A real HTTP server on the loopback that keeps what it was asked and answers as a test says.

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Asked {
  readonly method: string
  readonly url: URL
  readonly headers: IncomingMessage['headers']
}

export class Service implements AsyncDisposable {
  readonly asked: Asked[] = []
  /** How it answers from now on. */
  answer: (response: ServerResponse, asked: Asked) => void = (response) => response.end('{}')
  readonly #server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://service')
    const asked = { method: request.method ?? '', url, headers: request.headers }
    this.asked.push(asked)
    this.answer(response, asked)
  })

  static async start(): Promise<Service> {
    const service = new Service()
    service.#server.listen(0, '127.0.0.1')
    await once(service.#server, 'listening')
    return service
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Answers every question with this, as JSON. */
  gives(value: unknown, status = 200): void {
    this.answer = (response) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
