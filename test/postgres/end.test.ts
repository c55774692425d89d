// Access ends on time (P5): what runs is ended on the server, the user is told why, the socket is gone within a second.
import { createServer } from 'node:net'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { SessionEnd } from '../../src/session/session.ts'
import { has } from '../support/clients.ts'
import { Terminal } from '../support/terminal.ts'
import { front } from '../pgwire/wire.ts'
import { driver, untilClosed, wire } from './connect.ts'
import { debianPrograms, startDebianPostgres, startEmbeddedPostgres, type RealPostgres } from './real-postgres.ts'
import { World } from './world.ts'

const debian = debianPrograms()
const isHere = debian !== undefined || has('postgres')
const killed: SessionEnd = { reason: 'killed', code: 'killed', message: 'killed by adam: wrong host' }
const expired: SessionEnd = { reason: 'expired', code: 'grant_expired', message: 'grant g7f3 expired at 14:32 UTC' }

let postgres: RealPostgres
let world: World
beforeAll(async () => {
  if (isHere) postgres = debian === undefined ? await startEmbeddedPostgres() : await startDebianPostgres(debian)
})
afterAll(() => postgres?.stop())
beforeEach(async () => {
  if (isHere) world = await World.start(postgres)
})
afterEach(() => world?.stop())

/** Sessions of the account on the server. */
async function onServer(): Promise<{ state: string; query: string }[]> {
  const admin = await postgres.admin()
  try {
    const { rows } = await admin.query<{ state: string; query: string }>(
      'select state, query from pg_stat_activity where usename = $1',
      [postgres.account],
    )
    return rows
  } finally {
    await admin.end()
  }
}

for (const end of [killed, expired])
  test.runIf(isHere)(
    `${end.reason}: a running statement ends on the server, and the user reads why, within a second`,
    async () => {
      const client = await driver(world)
      const running = client.query('select pg_sleep(60)')
      await expect.poll(async () => (await onServer()).map(({ state }) => state)).toEqual(['active'])
      const start = performance.now()
      world.end(end)
      await expect(running).rejects.toMatchObject({ severity: 'FATAL', code: '57P01', message: end.message })
      await expect.poll(onServer, { interval: 20, timeout: 2000 }).toEqual([])
      expect(performance.now() - start).toBeLessThan(1000)
      expect(world.journal.facts().slice(-3)).toMatchObject([
        { code: 'd', data: { id: 1, unknown: true } },
        { code: 'n', data: { kind: 'end', reason: end.reason, message: end.message } },
        { code: 'x' },
      ])
    },
  )

test.runIf(isHere)('an idle session is told and closed; an open transaction is recorded as taken back', async () => {
  const { socket } = await wire(world)
  socket.write(front.query('begin'))
  await world.journal.until((facts) => facts.find(({ data }) => data['tag'] === 'BEGIN'))
  const start = performance.now()
  world.end(killed)
  expect((await untilClosed(socket)).toString('latin1')).toMatch(/E.*C57P01\0Mkilled by adam/s)
  expect(performance.now() - start).toBeLessThan(1000)
  expect(world.journal.facts().find(({ data }) => 'rolledBack' in data)?.data).toEqual({
    rolledBack: { from: 1, to: 1, extent: 'all' },
  })
  await expect.poll(onServer).toEqual([])
})

test.runIf(isHere)('in the middle of a stream of rows the message is finished, then the reason comes', async () => {
  const { socket } = await wire(world)
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  socket.write(front.query("select repeat('x', 3001), generate_series(1, 100000000)"))
  await expect.poll(() => chunks.length).toBeGreaterThan(20)
  const start = performance.now()
  world.end(killed)
  await once(socket, 'close')
  expect(performance.now() - start).toBeLessThan(1000)
  const all = Buffer.concat(chunks)
  let at = 0
  let last = ''
  while (at + 5 <= all.length) {
    last = String.fromCharCode(all[at] ?? 0)
    at += 1 + all.readUInt32BE(at + 1)
  }
  expect({ last, at }).toEqual({ last: 'E', at: all.length })
  await expect.poll(onServer).toEqual([])
})

test.runIf(isHere)('a client that reads nothing cannot hold its session open', async () => {
  const { socket } = await wire(world)
  socket.pause()
  socket.write(front.query("select repeat('x', 3001), generate_series(1, 100000000)"))
  await expect.poll(async () => (await onServer()).length).toBe(1)
  const start = performance.now()
  world.end(killed)
  await expect.poll(() => world.server.connections, { interval: 10 }).toBe(0)
  expect(performance.now() - start).toBeLessThan(1000)
  await expect.poll(onServer).toEqual([])
  socket.destroy()
})

test.runIf(isHere)('a statement that waits for its record when the end comes never arrives', async () => {
  const { socket } = await wire(world)
  world.journal.hold()
  socket.write(front.query('create table too_late ()'))
  await world.journal.until((facts) => facts.find(({ code }) => code === 'q'))
  world.end(killed)
  world.journal.release()
  await untilClosed(socket)
  const admin = await postgres.admin()
  expect((await admin.query("select to_regclass('too_late') as t")).rows).toEqual([{ t: null }])
  await admin.end()
})

test.runIf(isHere)('nobody gets in again with the secret of an ended grant', async () => {
  const password = await world.secret()
  const client = await driver(world, { password })
  world.end(killed)
  await expect.poll(() => world.ended.length).toBe(1)
  await expect(driver(world, { password })).rejects.toMatchObject({ code: '28000' })
  await client.end().catch(() => {})
})

test.runIf(isHere && has('psql'))(
  'a warning comes as a notice between two answers; psql shows it with the next',
  async () => {
    const terminal = new Terminal('psql', ['-X'], { env: await world.env() })
    await terminal.expect('=>')
    world.registry.notice(world.grant.id, 'grant g7f3 ends in 5 min')
    terminal.type('select 1;\n')
    await terminal.expect('WARNING:  grant g7f3 ends in 5 min')
    world.end(expired)
    terminal.type('select 2;\n')
    await terminal.expect('FATAL:  grant g7f3 expired at 14:32 UTC')
    terminal.close()
  },
)

test.runIf(isHere)('the server that goes away is told apart from the user who does', async () => {
  const client = await driver(world)
  const running = client.query('select pg_sleep(60)')
  running.catch(() => {})
  await expect.poll(async () => (await onServer()).length).toBe(1)
  const admin = await postgres.admin()
  await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where usename = $1', [postgres.account])
  await admin.end()
  await expect(running).rejects.toMatchObject({
    code: '57P01',
    message: expect.stringContaining('administrator') as string,
  })
  await expect.poll(() => world.ended).toMatchObject([{ reason: 'upstream-closed', code: null }])
})

test('an end during the dial cancels the dial', async () => {
  const silent = createServer((socket) => socket.on('error', () => {}))
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const dialling = await World.start({ ...fakePostgres, port })
  const client = driver(dialling)
  client.catch(() => {})
  await once(silent, 'connection')
  const start = performance.now()
  dialling.end(killed)
  await expect(client).rejects.toMatchObject({ code: '57P01', message: 'killed by adam: wrong host' })
  expect(performance.now() - start).toBeLessThan(1000)
  await dialling.stop()
  silent.close()
})

const fakePostgres: RealPostgres = {
  host: '127.0.0.1',
  port: 0,
  ca: '',
  database: 'shop',
  account: 'app',
  password: 'x',
  admin: () => Promise.reject(new Error('no server')),
  stop: async () => {},
}
