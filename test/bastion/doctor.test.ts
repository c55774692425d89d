import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { examine } from '../../src/bastion/doctor.ts'
import { clockFinding } from '../../src/cli/doctor-machine.ts'
import { addDoctorCommand } from '../../src/cli/doctor-command.ts'
import type { Finding } from '../../src/cli/doctor-finding.ts'
import { systemClock, type Clock } from '../../src/clock.ts'
import { emptyRecord, keepingRecord, type AnchorRecord } from '../../src/procedure/anchor-record.ts'
import { selfSigned } from '../../src/pgwire/certificate.ts'
import { openState } from '../../src/store/state.ts'
import { Receiver } from '../notify/receiver.ts'

const signing = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const posting = 'T0B0-posting-token'
const key = Buffer.alloc(32, 7)
const userKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF1QUNtQMT/Oof37PF6GIiduHJCBBI3vPU7YQG8AdtVd alice'

let directory: string
let receiver: Receiver
let url: string
let config: Record<string, unknown>
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'halligan-doctor-'))
  chmodSync(directory, 0o700)
  receiver = new Receiver()
  url = await receiver.start()
  mkdirSync(join(directory, 'secrets'), { mode: 0o700 })
  mkdirSync(join(directory, 'state', 'keys'), { recursive: true, mode: 0o700 })
  const keep = (name: string, value: string) => writeFileSync(join(directory, name), value, { mode: 0o600 })
  keep('secrets/signing', signing)
  keep('secrets/slack-url', `${url}?${posting}`)
  keep('key', key.toString('base64'))
  const { cert } = selfSigned({ commonName: 'halligan', altNames: ['localhost'], now: Date.now(), validDays: 400 })
  keep('state/keys/postgres.crt', cert)
  config = {
    hostname: 'bastion.example.com',
    state: 'state',
    listen: { ssh: { port: 0 }, postgres: { port: 0 }, web: { port: 0 } },
    secrets: { directory: 'secrets', key: { file: 'key' } },
    users: [
      { name: 'alice', groups: ['oncall'], keys: [userKey] },
      {
        name: 'rita',
        roles: ['reviewer'],
        keys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFojblxnymkmRLsVpPDCAVasTX/5tHNvYoNTbF+1BgrX rita'],
      },
    ],
    targets: [
      {
        name: 'console',
        kind: 'command',
        accounts: ['op'],
        argv: ['/bin/true'],
        runAs: { uid: 65534, gid: 65534 },
        cwd: '/',
      },
    ],
    channels: [
      { name: 'desk', kind: 'webhook', url, secret: 'signing', outside: true },
      { name: 'slack', kind: 'slack', url: { secret: 'slack-url' } },
    ],
    anchors: [{ name: 'vault', kind: 'webhook', url, secret: 'signing', outside: true }],
    policies: [
      {
        name: 'console-emergency',
        who: { groups: ['oncall'] },
        targets: { names: ['console'] },
        accounts: ['op'],
        triggers: ['customer-impact'],
        reason: { minLength: 5 },
        duration: { default: '30m', max: '2h' },
        approval: [{ required: 0 }],
        alerts: { channels: ['desk'] },
        review: { within: '8h', by: { roles: ['reviewer'] } },
      },
    ],
  }
})
afterEach(async () => {
  await receiver.stop()
  rmSync(directory, { recursive: true, force: true })
})

/** What the state keeps of the place that keeps checkpoints. */
let anchorRecord: AnchorRecord
beforeEach(() => {
  anchorRecord = { ...emptyRecord, acknowledged: { size: 7, root: '', at: Date.now() - 9_000, checkpoint: '' } }
})

async function enrolled(...users: readonly string[]): Promise<void> {
  const file = join(directory, 'state', 'halligan.db')
  const state = await openState({ file, clock: systemClock(), keyEncryptionKey: key, ballastBytes: 0 })
  for (const user of users)
    await state.commit({
      at: Date.now(),
      writes: [{ kind: 'totp-enrolled', user, secret: 'JBSWY3DPEHPK3PXP' }],
      leaves: [],
    })
  await state.commit({ at: Date.now(), writes: [keepingRecord('vault', anchorRecord)], leaves: [] })
  await state.close()
}

