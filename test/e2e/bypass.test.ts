// One story per way around the bastion that was tried. What needs a moved clock, another address or a moment between two
// awaits is tried in-process, where it can be: test/session/admission.test.ts (an admission raced by a revocation, a forged
// one), test/procedure/secrets.test.ts (a secret from another address), test/ssh/hostile.test.ts (a key offered without
// its signature, packets no client of OpenSSH sends), test/postgres/login.test.ts (cancel keys in clear and inside TLS).
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { has } from '../support/clients.ts'
import { cleanEnv, run } from '../support/terminal.ts'
import { bytesOf, eventually, leaf, leaves, recording } from './traces.ts'
import { World } from './world.ts'

let world: World
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'halligan-bypass-'))
  world = await World.start()
  for (const user of ['alice', 'adam']) await world.signIn(user)
})

afterAll(async () => {
  await world?.close()
  rmSync(folder, { recursive: true, force: true })
})

async function revoke(grant: string): Promise<void> {
  expect(await world.exec(['adam', 'revoke', grant, '--reason', 'over'])).toMatchObject({ status: 0 })
}

test.runIf(has('ssh'))('an old connection opens no new session once its grant was revoked', async () => {
  const grant = await world.grant('web-1', '30m')
  const shared = ['-o', `ControlPath=${join(folder, 'shared')}`]
  const master = world.ssh('-MN', ...shared, 'web-1')
  await eventually('a master', async () => {
    const asked = await world.exec([...shared, '-O', 'check', 'web-1'])
    return asked.status === 0 ? true : undefined
  })
  expect(await world.exec([...shared, 'web-1', 'echo in > proof; cat proof'])).toMatchObject({ status: 0 })
  await revoke(grant)
  // The connection is still there: it is the channel that is not admitted.
  expect(await world.exec([...shared, '-O', 'check', 'web-1'])).toMatchObject({ status: 0 })
  const since = Date.now()
  for (const command of ['echo out > proof', '']) {
    const late = await world.exec([...shared, 'web-1', command], 'echo out > proof\n')
    expect(late).toMatchObject({ status: 77 })
    expect(late.stderr).toMatch(/halligan: .*no live grant/)
    expect(late.stderr).toMatch(/hint: .*ssh alice\+web-1@/)
  }
  const files = await run('/usr/bin/scp', ['-F', join(world.state, 'ssh_config'), ...shared, '/etc/hostname', 'web-1:'])
  expect(files.status).not.toBe(0)
  await leaf(
    world.state,
    'login-refused',
    (one) => one.at >= since && one.login === 'alice+web-1' && one.reason === 'no-grant',
  )
  master.close()
  const next = await world.grant('web-1', '30m')
  expect((await world.exec(['web-1', 'cat proof'])).stdout.toString()).toBe('in\n')
  await revoke(next)
})

test.runIf(has('ssh'))('a shell behind a file command is recorded like any other', async () => {
  const grant = await world.grant('web-1', '30m')
  const ran = await world.exec(['web-1', 'scp x; sh'], 'echo typed-$((20+3)); echo aside >&2; exit 4\n')
  expect(ran.status).toBe(4)
  expect(ran.stdout.toString()).toContain('typed-23')
  const recorded = await recording(world.demo.recordings, (one) => one.header.halligan.what['command'] === 'scp x; sh')
  expect(bytesOf(recorded, 'i').toString()).toBe('echo typed-$((20+3)); echo aside >&2; exit 4\n')
  expect(bytesOf(recorded, 'o').toString()).toBe(ran.stdout.toString())
  expect(bytesOf(recorded, 'e').toString()).toBe(ran.stderr)
  expect(recorded.lines.at(-1)?.slice(1)).toEqual(['x', '4'])
  await revoke(grant)
})

