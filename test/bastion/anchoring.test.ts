// A whole bastion and the place that keeps its checkpoints: real files, a real receiver.

import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, rmSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { type Bastion, startBastion } from '../../src/bastion/bastion.ts'
import { addVerifyCommand } from '../../src/cli/verify-command.ts'
import { systemClock } from '../../src/clock.ts'
import { readConfiguration } from '../../src/config/reading.ts'
import { readLedger } from '../../src/store/ledger-reader.ts'
import { newEd25519Key } from '../../src/sshwire/new-key.ts'
import { Keeper, secret } from '../procedure/anchor-world.ts'
import { until } from '../e2e/until.ts'

const clock = systemClock()
const webRoot = join(import.meta.dirname, '../../web/dist')
const key = newEd25519Key().publicKey
const reviewerKey = newEd25519Key().publicKey

let folder = ''
let keeper: Keeper
let bastion: Bastion | undefined

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'halligan-anchoring-'))
  keeper = await Keeper.open()
  mkdirSync(join(folder, 'secrets'), { mode: 0o700 })
  const keep = (name: string, value: string) => writeFileSync(join(folder, 'secrets', name), value, { mode: 0o600 })
  keep('key', randomBytes(32).toString('base64'))
  keep('webhook', secret)
  keep('credential', 'none')
})

afterEach(async () => {
  await bastion?.close()
  bastion = undefined
  await keeper[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

function write(url: string, channel = 'http://127.0.0.1:9/closed'): void {
  const listen = { host: '127.0.0.1', port: 0 }
  const host = '127.0.0.1'
  const text = stringify({
    hostname: 'localhost',
    state: join(folder, 'state'),
    listen: { ssh: listen, postgres: listen, web: listen },
    journal: { segment: '64KiB' },
    secrets: { directory: join(folder, 'secrets'), key: { file: join(folder, 'secrets', 'key') } },
    users: [
      { name: 'alice', groups: ['oncall'], keys: [key] },
      { name: 'rita', roles: ['reviewer'], keys: [reviewerKey] },
    ],
    targets: [
      {
        name: 'web-1',
        kind: 'ssh',
        accounts: ['deploy'],
        host,
        hostKeys: [newEd25519Key().publicKey],
        credential: 'credential',
      },
    ],
    channels: [{ name: 'desk', kind: 'webhook', url: channel, secret: 'webhook' }],
    anchors: [{ name: 'vault', kind: 'webhook', url, secret: 'webhook', outside: true, every: '1s', readBack: true }],
    policies: [
      {
        name: 'hosts',
        who: { groups: ['oncall'] },
        targets: { names: ['web-1'] },
        accounts: ['deploy'],
        triggers: ['outage'],
        duration: { default: '30m', max: '2h' },
        approval: [{ required: 0 }],
        alerts: { channels: ['desk'] },
        review: { within: '8h', by: { roles: ['reviewer'] } },
      },
    ],
  })
  writeFileSync(join(folder, 'halligan.yaml'), text, { mode: 0o600 })
}

async function start(): Promise<Bastion> {
  const read = () => readConfiguration(join(folder, 'halligan.yaml'), {})
  const now = read()
  if (now.kind === 'bad') throw new Error(now.problem)
  bastion = await startBastion({ config: now.config, secrets: now.secrets, clock, webRoot, read })
  return bastion
}

const stop = async (): Promise<void> => {
  await bastion?.close()
  bastion = undefined
}

async function verifyAll(): Promise<string> {
  let said = ''
  const root = new Command()
  addVerifyCommand(
    root,
    (text) => (said += text),
    () => {},
  )
  const state = join(folder, 'state')
  writeFileSync(join(folder, 'kept'), keeper.held ?? '')
  const trust = ['--key', join(state, 'halligan.pub'), '--checkpoint', join(folder, 'kept')]
  await root.parseAsync(['node', 'halligan', 'verify', '--all', '--state', state, ...trust])
  return said
}

test('a start is anchored by itself, a stop leaves the last checkpoint there, and verify says how old it is', async () => {
  write(keeper.url)
  const running = await start()
  await until('the start is anchored', () => keeper.got.length > 0)
  await running.enrol('alice', 'JBSWY3DPEHPK3PXP')
  const { size } = await running.state.ledgerHead()
  await stop()
  expect(keeper.sizes.at(-1)).toBeGreaterThanOrEqual(size)
  const said = await verifyAll()
  expect(said).toMatch(/anchored: \d+ leaves, \d+ s ago, at vault/)
  expect(said).not.toContain('rolled_back')
})

test('a changed configuration moves the checkpoints to the new place', async () => {
  write(keeper.url)
  const running = await start()
  await until('the start is anchored', () => keeper.got.length > 0)
  await using other = await Keeper.open()
  write(other.url)
  await running.reload?.('test')
  await running.enrol('alice', 'JBSWY3DPEHPK3PXP')
  await until('the new place has one', () => other.got.length > 0)
  const before = keeper.got.length
  await stop()
  expect(keeper.got).toHaveLength(before)
  expect(other.got.length).toBeGreaterThan(0)
})

test('an older state that is put back is found at the start, alerted, and named by verify', async () => {
  write(keeper.url)
  await start()
  await until('the start is anchored', () => keeper.got.length > 0)
  await stop()
  const older = join(folder, 'older')
  cpSync(join(folder, 'state'), older, { recursive: true })
  const running = await start()
  for (const user of ['alice', 'rita']) await running.enrol(user, 'JBSWY3DPEHPK3PXP')
  for (let n = 0; n < 10; n++) await running.enrol('alice', 'JBSWY3DPEHPK3PXP')
  await stop()
  const outside = keeper.held
  // Whoever has the machine puts everything back as it was; the place is not theirs.
  rmSync(join(folder, 'state'), { recursive: true })
  cpSync(older, join(folder, 'state'), { recursive: true })
  const again = await start()
  await until(
    'it is found',
    async () => (await again.state.events({ types: ['anchor-contradicted'], limit: 1 })).length > 0,
  )
  const told = await again.state.alerts({ type: 'anchor.contradicted', limit: 10 })
  expect(told.map(({ channel }) => channel)).toEqual(['desk'])
  await stop()
  keeper.held = outside
  expect(await verifyAll()).toMatch(/rolled_back|forked/)
})

test('an alert that is on its way while Halligan stops is a row before the last checkpoint', async () => {
  const { promise: asked, resolve } = Promise.withResolvers<ServerResponse>()
  const receiver = createServer((_, response) => resolve(response)).listen(0, '127.0.0.1')
  await new Promise((listening) => receiver.once('listening', listening))
  write(keeper.url, `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`)
  const { state } = await start()
  const alert = { id: 'a-late', channel: 'desk', type: 'grant.ended', at: clock.now(), payload: {} }
  await state.commit({ at: clock.now(), writes: [], leaves: [], alerts: [alert] })
  const response = await asked
  const stopped = stop()
  // Long enough that everything that does not wait for it has been written.
  clock.after(500, () => response.writeHead(204).end())
  await stopped
  receiver.close()
  const rows = await Array.fromAsync(readLedger(join(folder, 'state', 'halligan.db')))
  expect(rows.some(({ leaf }) => leaf.includes('"type":"alert-accepted"'))).toBe(true)
  const [, size] = readFileSync(join(folder, 'state', 'checkpoint'), 'utf8').split('\n')
  expect(Number(size)).toBe(rows.length)
})
