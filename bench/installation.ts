// Everything that stands still while figures are taken: the targets, pgbouncer, an sshd, the bastion in a process of its
// own with its state on a real file system, alice inside with her code remembered, and the ways to all of them.

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { newEd25519Key } from '../src/sshwire/new-key.ts'
import { startDemoPostgres, type DemoPostgres } from '../src/demo/postgres-server.ts'
import { startDemoSinks } from '../src/demo/sinks.ts'
import { demoUsers } from '../src/demo/users.ts'
import { totpCode } from '../src/identity/totp.ts'
import { programPath } from '../test/support/clients.ts'
import { Terminal } from '../test/support/terminal.ts'
import type { FromBastion, ToBastion } from './bastion.ts'
import { people, writeConfiguration } from './configuration.ts'
import { directEnvironment, makeDatabase, type BenchDatabase } from './database.ts'
import { startPgbouncer, type Pgbouncer } from './pgbouncer.ts'
import { clientEnvironment, runClient } from './process.ts'
import { startSshd, type Sshd } from './sshd.ts'

/** The real programs; undefined where the machine has none. */
export interface Programs {
  readonly ssh: string | undefined
  readonly sshd: string | undefined
  readonly psql: string | undefined
  readonly pgbench: string | undefined
  readonly pgbouncer: string | undefined
}

export type Bulk = 'hash' | 'full'

export interface Installation {
  /** On a real file system; the state lies below. */
  readonly folder: string
  readonly programs: Programs
  readonly bastionPid: number
  readonly recordings: string
  readonly publicKeyFile: string
  readonly postgres: DemoPostgres
  readonly database: BenchDatabase
  readonly pgbouncer: Pgbouncer | undefined
  /** Environment of a libpq client by way. */
  readonly direct: Record<string, string>
  halligan(bulk: Bulk): Record<string, string>
  /** `ssh` arguments up to the host, for the hosts `web-hash`, `web-full` (Halligan), `direct` and `jumped`. */
  readonly sshOptions: readonly string[]
  /** Has the bastion collect its garbage, for memory figures. */
  collect(): Promise<void>
}

/** Starts it all; `opened` ends it in reverse. `profile`: the bastion writes CPU profiles into that folder when it ends. */
export async function install(
  options: { readonly base: string | undefined; readonly profile: string | undefined },
  opened: AsyncDisposableStack,
): Promise<Installation> {
  const folder = mkdtempSync(join(options.base ?? tmpdir(), 'halligan-bench-'))
  opened.defer(() => rmSync(folder, { recursive: true, force: true }))
  // pgbouncer runs as nobody and must get through to its own folder below.
  chmodSync(folder, 0o711)
  const programs = findPrograms()
  const { ssh, psql } = programs
  if (ssh === undefined || programs.sshd === undefined || psql === undefined)
    throw new Error(
      'the bench needs ssh, sshd and psql\nhint: apt-get install openssh-client openssh-server postgresql-client',
    )
  const users = demoUsers(join(folder, 'users'), people)
  const [alice] = users
  if (alice === undefined) throw new Error('nobody plays')
  const credential = newEd25519Key()
  const sshd = await startSshd(programs.sshd, join(folder, 'sshd'), [alice.publicKey, credential.publicKey])
  opened.defer(() => sshd.stop())
  const sinks = await startDemoSinks({ now: () => Date.now() })
  opened.defer(() => sinks.stop())
  const postgres = await startDemoPostgres({ now: Date.now() })
  opened.defer(() => postgres.stop())
  const database = await makeDatabase(postgres)
  const pgbouncer =
    programs.pgbouncer === undefined
      ? undefined
      : await startPgbouncer(programs.pgbouncer, psql, join(folder, 'pgbouncer'), postgres, database)
  if (pgbouncer !== undefined) opened.defer(() => pgbouncer.stop())
  mkdirSync(join(folder, 'state'), { mode: 0o700 })
  const file = writeConfiguration(folder, {
    users,
    sshd,
    credential: credential.privateKey,
    postgres,
    database,
    webhook: sinks.webhook,
  })
  const bastion = forkBastion([file, alice.name, alice.totpSecret], options.profile)
  opened.defer(() => stopBastion(bastion))
  const [said] = (await Promise.race([once(bastion, 'message'), failed(bastion)])) as [FromBastion]
  const configFile = writeSshConfig(folder, alice.keyFile, said, sshd)
  const sshOptions = ['-F', configFile]
  const breakGlass = (host: string, command: string) =>
    enter(ssh, [...sshOptions, '-t', host, command], () => totpCode(alice.totpSecret, Date.now()))
  const halligan: Record<string, Record<string, string>> = {}
  for (const bulk of ['hash', 'full'] as const) {
    await breakGlass(`web-${bulk}`, 'true')
    await breakGlass(`orders-${bulk}`, 'dsn')
    halligan[bulk] = dsnEnvironment(await runClient(ssh, [...sshOptions, `orders-${bulk}`, 'dsn']))
  }
  return {
    folder,
    programs,
    bastionPid: bastion.pid ?? 0,
    recordings: join(folder, 'state', 'recordings'),
    publicKeyFile: said.publicKeyFile,
    postgres,
    database,
    pgbouncer,
    direct: directEnvironment(postgres, database),
    halligan: (bulk) => halligan[bulk] ?? {},
    sshOptions,
    collect: async () => {
      const answered = once(bastion, 'message')
      bastion.send('collect' satisfies ToBastion)
      await answered
    },
  }
}

