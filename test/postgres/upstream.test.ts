// The leg to the server: what is not the target, or not well, is never spoken to, and the user is told what it was.
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import type { Client } from 'pg'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import {
  encodeAuthenticationOk,
  encodeAuthenticationSasl,
  encodeErrorResponse,
  encodeMessage,
  encodeReadyForQuery,
  int32,
} from '../../src/pgwire/backend-encoding.ts'
import { selfSigned } from '../../src/pgwire/certificate.ts'
import { has } from '../support/clients.ts'
import { FakeClock } from '../support/clock.ts'
import { driver } from './connect.ts'
import { debianPrograms, startDebianPostgres, startEmbeddedPostgres, type RealPostgres } from './real-postgres.ts'
import { World, type WorldOptions } from './world.ts'

const debian = debianPrograms()
const isHere = debian !== undefined || has('postgres')
const { cert, key, ca } = selfSigned({ commonName: 'pg', altNames: ['localhost'], now: Date.now(), validDays: 2 })

let postgres: RealPostgres
beforeAll(async () => {
  if (isHere) postgres = debian === undefined ? await startEmbeddedPostgres() : await startDebianPostgres(debian)
})
afterAll(() => postgres?.stop())

const open: { stop(): Promise<void> }[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map((thing) => thing.stop()))
})

async function world(server: RealPostgres, options: WorldOptions = {}): Promise<World> {
  const made = await World.start(server, options)
  open.push(made)
  return made
}

/** A server of ours that does `serve` with each connection, for what no real one does. */
async function impostor(serve: (socket: Socket) => void): Promise<RealPostgres> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    serve(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  open.push({
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  })
  const { port } = server.address() as AddressInfo
  const admin = () => Promise.reject<Client>(new Error('no server'))
  return { host: '127.0.0.1', port, ca, database: 'shop', account: 'app', password: 'x', admin, stop: async () => {} }
}

/** Answers SSLRequest and goes on inside TLS; `serve` gets the start-up message's connection. */
const withTls = (serve: (socket: TLSSocket) => void) => (raw: Socket) => {
  raw.once('data', () => {
    raw.write('S')
    const secure = new TLSSocket(raw, { isServer: true, secureContext: createSecureContext({ cert, key }) })
    secure.on('error', () => {})
    secure.once('data', () => serve(secure))
  })
}

const impostors: { name: string; serve: (socket: Socket) => void; message: RegExp }[] = [
  {
    name: 'does not offer TLS',
    serve: (socket) => socket.once('data', () => socket.write('N')),
    message: /does not offer TLS/,
  },
  {
    name: 'sends bytes between its answer and the handshake',
    serve: (socket) =>
      socket.once('data', () => socket.write(Buffer.concat([Buffer.from('S'), encodeAuthenticationOk()]))),
    message: /does not speak as a PostgreSQL server/,
  },
  { name: 'closes at once', serve: (socket) => socket.destroy(), message: /cannot be reached|closed/ },
  {
    name: 'speaks another protocol',
    serve: (socket) => socket.write('SSH-2.0-OpenSSH\r\n'),
    message: /does not speak as a PostgreSQL server/,
  },
  {
    name: 'asks for the password in clear',
    serve: withTls((socket) => socket.write(encodeMessage(0x52, int32(3)))),
    message: /does not ask for SCRAM/,
  },
  {
    name: 'asks for md5',
    serve: withTls((socket) => socket.write(encodeMessage(0x52, int32(5), 'salt'))),
    message: /does not ask for SCRAM/,
  },
  {
    name: 'lets anybody in',
    serve: withTls((socket) => socket.write(Buffer.concat([encodeAuthenticationOk(), encodeReadyForQuery('I')]))),
    message: /does not ask for SCRAM/,
  },
  {
    name: 'does not prove that it knows the password',
    serve: withTls((socket) => {
      socket.write(encodeAuthenticationSasl(['SCRAM-SHA-256']))
      socket.once('data', () => socket.write(encodeAuthenticationOk()))
    }),
    message: /does not speak as a PostgreSQL server/,
  },
  {
    name: 'is full',
    serve: withTls((socket) =>
      socket.write(
        encodeErrorResponse({ severity: 'FATAL', sqlstate: '53300', message: 'sorry, too many clients already' }),
      ),
    ),
    message: /too many clients already \(53300\)/,
  },
  {
    name: 'sends a message of a gigabyte',
    serve: withTls((socket) => socket.write(Buffer.concat([Buffer.from('R'), int32(1 << 30)]))),
    message: /does not speak as a PostgreSQL server/,
  },
]
for (const { name, serve, message } of impostors)
  test(`a server that ${name}: 57P03, said plainly, and the session's end is recorded`, async () => {
    const made = await world(await impostor(serve))
    await expect(driver(made)).rejects.toMatchObject({
      code: '57P03',
      message: expect.stringMatching(message) as string,
    })
    await expect.poll(() => made.ended).toMatchObject([{ reason: 'unreachable', code: 'unreachable' }])
  })

test('a target that is down', async () => {
  const gone = await impostor(() => {})
  await open.pop()?.stop()
  const made = await world(gone)
  await expect(driver(made)).rejects.toMatchObject({ code: '57P03', message: 'orders cannot be reached: ECONNREFUSED' })
})

test('a target that never answers is given up after fifteen seconds', async () => {
  const clock = new FakeClock()
  const { promise, resolve } = Promise.withResolvers<void>()
  const made = await world(await impostor(() => resolve()), { clock })
  const client = driver(made)
  const outcome = expect(client).rejects.toMatchObject({ code: '57P03' })
  await promise
  clock.advance(15_000)
  await outcome
})

const wrong: { name: string; target: WorldOptions['target']; message: RegExp }[] = [
  { name: 'a certificate of another CA', target: { ca }, message: /cannot be reached: / },
  {
    name: 'a certificate for another name',
    target: { serverName: 'orders.internal' },
    message: /ERR_TLS_CERT_ALTNAME_INVALID/,
  },
  {
    name: 'a database that is not there',
    target: { databases: ['nowhere'] },
    message: /"nowhere" does not exist \(3D000\)/,
  },
  { name: 'no credential for the account', target: { credentials: {} }, message: /no credential for app/ },
]
for (const { name, target, message } of wrong)
  test.runIf(isHere)(`${name}: the dial ends before a password is sent`, async () => {
    const made = await world(target?.databases === undefined ? postgres : { ...postgres, database: 'nowhere' }, {
      target: target ?? {},
    })
    await expect(driver(made)).rejects.toMatchObject({
      code: '57P03',
      message: expect.stringMatching(message) as string,
    })
  })

test.runIf(isHere)('a wrong stored password is told as the target’s refusal', async () => {
  const made = await world({ ...postgres, password: 'wrong' })
  await expect(driver(made)).rejects.toMatchObject({
    code: '57P03',
    message: expect.stringContaining('(28P01)') as string,
  })
})

test.runIf(isHere)('the session’s id stands beside the application in pg_stat_activity', async () => {
  const made = await world(postgres)
  const client = await driver(made)
  const { rows } = await client.query<{ application_name: string }>('show application_name')
  const { halligan } = made.journal.header() as { halligan: { id: string } }
  expect(rows[0]?.application_name).toBe(`[${halligan.id}]`)
  await client.end()
})
