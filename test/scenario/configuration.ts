// How the Halligan of the stories is configured, as it stands in its file.
import { join } from 'node:path'
import { players, type Player } from '../../src/drill/step.ts'
import { newEd25519Key } from '../../src/sshwire/new-key.ts'
import type { Targets } from './house.ts'

/** Who is who: groups and roles as a small team has them. */
const team: Readonly<Record<Player, { readonly groups: readonly string[]; readonly roles: readonly string[] }>> = {
  alice: { groups: ['oncall'], roles: ['engineer'] },
  carol: { groups: ['leads'], roles: ['approver'] },
  bob: { groups: ['leads'], roles: ['approver'] },
  rita: { groups: ['security'], roles: ['reviewer'] },
  adam: { groups: [], roles: ['admin'] },
}

/** The YAML key is a word that no object of ours should have. */
const letsGo = JSON.parse('{"then":"allow"}') as Record<string, string>

const daveKey = newEd25519Key('dave').publicKey

export interface WrittenUser {
  readonly name: string
  readonly groups: readonly string[]
  readonly roles: readonly string[]
  readonly keys: readonly string[]
}

export interface WrittenChannel {
  readonly name: string
  readonly url: string
  readonly [key: string]: unknown
}

/** What stories change, and the rest. */
export interface Written {
  readonly users: readonly WrittenUser[]
  readonly channels: readonly WrittenChannel[]
  readonly checks: readonly unknown[]
  readonly [key: string]: unknown
}

export interface HouseOptions {
  /** Left out of it: a target without `canary: true`. */
  readonly canaries?: readonly string[]
  readonly drills?: readonly unknown[]
}

/** `bell`: the URL that alerts go to; `folder`: where its state and secrets are. */
export function writtenConfig(
  folder: string,
  bell: string,
  targets: Targets,
  keysOf: (player: Player) => readonly string[],
  options: HouseOptions,
): Written {
  const { canaries = ['web-1', 'orders'], drills = [] } = options
  const host = '127.0.0.1'
  const { postgres, ssh } = targets
  const policy = {
    who: { groups: ['oncall'] },
    triggers: ['customer-impact'],
    reason: { minLength: 5 },
    duration: { default: '30m', max: '2h', extensions: { count: 1, self: true } },
    mfa: { methods: ['totp'], remember: '10m' },
    alerts: { channels: ['bell'] },
    review: { within: '8h', by: { roles: ['reviewer'] } },
  }
  return {
    hostname: 'localhost',
    state: join(folder, 'state'),
    listen: { ssh: { host, port: 0 }, postgres: { host, port: 0 }, web: { host, port: 0 } },
    journal: { segment: '1MiB' },
    secrets: { directory: join(folder, 'secrets'), key: { file: join(folder, 'key') } },
    users: [
      ...players.map((name) => ({ name, ...team[name], keys: keysOf(name) })),
      // A policy must open to somebody, also once alice is nobody.
      { name: 'dave', ...team.alice, keys: [daveKey] },
    ],
    targets: [
      {
        name: 'web-1',
        kind: 'ssh',
        ...(canaries.includes('web-1') ? { canary: true } : {}),
        accounts: ['deploy', 'gated', 'held'],
        host: ssh.host,
        port: ssh.port,
        hostKeys: [ssh.hostKey],
        credential: 'web-1-key',
      },
      {
        name: 'orders',
        kind: 'postgres',
        ...(canaries.includes('orders') ? { canary: true } : {}),
        accounts: ['app_readonly', 'app_readwrite'],
        host: postgres.host,
        port: postgres.port,
        databases: [postgres.database],
        ca: postgres.ca,
        serverName: 'localhost',
        credentials: { app_readonly: 'readonly', app_readwrite: 'readwrite' },
      },
    ],
    channels: [{ name: 'bell', kind: 'webhook', url: bell, secret: 'webhook', outside: true }],
    checks: [],
    drills,
    policies: [
      { ...policy, name: 'hosts', targets: { names: ['web-1'] }, accounts: ['deploy'], approval: [{ required: 0 }] },
      {
        ...policy,
        name: 'gated',
        targets: { names: ['web-1'] },
        accounts: ['gated'],
        approval: [{ required: 0 }],
        alerts: { channels: ['bell'], gate: { accepted: 1, within: '2s', otherwise: 'deny' } },
      },
      {
        ...policy,
        name: 'held',
        targets: { names: ['web-1'] },
        accounts: ['held'],
        approval: [{ required: 0 }],
        alerts: {
          channels: ['bell'],
          gate: { accepted: 1, within: '1s', otherwise: 'hold', holdMax: '1s', ...letsGo },
        },
      },
      {
        ...policy,
        name: 'databases',
        targets: { names: ['orders'] },
        accounts: ['app_readonly', 'app_readwrite'],
        approval: [
          { when: { account: 'app_readonly' }, required: 0 },
          { required: 1, from: { groups: ['leads'] }, override: { after: '2m', reasonMinLength: 40 } },
        ],
      },
    ],
  }
}
