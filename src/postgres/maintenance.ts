// Ending what sessions of an ended grant have left at work on a PostgreSQL server: our connection to it is gone, but a
// statement that ignores its cancel runs on. Logs in as the very account, which may end its own backends and no others.

import { connect as connectTcp } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Clock } from '../clock.ts'
import { assert, HalliganError, ProtocolViolation } from '../errors.ts'
import { postgresLog } from '../log.ts'
import { encodeMessage } from '../pgwire/backend-encoding.ts'
import { encodeTerminate } from '../pgwire/frontend-encoding.ts'
import { backendType, frontendType } from '../pgwire/message-type.ts'
import { applicationSession } from '../pgwire/startup-parameters.ts'
import { Maintenance } from '../session/maintenance.ts'
import { ByteReader } from './byte-reader.ts'
import { dialError, fieldsOf, logInTo, noCredential, secure, unexpected } from './server-login.ts'

/** The whole operation: a server that hangs is asked again by the queue. */
const OPERATION_MS = 20_000
/** After being told to end, a backend has this long, looked at so often. */
const LOOKS = 20
const LOOK_MS = 250
/** Answers of one query: a server has some hundred connections, one row each. */
const MAX_MESSAGES = 10_000

/**
 * Start-up settings go before those a role may have given itself (ALTER ROLE … SET): a search path with look-alikes of
 * what is asked below, a time-out that never lets an answer come, another format of times.
 */
const SETTINGS: ReadonlyMap<string, string> = new Map([
  ['search_path', 'pg_catalog'],
  ['role', 'none'],
  ['statement_timeout', '0'],
  ['lock_timeout', '0'],
  ['client_encoding', 'UTF8'],
  ['DateStyle', 'ISO'],
  ['TimeZone', 'UTC'],
])

export interface MaintenanceDialPorts {
  readonly clock: Clock
  /** The password a target's `credentials` name for an account; undefined when there is none. */
  readonly password: (credential: string) => string | undefined
}

/** A backend of the account, as pg_stat_activity shows it. */
export interface AccountBackend {
  readonly pid: number
  /** The session its application name carries; undefined when it carries none (any more). */
  readonly session: string | undefined
  /** How long it has been there, by the server's clock. */
  readonly ageMs: number
}

/**
 * Ends the backends of the token's account that `isLeft` says are left over, and sees to it that none is there any more.
 * Gives how many were ended. Throws `unreachable`, also when one stays.
 */
export async function terminateBackends(
  ports: MaintenanceDialPorts,
  maintenance: Maintenance,
  isLeft: (backend: AccountBackend) => Promise<boolean>,
): Promise<number> {
  Maintenance.assertMinted(maintenance, 'terminate-backends')
  const { target, account } = maintenance
  assert(target.kind === 'postgres', `${target.name} is a postgres target`)
  const password = ports.password(target.credentials[account] ?? '')
  if (password === undefined) throw noCredential(target, account)
  const raw = connectTcp({ host: target.host, port: target.port, noDelay: true })
  raw.on('error', (error) => postgresLog.info('postgres.maintenance-error', { target: target.name, error }))
  const timeout = ports.clock.after(OPERATION_MS, () => raw.destroy())
  try {
    const socket = await secure(raw, target)
    const reader = new ByteReader(socket)
    const [database = ''] = target.databases
    const login = { target, account, password, database, applicationName: 'halligan maintenance', parameters: SETTINGS }
    await logInTo(socket, reader, login)
    return await endAll(ports.clock, new Asking(socket, reader, (message) => unexpected(message, target)), isLeft)
  } catch (error) {
    throw dialError(error, target)
  } finally {
    timeout.cancel()
    raw.destroy()
  }
}

async function endAll(
  clock: Clock,
  server: Asking,
  isLeft: (backend: AccountBackend) => Promise<boolean>,
): Promise<number> {
  const ended = new Set<number>()
  for (let look = 0; look < LOOKS; look++) {
    const left = await leftOver(server, isLeft)
    if (left.length === 0) {
      server.goodbye()
      return ended.size
    }
    for (const { pid, startedAt } of left) {
      ended.add(pid)
      // By number and start together: a number is given out again.
      await server.rows(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ${pid} AND backend_start::text = '${startedAt}'`,
      )
    }
    await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve))
  }
  throw new HalliganError('unreachable', `${ended.size} backends were told to end and are still at work`)
}

/** The account's own backends but this one, as it may see them whoever it is. */
const BACKENDS = `SELECT pid, application_name, floor(extract(epoch FROM clock_timestamp() - backend_start) * 1000)::bigint,
 backend_start::text FROM pg_stat_activity
 WHERE usename = session_user AND pid <> pg_backend_pid() AND backend_type = 'client backend'`

async function leftOver(
  server: Asking,
  isLeft: (backend: AccountBackend) => Promise<boolean>,
): Promise<{ readonly pid: number; readonly startedAt: string }[]> {
  const found: { readonly pid: number; readonly startedAt: string }[] = []
  for (const [pid = '', application = '', age = '', startedAt = ''] of await server.rows(BACKENDS)) {
    // What goes back into a statement is a number and a time, or the server is not what it seems.
    if (!/^\d{1,10}$/.test(pid) || !/^[\d :.+-]{1,40}$/.test(startedAt)) throw new ProtocolViolation('no such backend')
    const backend = { pid: Number(pid), session: applicationSession(application), ageMs: Number(age) }
    if (await isLeft(backend)) found.push({ pid: backend.pid, startedAt })
  }
  return found
}

/** Simple queries, one after the other. */
class Asking {
  readonly #socket: TLSSocket
  readonly #reader: ByteReader
  readonly #refused: (message: { readonly type: number; readonly body: Buffer }) => Error

  constructor(socket: TLSSocket, reader: ByteReader, refused: (message: { type: number; body: Buffer }) => Error) {
    this.#socket = socket
    this.#reader = reader
    this.#refused = refused
  }

  /** The rows of one query as text, null as ''. Throws `unreachable` with the server's error. */
  async rows(sql: string): Promise<string[][]> {
    this.#socket.write(encodeMessage(frontendType.Query, `${sql}\0`))
    const rows: string[][] = []
    let refusal: Error | undefined
    for (let count = 0; count < MAX_MESSAGES; count++) {
      const message = await this.#reader.message()
      switch (message.type) {
        case backendType.DataRow:
          rows.push(rowOf(message.body))
          break
        case backendType.ErrorResponse:
          refusal = this.#refused(message)
          break
        case backendType.ReadyForQuery:
          if (refusal !== undefined) throw refusal
          return rows
        default:
      }
    }
    throw new ProtocolViolation('an answer without end')
  }

  goodbye(): void {
    this.#socket.end(encodeTerminate())
  }
}

function rowOf(body: Buffer): string[] {
  const fields = fieldsOf({ type: backendType.DataRow, body })
  const columns = fields.int16()
  return Array.from({ length: columns }, () => {
    const length = fields.int32()
    return length < 0 ? '' : fields.take(length).toString('utf8')
  })
}
