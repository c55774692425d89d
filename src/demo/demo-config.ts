// The demo's configuration: a real halligan.yaml, written into its state directory and read like any other.

import { createHmac, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { DemoPostgres } from './postgres-server.ts'
import type { DemoSinks } from './sinks.ts'
import type { DemoSshTarget } from './ssh-target.ts'
import type { DemoUser } from './users.ts'

export interface DemoParts {
  readonly postgres: DemoPostgres
  readonly sshTarget: DemoSshTarget
  readonly sinks: DemoSinks
  readonly users: readonly DemoUser[]
  readonly ports: { readonly ssh: number; readonly postgres: number; readonly web: number }
}

/** Who plays in the demo, in the order in which they are printed. */
export const demoPeople = [
  { name: 'alice', groups: ['oncall'], roles: ['engineer'] },
  { name: 'bob', groups: ['leads'], roles: ['engineer', 'approver'] },
  { name: 'rita', groups: ['security'], roles: ['reviewer'] },
  { name: 'adam', groups: [], roles: ['admin', 'auditor'] },
] as const

/** Writes the configuration and its secrets below `folder` (absolute). Gives the text and where it lies. */
export function writeDemoConfig(folder: string, parts: DemoParts): { readonly file: string; readonly text: string } {
  const secrets = join(folder, 'secrets')
  mkdirSync(secrets, { recursive: true, mode: 0o700 })
  const keep = (name: string, value: string) => writeFileSync(join(secrets, name), value, { mode: 0o600 })
  keep('web-1-key', parts.sshTarget.privateKey)
  keep('orders-readonly', parts.postgres.passwords.app_readonly)
  keep('orders-readwrite', parts.postgres.passwords.app_readwrite)
  const key = join(folder, 'key')
  // The one secret that must outlive a start: it opens what the store keeps.
  if (!existsSync(key)) writeFileSync(key, randomBytes(32).toString('base64'), { mode: 0o600 })
  keep('webhook', webhookSecret(parts.sinks))
  const file = join(folder, 'halligan.yaml')
  const text = stringify(configOf(parts, key, secrets))
  writeFileSync(file, text, { mode: 0o600 })
  return { file, text }
}

/** Standard Webhooks wants 24 to 64 bytes; the demo's sink needs no memory of it, so it follows from the sink's path. */
function webhookSecret({ webhook }: DemoSinks): string {
  return `whsec_${createHmac('sha256', 'halligan demo webhook').update(webhook).digest('base64')}`
}

function configOf(parts: DemoParts, key: string, secrets: string): unknown {
  const { postgres, sshTarget, sinks, users, ports } = parts
  const host = '127.0.0.1'
  return {
    hostname: 'localhost',
    state: '.',
    listen: {
      ssh: { host, port: ports.ssh },
      postgres: { host, port: ports.postgres },
      web: { host, port: ports.web },
    },
    journal: { segment: '8MiB' },
    secrets: { directory: secrets, key: { file: key } },
    users: demoPeople.map((person) => ({
      ...person,
      keys: users.filter((user) => user.name === person.name).map((user) => user.publicKey),
    })),
    targets: [
      {
        name: 'web-1',
        kind: 'ssh',
        canary: true,
        labels: { env: 'demo' },
        accounts: ['deploy'],
        host: sshTarget.host,
        port: sshTarget.port,
        hostKeys: [sshTarget.hostKey],
        credential: 'web-1-key',
      },
      {
        name: 'orders',
        kind: 'postgres',
        canary: true,
        labels: { env: 'demo' },
        accounts: ['app_readonly', 'app_readwrite'],
        host: postgres.host,
        port: postgres.port,
        databases: [postgres.database],
        ca: postgres.ca,
        serverName: 'localhost',
        credentials: { app_readonly: 'orders-readonly', app_readwrite: 'orders-readwrite' },
      },
    ],
    channels: [
      { name: 'demo-webhook', kind: 'webhook', url: sinks.webhook, secret: 'webhook', outside: false },
      mailChannel(sinks),
    ],
    // On the same machine: it shows how it works, and is not counted as a place outside.
    anchors: [
      {
        name: 'demo-anchor',
        kind: 'webhook',
        url: `${sinks.webhook}/anchor`,
        secret: 'webhook',
        outside: false,
        readBack: true,
      },
    ],
    policies: [
      policy('demo-host-emergency', ['web-1'], ['deploy'], { approval: [{ required: 0 }] }),
      policy('demo-database-emergency', ['orders'], ['app_readonly', 'app_readwrite'], {
        approval: [
          { when: { account: 'app_readonly' }, required: 0 },
          { required: 1, from: { groups: ['leads'] }, override: { after: '2m', reasonMinLength: 40 } },
        ],
      }),
    ],
  }
}

/** The demo's own mail server: on loopback, where mail needs no TLS. */
function mailChannel({ smtp }: DemoSinks): Record<string, unknown> {
  const [host, port] = smtp.split(':')
  return {
    name: 'demo-mail',
    kind: 'email',
    host,
    port: Number(port),
    security: 'none',
    from: 'halligan@example.com',
    to: ['leads@example.com', 'security@example.com'],
    outside: false,
  }
}

function policy(
  name: string,
  targets: string[],
  accounts: string[],
  more: Record<string, unknown>,
): Record<string, unknown> {
  return {
    name,
    who: { groups: ['oncall'] },
    targets: { names: targets },
    accounts,
    triggers: ['customer-impact', 'security-incident'],
    reason: { minLength: 5 },
    duration: { default: '30m', max: '2h', extensions: { count: 1, self: true } },
    mfa: { methods: ['totp'], remember: '10m' },
    alerts: { channels: ['demo-webhook', 'demo-mail'] },
    review: { within: '8h', by: { roles: ['reviewer'] } },
    ...more,
  }
}
