// `npm start` without a configuration: real targets, four people, and a whole Halligan over them, on loopback only.

import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { totpCode } from '../identity/totp.ts'
import { holdStateDirectory } from '../store/lock.ts'
import { showCode, type Output } from './code-display.ts'
import { demoPeople, writeDemoConfig } from './demo-config.ts'
import { readDemoJson, removeDemoJson, writeDemoJson, type DemoContract } from './demo-json.ts'
import { demoLines } from './lines.ts'
import { startDemoPostgres, type DemoPostgres } from './postgres-server.ts'
import { startDemoSinks } from './sinks.ts'
import { writeSshConfig } from './ssh-config.ts'
import { demoStateDirectory } from './state-directory.ts'
import { startDemoSshTarget } from './ssh-target.ts'
import { demoUsers, type DemoUser } from './users.ts'

/** What the demo needs of a running bastion; main.ts starts it. */
export interface DemoBastion {
  readonly installation: {
    readonly sshHostPublicKey: string
    readonly publicKeyFile: string
    readonly postgres: { readonly caFile: string }
  }
  readonly ssh: { readonly host: string; readonly port: number }
  readonly postgres: { readonly host: string; readonly port: number }
  readonly web: {
    readonly url: string
    issueLink(user: string, address: string, options: { readonly lifetimeMs: number }): Promise<string>
  }
  readonly state: { totp(user: string): Promise<{ readonly secret: string } | undefined> }
  enrol(user: string, secret: string): Promise<void>
  close(): Promise<void>
}

export interface DemoOptions {
  /** Undefined: `.halligan/demo`, or a directory of our own where that is not ours to write. */
  readonly state: string | undefined
  /** Undefined: 2222, 6432, 8080, each moved to a free one when taken. 0: free ones. */
  readonly portBase: number | undefined
  readonly clock: Clock
  readonly start: (configText: string, file: string) => Promise<DemoBastion>
  /** Called once all is to be stopped from outside: resolves then. */
  readonly stopped: () => Promise<void>
  readonly out: Output
}

/** Runs the demo until it is stopped, and leaves no process and no temporary directory behind. */
export async function runDemo(options: DemoOptions): Promise<void> {
  const isStopped = options.stopped()
  const opened = new AsyncDisposableStack()
  try {
    const starting = startDemo(options, opened)
    // A Ctrl-C while starting waits for the start, so that what it began can be ended.
    await starting
    await isStopped
  } finally {
    await opened.disposeAsync()
  }
}

async function startDemo(options: DemoOptions, opened: AsyncDisposableStack): Promise<void> {
  const { clock } = options
  const folder = demoStateDirectory(options.state)
  // Before anything in it is written: what a running demo reads there must not become another's.
  const held = holdStateDirectory(folder)
  opened.defer(() => held.release())
  const { ports, notes } = await choosePorts(options.portBase)
  const [postgres, sshTarget, sinks] = await startTargets(clock, opened)
  const users = demoUsers(join(folder, 'users'), demoPeople)
  const config = writeDemoConfig(folder, { postgres, sshTarget, sinks, users, ports })
  // The bastion takes it for itself.
  held.release()
  const bastion = await options.start(config.text, config.file)
  opened.defer(() => bastion.close())
  for (const { name, totpSecret } of users)
    if ((await bastion.state.totp(name))?.secret !== totpSecret) await bastion.enrol(name, totpSecret)
  const ssh = writeSshConfig({
    folder,
    host: bastion.ssh.host,
    port: bastion.ssh.port,
    hostKeys: [bastion.installation.sshHostPublicKey],
    entries: sshEntries(users),
  })
  opened.defer(() => removeDemoJson(folder))
  writeDemoJson(folder, contractOf(bastion, { folder, knownHosts: ssh.knownHosts, users, postgres, sinks }))
  const webLink = await bastion.web.issueLink('rita', '127.0.0.1', { lifetimeMs: Number.POSITIVE_INFINITY })
  const facts = {
    configFile: ssh.configFile,
    webLink,
    aliases: { shell: 'web-1', database: 'orders', reviewer: 'rita' },
    notes: [
      ...notes,
      "the demo's shell is not walled off from the demo: try it on loopback, run the real thing elsewhere",
    ],
  }
  options.out.write(demoLines(facts, { columns: options.out.columns ?? 80, unicode: isUnicode(process.env) }))
  const alice = users.find((user) => user.name === 'alice')
  if (alice !== undefined) {
    const shown = showCode(options.out, clock, { user: 'alice', totpSecret: alice.totpSecret })
    opened.defer(() => shown.stop())
  }
}

