import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { policyHash } from '../../src/access/policy-hash.ts'
import { configJsonSchema, fieldNames } from '../../src/config/json-schema.ts'
import { checkConfig, loadConfig, parseConfig } from '../../src/config/parse.ts'
import { example, exampleFile } from './example.ts'

const committedSchema = resolve(import.meta.dirname, '../../config/halligan.schema.json')
const config = parseConfig(example, exampleFile)

test('the example has no problems, read as text or from its file', () => {
  expect(checkConfig(example, exampleFile)).toEqual([])
  expect(loadConfig(exampleFile)).toEqual(config)
})

test('the example points editors at the schema beside it', () => {
  expect(example.split('\n')[0]).toBe('# yaml-language-server: $schema=./halligan.schema.json')
})

// To renew it: vitest run --update test/config/example.test.ts
test('the committed JSON Schema is what the schema gives today', async () => {
  await expect(configJsonSchema()).toMatchFileSnapshot(committedSchema)
})

test('every field there is, but for those not supported yet, is shown in the example', () => {
  const later = ['schemas', 'tables', 'results', 'rows', 'confidential']
  const shown = (field: string) => new RegExp(`\\b${field}:`).test(example) || example.includes(`\`${field}`)
  expect(fieldNames().filter((field) => !shown(field) && !later.includes(field))).toEqual([])
})

test('units become ms and bytes, names become what they name, defaults are filled in', () => {
  const [database, host, root, restart] = config.policies
  expect(database).toMatchObject({
    duration: { defaultMs: 1_800_000, maxMs: 7_200_000, extensions: { count: 1, self: true } },
    mfa: { methods: ['totp', 'recovery'], rememberMs: 600_000 },
    reason: { minLength: 15, incident: { pattern: '^INC-\\d+$', required: true } },
    review: {
      withinMs: 28_800_000,
      by: { groups: ['security'], roles: [] },
      checklist: ['Was the trigger real?', 'Did the session stay within what the reason says?'],
      escalate: { afterMs: 57_600_000, channels: ['security-desk'] },
    },
    alerts: {
      gate: { accepted: 1, withinMs: 15_000, otherwise: 'hold', holdMaxMs: 120_000, afterHold: 'allow' },
    },
    triggers: [
      { name: 'security-incident' },
      { name: 'customer-impact', require: { check: 'open-incident', onError: 'allow' } },
    ],
    onCall: null,
    windows: [],
    recording: { resultRows: 0, files: 'hash' },
    scope: { databases: ['shop'], schemas: [], commands: [], files: true },
  })
  expect(database?.approval).toEqual([
    { when: { account: 'app_readonly' }, required: 0, from: { groups: [], roles: ['approver'] }, override: null },
    {
      when: {},
      required: 1,
      from: { groups: ['leads'], roles: [] },
      override: { afterMs: 600_000, reasonMinLength: 40 },
    },
  ])
  expect(host).toMatchObject({ reason: { incident: null }, from: [], channelBinding: 'prefer', overlaps: [] })
  expect(root).toMatchObject({
    mfa: { rememberMs: 0 },
    recording: { resultRows: 0, files: 'full' },
    windows: [{ days: [1, 2, 3, 4, 5], fromMinute: 420, toMinute: 1320, zone: 'Europe/Berlin' }],
    onCall: { check: 'on-call-now', onError: 'deny' },
  })
  expect(restart?.scope).toMatchObject({
    commands: ['sudo systemctl restart web', 'sudo systemctl status web'],
    files: false,
  })
  expect(config.targets.filter(({ canary }) => canary === true).map(({ name }) => name)).toEqual(['canary-1'])
  expect(config.drills).toEqual([{ name: 'monthly', everyMs: 30 * 86_400_000, stories: [] }])
  expect(config.checks).toEqual([
    {
      kind: 'http-json',
      name: 'open-incident',
      url: 'https://status.example.com/api/incidents/{incident}',
      headers: { Authorization: 'status-api' },
      path: ['incident', 'status'],
      expect: { kind: 'equals', value: 'open' },
      timeoutMs: 5000,
    },
    {
      kind: 'pagerduty',
      name: 'on-call-now',
      secret: 'pagerduty-api',
      url: 'https://api.pagerduty.com',
      asks: { kind: 'schedule', id: 'PABC123' },
      email: '{user}@example.com',
      timeoutMs: 5000,
    },
  ])
  expect(config.journal.segmentBytes).toBe(64 * 1024 * 1024)
  expect(config.recording).toEqual({ maxBytes: 4 * 1024 ** 3, bulkBelow: 0.2, sessionsBelow: 0.05, endBelow: 0.01 })
  expect(config.listen.web).toEqual({
    host: '127.0.0.1',
    port: 8080,
    url: 'https://halligan.example.com',
    trustedProxies: ['127.0.0.1'],
  })
  expect(config.secrets).toEqual({
    directory: '/etc/halligan/secrets',
    key: { kind: 'credential', name: 'halligan-key' },
  })
})

