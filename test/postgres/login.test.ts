import { once } from 'node:events'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { int32 } from '../../src/pgwire/backend-encoding.ts'
import { encodeSslRequest, encodeStartupMessage } from '../../src/pgwire/frontend-encoding.ts'
import { has } from '../support/clients.ts'
import { FakeClock } from '../support/clock.ts'
import { run } from '../support/terminal.ts'
import { driver, encrypted, plain, untilClosed } from './connect.ts'
import type { RealPostgres } from './real-postgres.ts'
import { World, type WorldOptions } from './world.ts'

// Nothing here gets as far as a server: logins are refused before a dial.
const nowhere: RealPostgres = {
  host: '127.0.0.1',
  port: 1,
  ca: '',
  database: 'shop',
  account: 'app',
  password: 'x',
  admin: () => Promise.reject(new Error('no server')),
  stop: async () => {},
}

let world: World
const worlds: World[] = []
async function another(options: WorldOptions): Promise<World> {
  const made = await World.start(nowhere, options)
  worlds.push(made)
  return made
}
beforeAll(async () => {
  world = await another({})
})
afterAll(async () => {
  await Promise.all(worlds.map((made) => made.stop()))
})

const refused: { name: string; login: { user?: string; database?: string; password?: string }; reason: string }[] = [
  { name: 'a wrong secret', login: { password: 'guess' }, reason: 'bad-secret' },
  { name: 'an unknown person', login: { user: 'mallory', password: 'guess' }, reason: 'no-grant' },
  { name: 'an unknown target', login: { database: 'nothing', password: 'guess' }, reason: 'no-grant' },
  { name: 'another database', login: { database: 'orders/postgres' }, reason: 'no-grant' },
]
for (const { name, login, reason } of refused)
  test(`${name} reads like any other refusal: 28000 with the ssh command, and a report`, async () => {
    const before = world.refusals.length
    await world.secret()
    const error: unknown = await driver(world, login).catch((failure: unknown) => failure)
    const target = login.database?.split('/')[0] ?? 'orders'
    expect(error).toMatchObject({
      code: '28000',
      severity: 'FATAL',
      message: 'no live grant and secret for this user, target and address',
      hint: `get in with: eval "$(ssh ${login.user ?? 'alice'}+${target}@bastion env)" && psql`,
    })
    expect(world.refusals.slice(before)).toEqual([{ login: `${login.user ?? 'alice'}@${target}`, reason }])
  })

test('the salt of a person and target is one, known or not, and another for others', async () => {
  const salt = async (user: string, database: string) => {
    const socket = await encrypted(world)
    socket.write(encodeStartupMessage(Object.entries({ user, database })))
    await once(socket, 'data')
    const first = Buffer.from('n,,n=,r=abcdef')
    const initial = Buffer.concat([Buffer.from('SCRAM-SHA-256\0'), int32(first.length), first])
    socket.write(Buffer.concat([Buffer.from('p'), int32(initial.length + 4), initial]))
    const [answer] = (await once(socket, 'data')) as [Buffer]
    socket.destroy()
    return /s=([^,]+),i=(\d+)/.exec(answer.toString('latin1'))?.slice(1)
  }
  expect(await salt('alice', 'orders')).toEqual(await salt('alice', 'orders'))
  expect(await salt('nobody', 'orders')).toEqual(await salt('nobody', 'orders'))
  expect(await salt('nobody', 'orders')).not.toEqual(await salt('alice', 'orders'))
})

test('a name that is no name does not get into the hint', async () => {
  const error: unknown = await driver(world, { user: '"; rm -rf ~ #', password: 'x' }).catch(
    (failure: unknown) => failure,
  )
  expect(error).toMatchObject({ hint: 'get in with: eval "$(ssh USER+orders@bastion env)" && psql' })
})

test('a secret of an ended grant is refused like a wrong one', async () => {
  const ended = await another({})
  const password = await ended.secret()
  ended.end({ reason: 'revoked', code: 'killed', message: 'revoked by adam' })
  await expect(driver(ended, { password })).rejects.toMatchObject({ code: '28000' })
  expect(ended.refusals).toMatchObject([{ reason: 'no-grant' }])
})

test('a policy that wants channel binding refuses a login without it, and says how', async () => {
  const strict = await another({ channelBinding: 'require' })
  await expect(driver(strict)).rejects.toMatchObject({
    code: '28000',
    hint: expect.stringContaining('channel_binding=require') as string,
  })
})

test('without TLS nobody gets as far as a password', async () => {
  const socket = await plain(world)
  socket.write(encodeStartupMessage(Object.entries({ user: 'alice', database: 'orders' })))
  const said = (await untilClosed(socket)).toString('latin1')
  expect(said).toMatch(/^E.*FATAL\0.*C28000\0.*sslmode=require/s)
  expect(world.refusals.at(-1)).toEqual({ login: 'alice@orders', reason: 'cleartext' })
})

