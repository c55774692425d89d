import { expect, test } from 'vitest'
import { diffConfig } from '../../src/config/diff.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { missingSecrets, Secrets } from '../../src/config/secrets.ts'
import { example, exampleFile, problemsOf, spoiled } from './example.ts'

const config = parseConfig(example, exampleFile)
const url = 'url: https://alerts.example.com/checkpoints'

test('anchors have their intervals in ms, and none is fine', () => {
  expect(config.anchors).toEqual([
    {
      kind: 'webhook',
      name: 'security-ledger',
      outside: true,
      url: 'https://alerts.example.com/checkpoints',
      secret: 'security-desk-webhook',
      everyMs: 5_000,
      readBack: true,
      ca: null,
    },
    { kind: 'email', name: 'leads-archive', channel: 'leads-mail', everyMs: 3_600_000 },
  ])
  const usual = spoiled('    every: 5s # the default\n', '').replace('    every: 1h # the default;', '    #')
  expect(parseConfig(usual, exampleFile).anchors).toMatchObject([{ everyMs: 5_000 }, { everyMs: 3_600_000 }])
})

test('an anchor needs the secrets it names', () => {
  const own = parseConfig(spoiled(url, 'url: { secret: keeper-url }'), exampleFile)
  const none = new Secrets(new Map(), Buffer.alloc(32))
  expect(missingSecrets(own, none).filter(({ neededBy }) => neededBy.startsWith('anchor'))).toEqual([
    { name: 'keeper-url', neededBy: 'anchor security-ledger' },
  ])
})

test('what changes of an anchor is told, and never where it is', () => {
  const moved = parseConfig(spoiled(url, 'url: https://other.example.com/secret-path'), exampleFile)
  expect(diffConfig(config, moved)).toEqual(['anchor security-ledger: url: changed'])
  const slower = parseConfig(spoiled('every: 5s', 'every: 1m'), exampleFile)
  expect(diffConfig(config, slower)).toEqual(['anchor security-ledger: everyMs: 5s -> 1m'])
})

for (const { name, piece, by, at } of [
  {
    name: 'a kind there is none of',
    piece: 'name: security-ledger\n    kind: webhook',
    by: 'name: x\n    kind: s3',
    at: 's3',
  },
  { name: 'a URL in the clear', piece: url, by: 'url: http://alerts.example.com/x', at: 'http://alerts.example.com/x' },
  { name: 'an interval that never sleeps', piece: 'every: 5s', by: 'every: 10ms', at: '10ms' },
  { name: 'an interval of weeks', piece: 'every: 1h', by: 'every: 14d', at: '14d' },
  { name: 'a channel there is none of', piece: 'channel: leads-mail', by: 'channel: nobody', at: 'nobody' },
  { name: 'a channel that is no mail', piece: 'channel: leads-mail', by: 'channel: sec-slack', at: 'sec-slack' },
  { name: 'a name twice', piece: 'name: leads-archive', by: 'name: security-ledger', at: 'security-ledger' },
])
  test(`${name} is refused where it stands`, () => {
    const problems = problemsOf(spoiled(piece, by))
    expect(problems).toHaveLength(1)
    expect(problems[0]?.at).toBe(at)
  })
