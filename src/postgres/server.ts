// The PostgreSQL front end: a listener, its limits, and a door for connections that come through ssh.

import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createSecureContext } from 'node:tls'
import { addressBlock, normalizeAddress } from '../identity/address.ts'
import type { Identity } from '../identity/user.ts'
import { postgresLog } from '../log.ts'
import { CancelKeys } from './cancel.ts'
import { serveConnection } from './connection.ts'
import type { ConnectionPorts } from './connection.ts'

/** Connections before their login: a flood of them must leave room for people. */
const MAX_UNKNOWN = 200
/** The same from one address (IPv6: /64). */
const MAX_UNKNOWN_PER_ADDRESS = 20
/** All connections, sessions included. */
const MAX_CONNECTIONS = 2000
/** A client that has gone silent is noticed in minutes. */
const KEEPALIVE_MS = 30_000

export interface PostgresServerOptions extends Omit<ConnectionPorts, 'secureContext' | 'certificate' | 'cancelKeys'> {
  /** PEM, the server's certificate first; ECDSA P-256, so that channel binding is defined (RFC 5929). */
  readonly cert: string
  /** PEM. */
  readonly key: string
}

/** Accepts PostgreSQL connections until `close`. */
export class PostgresServer {
  readonly #ports: ConnectionPorts
  readonly #server: Server
  readonly #connections = new Set<Duplex>()
  /** Connections before their login, by address block. */
  readonly #unknown = new Map<string, number>()
  #unknownCount = 0

  constructor(options: PostgresServerOptions) {
    this.#ports = {
      ...options,
      secureContext: createSecureContext({ cert: options.cert, key: options.key, minVersion: 'TLSv1.2' }),
      certificate: new X509Certificate(options.cert),
      cancelKeys: new CancelKeys(),
    }
    this.#server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS }, (socket) =>
      this.#accept(socket),
    )
  }

  /** Listens; `port` 0 takes a free one. Rejects with the system's error when it cannot. */
  async listen(port: number, host: string): Promise<AddressInfo> {
    this.#server.listen(port, host)
    await once(this.#server, 'listening')
    return this.#server.address() as AddressInfo
  }

  /** Serves a connection that came through `identity`'s ssh; only that person can log in on it. */
  open(stream: Duplex, identity: Identity): void {
    this.#serve(stream, identity.address, identity)
  }

  /** Connections open now, sessions included. */
  get connections(): number {
    return this.#connections.size
  }

  /** Stops listening and closes every connection; sessions have been ended by the registry before. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    const wasListening = this.#server.listening
    this.#server.close()
    for (const connection of this.#connections) connection.destroy()
    if (wasListening) await closed
  }

  #accept(socket: Socket): void {
    this.#serve(socket, normalizeAddress(socket.remoteAddress ?? ''), undefined)
  }

  #serve(raw: Duplex, address: string, onlyFor: Identity | undefined): void {
    raw.on('error', (error) => postgresLog.debug('postgres.client-error', { address, error }))
    const block = addressBlock(address)
    const fromBlock = this.#unknown.get(block) ?? 0
    if (
      this.#connections.size >= MAX_CONNECTIONS ||
      this.#unknownCount >= MAX_UNKNOWN ||
      fromBlock >= MAX_UNKNOWN_PER_ADDRESS
    ) {
      postgresLog.warn('postgres.too-many', { address, connections: this.#connections.size, fromBlock })
      raw.destroy()
      return
    }
    this.#connections.add(raw)
    this.#count(block, 1)
    let isUnknown = true
    const known = () => {
      if (isUnknown) this.#count(block, -1)
      isUnknown = false
    }
    raw.on('close', () => {
      known()
      this.#connections.delete(raw)
    })
    void serveConnection(raw, { address, onlyFor, onLoggedIn: known }, this.#ports)
  }

  #count(block: string, by: 1 | -1): void {
    this.#unknownCount += by
    const count = (this.#unknown.get(block) ?? 0) + by
    if (count === 0) this.#unknown.delete(block)
    else this.#unknown.set(block, count)
  }
}
