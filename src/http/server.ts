// The web listener: one table of routes behind one set of checks, and the page's files. It knows people, roles, sessions
// and recordings through its ports; it keeps nothing but browser sessions, in memory.

import { randomBytes } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import cookie from '@fastify/cookie'
import websocket from '@fastify/websocket'
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import { HalliganError } from '../errors.ts'
import { isLoopback, normalizeAddress, parseAddress } from '../identity/address.ts'
import { httpLog } from '../log.ts'
import { ALIS_PROTOCOL } from './alis.ts'
import { Broadcasts } from './broadcast.ts'
import {
  BODY_LIMIT_BYTES,
  CONNECTIONS_MAX,
  PING_MS,
  REQUEST_MS,
  REQUESTS_PER_USER,
  SOCKET_PAYLOAD_BYTES,
  SOCKETS_PER_SESSION,
} from './limits.ts'
import { Links } from './links.ts'
import { Origins } from './origin.ts'
import { closeCodes, Outbound } from './outbound.ts'
import { pageRefusal } from './lock-routes.ts'
import { servePage } from './page.ts'
import type { HttpPorts } from './ports.ts'
import { sendProblem } from './problem.ts'
import { commonHeaders, DATA_POLICY } from './response-headers.ts'
import type { Call, Caller, House, Route, Serve } from './route.ts'
import { routes } from './routes.ts'
import { callerOf } from './sign-in.ts'
import { Views } from './views.ts'
import { COOKIE_NAME, WebSessions } from './web-session.ts'

export interface HttpOptions {
  readonly ports: HttpPorts
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** Shown in the page, such as the installation's name. */
  readonly installation: string
  /** Folder of the built page (`web/dist`). */
  readonly webRoot: string
  /** Origins people reach the page under; empty: the loopback names with the port listened on. The first is in links. */
  readonly origins: readonly string[]
  /** Addresses or CIDR networks of TLS-terminating proxies whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[]
}

export interface HttpServer {
  /** Where the page is, such as `http://localhost:8080`. */
  readonly url: string
  readonly port: number
  /**
   * A link that signs `user` in once from `address`, its token in the fragment. `lifetimeMs` defaults to 60 s; Infinity:
   * until used. Its making is a leaf first.
   */
  issueLink(user: string, address: string, options?: { readonly lifetimeMs?: number }): Promise<string>
  /** Ends browser sessions and sockets, then the listener. */
  close(): Promise<void>
}

/** Starts the web side. Throws `config_invalid` when it would speak plain HTTP to a network, `unavailable` for a taken port. */
export async function startHttp(options: HttpOptions): Promise<HttpServer> {
  refuseCleartext(options)
  const house = houseOf(options)
  const origins = { current: new Origins(options.origins) }
  const app = await assemble(options, house, origins)
  const port = await listen(app, options)
  const names =
    options.origins.length > 0
      ? options.origins
      : ['localhost', '127.0.0.1', '[::1]'].map((name) => `http://${name}:${port}`)
  origins.current = new Origins(names)
  const url = new URL(names[0] ?? `http://localhost:${port}`).origin
  const { held } = house.ports.locks
  const unwatch = held.watch((_scope, lock) => {
    if (lock !== undefined) house.sessions.closeOf((user) => pageRefusal(held, user) !== undefined)
  })
  const unwatchPeople = house.ports.watchPeople(() => house.sessions.closeOf((user) => user.isDisabled === true))
  return {
    url,
    port,
    issueLink: async (user, address, { lifetimeMs } = {}) => {
      if (house.ports.directory.byName(user) === undefined) throw new HalliganError('not_found', `no user ${user}`)
      await house.ports.leaf([{ type: 'web-link-issued', user, address: normalizeAddress(address) }])
      return `${url}/#once=${house.links.mint(user, address, lifetimeMs)}`
    },
    close: async () => {
      unwatch()
      unwatchPeople()
      house.sessions.closeAll()
      for (const client of app.websocketServer.clients) client.terminate()
      await app.close()
    },
  }
}

