// `halligan serve` with a configuration of one's own, whose targets are in trouble: one is down, one shows another host
// key, one is a database that is down. Each is said plainly, nothing is sent there, and the grant stays.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { systemClock } from '../../src/clock.ts'
import { startDemoSshTarget, type DemoSshTarget } from '../../src/demo/ssh-target.ts'
import { writeSshConfig } from '../../src/demo/ssh-config.ts'
import { demoUsers, type DemoUser } from '../../src/demo/users.ts'
import { STEP_MS, totpCode } from '../../src/identity/totp.ts'
import { selfSigned } from '../../src/pgwire/certificate.ts'
import { newEd25519Key } from '../../src/sshwire/new-key.ts'
import { has } from '../support/clients.ts'
import { cleanEnv, run, type Ran } from '../support/terminal.ts'
import { eventually, leaf, recording } from './traces.ts'

const main = join(import.meta.dirname, '../../src/main.ts')

let folder: string
let target: DemoSshTarget
let alice: DemoUser
let serving: ChildProcess
let printed = ''

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'halligan-targets-'))
  target = await startDemoSshTarget({ name: 'web-2', accounts: ['deploy'] })
  const [user] = demoUsers(join(folder, 'users'), [{ name: 'alice', groups: [] }])
  if (user === undefined) throw new Error('no user was made')
  alice = user
  const down = await freePort()
  const config = join(folder, 'halligan.yaml')
  writeFileSync(config, stringify(configOf(down)))
  const enrolled = await halligan('user', 'enrol', 'alice', '--config', config)
  expect(enrolled, enrolled.stderr).toMatchObject({ status: 0 })
  const secret = /^secret ([A-Z2-7]+):/m.exec(enrolled.stdout.toString())?.[1] ?? ''
  const ssh = await serve(config)
  const entries = ['web-1', 'web-2', 'orders'].map((alias) => ({ alias, login: `alice+${alias}`, user: alice }))
  writeSshConfig({
    folder,
    ...ssh,
    hostKeys: await scanned(ssh.port),
    entries: [...entries, { alias: 'alice', login: 'alice', user: alice }],
  })
  const code = totpCode(secret, Math.floor(Date.now() / STEP_MS) * STEP_MS)
  const signedIn = await client(['alice', 'request', 'web-1', '--reason', '"checkout is down"'], `${code}\n`)
  expect(signedIn, signedIn.stderr).toMatchObject({ status: 0 })
})

afterAll(async () => {
  if (serving?.exitCode === null) {
    const exited = once(serving, 'exit')
    serving.kill('SIGTERM')
    await exited
  }
  await target?.stop()
  rmSync(folder, { recursive: true, force: true })
})

function configOf(down: number): unknown {
  const secrets = join(folder, 'secrets')
  mkdirSync(secrets, { mode: 0o700 })
  const keep = (name: string, value: string) => writeFileSync(join(secrets, name), value, { mode: 0o600 })
  keep('ssh-key', target.privateKey)
  keep('password', 'not-asked-for')
  keep('webhook', `whsec_${Buffer.alloc(32, 7).toString('base64')}`)
  writeFileSync(join(folder, 'key'), Buffer.alloc(32, 9).toString('base64'), { mode: 0o600 })
  const other = newEd25519Key().publicKey
  const host = '127.0.0.1'
  const ssh = { kind: 'ssh', accounts: ['deploy'], host, hostKeys: [other], credential: 'ssh-key' }
  const { ca } = selfSigned({ commonName: 'nobody', altNames: ['localhost'], now: systemClock().now(), validDays: 1 })
  const orders = { kind: 'postgres', accounts: ['app'], host, databases: ['shop'], credentials: { app: 'password' } }
  return {
    hostname: 'localhost',
    state: 'state',
    listen: { ssh: { host, port: 0 }, postgres: { host, port: 0 }, web: { host, port: 0 } },
    secrets: { directory: secrets, key: { file: 'key' } },
    users: [
      { name: 'alice', roles: ['engineer'], keys: [alice.publicKey] },
      { name: 'rita', roles: ['reviewer'], keys: [newEd25519Key().publicKey] },
    ],
    targets: [
      { name: 'web-1', ...ssh, port: down },
      { name: 'web-2', ...ssh, port: target.port },
      { name: 'orders', ...orders, port: down, ca },
    ],
    channels: [{ name: 'nobody', kind: 'webhook', url: `http://${host}:${down}/`, secret: 'webhook' }],
    policies: [policy('hosts', ['web-1', 'web-2'], ['deploy']), policy('databases', ['orders'], ['app'])],
  }
}

