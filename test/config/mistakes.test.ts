// Each mistake is found at its place. `at` is the piece of the file that is underlined.

import { expect, test } from 'vitest'
import { checkConfig, parseConfig } from '../../src/config/parse.ts'
import { MAX_PROBLEMS, describeProblems } from '../../src/config/problem.ts'
import { example, exampleFile, problemsOf, spoiled } from './example.ts'

const aliceKey = 'AAAAC3NzaC1lZDI1NTE5AAAAIF1QUNtQMT/Oof37PF6GIiduHJCBBI3vPU7YQG8AdtVd'
const bobKey = 'AAAAC3NzaC1lZDI1NTE5AAAAIGM/a5llBBYaJC0hIHG5T/EvP64fABfk9whjNXpyD93n'

const mistakes: readonly { name: string; piece: string; by: string; at: string | readonly string[] }[] = [
  { name: 'an unknown field', piece: 'channelBinding: prefer', by: 'chanelBinding: prefer', at: 'chanelBinding' },
  { name: 'a field that every object has', piece: 'channelBinding: prefer', by: 'constructor: x', at: 'constructor' },
  {
    name: 'a field that no object lets itself be given',
    piece: 'channelBinding: prefer',
    by: '__proto__: x',
    at: '__proto__',
  },
  { name: 'a wrong type', piece: 'minLength: 40 }\n    duration', by: 'minLength: many }\n    duration', at: 'many' },
  { name: 'a fraction', piece: 'minLength: 40 }\n    duration', by: 'minLength: 1.5 }\n    duration', at: '1.5' },
  { name: 'nothing where a list should be', piece: 'roles: [reviewer]\n', by: 'roles: ~\n', at: '~' },
  {
    name: 'a number beyond all use',
    piece: 'minLength: 40 }\n    duration',
    by: 'minLength: .inf }\n    duration',
    at: '.inf',
  },
  { name: 'a duration in words', piece: 'max: 2h', by: 'max: 2 hours', at: '2 hours' },
  { name: 'a duration without a unit', piece: 'max: 2h', by: 'max: 120', at: '120' },
  { name: 'a duration of nothing', piece: 'max: 2h', by: 'max: 0m', at: '0m' },
  { name: 'a duration of years', piece: 'max: 2h', by: 'max: 999d', at: '999d' },
  { name: 'a remembered code without a unit', piece: 'remember: 10m', by: 'remember: 10', at: '10' },
  {
    name: 'a default beyond the maximum',
    piece: '{ default: 30m, max: 4h }',
    by: '{ default: 5h, max: 4h }',
    at: '{ default: 5h, max: 4h }',
  },
  { name: 'a size below the least', piece: 'segment: 64MiB', by: 'segment: 32KiB', at: '32KiB' },
  { name: 'a size in another unit', piece: 'segment: 64MiB', by: 'segment: 64MB', at: '64MB' },
  { name: 'a recording that ends before it begins', piece: 'maxBytes: 4GiB', by: 'maxBytes: 1KiB', at: '1KiB' },
  { name: 'a share without its sign', piece: 'bulkBelow: 20%', by: 'bulkBelow: 20', at: '20' },
  { name: 'a share of more than all', piece: 'sessionsBelow: 5%', by: 'sessionsBelow: 500%', at: '500%' },
  { name: 'an end before the doors close', piece: 'endBelow: 1%', by: 'endBelow: 9%', at: '9%' },
  { name: 'a port that is none', piece: 'port: 2222', by: 'port: 70000', at: '70000' },
  {
    name: 'two listeners in one place',
    piece: '{ host: 0.0.0.0, port: 6432 }',
    by: '{ host: 0.0.0.0, port: 2222 }',
    at: '{ host: 0.0.0.0, port: 2222 }',
  },
  { name: 'a host with a port', piece: 'host: web-1.internal.example.com', by: 'host: web-1/22', at: 'web-1/22' },
  {
    name: 'the page off loopback without TLS',
    piece: 'host: 127.0.0.1\n    port: 8080\n    url: https://halligan.example.com',
    by: 'host: 0.0.0.0\n    port: 8080\n    url: http://halligan.example.com',
    at: 'http://halligan.example.com',
  },
  { name: 'a network with bits set right of its prefix', piece: '10.0.0.0/8', by: '10.1.0.0/8', at: '10.1.0.0/8' },
  { name: 'a network that is none', piece: '10.0.0.0/8', by: 'office', at: 'office' },
  { name: 'a user name with a plus', piece: 'name: alice', by: 'name: al+ice', at: 'al+ice' },
  {
    name: 'a target name with a space',
    piece: 'name: rescue-console',
    by: 'name: rescue console',
    at: 'rescue console',
  },
  { name: 'a user called like a target', piece: 'name: adam', by: 'name: orders', at: 'orders' },
  { name: 'a user called like a target, in capitals', piece: 'name: adam', by: 'name: Orders', at: 'orders' },
  { name: 'a user called like a command', piece: 'name: adam', by: 'name: who', at: 'who' },
  {
    name: 'a target called like a command',
    piece: 'name: rescue-console\n',
    by: 'name: web\n',
    at: ['web', 'rescue-console', 'operator'],
  },
  { name: 'two users of one name', piece: 'name: adam', by: 'name: alice', at: 'alice' },
  {
    name: 'two targets of one name',
    piece: 'name: rescue-console\n',
    by: 'name: orders\n',
    at: ['orders', 'rescue-console', 'operator'],
  },
  {
    name: 'two policies of one name',
    piece: 'name: production-root',
    by: 'name: production-host-emergency',
    at: 'production-host-emergency',
  },
  { name: 'a key that is none', piece: `ssh-ed25519 ${bobKey} bob@laptop`, by: 'my-key', at: 'my-key' },
  {
    name: 'a key cut short',
    piece: bobKey,
    by: bobKey.slice(0, -8),
    at: `ssh-ed25519 ${bobKey.slice(0, -8)} bob@laptop`,
  },
  {
    name: 'options before a key',
    piece: `- ssh-ed25519 ${bobKey}`,
    by: `- from="10.0.0.1" ssh-ed25519 ${bobKey}`,
    at: `from="10.0.0.1" ssh-ed25519 ${bobKey} bob@laptop`,
  },
  { name: 'one key under two users', piece: bobKey, by: aliceKey, at: `ssh-ed25519 ${aliceKey} bob@laptop` },
  {
    name: 'no host key pinned',
    piece: 'hostKeys:\n      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO5WDFlGXYKSGh9JyizF7NT4vWkbl78kwb/LLaxF+8oK web-1',
    by: 'hostKeys: []',
    at: '[]',
  },
  {
    name: 'a label called kind',
    piece: 'labels: { env: prod, team: backend }\n    accounts: [deploy, root]',
    by: 'labels: { env: prod, kind: ssh }\n    accounts: [deploy, root]',
    at: '{ env: prod, kind: ssh }',
  },
  {
    name: 'an account without a credential',
    piece: 'credentials: { app_readonly: orders-readonly, app_readwrite: orders-readwrite }',
    by: 'credentials: { app_readonly: orders-readonly }',
    at: '{ app_readonly: orders-readonly }',
  },
  {
    name: 'a credential without an account',
    piece: 'credentials: { app_readonly: orders-readonly,',
    by: 'credentials: { postgres: x, app_readonly: orders-readonly,',
    at: 'x',
  },
  { name: 'a command as root', piece: 'uid: 65534', by: 'uid: 0', at: '0' },
  { name: 'a kind there is not', piece: 'kind: command', by: 'kind: docker', at: 'docker' },
  { name: 'a policy for a user unknown', piece: 'users: [alice] }\n', by: 'users: [alice, alicia] }\n', at: 'alicia' },
  {
    name: 'a policy for a group unknown',
    piece: 'who: { groups: [oncall-backend] } #',
    by: 'who: { groups: [oncall] } #',
    at: 'oncall',
  },
  { name: 'a policy for nobody', piece: 'who: { groups: [oncall-backend] } #', by: 'who: {} #', at: '{}' },
  {
    name: 'a policy for a target unknown',
    piece: 'names: [rescue-console]',
    by: 'names: [rescue]',
    at: ['rescue', 'operator'],
  },
  {
    name: 'a policy for labels that nothing carries',
    piece: '{ env: prod, kind: postgres }',
    by: '{ env: production, kind: postgres }',
    at: ['{ labels: { env: production, kind: postgres } }', 'shop'],
  },
  {
    name: 'a policy with an account unknown',
    piece: 'accounts: [deploy, operator]',
    by: 'accounts: [deploy, operators]',
    at: 'operators',
  },
  { name: 'a policy with a database unknown', piece: 'databases: [shop] }', by: 'databases: [shopp] }', at: 'shopp' },
  {
    name: 'a policy with a channel unknown',
    piece: 'alerts: { channels: [security-desk] }',
    by: 'alerts: { channels: [desk] }',
    at: 'desk',
  },
  {
    name: 'a policy that tells nobody',
    piece: 'alerts: { channels: [security-desk] }',
    by: 'alerts: { channels: [] }',
    at: '[]',
  },
  {
    name: 'approval from a group unknown',
    piece: 'groups: [leads] } #',
    by: 'groups: [lead] } #',
    at: ['required: 1', 'lead'],
  },
  {
    name: 'review by a group unknown',
    piece: 'by: { groups: [security] } #',
    by: 'by: { groups: [sec] } #',
    at: ['{ groups: [sec] }', 'sec'],
  },
  {
    name: 'a rule for an account not in the policy',
    piece: 'when: { account: app_readonly }',
    by: 'when: { account: root }',
    at: 'root',
  },
  { name: 'an overlap with a policy unknown', piece: 'overlaps: []', by: 'overlaps: [nothing]', at: 'nothing' },
  {
    name: 'an override of nothing',
    piece: 'approval: [{ required: 0 }]',
    by: 'approval: [{ required: 0, override: { after: 1m } }]',
    at: '{ after: 1m }',
  },
  {
    name: 'an account that no rule covers',
    piece: 'approval: [{ required: 0 }]',
    by: 'approval: [{ when: { account: deploy }, required: 0 }]',
    at: '[{ when: { account: deploy }, required: 0 }]',
  },
  {
    name: 'a looser policy beside a strict one',
    piece: 'accounts: [deploy, operator]',
    by: 'accounts: [deploy, root, operator]',
    at: 'production-host-emergency',
  },
  { name: 'a pattern that is none', piece: "pattern: '^INC-\\d+$'", by: "pattern: '(INC'", at: "'(INC'" },
  {
    name: 'a pattern that can take for ever',
    piece: "pattern: '^INC-\\d+$'",
    by: "pattern: '^(a+)+$'",
    at: "'^(a+)+$'",
  },
  { name: 'a pattern that anything matches', piece: "pattern: '^INC-\\d+$'", by: "pattern: 'x*'", at: "'x*'" },
  {
    name: 'a webhook without TLS',
    piece: 'url: https://alerts',
    by: 'url: http://alerts',
    at: 'http://alerts.example.com/halligan',
  },
  {
    name: 'a webhook with a password in it',
    piece: 'url: https://alerts',
    by: 'url: https://u:p@alerts',
    at: 'https://u:p@alerts.example.com/halligan',
  },
  {
    name: 'two places for the key',
    piece: '{ credential: halligan-key }',
    by: '{ credential: halligan-key, file: key }',
    at: '{ credential: halligan-key, file: key }',
  },
  { name: 'not yet: FIDO2', piece: 'methods: [totp, recovery]', by: 'methods: [totp, fido2]', at: 'fido2' },
  {
    name: 'not yet: schemas',
    piece: 'databases: [shop] }',
    by: 'databases: [shop], schemas: [public] }',
    at: '[public]',
  },
  { name: 'not yet: tables', piece: 'databases: [shop] }', by: 'databases: [shop], tables: [x] }', at: '[x]' },
  {
    name: 'not yet: confidential recording',
    piece: 'recording: { files: full }',
    by: 'recording: { files: full, confidential: true }',
    at: 'true',
  },
]
for (const { name, piece, by, at } of mistakes) {
  test(`${name} is found where it stands`, () => {
    const problems = problemsOf(spoiled(piece, by))
    expect(problems.map((problem) => problem.at).sort()).toEqual([at].flat().sort())
  })
}

