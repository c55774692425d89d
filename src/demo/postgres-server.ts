// The demo's PostgreSQL target: a real server with TLS and SCRAM only, on 127.0.0.1, with the shop database and two
// accounts. It knows nothing of Halligan; it is what Halligan protects.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'
import { HalliganError } from '../errors.ts'
import { mainLog } from '../log.ts'
import { selfSigned } from '../pgwire/certificate.ts'
import { demoAccount, temporaryFolder, type Account } from './account.ts'
import { runHeld, type Held } from './held-process.ts'
import { startKeeper, type Keeper } from './keeper.ts'
import { unpackPostgres } from './postgres-binaries.ts'
import { shopAccounts, shopSchema } from './shop.ts'

const HOST = '127.0.0.1'
const DATABASE = 'shop'
/** initdb takes about 5 s on two old cores; a machine ten times slower is not told that it failed. */
const INITDB_LIMIT_MS = 60_000
/** From start to the first accepted login. */
const START_LIMIT_MS = 30_000
const RETRY_MS = 50
/** Between asking the system for a free port and using it, another program may take it. */
const PORT_ATTEMPTS = 3

export interface DemoPostgres {
  readonly host: string
  readonly port: number
  readonly database: string
  /** PEM of the CA; the server's certificate is valid for 127.0.0.1 and localhost. */
  readonly ca: string
  /** Password by account: `app_readonly`, `app_readwrite`. */
  readonly passwords: Readonly<Record<(typeof shopAccounts)[number], string>>
  /** The server's own superuser, for tests that look at it from its side. */
  readonly superuser: { readonly user: string; readonly password: string }
  /** The postmaster's process id. */
  readonly pid: number
  /** Resolves when the server ended, asked or not. */
  readonly ended: Promise<void>
  /** Ends the server and removes its folder; may be called more than once. */
  stop(): Promise<void>
}

/**
 * Starts PostgreSQL 18 in a fresh folder under the system's temporary directory, as `nobody` where we are root.
 * Throws `unavailable` where there is no PostgreSQL for the platform or it does not start.
 */
export async function startDemoPostgres(options: { readonly now: number }): Promise<DemoPostgres> {
  const account = demoAccount()
  const { cert, key, ca } = selfSigned({
    commonName: 'orders',
    altNames: [HOST, 'localhost'],
    now: options.now,
    validDays: 30,
  })
  const superuser = { user: 'postgres', password: password() }
  const files = {
    'server.crt': cert,
    'server.key': key,
    'superuser.txt': superuser.password,
    'pg_hba.conf': `hostssl all all ${HOST}/32 scram-sha-256\n`,
  }
  const { folder, filled: programs } = await temporaryFolder('demo-postgres', account, async (fresh) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(fresh, name), text, { mode: 0o600 })
    mkdirSync(join(fresh, 'socket'), { mode: 0o700 })
    return unpackPostgres(fresh)
  })
  const keeper = startKeeper(folder, account)
  try {
    return await start({ folder, account, keeper, programs }, superuser, ca)
  } catch (error) {
    await keeper.end()
    throw error
  }
}

interface Place {
  readonly folder: string
  readonly account: Account
  readonly keeper: Keeper
  readonly programs: string
}

