// A changed configuration, taken up by a whole bastion while it runs and across a restart; real files, real receivers.

import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { AuditEvent, AuditEventType } from '../../src/audit.ts'
import { type Bastion, startBastion } from '../../src/bastion/bastion.ts'
import { systemClock } from '../../src/clock.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { readConfiguration } from '../../src/config/reading.ts'
import { loadSecrets } from '../../src/config/secrets.ts'
import { newEd25519Key } from '../../src/sshwire/new-key.ts'
import { Receiver } from '../notify/receiver.ts'
import { grantOf } from '../support/grant.ts'

const clock = systemClock()
const webRoot = join(import.meta.dirname, '../../web/dist')
const aliceKey = newEd25519Key().publicKey
const bobKey = newEd25519Key().publicKey
const ritaKey = newEd25519Key().publicKey
const hostKey = newEd25519Key().publicKey

let folder = ''
let file = ''
let first: Receiver
let second: Receiver
let urls: { readonly first: string; readonly second: string }
let bastion: Bastion | undefined

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'halligan-reload-'))
  file = join(folder, 'halligan.yaml')
  first = new Receiver()
  second = new Receiver()
  urls = { first: await first.start(), second: await second.start() }
  mkdirSync(join(folder, 'secrets'), { mode: 0o700 })
  const webhook = `whsec_${randomBytes(32).toString('base64')}`
  keep('key', randomBytes(32).toString('base64'))
  keep('webhook', webhook)
  keep('credential', 'none')
})

afterEach(async () => {
  await bastion?.close()
  bastion = undefined
  await first.stop()
  await second.stop()
  rmSync(folder, { recursive: true, force: true })
})

function keep(name: string, value: string): void {
  writeFileSync(join(folder, 'secrets', name), value, { mode: 0o600 })
}

interface Changes {
  readonly url?: string
  readonly channel?: string
  readonly max?: string
  readonly users?: readonly object[]
  readonly port?: number
}

const alice = { name: 'alice', groups: ['oncall'], keys: [aliceKey] }
const bob = { name: 'bob', groups: ['oncall'], keys: [bobKey] }
const rita = { name: 'rita', roles: ['reviewer', 'admin'], keys: [ritaKey] }

function text({
  url = urls.first,
  channel = 'desk',
  max = '2h',
  users = [alice, bob, rita],
  port = 0,
}: Changes = {}): string {
  const host = '127.0.0.1'
  return stringify({
    hostname: 'localhost',
    state: folder,
    listen: { ssh: { host, port }, postgres: { host, port: 0 }, web: { host, port: 0 } },
    journal: { segment: '64KiB' },
    secrets: { directory: join(folder, 'secrets'), key: { file: join(folder, 'secrets', 'key') } },
    users,
    targets: [
      { name: 'web-1', kind: 'ssh', accounts: ['deploy'], host, hostKeys: [hostKey], credential: 'credential' },
    ],
    channels: [{ name: channel, kind: 'webhook', url, secret: 'webhook' }],
    policies: [
      {
        name: 'hosts',
        who: { groups: ['oncall'] },
        targets: { names: ['web-1'] },
        accounts: ['deploy'],
        triggers: ['outage'],
        duration: { default: '30m', max },
        approval: [{ required: 0 }],
        alerts: { channels: [channel] },
        review: { within: '8h', by: { roles: ['reviewer'] } },
      },
    ],
  })
}