async function findings(clock: Clock = systemClock()): Promise<readonly Finding[]> {
  writeFileSync(join(directory, 'halligan.yaml'), stringify(config), { mode: 0o600 })
  return await examine({ config: join(directory, 'halligan.yaml') }, clock, {})
}

const about = (all: readonly Finding[], subject: string) => all.filter((one) => one.subject === subject)

test('where all is right every line says so, and each channel got one test message', async () => {
  await enrolled('alice', 'rita')
  const all = await findings()
  expect(all.filter(({ standing }) => standing !== 'ok')).toEqual([])
  expect(about(all, 'channel desk')).toMatchObject([{ detail: 'HTTP 200 ok' }])
  expect(receiver.received).toHaveLength(2)
  expect(receiver.received.map(({ body }) => String(body)).join('')).toContain('halligan.test')
})

test('a place that keeps checkpoints is told of with the age of its newest, and is sent nothing', async () => {
  await enrolled('alice', 'rita')
  const [vault] = about(await findings(), 'anchor vault')
  expect(vault).toMatchObject({ standing: 'ok', detail: expect.stringMatching(/^has 7 leaves, of \d+ s ago/) })
  expect(receiver.received.map(({ body }) => String(body)).join('')).not.toContain('ledger.checkpoint')
})

for (const { name, record, standing } of [
  { name: 'that has none yet', record: { acknowledged: null }, standing: 'warn' },
  { name: 'that fails', record: { failingSince: 1 }, standing: 'fail' },
  { name: 'that contradicts', record: { contradicted: 'x' }, standing: 'fail' },
])
  test(`a place ${name}: ${standing}`, async () => {
    anchorRecord = { ...anchorRecord, ...record }
    await enrolled('alice', 'rita')
    expect(about(await findings(), 'anchor vault')).toMatchObject([{ standing }])
  })

test('a place that is to be readable and is not fails; without one outside there is a warning', async () => {
  await enrolled('alice', 'rita')
  receiver.answer((response) => response.writeHead(500).end())
  config['anchors'] = [{ name: 'vault', kind: 'webhook', url, secret: 'signing', readBack: true }]
  const all = await findings()
  expect(about(all, 'anchor vault')).toMatchObject([{ standing: 'fail' }])
  expect(about(all, 'anchors')).toMatchObject([{ standing: 'warn' }])
})

test('no secret is in what it says, whatever is wrong', async () => {
  receiver.answer((response) => response.writeHead(500).end(`${signing} is wrong`))
  const said = JSON.stringify(await findings())
  for (const secret of [posting, key.toString('base64'), 'JBSWY3DPEHPK3PXP']) expect(said).not.toContain(secret)
})

test('a configuration with mistakes is told with its lines, and nothing else is looked at', async () => {
  config['hostnam'] = 'x'
  expect(await findings()).toMatchObject([
    { subject: 'configuration', standing: 'fail', detail: expect.stringContaining('hostnam') },
  ])
  expect(await examine({ config: join(directory, 'none.yaml') }, systemClock(), {})).toMatchObject([
    { standing: 'fail' },
  ])
})