test.runIf(has('ssh'))('nothing is forwarded, and where the protocol has room the reason is said', async () => {
  const grant = await world.grant('web-1', '30m')
  const { host, port } = world.demo.postgres
  const reason = /administratively prohibited: halligan forwards no/
  const sides = await Promise.all([
    world.exec(['-W', `${host}:${port}`, 'web-1']),
    world.exec(['-o', 'ExitOnForwardFailure=yes', '-R', `0:${host}:${port}`, 'web-1', 'echo in']),
    world.exec(['-A', 'web-1', 'echo "[$SSH_AUTH_SOCK]"']),
    run('/usr/bin/ssh', ['-X', '-F', join(world.state, 'ssh_config'), 'web-1', 'echo "[$DISPLAY]"'], {
      env: cleanEnv({ DISPLAY: '127.0.0.1:9' }),
    }),
  ])
  const [stdio, remote, agent, x11] = sides
  expect(stdio.stderr).toMatch(reason)
  expect(stdio.status).toBe(255)
  expect(remote).toMatchObject({ status: 255 })
  expect(remote.stdout.toString()).toBe('')
  expect(remote.stderr).toMatch(/remote port forwarding failed/)
  expect(agent.stdout.toString()).toBe('[]\n')
  expect(x11.stdout.toString()).toBe('[]\n')
  expect(await throughForward('-L', `LISTEN:${host}:${port}`)).toMatch(reason)
  expect(await throughForward('-L', `LISTEN:${join(world.state, 'halligan.sock')}`)).toMatch(reason)
  expect(await throughForward('-D', 'LISTEN')).toMatch(reason)
  await revoke(grant)
})

/** Connects through a local forward; gives what ssh said of it. */
async function throughForward(flag: '-L' | '-D', spec: string): Promise<string> {
  const listen = join(folder, `forward${flag}${spec.length}`)
  const isSocks = flag === '-D'
  const free = isSocks ? await freePort() : undefined
  const ssh = world.ssh('-N', flag, spec.replace('LISTEN', free === undefined ? listen : `127.0.0.1:${free}`), 'web-1')
  const open = () => (free === undefined ? connect(listen) : connect(free, '127.0.0.1'))
  const closed = await eventually('a listening forward', async () => {
    const socket = open()
    const failed = new Promise<undefined>((resolve) => socket.once('error', () => resolve(undefined)))
    const connected = once(socket, 'connect').then(() => socket)
    connected.catch(() => undefined)
    return Promise.race([connected, failed])
  })
  // SOCKS 5 without a login, then CONNECT 127.0.0.1:22.
  if (isSocks) closed.write(Buffer.from('050100050100017f0000010016', 'hex'))
  closed.on('error', () => undefined)
  closed.resume()
  await once(closed, 'close')
  await ssh.expect('administratively prohibited')
  ssh.close()
  return ssh.screen
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address !== null ? address.port : 0
}

test.runIf(has('ssh'))("somebody else's key, name or target opens nothing", async () => {
  const { ssh, users } = world.demo
  const place = ['-p', String(ssh.port), '-F', '/dev/null', '-o', `UserKnownHostsFile=${ssh.knownHosts}`]
  const as = async (user: string, login: string) => {
    const key = ['-o', 'IdentitiesOnly=yes', '-o', 'IdentityAgent=none', '-i', users[user]?.key ?? '']
    return run('/usr/bin/ssh', [...place, ...key, '-o', 'BatchMode=yes', `${login}@${ssh.host}`, 'whoami'])
  }
  const grant = await world.grant('web-1', '30m')
  expect((await as('alice', 'alice+web-1')).status).toBe(0)
  const since = Date.now()
  for (const [user, login] of [
    ['bob', 'alice+web-1'],
    ['bob', 'alice'],
    ['rita', 'nobody+web-1'],
  ] as const) {
    const refused = await as(user, login)
    expect(refused.status).toBe(255)
    expect(refused.stderr).toContain('Permission denied (publickey)')
    await leaf(world.state, 'login-refused', (one) => one.at >= since && one.login === login)
  }
  await revoke(grant)
})

