// A connection to a receiver that is no HTTP server: TCP, or TLS with its name verified, never to an address that only
// this machine can reach.

import { once } from 'node:events'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { HalliganError } from '../errors.ts'
import { guardedLookup, reachOf, type Reach } from '../outbound/address.ts'

export interface Place {
  readonly host: string
  readonly port: number
  /** PEM of a CA that is trusted instead of the machine's. */
  readonly ca?: string | undefined
}

/** True for `localhost` and addresses of this machine. */
export function isThisMachine(host: string): boolean {
  return host === 'localhost' || (isIP(host) !== 0 && reachOf(host) === 'loopback')
}

/** Connected over TCP. Throws `unreachable`; the socket is destroyed when `signal` aborts. */
export async function dialTcp(what: string, place: Place, signal: AbortSignal): Promise<Socket> {
  const { host, port } = place
  const lookup = guardedLookup(reachesOf(what, host))
  const socket = connectTcp({ host, port, lookup })
  return await ready(what, socket, 'connect', signal)
}

/** Connected over TLS 1.2 or later, the certificate verified against `host`. Throws `unreachable`. */
export async function dialTls(what: string, place: Place, signal: AbortSignal): Promise<Socket> {
  const { host, port, ca } = place
  const lookup = guardedLookup(reachesOf(what, host))
  const socket = connectTls({
    host,
    port,
    lookup,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === undefined ? {} : { ca }),
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
  })
  return await ready(what, socket, 'secureConnect', signal)
}

async function ready(what: string, socket: Socket, event: string, signal: AbortSignal): Promise<Socket> {
  signal.addEventListener('abort', () => socket.destroy(), { once: true })
  try {
    await once(socket, event, { signal })
    return socket
  } catch (cause) {
    socket.on('error', () => {}).destroy()
    const why = signal.aborted ? 'no answer in time' : reasonOf(cause)
    throw new HalliganError('unreachable', `${what} was not reached: ${why}`, { cause })
  }
}

function reachesOf(what: string, host: string): readonly Reach[] {
  if (isThisMachine(host)) return ['open', 'loopback']
  if (isIP(host) === 0 || reachOf(host) === 'open') return ['open']
  throw new HalliganError('config_invalid', `${what}: ${host} is never dialled`, {
    hint: 'link-local and metadata addresses are no receivers',
  })
}

/** A system or TLS error's code says what is wrong; its message may hold more. */
export function reasonOf(cause: unknown): string {
  if (cause instanceof HalliganError) return cause.message
  const code: unknown = cause instanceof Error ? Reflect.get(cause, 'code') : undefined
  return typeof code === 'string' ? code : 'the connection failed'
}
