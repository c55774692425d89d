import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { loadConfig, parseConfig } from '../../src/config/parse.ts'
import { type KeySource, Secrets, loadSecrets, missingSecrets } from '../../src/config/secrets.ts'
import { example, exampleFile } from './example.ts'

const root = mkdtempSync(join(tmpdir(), 'halligan-secrets-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const KEY = Buffer.alloc(32, 7)
const key: KeySource = { kind: 'file', file: join(root, 'key') }
let directory = ''
let count = 0

beforeEach(() => {
  directory = join(root, `secrets-${count++}`)
  mkdirSync(directory, { mode: 0o700 })
  secret('web-1-key', '-----BEGIN KEY-----\nabc\n-----END KEY-----\n')
  secret('orders-readonly', 'p4ss word\n')
  writeFileSync(key.kind === 'file' ? key.file : '', `${KEY.toString('base64')}\n`, { mode: 0o600 })
})

function secret(name: string, value: string, mode = 0o600): string {
  const path = join(directory, name)
  writeFileSync(path, value, { mode: 0o600 })
  chmodSync(path, mode)
  return path
}

const load = (source: KeySource = key, env: NodeJS.ProcessEnv = {}) => loadSecrets({ directory, key: source }, env)

test('secrets are read by name, without the newline at the end', () => {
  const secrets = load()
  expect(secrets.read('orders-readonly')).toBe('p4ss word')
  expect(secrets.read('web-1-key')).toBe('-----BEGIN KEY-----\nabc\n-----END KEY-----')
  expect(secrets.encryptionKey()).toEqual(KEY)
  expect(() => secrets.read('other')).toThrow(expect.objectContaining({ code: 'config_invalid' }))
  for (const name of ['toString', '__proto__', '../key', '']) expect(secrets.has(name)).toBe(false)
})

test('nothing that prints or serialises shows a secret', () => {
  const secrets = load()
  const shown = [
    String(secrets),
    JSON.stringify({ secrets }),
    inspect(secrets, { showHidden: true, depth: 9 }),
    inspect({ deep: { secrets } }, { depth: 9 }),
    Object.keys(secrets).join(),
    JSON.stringify(Object.entries(secrets)),
  ].join('\n')
  expect(shown).toContain('[2 secrets]')
  expect(shown).not.toMatch(/p4ss|abc|BwcH/)
})

test('the key comes from a file, a systemd credential or the environment, as base64 or hex', () => {
  const sources: readonly { source: KeySource; env: NodeJS.ProcessEnv }[] = [
    { source: key, env: {} },
    { source: { kind: 'credential', name: 'key' }, env: { CREDENTIALS_DIRECTORY: root } },
    { source: { kind: 'environment', variable: 'K' }, env: { K: KEY.toString('base64') } },
    { source: { kind: 'environment', variable: 'K' }, env: { K: ` ${KEY.toString('hex')}\n` } },
  ]
  for (const { source, env } of sources) expect(load(source, env).encryptionKey()).toEqual(KEY)
})

const badKeys: readonly { name: string; source: KeySource; env: NodeJS.ProcessEnv }[] = [
  { name: 'in no file', source: { kind: 'file', file: join(root, 'nowhere') }, env: {} },
  { name: 'in no credentials directory', source: { kind: 'credential', name: 'key' }, env: {} },
  { name: 'in no variable', source: { kind: 'environment', variable: 'K' }, env: {} },
  { name: 'in an empty variable', source: { kind: 'environment', variable: 'K' }, env: { K: '' } },
  { name: 'too short', source: { kind: 'environment', variable: 'K' }, env: { K: 'aabbcc' } },
  { name: 'too long', source: { kind: 'environment', variable: 'K' }, env: { K: 'a'.repeat(66) } },
  { name: 'a word', source: { kind: 'environment', variable: 'K' }, env: { K: 'correct horse battery staple' } },
]
for (const { name, source, env } of badKeys) {
  test(`a key that is ${name} is refused, and not shown`, () => {
    try {
      load(source, env)
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({ code: 'config_invalid' })
      const value = env['K'] ?? ''
      if (value !== '') expect(inspect(error)).not.toContain(value)
    }
  })
}

const spoil: readonly { name: string; run: () => void }[] = [
  { name: 'readable by the group', run: () => secret('x', 'value', 0o640) },
  { name: 'readable by everyone', run: () => secret('x', 'value', 0o604) },
  { name: 'empty', run: () => secret('x', '') },
  { name: 'only a newline', run: () => secret('x', '\n') },
  { name: 'larger than 64 KiB', run: () => secret('x', 'a'.repeat(64 * 1024 + 1)) },
  { name: 'not text', run: () => writeFileSync(join(directory, 'x'), Buffer.from([0xff, 0xfe]), { mode: 0o600 }) },
  { name: 'a FIFO nobody writes to', run: () => execFileSync('mkfifo', ['-m', '600', join(directory, 'x')]) },
  { name: 'a link to nothing', run: () => symlinkSync(join(root, 'nowhere'), join(directory, 'x')) },
  { name: 'a link to a device', run: () => symlinkSync('/dev/zero', join(directory, 'x')) },
  { name: 'in a directory others may write to', run: () => chmodSync(directory, 0o777) },
  // Only root can give a file away, so only root can be shown one that is neither its own nor ours.
  ...(process.getuid?.() === 0
    ? [{ name: "somebody else's", run: () => chownSync(secret('x', 'value'), 65534, 65534) }]
    : []),
]
for (const { name, run } of spoil) {
  test(`a secret that is ${name} stops the start`, () => {
    run()
    expect(() => load()).toThrow(expect.objectContaining({ code: 'config_invalid' }))
  })
}

test('directories, dot files and files with other names are not secrets', () => {
  mkdirSync(join(directory, 'nested'))
  writeFileSync(join(directory, '.hidden'), 'x', { mode: 0o644 })
  writeFileSync(join(directory, 'a file~'), 'x', { mode: 0o644 })
  expect(String(load())).toBe('[2 secrets]')
})

test('a mounted secret, linked the way Kubernetes does, is read', () => {
  mkdirSync(join(directory, '..data'))
  writeFileSync(join(directory, '..data', 'linked'), 'value', { mode: 0o400 })
  symlinkSync(join('..data', 'linked'), join(directory, 'linked'))
  expect(load().read('linked')).toBe('value')
})

test('a directory that is not there is refused', () => {
  expect(() => loadSecrets({ directory: join(root, 'nowhere'), key }, {})).toThrow(
    expect.objectContaining({ code: 'config_invalid' }),
  )
})

test('what the configuration names and the directory lacks is listed with who needs it', () => {
  const config = parseConfig(example, exampleFile)
  expect(missingSecrets(config, load())).toEqual([
    { name: 'orders-readwrite', neededBy: 'app_readwrite@orders' },
    { name: 'security-desk-webhook', neededBy: 'channel security-desk' },
    { name: 'sec-slack-url', neededBy: 'channel sec-slack' },
    { name: 'duty-integration-key', neededBy: 'channel duty' },
    { name: 'smtp-password', neededBy: 'channel leads-mail' },
    { name: 'status-api', neededBy: 'check open-incident' },
    { name: 'pagerduty-api', neededBy: 'check on-call-now' },
  ])
  expect(missingSecrets(config, new Secrets(new Map(), KEY))).toHaveLength(9)
})

const files: readonly { name: string; make: (path: string) => void }[] = [
  { name: 'missing', make: () => {} },
  { name: 'a directory', make: (path) => mkdirSync(path) },
  { name: 'writable by everyone', make: (path) => [writeFileSync(path, example), chmodSync(path, 0o666)] },
  { name: 'larger than a megabyte', make: (path) => writeFileSync(path, '#'.repeat(2 ** 20 + 1)) },
  { name: 'not UTF-8', make: (path) => writeFileSync(path, Buffer.from([0x61, 0x3a, 0x20, 0xff])) },
  { name: 'a FIFO nobody writes to', make: (path) => execFileSync('mkfifo', [path]) },
]
for (const { name, make } of files) {
  test(`a configuration file that is ${name} is refused`, () => {
    const path = join(directory, 'halligan.yaml')
    make(path)
    expect(() => loadConfig(path)).toThrow(expect.objectContaining({ code: 'config_invalid' }))
  })
}
