import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { verifyInstallation } from '../../src/archive/verification.ts'
import { decodeLeaf } from '../../src/audit.ts'
import { type Bastion, startBastion } from '../../src/bastion/bastion.ts'
import { systemClock } from '../../src/clock.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { loadSecrets } from '../../src/config/secrets.ts'
import { parseInstallationKey } from '../../src/ledger/note-key.ts'
import type { VerifyReport } from '../../src/recording/finding.ts'
import { readLedger } from '../../src/store/ledger-reader.ts'
import { newEd25519Key } from '../../src/sshwire/new-key.ts'
import { Receiver } from '../notify/receiver.ts'

const clock = systemClock()
const webRoot = join(import.meta.dirname, '../../web/dist')

let folder = ''
let receiver: Receiver
let bastion: Bastion | undefined

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'halligan-bastion-'))
  receiver = new Receiver()
  writeConfig(await receiver.start())
})

afterEach(async () => {
  await bastion?.close()
  await receiver.stop()
  rmSync(folder, { recursive: true, force: true })
})

const damages = [
  {
    name: 'the key of the next epoch is gone',
    harm: () => rmSync(join(folder, 'keys', 'epoch')),
    kind: 'key_lost',
  },
  {
    name: 'the first frame of the journal was changed',
    harm: () => change('"genesisPublicKey":"'),
    kind: 'unreadable',
  },
  {
    // Nothing stands behind it: it reads as a tear, but for the key that it named.
    name: 'the last epoch record was changed',
    harm: () => change('"signature":"'),
    kind: 'key_lost',
  },
  {
    name: 'the journal is gone',
    harm: () => rmSync(join(folder, 'recordings', 'journal'), { recursive: true }),
    kind: 'missing',
  },
  {
    name: 'the journal is gone with its key',
    harm: () => {
      rmSync(join(folder, 'recordings', 'journal'), { recursive: true })
      rmSync(join(folder, 'keys', 'epoch'))
    },
    // As if it were a first start, but for the key that was pinned.
    kind: undefined,
  },
] as const

for (const { name, harm, kind } of damages)
  test(`${name}: Halligan starts, says so once, and the key that was pinned finds it`, async () => {
    await start()
    const pinned = readFileSync(join(folder, 'halligan.pub'), 'utf8')
    await stop()
    expect((await verify(pinned)).findings).toEqual([])

    harm()
    await start()
    await receiver.got(1)
    await stop()
    expect(readFileSync(join(folder, 'halligan.pub'), 'utf8')).toBe(pinned)
    const [told] = receiver.received.map(({ body }) => JSON.parse(body.toString()) as { type: string; data: unknown })
    expect(told).toMatchObject({
      type: 'journal.recovered',
      data: { damage: expect.arrayContaining(kind === undefined ? [] : [kind]) as unknown },
    })
    expect((await verify(pinned)).findings.length).toBeGreaterThan(0)

    await start()
    await stop()
    const leaves = await ledger()
    expect(leaves.filter(({ type }) => type === 'journal-recovered').length).toBe(1)
    expect(leaves.filter(({ type }) => type === 'configuration-loaded').length).toBe(3)
  })

test('the key of another ledger is refused, with what to do', async () => {
  await start()
  await stop()
  rmSync(join(folder, 'keys', 'log'))
  await expect(start()).rejects.toMatchObject({ code: 'config_invalid', hint: expect.stringContaining('backup') })
})

async function start(): Promise<void> {
  const file = join(folder, 'halligan.yaml')
  const config = parseConfig(readFileSync(file, 'utf8'), file)
  bastion = await startBastion({ config, secrets: loadSecrets(config.secrets, {}), clock, webRoot })
}

async function stop(): Promise<void> {
  await bastion?.close()
  bastion = undefined
}

/** Changes a digit behind the last `text` in the journal. */
function change(text: string): void {
  const file = join(folder, 'recordings', 'journal', '00000001.seg')
  const bytes = readFileSync(file)
  const found = bytes.lastIndexOf(text)
  expect(found).toBeGreaterThan(0)
  const at = found + text.length
  bytes[at] = bytes[at] === 0x30 ? 0x31 : 0x30
  writeFileSync(file, bytes)
}

async function ledger(): Promise<ReturnType<typeof decodeLeaf>[]> {
  const leaves: ReturnType<typeof decodeLeaf>[] = []
  for await (const { leaf } of readLedger(join(folder, 'halligan.db'))) leaves.push(decodeLeaf(leaf))
  return leaves
}

function verify(pinned: string): Promise<VerifyReport> {
  const recordings = join(folder, 'recordings')
  const installation = {
    recordings,
    journal: join(recordings, 'journal'),
    ledger: () => readLedger(join(folder, 'halligan.db')),
    checkpoint: undefined,
  }
  return verifyInstallation(installation, { key: parseInstallationKey(pinned), checkpoint: undefined })
}

/** One person, one target that nothing listens on, one channel. */
function writeConfig(webhook: string): void {
  const publicKey = () => newEd25519Key().publicKey
  const host = '127.0.0.1'
  const secrets = { key: randomBytes(32).toString('base64'), webhook: `whsec_${randomBytes(32).toString('base64')}` }
  mkdirSync(join(folder, 'secrets'), { mode: 0o700 })
  for (const [name, value] of Object.entries({ ...secrets, credential: 'none' }))
    writeFileSync(join(folder, 'secrets', name), value, { mode: 0o600 })
  const config = {
    hostname: 'localhost',
    state: folder,
    listen: { ssh: { host, port: 0 }, postgres: { host, port: 0 }, web: { host, port: 0 } },
    journal: { segment: '64KiB' },
    secrets: { directory: join(folder, 'secrets'), key: { file: join(folder, 'secrets', 'key') } },
    users: [
      { name: 'alice', keys: [publicKey()] },
      { name: 'rita', roles: ['reviewer'], keys: [publicKey()] },
    ],
    targets: [
      { name: 'web-1', kind: 'ssh', accounts: ['root'], host, hostKeys: [publicKey()], credential: 'credential' },
    ],
    channels: [{ name: 'sink', kind: 'webhook', url: webhook, secret: 'webhook' }],
    policies: [
      {
        name: 'hosts',
        who: { users: ['alice'] },
        targets: { names: ['web-1'] },
        accounts: ['root'],
        triggers: ['outage'],
        duration: { default: '30m', max: '2h' },
        approval: [{ required: 0 }],
        alerts: { channels: ['sink'] },
        review: { within: '8h', by: { roles: ['reviewer'] } },
      },
    ],
  }
  writeFileSync(join(folder, 'halligan.yaml'), stringify(config), { mode: 0o600 })
}
