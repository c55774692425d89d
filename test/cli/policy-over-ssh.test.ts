import { Command } from 'commander'
import { expect, test } from 'vitest'
import { addPolicyCommands } from '../../src/cli/policy-commands.ts'
import { buildDirectory } from '../../src/identity/directory.ts'
import type { User } from '../../src/identity/user.ts'
import { orders, policyOf, web1 } from '../procedure/world.ts'
import { FakeClock } from '../support/clock.ts'

const user = (name: string, groups: readonly string[], roles: User['roles']): User => ({
  name,
  groups,
  roles,
  keys: [],
})
const alice = user('alice', ['oncall'], ['engineer'])
const bob = user('bob', ['leads'], ['approver'])

/** What the command prints, spoken by that person. */
async function said(person: User, ...argv: string[]): Promise<string> {
  let printed = ''
  const root = new Command('halligan').exitOverride().configureOutput({ writeErr: (text) => (printed += text) })
  addPolicyCommands(root, {
    ports: {
      explanation: {
        clock: new FakeClock(),
        state: { grants: async () => [], events: async () => [] },
        directory: buildDirectory([alice, bob]),
        debts: { refresh: async () => {}, overdue: () => [] },
        policies: [policyOf()],
        targets: [web1, orders],
        configuration: { sha256: '', refused: null },
      },
    },
    caller: {
      identity: { user: person, fingerprint: 'web', address: '10.0.0.1' },
      target: undefined,
      account: undefined,
    },
    io: {
      stdout: (text) => (printed += text),
      stderr: (text) => (printed += text),
      ask: async () => undefined,
      isTerminal: false,
      columns: 80,
      signal: new AbortController().signal,
    },
    exit: 0,
  })
  await root.parseAsync(['policy', ...argv], { from: 'user' })
  return printed
}

test('policy lists what is about oneself, explain says why, simulate who could get what', async () => {
  expect(await said(alice)).toMatch(/^POLICY.*\nemergency/)
  expect(await said(bob)).toMatch(/^POLICY.*\nemergency/)
  expect(await said(alice, 'explain', 'orders')).toMatch(/\* emergency: no other policy covers it\n.*\n.*who +yes/)
  expect(await said(bob, 'explain', 'alice', 'orders', '--account', 'app_readwrite')).toContain('with 1 approval')
  expect(await said(alice, 'simulate')).toMatch(/alice +deploy@web-1 +at once +30m +emergency/)
  // Each of them takes `--json` itself.
  expect(JSON.parse(await said(bob, 'simulate', '--user', 'alice', '--json'))).toMatchObject({ isCut: false })
  expect(JSON.parse(await said(bob, 'explain', 'alice', 'orders', '--json'))).toMatchObject({ chosen: 'emergency' })
  expect(JSON.parse(await said(bob, '--json'))).toHaveLength(1)
})

test('about others only by role, and with nothing hostile echoed as it is', async () => {
  await expect(said(alice, 'explain', 'bob', 'orders')).rejects.toMatchObject({ code: 'denied' })
  await expect(said(alice, 'simulate', '--user', 'bob')).rejects.toMatchObject({ code: 'denied' })
  const hostile = await said(alice, 'explain', '\u001b[2Jx')
  expect(hostile).not.toContain('\u001b')
})

test('a mistake in typing ends the command and not the bastion', async () => {
  for (const argv of [['explain', '--bogus'], ['explain'], ['simulate', 'x'], ['nonsense']])
    await expect(said(alice, ...argv)).rejects.toMatchObject({ code: expect.stringMatching(/^commander\./) })
})