test('people have the fingerprints of their keys, targets their pins', () => {
  expect(config.users[0]).toMatchObject({ name: 'alice', roles: ['engineer'] })
  expect(config.users[0]?.keys[0]).toMatchObject({ type: 'ssh-ed25519', comment: 'alice@laptop' })
  expect(config.users[0]?.keys[0]?.fingerprint).toBe('SHA256:xWI3l6WFSRknZfOkRCDavHwvdIwTKWLhZlTbD8Gl2zk')
  const [web, orders, rescue] = config.targets
  expect(web).toMatchObject({ kind: 'ssh', hostKeys: [expect.stringMatching(/^ssh-ed25519 [A-Za-z0-9+/=]+$/)] })
  expect(orders).toMatchObject({ kind: 'postgres', ca: expect.stringContaining('BEGIN CERTIFICATE') })
  expect(rescue).toMatchObject({ kind: 'command', runAs: { uid: 65534, gid: 65534 } })
})

test('the whole of it is frozen, and each policy carries the hash of its text', () => {
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    expect(Object.isFrozen(value)).toBe(true)
    Object.values(value).forEach(visit)
  }
  visit(config)
  for (const policy of config.policies) {
    expect(policy.hash).toMatch(/^[0-9a-f]{64}$/)
    expect(policyHash(policy)).toBe(policy.hash)
    expect(policyHash({ ...policy, reason: { ...policy.reason, minLength: 16 } })).not.toBe(policy.hash)
  }
})

test('the hash of a policy does not depend on how its file is laid out', () => {
  const other = parseConfig(
    example.replace('{ default: 30m, max: 2h, ex', '{ max: 120m, default: 30m, ex'),
    exampleFile,
  )
  expect(other.policies.map(({ hash }) => hash)).toEqual(config.policies.map(({ hash }) => hash))
  expect(other.sha256).not.toBe(config.sha256)
})

test('relative paths start at the directory of the file', () => {
  const text = example
    .replace('state: /var/lib/halligan', 'state: ./state')
    .replace('recordings: /var/lib/halligan/recordings', 'recordings: ../recordings')
  expect(parseConfig(text, '/etc/halligan/halligan.yaml')).toMatchObject({
    file: '/etc/halligan/halligan.yaml',
    stateDirectory: '/etc/halligan/state',
    recordingsDirectory: '/etc/recordings',
  })
})

test('the CA may be in a file of its own', () => {
  const pem = /-----BEGIN[^]+END CERTIFICATE-----\n/.exec(example)?.[0] ?? ''
  const inline = `ca: |\n      ${pem}`
  expect(example).toContain(inline)
  const text = example.replace(inline, 'caFile: orders.pem\n')
  const read = (path: string) => (path === '/etc/halligan/orders.pem' ? pem.replaceAll(/^ +/gm, '') : '')
  expect(parseConfig(text, '/etc/halligan/halligan.yaml', read).targets[1]).toMatchObject({
    ca: expect.stringContaining('BEGIN CERTIFICATE'),
  })
  const other = checkConfig(text, '/etc/other/halligan.yaml', read)
  expect(other.map(({ message }) => message)).toEqual([expect.stringContaining('orders.pem')])
})
