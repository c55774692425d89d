// Connections that come through somebody's ssh (`-L`): any stream will do, and only that person can log in on it.
import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { duplexPair } from 'node:stream'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Identity } from '../../src/identity/user.ts'
import { has } from '../support/clients.ts'
import { debianPrograms, startDebianPostgres, startEmbeddedPostgres, type RealPostgres } from './real-postgres.ts'
import { World } from './world.ts'

const debian = debianPrograms()
const isHere = debian !== undefined || has('postgres')

let postgres: RealPostgres
let world: World
const servers: Server[] = []
beforeAll(async () => {
  if (!isHere) return
  postgres = debian === undefined ? await startEmbeddedPostgres() : await startDebianPostgres(debian)
  world = await World.start(postgres)
})
afterAll(async () => {
  for (const server of servers) server.close()
  await world?.stop()
  await postgres?.stop()
})

/** A forwarded port of `identity`: each connection becomes a plain stream, as an ssh channel is. */
async function forwarded(identity: Identity): Promise<number> {
  const server = createServer((socket) => {
    const [near, far] = duplexPair()
    socket.on('error', () => near.destroy())
    socket.pipe(near).pipe(socket)
    world.server.open(far, identity)
  })
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function connect(port: number): Promise<Client> {
  const ssl = { ca: world.ca, servername: 'localhost' }
  const client = new Client({
    host: '127.0.0.1',
    port,
    user: 'alice',
    database: 'orders',
    password: await world.secret(),
    ssl,
  })
  await client.connect()
  return client
}

test.runIf(isHere)('the person whose ssh it is works as on a socket', async () => {
  const client = await connect(await forwarded(world.identity))
  const { rows } = await client.query("select count(*)::int as n, repeat('x', 200000) as x from generate_series(1, 10)")
  expect(rows).toMatchObject([{ n: 10 }])
  await client.end()
  await expect.poll(() => world.ended).toMatchObject([{ reason: 'client-closed' }])
})

test.runIf(isHere)('a right secret of another person is refused like a wrong one', async () => {
  const mallory = { ...world.identity, user: { ...world.identity.user, name: 'mallory' } }
  await expect(connect(await forwarded(mallory))).rejects.toMatchObject({ code: '28000' })
  expect(world.refusals.at(-1)).toEqual({ login: 'alice@orders', reason: 'no-grant' })
})
