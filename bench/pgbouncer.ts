// pgbouncer beside Halligan: session pooling, TLS with the same kind of certificate to the client, TLS with the server's
// name verified to the target, SCRAM on both sides. Like Halligan's relay it is one thread.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { DemoPostgres } from '../src/demo/postgres-server.ts'
import { selfSigned } from '../src/pgwire/certificate.ts'
import type { BenchDatabase } from './database.ts'
import { freePort } from './port.ts'
import { clientEnvironment, runClient } from './process.ts'

export interface Pgbouncer {
  readonly pid: number
  readonly environment: Record<string, string>
  stop(): Promise<void>
}

const START_LIMIT_MS = 10_000
/** It refuses to run as root. */
const NOBODY = 65_534

/** Starts `program` below `folder`, which everyone can enter. Throws when it lets nobody in within ten seconds. */
export async function startPgbouncer(
  program: string,
  psql: string,
  folder: string,
  postgres: DemoPostgres,
  database: BenchDatabase,
): Promise<Pgbouncer> {
  const ids = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const path = (name: string) => join(folder, name)
  const write = (name: string, text: string) => writeFileSync(path(name), text, { mode: 0o600 })
  const { cert, key } = selfSigned({
    commonName: 'pgbouncer',
    altNames: ['127.0.0.1', 'localhost'],
    now: Date.now(),
    validDays: 2,
  })
  write('client.crt', cert)
  write('client.key', key)
  write('server-ca.crt', postgres.ca)
  write('users.txt', `"${database.user}" "${database.password}"\n`)
  const port = await freePort()
  const settings = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'scram-sha-256',
    auth_file: path('users.txt'),
    pool_mode: 'session',
    default_pool_size: 20,
    client_tls_sslmode: 'require',
    client_tls_key_file: path('client.key'),
    client_tls_cert_file: path('client.crt'),
    server_tls_sslmode: 'verify-full',
    server_tls_ca_file: path('server-ca.crt'),
    log_connections: 0,
    log_disconnections: 0,
    log_stats: 0,
  }
  write(
    'pgbouncer.ini',
    [
      '[databases]',
      `${database.name} = host=${postgres.host} port=${postgres.port} dbname=${database.name}`,
      '[pgbouncer]',
      ...Object.entries(settings).map(([name, value]) => `${name} = ${value}`),
      '',
    ].join('\n'),
  )
  if (ids.uid !== undefined)
    for (const name of ['.', 'client.crt', 'client.key', 'server-ca.crt', 'users.txt', 'pgbouncer.ini'])
      chownSync(path(name), ids.uid, ids.gid)
  const child = spawn(program, ['-q', path('pgbouncer.ini')], {
    ...ids,
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()))
  const ended = once(child, 'exit')
  const environment = clientEnvironment({
    PGHOST: '127.0.0.1',
    PGPORT: String(port),
    PGUSER: database.user,
    PGPASSWORD: database.password,
    PGDATABASE: database.name,
    PGSSLMODE: 'require',
  })
  const deadline = performance.now() + START_LIMIT_MS
  for (;;) {
    try {
      await runClient(psql, ['-X', '-q', '-c', 'select 1'], { env: environment, stdout: '/dev/null' })
      break
    } catch (error) {
      if (child.exitCode !== null || performance.now() > deadline)
        throw new Error(`pgbouncer did not start: ${log}`, { cause: error })
      await pause(100)
    }
  }
  return {
    pid: child.pid ?? 0,
    environment,
    stop: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}