/** As editors and deployments do it: whole, in one step. */
function write(content: string): void {
  writeFileSync(`${file}.new`, content, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

async function start(changes: Changes = {}): Promise<Bastion> {
  write(text(changes))
  return begin()
}

async function begin(): Promise<Bastion> {
  const config = parseConfig(text(), file)
  const read = () => readConfiguration(file, {})
  const now = read()
  if (now.kind === 'bad') throw new Error(now.problem)
  bastion = await startBastion({ config: now.config, secrets: loadSecrets(config.secrets, {}), clock, webRoot, read })
  return bastion
}

async function leaves<T extends AuditEventType>(of: Bastion, type: T): Promise<Extract<AuditEvent, { type: T }>[]> {
  const entries = await of.state.events({ types: [type], limit: 50 })
  return entries
    .map(({ event }) => event)
    .filter((event): event is Extract<AuditEvent, { type: T }> => event.type === type)
}

const reload = async (of: Bastion): Promise<string> => (await of.reload?.('test')) ?? ''

function told(receiver: Receiver): { type: string; data: Record<string, unknown> }[] {
  return receiver.received.map(
    ({ body }) => JSON.parse(body.toString()) as { type: string; data: Record<string, unknown> },
  )
}

test('a good file is in force from one moment to the next, in the ledger with what changed, and announced', async () => {
  const running = await start()
  write(text({ max: '4h' }))
  expect(await reload(running)).toContain('policy hosts: duration.maxMs: 2h -> 4h')
  const [loaded, begun] = await leaves(running, 'configuration-loaded')
  expect(loaded).toMatchObject({ previous: begun?.sha256, changes: ['policy hosts: duration.maxMs: 2h -> 4h'] })
  expect(begun).not.toHaveProperty('previous')
  await first.got(1)
  expect(told(first)[0]).toMatchObject({ type: 'configuration.changed' })
  expect(await reload(running)).toContain('is the one in the file')
  expect(await leaves(running, 'configuration-loaded')).toHaveLength(2)
}, 30_000)

test('an alert sent elsewhere is announced where it went before, and where it goes now', async () => {
  const running = await start()
  write(text({ url: urls.second }))
  await reload(running)
  await Promise.all([first.got(1), second.got(1)])
  for (const receiver of [first, second])
    expect(told(receiver)).toMatchObject([
      { type: 'configuration.changed', data: { changes: ['channel desk: url: changed'] } },
    ])
}, 30_000)

test('a channel taken out while Halligan is down is told at the next start, and so is the new one', async () => {
  await (await start()).close()
  write(text({ url: urls.second, channel: 'other' }))
  const again = await begin()
  await Promise.all([first.got(1), second.got(1)])
  expect(told(first)[0]).toMatchObject({ type: 'configuration.changed', data: { by: 'start' } })
  expect(told(second)[0]).toMatchObject({ type: 'configuration.changed' })
  const [loaded] = await leaves(again, 'configuration-loaded')
  expect(loaded?.changes).toEqual(
    expect.arrayContaining([
      'channel desk: removed',
      'channel other: added',
      'policy hosts: alerts.channels: -desk +other',
    ]),
  )
}, 30_000)

test('a start with the same file announces nothing', async () => {
  await (await start()).close()
  const again = await begin()
  expect((await leaves(again, 'configuration-loaded')).map(({ changes }) => changes)).toEqual([[], undefined])
  expect(await again.state.alerts({ limit: 10 })).toEqual([])
}, 30_000)

const bad: readonly { readonly name: string; readonly harm: () => void; readonly problem: RegExp }[] = [
  { name: 'an unknown key', harm: () => write(`${text()}polices: []\n`), problem: /unknown field "polices"/ },
  { name: 'cut off in the middle of a write', harm: () => truncateSync(file, 900), problem: /./ },
  { name: 'empty', harm: () => truncateSync(file, 0), problem: /empty/ },
  { name: 'deleted', harm: () => rmSync(file), problem: /ENOENT/ },
  { name: 'writable by everyone', harm: () => chmodSync(file, 0o666), problem: /everyone/ },
  { name: 'a hundred megabytes', harm: () => truncateSync(file, 100 * 1024 * 1024), problem: /bytes/ },
  {
    name: 'a link to something else',
    harm: () => {
      rmSync(file)
      symlinkSync('/etc/hostname', file)
    },
    problem: /./,
  },
  {
    name: 'a directory',
    harm: () => {
      rmSync(file)
      mkdirSync(file)
    },
    problem: /regular file/,
  },
  {
    name: 'a person without a secret',
    harm: () => rmSync(join(folder, 'secrets', 'webhook')),
    problem: /no secret "webhook"/,
  },
  {
    name: 'another key at rest',
    harm: () => keep('key', randomBytes(32).toString('base64')),
    problem: /needs a restart/,
  },
  { name: 'another port', harm: () => write(text({ port: 1 })), problem: /needs a restart.*listen/ },
]
for (const { name, harm, problem } of bad) {
  test(`what cannot be taken up changes nothing, and is told once: ${name}`, async () => {
    const running = await start()
    harm()
    await expect(reload(running)).rejects.toMatchObject({ code: 'config_invalid' })
    await expect(reload(running)).rejects.toMatchObject({ code: 'config_invalid' })
    const refused = await leaves(running, 'configuration-refused')
    expect(refused).toHaveLength(1)
    expect(refused[0]?.problem).toMatch(problem)
    await first.got(1)
    expect(told(first).map(({ type }) => type)).toEqual(['configuration.refused'])
    expect(await leaves(running, 'configuration-loaded')).toHaveLength(1)
    const { problem: text } = refused[0] ?? { problem: '' }
    expect(text).not.toContain(aliceKey)
    expect(text.length).toBeLessThanOrEqual(2000)
  }, 30_000)
}

test('whoever leaves loses grants, requests and the way in; others keep theirs', async () => {
  const running = await start()
  const now = clock.now()
  const grants = [
    grantOf(now, { id: 'galice' }),
    grantOf(now, { id: 'gbob', user: 'bob' }),
    grantOf(now, { id: 'gwait', state: 'requested', activatedAt: null, expiresAt: null }),
  ]
  for (const grant of grants) {
    await running.state.commit({ at: now, writes: [{ kind: 'grant', grant, expectVersion: null }], leaves: [] })
    if (grant.state === 'active') running.registry.track(grant)
  }
  write(text({ users: [bob, rita] }))
  await reload(running)
  expect(running.registry.liveGrants().map(({ id }) => id)).toEqual(['gbob'])
  expect(await running.state.grant('galice')).toMatchObject({ end: { how: 'revoked', by: 'configuration' } })
  expect(await running.state.grant('gwait')).toMatchObject({ state: 'lapsed' })
  expect((await leaves(running, 'grant-ended')).map(({ grant, by }) => `${grant} ${by}`).sort()).toEqual([
    'galice configuration',
    'gwait configuration',
  ])
  write(text({ users: [{ ...bob, disabled: true }, { ...alice }, rita] }))
  await reload(running)
  expect(running.registry.liveGrants()).toEqual([])
}, 30_000)

test('whoever left while Halligan was down has nothing when it is back', async () => {
  const running = await start()
  const grant = grantOf(clock.now())
  await running.state.commit({ at: clock.now(), writes: [{ kind: 'grant', grant, expectVersion: null }], leaves: [] })
  await running.close()
  write(text({ users: [bob, rita] }))
  const again = await begin()
  expect(again.registry.liveGrants()).toEqual([])
  expect(await again.state.grant(grant.id)).toMatchObject({ end: { how: 'revoked', by: 'configuration' } })
}, 30_000)

test('a file that is replaced is taken up without a word, once it is left alone', async () => {
  const running = await start()
  write(text({ max: '3h' }))
  await first.got(1)
  expect(told(first)[0]).toMatchObject({
    type: 'configuration.changed',
    data: { by: 'file', changes: ['policy hosts: duration.maxMs: 2h -> 3h'] },
  })
  expect(await leaves(running, 'configuration-loaded')).toHaveLength(2)
}, 30_000)

test('ten reloads at once are one after another, and one change', async () => {
  const running = await start()
  write(text({ max: '4h' }))
  const said = await Promise.all(Array.from({ length: 10 }, () => reload(running)))
  expect(said.filter((one) => one.includes('is in force'))).toHaveLength(1)
  expect(await leaves(running, 'configuration-loaded')).toHaveLength(2)
}, 30_000)

test('secrets are read again', async () => {
  const running = await start()
  keep('webhook', `whsec_${randomBytes(32).toString('base64')}`)
  expect(await reload(running)).toContain('secret webhook: changed')
  await first.got(2)
}, 30_000)

test('SIGHUP takes up the file at once and ends nothing; SIGTERM still does', async () => {
  write(text())
  const main = join(import.meta.dirname, '../../src/main.ts')
  const child = spawn(process.execPath, [main, 'serve', '--config', file], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, HALLIGAN_LOG: 'error' },
  })
  try {
    const exited = once(child, 'exit')
    await Promise.race([once(child.stdout, 'data'), exited])
    write(text({ max: '5h' }))
    child.kill('SIGHUP')
    await Promise.race([first.got(1), exited])
    expect(child.exitCode).toBeNull()
    expect(told(first)[0]).toMatchObject({
      type: 'configuration.changed',
      data: { by: 'SIGHUP', changes: ['policy hosts: duration.maxMs: 2h -> 5h'] },
    })
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
  } finally {
    child.kill('SIGKILL')
  }
}, 60_000)
