import { expect, test } from 'vitest'
import { missingSecrets, Secrets } from '../../src/config/secrets.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { example, exampleFile, problemsOf, spoiled } from './example.ts'

const config = parseConfig(example, exampleFile)

test('every kind of channel is in the example, with its defaults filled in', () => {
  expect(config.channels).toMatchObject([
    { kind: 'webhook', name: 'security-desk', outside: true, ca: null },
    { kind: 'slack', url: { secret: 'sec-slack-url' } },
    { kind: 'pagerduty', url: null },
    { kind: 'email', port: 587, security: 'starttls', login: { user: 'halligan', secret: 'smtp-password' } },
    { kind: 'syslog', transport: 'tls', port: 6514, ca: null },
  ])
  const usual = spoiled(
    '    port: 587 # default: 587, or 465 with `security: tls`\n    security: starttls',
    '    security: tls',
  )
  expect(parseConfig(usual, exampleFile).channels[3]).toMatchObject({ port: 465 })
})

test('a channel needs the secrets it names, and says so', () => {
  const none = new Secrets(new Map(), Buffer.alloc(32))
  expect(missingSecrets(config, none).filter(({ neededBy }) => neededBy.startsWith('channel'))).toEqual([
    { name: 'security-desk-webhook', neededBy: 'channel security-desk' },
    { name: 'sec-slack-url', neededBy: 'channel sec-slack' },
    { name: 'duty-integration-key', neededBy: 'channel duty' },
    { name: 'smtp-password', neededBy: 'channel leads-mail' },
  ])
})

const mistakes: readonly { name: string; piece: string; by: string; at: string }[] = [
  { name: 'a kind there is none of', piece: 'kind: slack', by: 'kind: pigeon', at: 'pigeon' },
  {
    name: 'a Slack URL in the file',
    piece: 'url: { secret: sec-slack-url }',
    by: 'url: https://hooks.slack.com/services/T0/B0/x',
    at: 'https://hooks.slack.com/services/T0/B0/x',
  },
  {
    name: 'a webhook at the metadata service',
    piece: 'url: https://alerts.example.com/halligan',
    by: 'url: https://169.254.169.254/latest',
    at: 'https://169.254.169.254/latest',
  },
  {
    name: 'a webhook in the clear',
    piece: 'url: https://alerts.example.com/halligan',
    by: 'url: http://alerts.example.com/halligan',
    at: 'http://alerts.example.com/halligan',
  },
  { name: 'mail in the clear to another machine', piece: 'security: starttls', by: 'security: none', at: 'none' },
  {
    name: 'a recipient with a line end',
    piece: 'to: [leads@example.com, security@example.com]',
    by: 'to: ["leads@example.com\\r\\nBcc: eve@evil.example"]',
    at: '"leads@example.com\\r\\nBcc: eve@evil.example"',
  },
  {
    name: 'a recipient with a name',
    piece: 'from: halligan@example.com',
    by: 'from: Halligan <halligan@example.com>',
    at: 'Halligan <halligan@example.com>',
  },
  {
    name: 'the same recipient twice',
    piece: 'to: [leads@example.com, security@example.com]',
    by: 'to: [leads@example.com, leads@example.com]',
    at: '[leads@example.com, leads@example.com]',
  },
  {
    name: 'an outside channel over plain TCP',
    piece: '    transport: tls # `tcp` cannot be `outside`\n    outside: false',
    by: '    transport: tcp\n    outside: true',
    at: 'true',
  },
  { name: 'another transport', piece: 'transport: tls #', by: 'transport: udp #', at: 'udp' },
  {
    name: 'a CA that is none',
    piece: '    port: 6514',
    by: '    ca: nothing\n    port: 6514',
    at: 'nothing',
  },
  {
    name: 'a CA file that is not there',
    piece: '    port: 6514',
    by: '    caFile: nowhere.pem\n    port: 6514',
    at: 'nowhere.pem',
  },
  {
    name: 'a password in the file',
    piece: 'login: { user: halligan, secret: smtp-password }',
    by: 'login: { user: halligan, password: hunter2 }',
    at: 'password',
  },
]
for (const { name, piece, by, at } of mistakes)
  test(`${name} is found where it stands`, () => {
    const problems = problemsOf(spoiled(piece, by))
    expect(problems.map((problem) => problem.at)).toContain(at)
    expect(JSON.stringify(problems.map(({ message }) => message))).not.toContain('hunter2')
  })