// A cookie over plain HTTP is everybody's on the way; off this machine TLS must end in front of us.
function refuseCleartext({ host, trustedProxies }: HttpOptions): void {
  const address = parseAddress(host)
  const isLocal = host === 'localhost' || (address !== undefined && isLoopback(address))
  if (isLocal || trustedProxies.length > 0) return
  throw new HalliganError('config_invalid', `the page would be served without TLS on ${host}`, {
    hint: 'listen on 127.0.0.1, or put a TLS proxy in front and name it in web.trustedProxies',
  })
}

function houseOf({ ports, installation }: HttpOptions): House {
  return {
    ports,
    installation,
    links: new Links(ports.clock, randomBytes),
    sessions: new WebSessions(ports.clock, randomBytes),
    views: new Views(ports.clock, ports.leaf, ports.reviews.state),
    broadcasts: new Broadcasts(ports, ports.clock),
  }
}

async function assemble(options: HttpOptions, house: House, origins: { current: Origins }): Promise<FastifyInstance> {
  const app = fastify({
    serverFactory: (handler) => boundedServer(handler),
    bodyLimit: BODY_LIMIT_BYTES,
    trustProxy: options.trustedProxies.length > 0 ? [...options.trustedProxies] : false,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 64 },
  })
  app.removeContentTypeParser('text/plain')
  app.setErrorHandler((error, _request, reply) => sendProblem(reply, error))
  await app.register(cookie)
  await app.register(websocket, {
    options: {
      maxPayload: SOCKET_PAYLOAD_BYTES,
      handleProtocols: (offered) => (offered.has(ALIS_PROTOCOL) ? ALIS_PROTOCOL : false),
    },
    errorHandler: (error, socket) => {
      httpLog.warn('http.socket-failed', { error })
      socket.terminate()
    },
  })
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers(commonHeaders)
    origins.current.checkHost(request.headers)
  })
  const answering = new Answering()
  for (const route of routes) addRoute(app, house, route, () => origins.current, answering)
  await servePage(app, options.webRoot)
  return app
}

function boundedServer(handler: Parameters<typeof createServer>[1]): Server {
  const server = createServer(
    { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, keepAliveTimeout: 5_000 },
    handler,
  )
  server.maxConnections = CONNECTIONS_MAX
  return server
}

async function listen(app: FastifyInstance, { host, port }: HttpOptions): Promise<number> {
  try {
    await app.listen({ host, port })
  } catch (cause) {
    await app.close()
    throw new HalliganError('unavailable', `cannot listen on ${host}:${port}`, {
      cause,
      hint: 'another program has the port: choose another with --port-base',
    })
  }
  return (app.server.address() as AddressInfo).port
}

/** How many requests of each person are being answered: thousands may be pipelined on one connection. */
class Answering {
  readonly #counts = new Map<string, number>()

