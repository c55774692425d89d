// Real PostgreSQL servers for the tests of this folder: Debian's, where it is installed, and the demo's.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { startDemoPostgres } from '../../src/demo/postgres-server.ts'
import { selfSigned } from '../../src/pgwire/certificate.ts'

export interface RealPostgres {
  readonly host: string
  readonly port: number
  readonly ca: string
  readonly database: string
  readonly account: string
  readonly password: string
  /** A connection of the server's own superuser, past the bastion. */
  admin(): Promise<Client>
  stop(): Promise<void>
}

const DEBIAN = '/usr/lib/postgresql'
/** `nobody`, under whom a server runs where we are root: it refuses to run as root. */
const NOBODY = 65_534
const START_LIMIT_MS = 30_000
const ACCOUNT = 'app'

/** The folder of Debian's newest server programs, or undefined. */
export function debianPrograms(): string | undefined {
  if (!existsSync(DEBIAN)) return undefined
  const versions = readdirSync(DEBIAN).toSorted((a, b) => Number(b) - Number(a))
  return versions.map((version) => join(DEBIAN, version, 'bin')).find((folder) => existsSync(join(folder, 'initdb')))
}

/** Debian's server with TLS and SCRAM, one account and a database `shop`. */
export async function startDebianPostgres(programs: string): Promise<RealPostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'halligan-pg-'))
  const ids = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
  const give = (path: string) => (ids.uid === undefined ? undefined : chownSync(path, ids.uid, ids.gid))
  chmodSync(folder, 0o700)
  give(folder)
  const { cert, key, ca } = selfSigned({ commonName: 'pg', altNames: ['localhost'], now: Date.now(), validDays: 2 })
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
    give(join(folder, name))
  }
  file('server.crt', cert)
  file('server.key', key)
  file('password', 'admin-secret')
  file('hba', 'hostssl all all 127.0.0.1/32 scram-sha-256\n')
  const start = (program: string, args: string[]) =>
    spawn(join(programs, program), args, {
      ...ids,
      cwd: folder,
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  const data = join(folder, 'data')
  const initdb = start('initdb', [
    '-D',
    data,
    '-U',
    'admin',
    `--pwfile=${join(folder, 'password')}`,
    '-A',
    'scram-sha-256',
    '-E',
    'UTF8',
    '--no-sync',
  ])
  initdb.stdout.resume()
  initdb.stderr.resume()
  const [code] = (await once(initdb, 'exit')) as [number]
  if (code !== 0) throw new Error(`initdb ended with ${code}`)
  const port = await freePort()
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: folder,
    ssl: 'on',
    ssl_cert_file: join(folder, 'server.crt'),
    ssl_key_file: join(folder, 'server.key'),
    hba_file: join(folder, 'hba'),
    fsync: 'off',
    shared_buffers: '16MB',
    max_prepared_transactions: 5,
  }
  const server = start('postgres', [
    '-D',
    data,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ])
  let log = ''
  server.stdout.on('data', (chunk) => (log += String(chunk)))
  server.stderr.on('data', (chunk) => (log += String(chunk)))
  const ended = once(server, 'exit')
  const admin = async (database = 'postgres') => {
    const client = new Client({
      host: '127.0.0.1',
      port,
      user: 'admin',
      password: 'admin-secret',
      database,
      ssl: { ca, servername: 'localhost' },
    })
    await client.connect()
    return client
  }
  const first = await retry(
    () => admin(),
    () => log,
  )
  await first.query(`create role ${ACCOUNT} login password 'app-password'`)
  await first.query(`create database shop owner ${ACCOUNT}`)
  await first.end()
  return {
    host: '127.0.0.1',
    port,
    ca,
    database: 'shop',
    account: ACCOUNT,
    password: 'app-password',
    admin: () => admin('shop'),
    stop: async () => {
      server.kill('SIGQUIT')
      await ended
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** The demo's server. */
export async function startEmbeddedPostgres(): Promise<RealPostgres> {
  const demo = await startDemoPostgres({ now: Date.now() })
  const admin = async () => {
    const client = new Client({
      ...demo.superuser,
      host: demo.host,
      port: demo.port,
      database: demo.database,
      ssl: { ca: demo.ca, servername: 'localhost' },
    })
    await client.connect()
    return client
  }
  const client = await admin()
  await client.query(`create role ${ACCOUNT} login password 'app-password'`)
  await client.query(`grant all on database ${demo.database} to ${ACCOUNT}; grant all on schema public to ${ACCOUNT}`)
  await client.end()
  return { ...demo, account: ACCOUNT, password: 'app-password', admin, stop: () => demo.stop() }
}

async function retry<Value>(attempt: () => Promise<Value>, log: () => string): Promise<Value> {
  const deadline = Date.now() + START_LIMIT_MS
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`PostgreSQL did not start: ${log()}`, { cause: error })
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