/** The code a demo user's authenticator would show at `now`. Throws `unavailable` when no demo runs there. */
export function demoCode(user: string, state: string | undefined, now: number): string {
  const secret = readDemoJson(demoStateDirectory(state)).users[user]?.totpSecret
  if (secret === undefined) throw new HalliganError('not_found', `the demo has no user ${user}`)
  return totpCode(secret, now)
}

async function startTargets(
  clock: Clock,
  opened: AsyncDisposableStack,
): Promise<[DemoPostgres, Awaited<ReturnType<typeof startDemoSshTarget>>, Awaited<ReturnType<typeof startDemoSinks>>]> {
  const stopping = <T extends { stop(): Promise<void> }>(part: T): T => {
    opened.defer(() => part.stop())
    return part
  }
  // All settle before an error goes on: one that starts late would be left behind.
  const started = await Promise.allSettled([
    startDemoPostgres({ now: clock.now() }).then(stopping),
    startDemoSshTarget({ name: 'web-1', accounts: ['deploy'] }).then(stopping),
    startDemoSinks({ now: () => clock.now() }).then(stopping),
  ])
  const [postgres, sshTarget, sinks] = started
  for (const one of started) if (one.status === 'rejected') throw one.reason
  if (postgres.status === 'rejected' || sshTarget.status === 'rejected' || sinks.status === 'rejected')
    throw new HalliganError('internal', 'a demo target did not start')
  return [postgres.value, sshTarget.value, sinks.value]
}

function sshEntries(users: readonly DemoUser[]): { alias: string; login: string; user: DemoUser }[] {
  const named = (name: string) => users.find((user) => user.name === name)
  const alice = named('alice')
  const targets =
    alice === undefined ? [] : ['web-1', 'orders'].map((alias) => ({ alias, login: `alice+${alias}`, user: alice }))
  return [...targets, ...users.map((user) => ({ alias: user.name, login: user.name, user }))]
}

function contractOf(
  bastion: DemoBastion,
  parts: {
    readonly folder: string
    readonly knownHosts: string
    readonly users: readonly DemoUser[]
    readonly postgres: DemoPostgres
    readonly sinks: { readonly webhook: string; readonly smtp: string }
  },
): DemoContract {
  const { folder, knownHosts, users, postgres, sinks } = parts
  return {
    version: 1,
    pid: process.pid,
    ssh: { ...bastion.ssh, knownHosts },
    postgres: { ...bastion.postgres, ca: bastion.installation.postgres.caFile },
    web: { url: bastion.web.url },
    users: Object.fromEntries(
      users.map(({ name, keyFile, totpSecret, groups }) => [name, { key: keyFile, totpSecret, groups }]),
    ),
    targets: { 'web-1': { kind: 'ssh' }, orders: { kind: 'postgres', database: postgres.database } },
    sinks: { webhook: sinks.webhook, smtp: sinks.smtp },
    recordings: join(folder, 'recordings'),
    publicKey: bastion.installation.publicKeyFile,
  }
}

const defaultPorts = { ssh: 2222, postgres: 6432, web: 8080 }

async function choosePorts(
  base: number | undefined,
): Promise<{ ports: typeof defaultPorts; notes: readonly string[] }> {
  if (base === 0) return { ports: { ssh: 0, postgres: 0, web: 0 }, notes: [] }
  if (base !== undefined) return { ports: { ssh: base, postgres: base + 1, web: base + 2 }, notes: [] }
  const ports = { ...defaultPorts }
  const notes: string[] = []
  for (const name of ['ssh', 'postgres', 'web'] as const) {
    if (await isFree(ports[name])) continue
    notes.push(`port ${ports[name]} is taken: ${name} has moved to a free one`)
    ports[name] = 0
  }
  return { ports, notes }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

function isUnicode(env: NodeJS.ProcessEnv): boolean {
  return /utf-?8/i.test(env['LC_ALL'] ?? env['LC_CTYPE'] ?? env['LANG'] ?? '')
}