test.runIf(has('psql'))('psql with sslmode=disable is told what to add', async () => {
  const ran = await run('psql', ['-X', '-c', 'select 1'], {
    env: await world.env({ PGSSLMODE: 'disable', PGCHANNELBINDING: 'prefer' }),
  })
  expect(ran.status).toBe(2)
  expect(ran.stderr).toMatch(/HINT: {2}add sslmode=require/)
})

test('replication is refused', async () => {
  const socket = await encrypted(world)
  socket.write(encodeStartupMessage(Object.entries({ user: 'alice', database: 'orders', replication: 'database' })))
  expect((await untilClosed(socket)).toString()).toMatch(/C28000\0.*replication/)
})

test('direct TLS wants its protocol name', async () => {
  const direct = (ALPNProtocols: string[]) => {
    const socket = connectTls({
      port: world.port,
      host: '127.0.0.1',
      ca: world.ca,
      servername: 'localhost',
      ALPNProtocols,
    })
    socket.on('error', () => {})
    return socket
  }
  const right = direct(['postgresql'])
  await once(right, 'secureConnect')
  right.write(encodeStartupMessage(Object.entries({ user: 'alice', database: 'orders' })))
  const [answer] = (await once(right, 'data')) as [Buffer]
  expect(answer.toString('latin1')).toContain('SCRAM-SHA-256-PLUS')
  right.destroy()
  expect((await untilClosed(direct([]))).length).toBe(0)
  expect(world.refusals.at(-1)?.reason).toBe('malformed')
})

test('a newer protocol and unknown options are answered with what there is', async () => {
  const socket = await encrypted(world)
  const packet = encodeStartupMessage(Object.entries({ user: 'alice', database: 'orders', '_pq_.x': '1' }))
  packet.writeUInt16BE(2, 6)
  socket.write(packet)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(answer.toString('latin1', 0, 5)).toBe('v\0\0\0\x13')
  socket.destroy()
})

const garbage = [
  { name: 'HTTP', bytes: Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n') },
  { name: 'an SSH client', bytes: Buffer.from('SSH-2.0-OpenSSH_9.2\r\n') },
  { name: 'a start-up packet of a gigabyte', bytes: int32(1 << 30) },
  {
    name: 'bytes between SSLRequest and handshake',
    bytes: Buffer.concat([encodeSslRequest(), encodeStartupMessage([])]),
  },
  { name: 'a broken TLS handshake', bytes: Buffer.from('16030100050100000100', 'hex') },
]
for (const { name, bytes } of garbage)
  test(`${name}: closed without a PostgreSQL answer, and reported`, async () => {
    const socket = await plain(world)
    const before = world.refusals.length
    socket.write(bytes)
    const said = await untilClosed(socket)
    expect(said.toString('latin1')).not.toMatch(/^[ERS]/)
    expect(world.refusals.slice(before).map(({ reason }) => reason)).toEqual(['malformed'])
  })

test('a client that never speaks is closed after ten seconds, however slowly it drips', async () => {
  const clock = new FakeClock()
  const slow = await another({ clock })
  const socket = await plain(slow)
  socket.write(Buffer.from([0]))
  const closed = untilClosed(socket)
  // The server must have seen the connection before its time can pass.
  await expect.poll(() => slow.server.connections).toBe(1)
  clock.advance(9_999)
  expect(socket.destroyed).toBe(false)
  clock.advance(1)
  await closed
  expect(slow.refusals).toEqual([{ login: '', reason: 'timeout' }])
})

test('one address cannot fill the door', async () => {
  const crowded = await another({ clock: new FakeClock() })
  const sockets = await Promise.all(Array.from({ length: 25 }, () => plain(crowded)))
  await expect.poll(() => sockets.filter((socket) => socket.readableEnded || socket.destroyed).length).toBe(0)
  for (const socket of sockets) socket.resume()
  await expect.poll(() => sockets.filter((socket) => socket.destroyed).length).toBe(5)
  for (const socket of sockets) socket.destroy()
  await expect.poll(() => crowded.server.connections).toBe(0)
})

test('a cancel request with a foreign key is closed silently and reported, in clear and inside TLS', async () => {
  const packet = Buffer.concat([int32(16), int32(80_877_102), int32(4711), int32(815)])
  for (const open of [plain, encrypted]) {
    const socket = await open(world)
    const before = world.refusals.length
    socket.write(packet)
    expect((await untilClosed(socket)).length).toBe(0)
    expect(world.refusals.slice(before).map(({ reason }) => reason)).toEqual(['foreign-cancel-key'])
  }
})
