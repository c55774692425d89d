// The PostgreSQL client of a drill: node-postgres over loopback, tied to the bastion's certificate.

import { Client, DatabaseError } from 'pg'
import { HalliganError } from '../errors.ts'
import type { Held } from './held-sessions.ts'

export interface PostgresPlace {
  readonly host: string
  readonly port: number
  /** PEM of the bastion's CA. */
  readonly ca: string
}

export interface PostgresLogin {
  readonly user: string
  readonly secret: string
  /** `orders`, `orders/analytics`. */
  readonly database: string
}

/** What a connection or a statement came to. */
export type PostgresRan =
  | { readonly kind: 'rows'; readonly text: string }
  | { readonly kind: 'refused'; readonly sqlstate: string; readonly message: string }

const CONNECT_MS = 15_000
const STATEMENT_MS = 30_000
/** Of an answer: more is not looked at. */
const MAX_TEXT = 64 << 10

/** Connects, runs one statement, and gives its rows as text or what it was refused with. Throws `unreachable`. */
export async function runPsql(place: PostgresPlace, login: PostgresLogin, sql: string): Promise<PostgresRan> {
  const client = clientOf(place, login)
  try {
    await client.connect()
    const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' })
    const text = rows.map((row) => row.map(String).join('|')).join('\n')
    return { kind: 'rows', text: text.slice(0, MAX_TEXT) }
  } catch (error) {
    return refused(error)
  } finally {
    await client.end().catch(() => {
      // A connection that was cut has nothing left to say goodbye to.
    })
  }
}

/** Connects and leaves one statement running. Throws when the login is refused. */
export async function holdPsql(
  place: PostgresPlace,
  login: PostgresLogin,
  sql: string,
  nowUs: () => number,
): Promise<Held> {
  const client = clientOf(place, login)
  let isOpen = true
  let said = ''
  const { promise: ended, resolve } = Promise.withResolvers<{ atUs: number; said: string }>()
  const over = (): void => {
    if (!isOpen) return
    isOpen = false
    resolve({ atUs: nowUs(), said })
  }
  await client.connect()
  client.on('error', (error) => (said = error.message))
  client.on('end', over)
  client.query(sql).catch((error: unknown) => {
    said = error instanceof Error ? error.message : String(error)
    if (error instanceof DatabaseError && error.severity === 'FATAL') over()
  })
  return {
    ended,
    isOpen: () => isOpen,
    close: () => {
      client.end().catch(() => {
        // It was cut already.
      })
    },
  }
}

function clientOf(place: PostgresPlace, { user, secret, database }: PostgresLogin): Client {
  const client = new Client({
    host: place.host,
    port: place.port,
    user,
    password: secret,
    database,
    ssl: { ca: place.ca, servername: 'localhost' },
    enableChannelBinding: true,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: 2 * STATEMENT_MS,
    application_name: 'halligan drill',
  })
  // Without a listener an error of a connection that is being closed would end the process.
  client.on('error', () => undefined)
  return client
}

function refused(error: unknown): PostgresRan {
  if (error instanceof DatabaseError) return { kind: 'refused', sqlstate: error.code ?? '', message: error.message }
  const message = error instanceof Error ? error.message : String(error)
  throw new HalliganError('unreachable', `the PostgreSQL port cannot be reached over loopback: ${message}`, {
    cause: error,
    hint: 'drills need the PostgreSQL port on this machine',
  })
}