test.runIf(has('psql'))('a cancel request with a foreign key touches nobody', async () => {
  const grant = await world.grant('orders', '30m')
  const { host, port } = world.demo.postgres
  const uri = new URL(await world.dsn())
  const victim = new Client({
    host,
    port,
    user: uri.username,
    password: uri.password,
    database: 'orders',
    ssl: { rejectUnauthorized: false },
    enableChannelBinding: true,
  })
  victim.on('error', () => undefined)
  await victim.connect()
  const { processID, secretKey } = victim as unknown as { processID: number; secretKey: number }
  const running = victim.query("SELECT 'untouched' AS answer FROM pg_sleep(3)")
  const guesses = [
    [processID, secretKey ^ 1],
    [processID ^ 1, secretKey],
    [0, 0],
  ] as const
  for (const [id, key] of guesses) expect(await cancel(id, key)).toEqual(Buffer.alloc(0))
  expect((await running).rows).toEqual([{ answer: 'untouched' }])
  await eventually('a leaf per guess', async () => {
    const found = (await leaves(world.state)).filter((one) => one.type === 'login-refused')
    return found.filter(({ reason }) => reason === 'foreign-cancel-key').length === guesses.length ? true : undefined
  })
  const cancelled = expect(victim.query('SELECT pg_sleep(60)')).rejects.toMatchObject({ code: '57014' })
  await cancel(processID, secretKey)
  await cancelled
  await victim.end()
  expect(await cancel(processID, secretKey)).toEqual(Buffer.alloc(0))
  await revoke(grant)
})

/** Sends a CancelRequest in clear and gives all that came back until the end. */
async function cancel(processId: number, secretKey: number): Promise<Buffer> {
  const request = Buffer.alloc(16)
  request.writeInt32BE(16, 0)
  request.writeInt32BE(80877102, 4)
  request.writeInt32BE(processId | 0, 8)
  request.writeInt32BE(secretKey | 0, 12)
  const socket = connect(world.demo.postgres.port, world.demo.postgres.host)
  socket.end(request)
  const answer: Buffer[] = []
  for await (const chunk of socket) answer.push(chunk as Buffer)
  return Buffer.concat(answer)
}

test.runIf(has('psql'))('a grant secret opens its own grant, target and database, and nothing else', async () => {
  const grant = await world.grant('orders', '30m')
  const dsn = await world.dsn()
  expect(await world.psql(dsn, '-c', 'SELECT 1')).toMatchObject({ status: 0 })
  const at = (path: string, user = 'alice') => {
    const uri = new URL(dsn)
    uri.pathname = path
    uri.username = user
    return uri.href
  }
  const refusals = await Promise.all([
    world.psql(at('/web-1'), '-c', 'SELECT 1'),
    world.psql(at('/nosuch'), '-c', 'SELECT 1'),
    world.psql(at('/orders%2Fpostgres'), '-c', 'SELECT 1'),
    world.psql(at('/orders', 'bob'), '-c', 'SELECT 1'),
    world.psql(at('/orders', 'app_readonly'), '-c', 'SELECT 1'),
  ])
  for (const refused of refusals) {
    expect(refused.status).toBe(2)
    expect(refused.stderr).toContain('FATAL:  no live grant and secret for this user, target and address')
    expect(refused.stderr).toMatch(/HINT:  get in with: ssh [a-z_]+\+[a-z0-9-]+@localhost/)
  }
  // Another database than the policy's is refused where it is asked for, not later and with other words.
  const elsewhere = await world.exec(['orders', 'dsn --database postgres'])
  expect(elsewhere).toMatchObject({ status: 77 })
  expect(elsewhere.stdout.toString()).toBe('')
  const rotated = await world.dsn('--rotate')
  expect((await world.psql(dsn, '-c', 'SELECT 1')).stderr).toContain('no live grant')
  expect(await world.psql(rotated, '-c', 'SELECT 1')).toMatchObject({ status: 0 })
  await revoke(grant)
  expect((await world.psql(rotated, '-c', 'SELECT 1')).stderr).toContain('no live grant')
  // A new grant does not bring old secrets back.
  const next = await world.grant('orders', '30m')
  expect((await world.psql(rotated, '-c', 'SELECT 1')).stderr).toContain('no live grant')
  await revoke(next)
})