test('what is missing is named, at what lacks it', () => {
  expect(problemsOf(spoiled('hostname: bastion.example.com', ''))).toMatchObject([
    { message: expect.stringContaining('hostname') },
  ])
  expect(problemsOf(spoiled('    review: { within: 4h, by: { groups: [security] } }\n', ''))).toMatchObject([
    { at: 'name: production-root', message: expect.stringContaining('policies[2].review') },
  ])
})

test('all mistakes are told at once, in the order of the file, each with its place', () => {
  const text = example
    .replace('port: 2222', 'port: no')
    .replace('kind: webhook', 'kind: pigeon')
    .replace('max: 2h', 'max: soon')
    .replace('files: full', 'file: full')
  const problems = checkConfig(text, exampleFile)
  const lines = problems.map(({ line }) => line)
  expect(problems).toHaveLength(4)
  expect(lines).toEqual([...lines].sort((left, right) => left - right))
})

test('the error is file:line:column, the lines around it, and a hint', () => {
  const text = spoiled('hostname: ', 'hostnam: ')
  const line = text.split('\n').findIndex((line) => line.startsWith('hostnam:')) + 1
  expect(() => parseConfig(text, 'halligan.yaml')).toThrow(
    expect.objectContaining({
      code: 'config_invalid',
      message: expect.stringMatching(
        new RegExp(`^halligan\\.yaml:${line}:1: .*\\n.*\\n  ${line} \\| hostnam: .*\\n +\\| \\^{7}`, 'm'),
      ),
    }),
  )
})

test('a thousand mistakes are fifty and a count', () => {
  const users = Array.from({ length: 1000 }, (_, index) => `  - { name: "u ${index}" }`).join('\n')
  const text = example.replace(/users:\n[^]*?(?=\n# ---)/, () => `users:\n${users}\n`)
  const shown = describeProblems(checkConfig(text, exampleFile), exampleFile, text)
  expect(shown.match(/^.*yaml:\d+:\d+: /gm)).toHaveLength(MAX_PROBLEMS)
  expect(shown).toMatch(/and \d+ more$/)
})

test('a secret put here by mistake is not repeated into the error', () => {
  const text = `${example}\npassword: hunter2\nx: |\n  -----BEGIN OPENSSH PRIVATE KEY-----\n  abc\n`
  expect(describeProblems(checkConfig(text, exampleFile), exampleFile, text)).not.toMatch(/hunter2|OPENSSH/)
})

test('escape sequences in the file do not reach the terminal', () => {
  const text = `${example}\n"x\\u001b[2J\u202e": 1\n`
  const shown = describeProblems(checkConfig(text, exampleFile), exampleFile, text)
  expect(shown).not.toBe('')
  expect(shown.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u)
})
