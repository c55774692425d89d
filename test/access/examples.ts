// A small world that the tests of this room share: three people, two targets, one policy to vary.

import { policyHash } from '../../src/access/policy-hash.ts'
import { grantDefaults, type Grant } from '../../src/access/grant.ts'
import type { Policy } from '../../src/access/policy.ts'
import type { Role, User } from '../../src/identity/user.ts'
import type { PostgresTarget, SshTarget } from '../../src/target.ts'

export const MINUTE = 60_000
export const NOW = 1_800_000_000_000

export function user(name: string, groups: readonly string[], ...roles: Role[]): User {
  return { name, groups, roles: roles.length > 0 ? roles : ['engineer'], keys: [] }
}

export const alice = user('alice', ['oncall'])
export const bob = user('bob', ['leads'], 'approver')
export const rita = user('rita', ['security'], 'reviewer')

export const web: SshTarget = {
  kind: 'ssh',
  name: 'web-1',
  labels: { env: 'prod' },
  accounts: ['deploy', 'root'],
  host: '192.0.2.1',
  port: 22,
  hostKeys: ['ssh-ed25519 AAAA'],
  credential: 'web-key',
}

export const orders: PostgresTarget = {
  kind: 'postgres',
  name: 'orders',
  labels: { env: 'prod', team: 'shop' },
  accounts: ['app_readonly', 'app_readwrite'],
  host: '192.0.2.2',
  port: 5432,
  databases: ['shop'],
  ca: '',
  serverName: 'orders',
  credentials: {},
}

/** A policy that lets oncall onto `orders`: read at once, write with one lead's approval. */
export function policy(change: Partial<Policy> = {}): Policy {
  const whole: Policy = {
    name: 'db',
    hash: '',
    who: { groups: ['oncall'], users: [] },
    targets: { names: [], labels: { env: 'prod', kind: 'postgres' } },
    accounts: ['app_readonly', 'app_readwrite'],
    scope: { databases: [], schemas: [], commands: [], files: true },
    triggers: [{ name: 'customer-impact' }],
    reason: { minLength: 10, incident: null },
    from: [],
    windows: [],
    onCall: null,
    duration: { defaultMs: 30 * MINUTE, maxMs: 120 * MINUTE, extensions: { count: 0, self: false } },
    mfa: { methods: ['totp'], rememberMs: 10 * MINUTE },
    approval: [
      { when: { account: 'app_readonly' }, required: 0, from: { groups: [], roles: [] }, override: null },
      {
        when: {},
        required: 1,
        from: { groups: ['leads'], roles: [] },
        override: { afterMs: 10 * MINUTE, reasonMinLength: 40 },
      },
    ],
    alerts: { channels: ['sec'], gate: null },
    review: { withinMs: 8 * 60 * MINUTE, by: { groups: ['security'], roles: [] }, checklist: [], escalate: null },
    recording: { resultRows: 0, files: 'hash' },
    channelBinding: 'prefer',
    overlaps: [],
    ...change,
  }
  return { ...whole, hash: policyHash(whole) }
}

export function grant(change: Partial<Grant> = {}): Grant {
  return {
    id: 'g7f3',
    state: 'requested',
    version: 1,
    user: 'alice',
    policy: 'db',
    policyHash: policy().hash,
    target: 'orders',
    account: 'app_readwrite',
    databases: [],
    trigger: 'customer-impact',
    reason: 'payments are stuck',
    incident: null,
    rule: 'db/approval[1]',
    durationMs: 30 * MINUTE,
    requestedAt: NOW,
    requestedFrom: '192.0.2.99',
    activatedAt: null,
    expiresAt: null,
    endedAt: null,
    end: null,
    approvals: [],
    override: null,
    reviewDueAt: null,
    review: null,
    ...grantDefaults,
    ...change,
  }
}