function policy(name: string, targets: readonly string[], accounts: readonly string[]): unknown {
  return {
    name,
    who: { users: ['alice'] },
    targets: { names: targets },
    accounts,
    triggers: ['customer-impact'],
    reason: { minLength: 5 },
    duration: { default: '30m', max: '2h' },
    approval: [{ required: 0 }],
    alerts: { channels: ['nobody'] },
    review: { within: '8h', by: { roles: ['reviewer'] } },
  }
}

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function halligan(...args: string[]): Promise<Ran> {
  return run(process.execPath, [main, ...args])
}

async function serve(config: string): Promise<{ readonly host: string; readonly port: number }> {
  serving = spawn(process.execPath, [main, 'serve', '--config', config], { env: cleanEnv({ HALLIGAN_LOG: 'error' }) })
  for (const stream of [serving.stdout, serving.stderr])
    stream?.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  const [, host = '', port = ''] = await eventually('a line that it serves', () => {
    if (serving.exitCode !== null) throw new Error(`it ended: ${printed}`)
    return /serves ssh (\S+):(\d+),/.exec(printed) ?? undefined
  })
  return { host, port: Number(port) }
}

/** The bastion's own host key, as the operator's known_hosts would have it. */
async function scanned(port: number): Promise<string[]> {
  const { stdout } = await run('/usr/bin/ssh-keyscan', ['-p', String(port), '-t', 'ed25519', '127.0.0.1'])
  return [stdout.toString().trim().split(' ').slice(1).join(' ')]
}

function client(args: readonly string[], input?: string): Promise<Ran> {
  return run('/usr/bin/ssh', ['-F', join(folder, 'ssh_config'), ...args], input === undefined ? {} : { input })
}

test.runIf(has('ssh'))('a host that is down is said to be, with what to do', async () => {
  const ran = await client(['web-1', 'id'])
  expect(ran).toMatchObject({ status: 69 })
  expect(ran.stderr).toMatch(/^halligan: web-1 cannot be reached \(ECONNREFUSED\)\nhint: .*try again/)
  const recorded = await recording(
    join(folder, 'state', 'recordings'),
    (one) => one.header.halligan['target'] === 'web-1',
  )
  expect(recorded.lines.at(-1)?.slice(1)).toEqual(['x', '69'])
  expect(await leaf(join(folder, 'state'), 'session-sealed')).toMatchObject({ endReason: 'unreachable' })
})

test.runIf(has('ssh'))('a host that shows another key gets nothing', async () => {
  const granted = await client(['alice', 'request', 'web-2', '--reason', '"checkout is down"'])
  expect(granted).toMatchObject({ status: 0 })
  const ran = await client(['web-2', 'touch', 'reached'])
  expect(ran).toMatchObject({ status: 69 })
  expect(ran.stderr).toMatch(/^halligan: web-2 shows another host key \(SHA256:\S+\): nothing was sent to it\nhint: /)
  const copied = await run('/usr/bin/scp', ['-F', join(folder, 'ssh_config'), main, 'web-2:'])
  expect(copied.status).not.toBe(0)
  expect(copied.stderr).toContain('shows another host key')
})

test.runIf(has('ssh', 'psql'))('a database that is down is told by psql, and the grant stays', async () => {
  const granted = await client(['alice', 'request', 'orders', '--reason', '"checkout is down"'])
  expect(granted).toMatchObject({ status: 0 })
  const dsn = (await client(['orders', 'dsn'])).stdout.toString().trim()
  for (let attempt = 0; attempt < 2; attempt++) {
    const ran = await run('/usr/bin/psql', ['-X', '-v', 'VERBOSITY=verbose', dsn, '-c', 'SELECT 1'])
    expect(ran).toMatchObject({ status: 2 })
    expect(ran.stderr).toMatch(/FATAL: .*orders/)
  }
  expect(printed).not.toContain('not-asked-for')
})

test.runIf(has('ssh'))('a second serve on the same state names the owner', async () => {
  const second = await halligan('serve', '--config', join(folder, 'halligan.yaml'))
  expect(second).toMatchObject({ status: 75 })
  expect(second.stderr).toContain(String(serving.pid))
  const enrol = await halligan('user', 'enrol', 'alice', '--config', join(folder, 'halligan.yaml'))
  expect(enrol).toMatchObject({ status: 75 })
  expect((await client(['alice', 'whoami'])).status).toBe(0)
})
