// Where the demo's alerts go: a webhook that keeps what it gets and shows it, and a mail server that keeps what it is
// handed. Both on 127.0.0.1, bounded, and gone with the demo.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { serveMail, type Mail } from './mail.ts'

const HOST = '127.0.0.1'
/** An alert is a few KiB. */
const LONGEST_BODY = 256 * 1024
/** The oldest goes first: a demo that runs for days must not grow. */
const MOST_KEPT = 200
const REQUEST_LIMIT_MS = 10_000
const MOST_CONNECTIONS = 50

/** One request the webhook took. */
export interface Hook {
  /** ISO 8601, UTC. */
  readonly receivedAt: string
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** Parsed when it is JSON, otherwise the text. */
  readonly body: unknown
}

export interface DemoSinks {
  /**
   * POST stores and answers 204; GET lists everything stored, oldest first, as JSON, and with `/mail` behind it the mail.
   * With `/anchor` behind it a POST keeps a checkpoint of the ledger, and GET gives the newest as it was signed. The path
   * is not guessable.
   */
  readonly webhook: string
  /** `host:port` of the mail server; it takes any sender and recipient and offers neither TLS nor login. */
  readonly smtp: string
  /** What the webhook holds. */
  hooks(): readonly Hook[]
  /** What the mail server holds. */
  mails(): readonly Mail[]
  /** Closes both. */
  stop(): Promise<void>
}

/** Starts both sinks on free ports; `now` is the wall clock in ms. */
export async function startDemoSinks(options: { readonly now: () => number }): Promise<DemoSinks> {
  const hooks: Hook[] = []
  const checkpoints: string[] = []
  const mails: Mail[] = []
  const path = `/${randomBytes(9).toString('base64url')}`
  const web = createHttpServer((request, response) => {
    if (request.method === 'GET' && request.url === `${path}/mail`) return list(response, mails)
    if (request.url === `${path}/anchor`) return void takeCheckpoint(request, response, checkpoints)
    return void takeHook(request, response, path, hooks, options.now)
  })
  web.requestTimeout = REQUEST_LIMIT_MS
  web.maxConnections = MOST_CONNECTIONS
  const mail = createServer((socket) => serveMail(socket, options.now, (message) => keep(mails, message)))
  mail.maxConnections = MOST_CONNECTIONS
  const listening = [web, mail].map(async (server) => {
    server.listen(0, HOST)
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  })
  const [webPort, mailPort] = await Promise.all(listening)
  return {
    webhook: `http://${HOST}:${webPort}${path}`,
    smtp: `${HOST}:${mailPort}`,
    hooks: () => hooks,
    mails: () => mails,
    stop: async () => {
      web.closeAllConnections()
      await Promise.all([web, mail].map((server) => new Promise((closed) => server.close(closed))))
    },
  }
}

function keep<T>(kept: T[], item: T): void {
  kept.push(item)
  if (kept.length > MOST_KEPT) kept.shift()
}

async function takeHook(
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  hooks: Hook[],
  now: () => number,
): Promise<void> {
  if (request.url !== path) return answer(response, 404, 'no such hook\n')
  if (request.method === 'GET') return list(response, hooks)
  if (request.method !== 'POST') {
    response.setHeader('allow', 'GET, POST')
    return answer(response, 405, 'only GET and POST\n')
  }
  const body = await readBody(request).catch(() => undefined)
  if (body === undefined) {
    response.setHeader('connection', 'close')
    return answer(response, 413, `body over ${LONGEST_BODY} bytes, or cut off\n`)
  }
  keep(hooks, { receivedAt: new Date(now()).toISOString(), headers: request.headers, body: parsed(body) })
  return answer(response, 204, '')
}

async function takeCheckpoint(request: IncomingMessage, response: ServerResponse, kept: string[]): Promise<void> {
  if (request.method === 'GET') {
    const newest = kept.at(-1)
    response.setHeader('content-type', 'text/plain; charset=utf-8')
    return newest === undefined ? answer(response, 404, 'none yet\n') : answer(response, 200, newest)
  }
  if (request.method !== 'POST') {
    response.setHeader('allow', 'GET, POST')
    return answer(response, 405, 'only GET and POST\n')
  }
  const body = await readBody(request).catch(() => undefined)
  const checkpoint = body === undefined ? undefined : checkpointIn(parsed(body))
  if (checkpoint === undefined) {
    response.setHeader('connection', 'close')
    return answer(response, 400, 'no checkpoint\n')
  }
  keep(kept, checkpoint)
  answer(response, 204, '')
}

function checkpointIn(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null || !('data' in body)) return undefined
  const { data } = body
  if (typeof data !== 'object' || data === null || !('checkpoint' in data)) return undefined
  return typeof data.checkpoint === 'string' ? data.checkpoint : undefined
}

function list(response: ServerResponse, kept: readonly unknown[]): void {
  response.setHeader('content-type', 'application/json')
  answer(response, 200, `${JSON.stringify(kept, undefined, 2)}\n`)
}

function answer(response: ServerResponse, code: number, text: string): void {
  response.statusCode = code
  response.end(text)
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length
    if (sizeBytes > LONGEST_BODY) throw new RangeError('body too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body) as unknown
  } catch {
    return body
  }
}