async function start(place: Place, superuser: DemoPostgres['superuser'], ca: string): Promise<DemoPostgres> {
  const { folder, account, keeper, programs } = place
  const run = (program: string, args: readonly string[]) =>
    runHeld({ folder, account, keeper, program: join(programs, program), args })
  const initdb = run('initdb', [
    `--pgdata=${join(folder, 'data')}`,
    `--username=${superuser.user}`,
    `--pwfile=${join(folder, 'superuser.txt')}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--no-locale',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-sync',
    '--no-instructions',
  ])
  await succeed(initdb)

  const ssl = { ca, servername: 'localhost' }
  const passwords = { app_readonly: password(), app_readwrite: password() }
  const { server, port, client } = await serve({ ...superuser, ssl, host: HOST }, (free) =>
    run('postgres', settings(folder, free)),
  )
  await seed(client, { ...superuser, ssl, host: HOST, port }, passwords)
  return {
    host: HOST,
    port,
    database: DATABASE,
    ca,
    passwords,
    superuser,
    pid: server.pid,
    ended: server.ended,
    stop: () => keeper.end(),
  }
}

/** 192 bits in letters and digits that need no quoting in SQL, shell or URL. */
function password(): string {
  return randomBytes(24).toString('base64url')
}

async function succeed(held: Held): Promise<void> {
  const timer = setTimeout(() => held.child.kill('SIGKILL'), INITDB_LIMIT_MS)
  const code = await held.code.catch(startFailure).finally(() => clearTimeout(timer))
  if (code !== 0) throw startFailure(new Error(`initdb ended with ${code}: ${held.log()}`))
}

function startFailure(cause: unknown): HalliganError {
  const denied = (cause as NodeJS.ErrnoException).code === 'EACCES'
  return new HalliganError('unavailable', 'the demo PostgreSQL did not start', {
    cause,
    hint: denied
      ? 'set TMPDIR to a folder whose file system lets programs run'
      : `is there room for 200 MB in the temporary folder? The cause: ${(cause as Error).message}`,
  })
}

interface Login {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly ssl: { readonly ca: string; readonly servername: string }
}

/** Starts the server on a free port and waits until it lets the superuser in. */
async function serve(
  login: Omit<Login, 'port'>,
  run: (port: number) => Held,
): Promise<{ server: Held; port: number; client: Client }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const server = run(port)
    const client = await logIn(server, { ...login, port })
    if (client) return { server, port, client }
    if (attempt === PORT_ATTEMPTS || !/could not bind|in use/i.test(server.log()))
      throw startFailure(new Error(server.log()))
    mainLog.info('demo.postgres-port-taken', { port })
  }
}

function settings(folder: string, port: number): string[] {
  const values = {
    listen_addresses: HOST,
    port,
    unix_socket_directories: join(folder, 'socket'),
    ssl: 'on',
    hba_file: join(folder, 'pg_hba.conf'),
    ssl_cert_file: join(folder, 'server.crt'),
    ssl_key_file: join(folder, 'server.key'),
    ssl_min_protocol_version: 'TLSv1.2',
    password_encryption: 'scram-sha-256',
    max_connections: 50,
    shared_buffers: '16MB',
    max_wal_size: '64MB',
    // The data lives as long as the demo does.
    fsync: 'off',
    full_page_writes: 'off',
    log_min_messages: 'fatal',
  }
  return ['-D', join(folder, 'data'), ...Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, HOST)
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

/** Logs in as soon as the server lets us; undefined when it ended or was ended instead. */
async function logIn(server: Held, login: Login): Promise<Client | undefined> {
  const deadline = AbortSignal.timeout(START_LIMIT_MS)
  while (server.child.exitCode === null && server.child.signalCode === null && server.pid > 0) {
    const client = clientOf(login, 'postgres')
    try {
      await client.connect()
      return client
    } catch (error) {
      // Not listening yet, or "the database system is starting up".
      mainLog.debug('demo.postgres-not-yet', { error })
      if (deadline.aborted) server.child.kill('SIGKILL')
    }
    await Promise.race([pause(RETRY_MS), server.ended])
  }
  return undefined
}

async function seed(superuser: Client, login: Login, passwords: DemoPostgres['passwords']): Promise<void> {
  await superuser.query(`CREATE DATABASE ${DATABASE}`)
  await superuser.end()
  const shop = clientOf(login, DATABASE)
  await shop.connect()
  await shop.query(shopSchema(passwords))
  await shop.end()
}

function clientOf(login: Login, database: string): Client {
  const client = new Client({ ...login, database })
  // A server that goes away between two statements; the next statement fails and says so.
  client.on('error', (error) => mainLog.debug('demo.postgres-connection-lost', { error }))
  return client
}
