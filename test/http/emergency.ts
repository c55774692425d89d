// Policies and targets for tests of requests over the page: reading is at once, writing asks a lead.

import type { Policy } from '../../src/access/policy.ts'
import type { Target } from '../../src/target.ts'

export const orders: Target = {
  kind: 'postgres',
  name: 'orders',
  labels: {},
  accounts: ['app_readonly', 'app_readwrite'],
  host: '127.0.0.1',
  port: 5432,
  databases: ['shop'],
  ca: '',
  serverName: 'localhost',
  credentials: {},
}

export const writing: Policy = {
  name: 'database-emergency',
  hash: 'd'.repeat(64),
  who: { groups: ['oncall'], users: [] },
  targets: { names: ['orders'], labels: {} },
  accounts: ['app_readonly', 'app_readwrite'],
  scope: { databases: ['shop'], schemas: [], commands: [], files: true },
  triggers: [{ name: 'customer-impact' }, { name: 'security-incident' }],
  reason: { minLength: 10, incident: null },
  from: [],
  windows: [],
  onCall: null,
  duration: { defaultMs: 30 * 60_000, maxMs: 2 * 3_600_000, extensions: { count: 0, self: false } },
  mfa: { methods: ['totp', 'recovery'], rememberMs: 10 * 60_000 },
  approval: [
    {
      when: { account: 'app_readwrite' },
      required: 1,
      from: { groups: ['leads'], roles: [] },
      override: { afterMs: 120_000, reasonMinLength: 40 },
    },
    { when: {}, required: 0, from: { groups: [], roles: [] }, override: null },
  ],
  alerts: { channels: ['sec'], gate: null },
  review: { withinMs: 8 * 3_600_000, by: { groups: ['security'], roles: [] }, checklist: [], escalate: null },
  recording: { resultRows: 0, files: 'hash' },
  channelBinding: 'prefer',
  overlaps: [],
}
