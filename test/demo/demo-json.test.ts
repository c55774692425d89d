import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readDemoJson, removeDemoJson, writeDemoJson, type DemoContract } from '../../src/demo/demo-json.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'demo-test-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const contract: DemoContract = {
  version: 1,
  pid: 4711,
  ssh: { host: '127.0.0.1', port: 2222, knownHosts: '/state/known_hosts' },
  postgres: { host: '127.0.0.1', port: 6432, ca: '/state/ca.crt' },
  web: { url: 'http://localhost:8080' },
  users: { alice: { key: '/state/keys/alice', totpSecret: 'A'.repeat(32), groups: ['oncall'] } },
  targets: { 'web-1': { kind: 'ssh' }, orders: { kind: 'postgres', database: 'shop' } },
  sinks: { webhook: 'http://127.0.0.1:1234/x', smtp: '127.0.0.1:1235' },
  recordings: '/state/recordings',
  publicKey: '/state/genesis.pub',
}

test('what is written is read back, and only its owner may read it', () => {
  const file = writeDemoJson(folder, contract)
  expect(file).toBe(join(folder, 'demo.json'))
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readDemoJson(folder)).toEqual(contract)
  expect(readdirSync(folder)).toEqual(['demo.json'])
})

test('it is replaced at the next start and removed at exit, also twice', () => {
  writeDemoJson(folder, contract)
  writeDemoJson(folder, { ...contract, pid: 4712 })
  expect(readDemoJson(folder).pid).toBe(4712)
  removeDemoJson(folder)
  removeDemoJson(folder)
  expect(readdirSync(folder)).toEqual([])
  expect(() => readDemoJson(folder)).toThrow(expect.objectContaining({ code: 'unavailable' }))
})

test.each([
  { name: 'a relative path', change: { recordings: 'recordings' } },
  { name: 'a port of 0', change: { ssh: { ...contract.ssh, port: 0 } } },
  { name: 'another version', change: { version: 2 } },
  { name: 'something more', change: { password: 'x' } },
  {
    name: 'a secret that is not base32',
    change: { users: { alice: { ...contract.users['alice'], totpSecret: 'a' } } },
  },
])('$name is not the contract', ({ change }) => {
  expect(() => writeDemoJson(folder, { ...contract, ...change } as DemoContract)).toThrow()
  expect(readdirSync(folder)).toEqual([])
  writeFileSync(join(folder, 'demo.json'), JSON.stringify({ ...contract, ...change }))
  expect(() => readDemoJson(folder)).toThrow(expect.objectContaining({ code: 'config_invalid' }))
})