  async within<Answer>(user: string, answer: () => Promise<Answer>): Promise<Answer> {
    const count = this.#counts.get(user) ?? 0
    if (count >= REQUESTS_PER_USER)
      throw new HalliganError('unavailable', `${count} requests of yours are being answered`, {
        hint: 'ask again in a moment',
      })
    this.#counts.set(user, count + 1)
    try {
      return await answer()
    } finally {
      const left = (this.#counts.get(user) ?? 1) - 1
      if (left === 0) this.#counts.delete(user)
      else this.#counts.set(user, left)
    }
  }
}

function addRoute(
  app: FastifyInstance,
  house: House,
  route: Route,
  origins: () => Origins,
  answering: Answering,
): void {
  const admitted = new WeakMap<FastifyRequest, Admitted>()
  const check = (request: FastifyRequest) => {
    origins().checkCaller(request.headers, route.kind)
    if (route.access === 'anyone') return undefined
    const caller = callerWith(house, request, route.access)
    const locked = pageRefusal(
      house.ports.locks.held,
      caller.identity.user,
      route.kind === 'act' ? route.path : undefined,
    )
    if (locked !== undefined) throw locked
    return caller
  }
  switch (route.kind) {
    case 'socket':
      app.route({
        method: 'GET',
        url: route.path,
        websocket: true,
        preValidation: async (request, reply) => {
          const caller = check(request)
          if (!request.ws || caller === undefined) throw new HalliganError('usage', 'this address speaks websocket')
          const call = callOf(request, reply)
          const still = async () => route.still?.(house, call, caller)
          admitted.set(request, { caller, still, serve: await route.open(house, call, caller) })
        },
        handler: (socket, request) => {
          const admission = admitted.get(request)
          if (admission === undefined) return socket.terminate()
          return serveSocket(house, socket, admission)
        },
      })
      return
    case 'read':
    case 'act':
      app.route({
        method: route.kind === 'read' ? 'GET' : 'POST',
        url: route.path,
        preParsing: async (request) => {
          check(request)
        },
        handler: async (request, reply) => {
          // Asked again: reading the body took time in which a session can end.
          const caller = check(request)
          void reply.headers({ 'cache-control': 'no-store', 'content-security-policy': DATA_POLICY })
          if (route.access === 'anyone') return route.handle(house, callOf(request, reply))
          if (caller === undefined) throw new HalliganError('sign_in_required', 'not signed in')
          return answering.within(caller.identity.user.name, () => route.handle(house, callOf(request, reply), caller))
        },
      })
  }
}

function callerWith(house: House, request: FastifyRequest, access: Exclude<Route['access'], 'anyone'>): Caller {
  const caller = callerOf(house, request.cookies[COOKIE_NAME], normalizeAddress(request.ip))
  if (caller === undefined)
    throw new HalliganError('sign_in_required', 'you are not signed in, or your session is over', {
      hint: 'get a link: ssh YOU@BASTION web',
    })
  const { roles } = caller.identity.user
  if (access !== 'signed-in' && !access.some((role) => roles.includes(role)))
    throw new HalliganError('denied', `this needs the role ${access.join(' or ')}`)
  return caller
}

function callOf(request: FastifyRequest, reply: FastifyReply): Call {
  return {
    address: normalizeAddress(request.ip),
    params: request.params as Readonly<Record<string, string>>,
    query: request.query,
    body: request.body,
    reply,
    cookie: request.cookies[COOKIE_NAME],
  }
}

/** A socket whose caller may look: what serves it, and what asks again (throws when they may no longer). */
interface Admitted {
  readonly caller: Caller
  readonly serve: Serve
  readonly still: () => Promise<unknown>
}

/** Keeps a socket within its bounds: counted, pinged, closed with its browser session and when it may not be seen. */
async function serveSocket(house: House, socket: WebSocket, admitted: Admitted): Promise<void> {
  const { serve, still } = admitted
  const { session } = admitted.caller
  const out = new Outbound(socket, house.ports.clock)
  const release = house.sessions.takeSocket(session, SOCKETS_PER_SESSION)
  if (release === undefined) return out.close(1013, 'too many open sockets')
  const onOver = () => out.close(closeCodes.notPermitted, 'signed out')
  session.signal.addEventListener('abort', onOver, { once: true })
  if (session.signal.aborted) onOver()
  // A store that does not answer shows nothing either.
  const look = () => {
    still().catch(() => out.close(closeCodes.notPermitted, 'you may no longer see this'))
  }
  const unwatch = house.ports.watchPeople(look)
  // A change may have come while the socket was being opened.
  look()
  // Nothing is expected from a browser here; saying something is not how this protocol goes.
  socket.on('message', () => out.close(1008, 'this socket only listens'))
  const stop = ping(house, socket)
  try {
    await serve(out)
  } finally {
    stop()
    unwatch()
    session.signal.removeEventListener('abort', onOver)
    release()
  }
}

function ping(house: House, socket: WebSocket): () => void {
  let isAlive = true
  socket.on('pong', () => {
    isAlive = true
  })
  const beat = () => {
    if (!isAlive) return socket.terminate()
    isAlive = false
    socket.ping()
    timer = house.ports.clock.after(PING_MS, beat)
  }
  let timer = house.ports.clock.after(PING_MS, beat)
  return () => timer.cancel()
}
