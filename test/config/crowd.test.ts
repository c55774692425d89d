// Configurations as large as they may be, and larger: checked or refused soon, never half read.

import { stringify } from 'yaml'
import { expect, test } from 'vitest'
import { checkConfig } from '../../src/config/parse.ts'
import { newEd25519Key } from '../../src/sshwire/new-key.ts'
import { exampleFile } from './example.ts'

/** Generous: a machine that does other things as well. */
const SOON_MS = 20_000

const { publicKey } = newEd25519Key()

function config(change: Record<string, unknown>): string {
  return stringify({
    hostname: 'localhost',
    state: '/var/lib/halligan',
    secrets: { directory: '/etc/halligan/secrets', key: { file: '/etc/halligan/key' } },
    users: [
      { name: 'alice', groups: ['oncall'], keys: [publicKey] },
      { name: 'rita', groups: ['security'], roles: ['reviewer'], keys: [newEd25519Key().publicKey] },
      { name: 'bob', roles: ['approver'], keys: [newEd25519Key().publicKey] },
    ],
    targets: [target('web-1')],
    channels: [{ name: 'desk', kind: 'webhook', url: 'https://alerts.example.com/', secret: 'desk' }],
    policies: [policy('emergency', ['web-1'])],
    ...change,
  })
}

function target(name: string): object {
  return { name, kind: 'ssh', accounts: ['deploy'], host: '192.0.2.1', hostKeys: [publicKey], credential: 'key' }
}

function policy(name: string, names: readonly string[], more: object = {}): object {
  return {
    name,
    who: { groups: ['oncall'] },
    targets: { names },
    accounts: ['deploy'],
    triggers: ['customer-impact'],
    duration: { default: '30m', max: '2h' },
    approval: [{ required: 0 }],
    alerts: { channels: ['desk'] },
    review: { within: '8h', by: { groups: ['security'] } },
    ...more,
  }
}

const many = (count: number) => Array.from({ length: count }, (_, index) => index)

function problemsIn(text: string): string[] {
  const startedAt = performance.now()
  const problems = checkConfig(text, exampleFile)
  expect(performance.now() - startedAt).toBeLessThan(SOON_MS)
  return problems.map(({ message }) => message)
}

test('the small one that these grow from is sound', () => {
  expect(problemsIn(config({}))).toEqual([])
})

test('thousands of approval rules are checked soon', () => {
  const rules = many(200).map((index) => ({ when: { trigger: `t${index}` }, required: index % 2 }))
  const triggers = many(200).map((index) => `t${index}`)
  const policies = many(30).map((index) => policy(`p${index}`, [`web-${index}`], { triggers, approval: rules }))
  expect(problemsIn(config({ targets: many(30).map((index) => target(`web-${index}`)), policies }))).toEqual([])
}, 60_000)

test('two hundred policies that all meet on one target are checked soon, and each is told', () => {
  const policies = many(200).map((index) =>
    policy(`p${index}`, ['web-1'], { duration: { default: '1m', max: `${index + 1}m` } }),
  )
  const problems = problemsIn(config({ policies }))
  expect(problems.length).toBeGreaterThan(100)
}, 60_000)

test('more policies than may be are refused at the list', () => {
  const [problem, ...others] = problemsIn(
    config({ policies: many(2000).map((index) => policy(`p${index}`, ['web-1'])) }),
  )
  expect(problem).toMatch(/at most/)
  expect(others).toEqual([])
}, 60_000)

test('a file of a hundred megabytes is refused before it is parsed', () => {
  expect(problemsIn('# '.repeat(50 * 1024 * 1024))).toHaveLength(1)
})