export function findPrograms(): Programs {
  // Debian's wrapper costs a Perl start for each run; the program behind it is pgbench itself all the same.
  return {
    ssh: programPath('ssh'),
    sshd: programPath('sshd'),
    psql: programPath('psql'),
    pgbench: programPath('pgbench'),
    pgbouncer: programPath('pgbouncer'),
  }
}

function forkBastion(args: readonly string[], profile: string | undefined): ChildProcess {
  return fork(resolve(import.meta.dirname, 'bastion.ts'), args, {
    execArgv: profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', resolve(profile)],
    env: { ...process.env, HALLIGAN_LOG: 'error' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
}

async function failed(bastion: ChildProcess): Promise<never> {
  const [status] = (await once(bastion, 'exit')) as [number | null]
  throw new Error(`the bastion ended with ${status} while starting`)
}

async function stopBastion(bastion: ChildProcess): Promise<void> {
  if (bastion.exitCode !== null || bastion.signalCode !== null) return
  const exited = once(bastion, 'exit')
  bastion.send('stop' satisfies ToBastion)
  const late = setTimeout(() => bastion.kill('SIGKILL'), 30_000)
  await exited
  clearTimeout(late)
}

function writeSshConfig(folder: string, keyFile: string, bastion: FromBastion, sshd: Sshd): string {
  const knownHosts = join(folder, 'known_hosts')
  const hostKey = bastion.sshHostKey.split(' ').slice(0, 2).join(' ')
  writeFileSync(knownHosts, `[127.0.0.1]:${bastion.sshPort} ${hostKey}\n[127.0.0.1]:${sshd.port} ${sshd.hostKey}\n`)
  const host = (name: string, port: number, login: string, more = '') =>
    `Host ${name}\n  Port ${port}\n  User ${login}\n${more}`
  const text = [
    ...['web-hash', 'web-full', 'orders-hash', 'orders-full'].map((target) =>
      host(target, bastion.sshPort, `alice+${target}`),
    ),
    host('direct', sshd.port, sshd.account),
    host('jumped', sshd.port, sshd.account, '  ProxyJump direct\n'),
    'Host *',
    '  HostName 127.0.0.1',
    `  IdentityFile "${keyFile}"`,
    '  IdentitiesOnly yes',
    '  IdentityAgent none',
    `  UserKnownHostsFile "${knownHosts}"`,
    '  GlobalKnownHostsFile /dev/null',
    '  StrictHostKeyChecking yes',
    '  UpdateHostKeys no',
    '  PreferredAuthentications publickey,keyboard-interactive',
    '  Ciphers aes128-gcm@openssh.com',
    '  LogLevel ERROR',
    '',
  ].join('\n')
  const file = join(folder, 'ssh_config')
  writeFileSync(file, text)
  return file
}

/** Answers what is asked on the way in, and waits for the end. */
async function enter(ssh: string, args: readonly string[], code: () => string): Promise<void> {
  const terminal = new Terminal(ssh, args, { env: clientEnvironment({ TERM: 'xterm-256color' }) })
  try {
    for (;;) {
      const [shown] = await terminal.expect(/Code: |Reason: |recorded, grant|postgresql:\/\/|halligan: |denied/)
      if (shown === 'Code: ') terminal.type(`${code()}\r`)
      else if (shown === 'Reason: ') terminal.type('figures are taken\r')
      else if (shown === 'halligan: ' || shown === 'denied') throw new Error(`alice was not let in: ${terminal.screen}`)
      else break
    }
    await terminal.exited
  } finally {
    terminal.close()
  }
}

function dsnEnvironment(dsn: string): Record<string, string> {
  const url = new URL(dsn.trim())
  return clientEnvironment({
    PGHOST: url.hostname,
    PGPORT: url.port,
    PGUSER: decodeURIComponent(url.username),
    PGPASSWORD: decodeURIComponent(url.password),
    PGDATABASE: url.pathname.slice(1),
    PGSSLMODE: 'require',
    PGCHANNELBINDING: 'require',
    PGSSLROOTCERT: 'halligan-none',
  })
}