for (const { name, spoil, subject, standing } of [
  {
    name: 'a secret others may read',
    spoil: () => chmodSync(join(directory, 'secrets/signing'), 0o644),
    subject: 'secrets',
    standing: 'fail',
  },
  {
    name: 'a secret that is not there',
    spoil: () => rmSync(join(directory, 'secrets/signing')),
    subject: 'secret signing',
    standing: 'fail',
  },
  {
    name: 'a secret that is none of its kind',
    spoil: () => writeFileSync(join(directory, 'secrets/signing'), 'not a secret'),
    subject: 'channel desk',
    standing: 'fail',
  },
  { name: 'no key', spoil: () => rmSync(join(directory, 'key')), subject: 'secrets', standing: 'fail' },
  {
    name: 'a state directory open to others',
    spoil: () => chmodSync(join(directory, 'state'), 0o755),
    subject: 'state directory',
    standing: 'fail',
  },
  {
    name: 'no state directory yet',
    spoil: () => rmSync(join(directory, 'state'), { recursive: true }),
    subject: 'state directory',
    standing: 'warn',
  },
  {
    name: 'a channel that refuses',
    spoil: () => receiver.answer((response) => response.writeHead(500).end()),
    subject: 'channel desk',
    standing: 'fail',
  },
  { name: 'nobody enrolled', spoil: () => enrolled(), subject: 'second factors', standing: 'warn' },
  {
    name: 'a state that is none',
    spoil: () => writeFileSync(join(directory, 'state', 'halligan.db'), 'x'.repeat(9000)),
    subject: 'second factors',
    standing: 'warn',
  },
  {
    name: 'no channel outside',
    spoil: () => (config['channels'] = [{ name: 'desk', kind: 'webhook', url, secret: 'signing' }]),
    subject: 'channels',
    standing: 'warn',
  },
] as const)
  test(`${name}: ${subject} is ${standing === 'fail' ? 'a failure' : 'a warning'}`, async () => {
    await spoil()
    expect(about(await findings(), subject)).toMatchObject([{ standing }])
  })

/** The machine's clock, moved. */
function moved(byMs: number): Clock {
  const real = systemClock()
  return { ...real, now: () => real.now() + byMs }
}

test('the end of the certificate is told in time, and as a failure behind it', async () => {
  const day = 86_400_000
  expect(about(await findings(moved(380 * day)), 'certificate')).toMatchObject([{ standing: 'warn' }])
  expect(about(await findings(moved(401 * day)), 'certificate')).toMatchObject([{ standing: 'fail' }])
})

test('a clock behind what was written, or one that steps, is told', async () => {
  await enrolled('alice')
  expect(about(await findings(moved(-3600_000)), 'clock')).toMatchObject([{ standing: 'fail' }])
  const real = systemClock()
  let calls = 0
  const stepping: Clock = { ...real, now: () => real.now() + (calls++ > 0 ? 60_000 : 0) }
  expect(await clockFinding('clock', stepping, [])).toMatchObject({ standing: 'warn' })
})

test('a port that somebody else has is a failure that names them; one of the running Halligan is not', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  config['listen'] = { ssh: { port }, postgres: { port: 0 }, web: { port: 0 } }
  expect(about(await findings(), 'port ssh')).toMatchObject([{ standing: 'fail' }])
  // We hold the port; as the owner of the state directory we are the running Halligan.
  writeFileSync(join(directory, 'state', 'owner.pid'), `${process.pid}\n`)
  expect(about(await findings(), 'port ssh')).toMatchObject([
    { standing: 'ok', detail: expect.stringContaining(String(process.pid)) },
  ])
  server.close()
  await once(server, 'close')
  expect(about(await findings(), 'port ssh')).toMatchObject([
    { standing: 'ok', detail: expect.stringContaining('free') },
  ])
})

for (const { standing, status } of [
  { standing: 'ok', status: 0 },
  { standing: 'warn', status: 0 },
  { standing: 'fail', status: 1 },
] as const)
  test(`a ${standing} ends with ${status}; lines hold no control character`, async () => {
    let out = ''
    let exit: number | undefined
    const finding: Finding = { subject: 'x\u001b[2J', standing, detail: 'two\nlines\u0007', hint: 'mend it' }
    const root = new Command().exitOverride()
    addDoctorCommand(
      root,
      async () => [finding],
      (text) => (out += text),
      (code) => (exit = code),
    )
    await root.parseAsync(['doctor', '--config', 'f'], { from: 'user' })
    expect(exit).toBe(status)
    expect(out.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
    expect(out.includes('hint: mend it')).toBe(standing !== 'ok')
    out = ''
    await root.parseAsync(['doctor', '--config', 'f', '--json'], { from: 'user' })
    expect(JSON.parse(out)).toEqual({ findings: [finding] })
  })
