import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { decodeLeaf } from '../../src/audit.ts'
import { addAlertCommands } from '../../src/cli/alert-commands.ts'
import { systemClock } from '../../src/clock.ts'
import type { Role } from '../../src/identity/user.ts'
import type { State } from '../../src/session/state.ts'
import { openState } from '../../src/store/state.ts'
import { FakeClock } from '../support/clock.ts'

const clock = new FakeClock()
let directory: string
let state: State
let nudges: number

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'halligan-alerts-'))
  nudges = 0
  state = await openState({
    file: join(directory, 'state.db'),
    clock: systemClock(),
    keyEncryptionKey: Buffer.alloc(32, 1),
    ballastBytes: 0,
  })
  const at = clock.now()
  const alerts = ['taken', 'waiting', 'dead', 'dead-too'].map((id) => ({
    id,
    channel: 'desk\u001b[2J',
    type: 'grant.activated',
    at,
    payload: {},
  }))
  await state.commit({ at, writes: [], leaves: [], alerts })
  await state.commit({
    at,
    writes: [
      { kind: 'alert-accepted', id: 'taken', at, receipt: 'HTTP 200 ok' },
      { kind: 'alert-failed', id: 'waiting', nextAt: at + 3600_000, error: 'desk refused' },
      { kind: 'alert-dead', id: 'dead', at, error: 'desk is gone' },
      { kind: 'alert-dead', id: 'dead-too', at, error: 'desk is gone' },
    ],
    leaves: [],
  })
})
afterEach(async () => {
  await state.close()
  rmSync(directory, { recursive: true, force: true })
})

/** Runs `alerts …` as somebody with `roles`, whose second factor counts or does not. */
async function run(roles: readonly Role[], argv: readonly string[], counts = true): Promise<string> {
  let out = ''
  const root = new Command().exitOverride().configureOutput({ writeErr: () => {} })
  addAlertCommands(root, {
    exit: 0,
    caller: {
      identity: { user: { name: 'adam', groups: [], roles, keys: [] }, fingerprint: 'SHA256:x', address: '::1' },
      target: undefined,
      account: undefined,
    },
    io: {
      stdout: (text) => (out += text),
      stderr: () => {},
      ask: async () => undefined,
      isTerminal: false,
      columns: 80,
      signal: new AbortController().signal,
    },
    ports: {
      alerts: { clock, state, nudge: () => (nudges += 1) },
      mfa: { counts: () => counts } as never,
    },
  })
  await root.parseAsync(['alerts', ...argv], { from: 'user' })
  return out
}

async function retriedLeaves(): Promise<unknown[]> {
  const { size } = await state.ledgerHead()
  return (await state.leaves(0, size)).map(decodeLeaf).filter(({ type }) => type === 'alert-retried')
}

test('what no channel has taken stands first, with why; no control character', async () => {
  const lines = (await run(['admin'], [])).split('\n')
  expect(lines.slice(1).map((line) => line.split(' ')[0])).toEqual(['dead-too', 'dead', 'waiting', 'taken', ''])
  expect(lines[1]).toMatch(/given up after 1 tries +desk is gone$/)
  expect(lines[3]).toMatch(/waiting, 1 tries +desk refused$/)
  expect(lines[4]).toMatch(/accepted +HTTP 200 ok$/)
  expect(lines.join('')).not.toMatch(/\p{Cc}/u)
})

test('--dead lists only those, --json as data', async () => {
  const dead = JSON.parse(await run(['reviewer'], ['--dead', '--json'])) as { id: string }[]
  expect(dead.map(({ id }) => id)).toEqual(['dead-too', 'dead'])
})

test('one is sent again, once, by its number, and it is a leaf', async () => {
  expect(await run(['admin'], ['retry', 'dead'])).toBe('dead is sent again\n')
  expect(nudges).toBe(1)
  expect(await retriedLeaves()).toMatchObject([{ alert: 'dead', by: 'adam' }])
  expect((await state.outboxDue(clock.now(), 10)).map(({ id }) => id)).toEqual(['dead'])
  await expect(run(['admin'], ['retry', 'dead'])).rejects.toMatchObject({ code: 'conflict', hint: expect.any(String) })
  for (const id of ['waiting', 'taken', 'nothing', '../etc'])
    await expect(run(['admin'], ['retry', id])).rejects.toMatchObject({ code: 'conflict' })
})

test('--all sends all again, and a second time nothing', async () => {
  expect(await run(['admin'], ['retry', '--all'])).toBe('2 sent again\n')
  expect(await retriedLeaves()).toHaveLength(2)
  expect(await run(['admin'], ['retry', '--all'])).toBe('nothing was given up\n')
})

for (const { name, roles, argv, counts, code } of [
  { name: 'an engineer sees nothing', roles: ['engineer'], argv: [], counts: true, code: 'denied' },
  {
    name: 'a reviewer sends nothing again',
    roles: ['reviewer'],
    argv: ['retry', 'dead'],
    counts: true,
    code: 'denied',
  },
  {
    name: 'without a second factor nothing is sent',
    roles: ['admin'],
    argv: ['retry', '--all'],
    counts: false,
    code: 'mfa_required',
  },
  { name: 'neither a number nor --all', roles: ['admin'], argv: ['retry'], counts: true, code: 'usage' },
  { name: 'both', roles: ['admin'], argv: ['retry', 'dead', '--all'], counts: true, code: 'usage' },
] as const)
  test(`${name}: ${code}`, async () => {
    await expect(run(roles, argv, counts)).rejects.toMatchObject({ code })
    expect(await retriedLeaves()).toEqual([])
  })
