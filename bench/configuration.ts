// The configuration of the bastion under measurement: one sshd and one PostgreSQL, each as two targets, so that both
// ways to keep bulk data are there.

import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { DemoPostgres } from '../src/demo/postgres-server.ts'
import type { DemoUser } from '../src/demo/users.ts'
import type { BenchDatabase } from './database.ts'
import type { Sshd } from './sshd.ts'

/** Who plays. Only alice does anything; there has to be somebody to review her. */
export const people = [
  { name: 'alice', groups: ['oncall'], roles: ['engineer'] },
  { name: 'rita', groups: ['security'], roles: ['reviewer'] },
] as const

export interface Parts {
  readonly users: readonly DemoUser[]
  readonly sshd: Sshd
  readonly credential: string
  readonly postgres: DemoPostgres
  readonly database: BenchDatabase
  /** Where alerts go. */
  readonly webhook: string
}

/** Writes configuration and secrets below `folder`; gives the file. */
export function writeConfiguration(folder: string, parts: Parts): string {
  const secrets = join(folder, 'secrets')
  mkdirSync(secrets, { recursive: true, mode: 0o700 })
  const keep = (path: string, text: string) => writeFileSync(path, text, { mode: 0o600 })
  keep(join(secrets, 'web-key'), parts.credential)
  keep(join(secrets, 'orders-password'), parts.database.password)
  keep(join(secrets, 'webhook'), `whsec_${randomBytes(32).toString('base64')}`)
  keep(join(folder, 'key'), randomBytes(32).toString('base64'))
  const file = join(folder, 'halligan.yaml')
  keep(file, stringify(configuration(folder, secrets, parts)))
  return file
}

function configuration(folder: string, secrets: string, parts: Parts): unknown {
  const anyPort = { host: '127.0.0.1', port: 0 }
  return {
    hostname: 'localhost',
    state: join(folder, 'state'),
    listen: { ssh: anyPort, postgres: anyPort, web: anyPort },
    secrets: { directory: secrets, key: { file: join(folder, 'key') } },
    users: people.map((person) => ({
      ...person,
      keys: parts.users.filter((user) => user.name === person.name).map((user) => user.publicKey),
    })),
    targets: [
      ...bulks.map((files) => sshTarget(`web-${files}`, parts)),
      ...bulks.map((files) => postgresTarget(`orders-${files}`, parts)),
    ],
    channels: [{ name: 'sink', kind: 'webhook', url: parts.webhook, secret: 'webhook', outside: false }],
    policies: bulks.flatMap((files) => [
      policy(`host-${files}`, `web-${files}`, parts.sshd.account, files),
      policy(`database-${files}`, `orders-${files}`, parts.database.user, files),
    ]),
  }
}

const bulks = ['hash', 'full'] as const

function sshTarget(name: string, { sshd }: Parts): unknown {
  return {
    name,
    kind: 'ssh',
    accounts: [sshd.account],
    host: sshd.host,
    port: sshd.port,
    hostKeys: [sshd.hostKey],
    credential: 'web-key',
  }
}

function postgresTarget(name: string, { postgres, database }: Parts): unknown {
  return {
    name,
    kind: 'postgres',
    accounts: [database.user],
    host: postgres.host,
    port: postgres.port,
    databases: [database.name],
    ca: postgres.ca,
    serverName: 'localhost',
    credentials: { [database.user]: 'orders-password' },
  }
}

function policy(name: string, target: string, account: string, files: 'hash' | 'full'): unknown {
  return {
    name,
    who: { groups: ['oncall'] },
    targets: { names: [target] },
    accounts: [account],
    triggers: ['customer-impact'],
    reason: { minLength: 5 },
    duration: { default: '2h', max: '2h' },
    mfa: { methods: ['totp'], remember: '2h' },
    approval: [{ required: 0 }],
    alerts: { channels: ['sink'] },
    review: { within: '8h', by: { roles: ['reviewer'] } },
    recording: { results: { rows: 0 }, files },
  }
}
