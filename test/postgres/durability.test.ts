// What is durable before what goes on (P1), and what happens when it cannot be (P2), seen from the server's side.
import type { Client } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { has } from '../support/clients.ts'
import { front } from '../pgwire/wire.ts'
import { driver, untilClosed, wire } from './connect.ts'
import { debianPrograms, startDebianPostgres, startEmbeddedPostgres, type RealPostgres } from './real-postgres.ts'
import { World } from './world.ts'

const debian = debianPrograms()
const isHere = debian !== undefined || has('postgres')

let postgres: RealPostgres
let admin: Client
let world: World
beforeAll(async () => {
  if (!isHere) return
  postgres = debian === undefined ? await startEmbeddedPostgres() : await startDebianPostgres(debian)
  admin = await postgres.admin()
  await admin.query('create table seen (n int); grant all on seen to public')
})
afterAll(async () => {
  await admin?.end()
  await postgres?.stop()
})
beforeEach(async () => {
  if (!isHere) return
  await admin.query('truncate seen')
  world = await World.start(postgres)
})
afterEach(() => world?.stop())

const arrived = async () => (await admin.query('select n from seen order by n')).rows.map(({ n }: { n: number }) => n)
const recorded = (code: string, count: number) =>
  world.journal.until((facts) => facts.filter((fact) => fact.code === code).length >= count || undefined)

/** The server has nothing of the session to do: what was not forwarded will not come any more. */
const isIdle = async () => {
  const { rows } = await admin.query("select from pg_stat_activity where usename = $1 and state <> 'idle'", [
    postgres.account,
  ])
  return rows.length === 0
}

test.runIf(isHere)('a statement does not reach the server before its record is durable', async () => {
  const { socket, reader } = await wire(world)
  world.journal.hold()
  socket.write(front.query('insert into seen values (1)'))
  await recorded('q', 1)
  expect(await isIdle()).toBe(true)
  expect(await arrived()).toEqual([])
  world.journal.release()
  while ((await reader.message()).type !== 0x5a);
  expect(await arrived()).toEqual([1])
  socket.destroy()
})

test.runIf(isHere)('what is behind a held statement waits too, a Sync and COPY data among it', async () => {
  const { socket, reader } = await wire(world)
  world.journal.hold()
  socket.write(front.query('insert into seen values (1)'))
  socket.write(front.query('copy seen from stdin'))
  await recorded('q', 2)
  socket.write(Buffer.concat([front.copyData('2\n'), front.copyDone()]))
  await recorded('h', 2)
  expect(await arrived()).toEqual([])
  world.journal.release()
  let ready = 0
  while (ready < 2) if ((await reader.message()).type === 0x5a) ready++
  expect(await arrived()).toEqual([1, 2])
  socket.destroy()
})

test.runIf(isHere)(
  'COPY data that comes while a line is on its way gets one line together, and none is lost',
  async () => {
    const { socket, reader } = await wire(world)
    socket.write(front.query('copy seen from stdin'))
    while ((await reader.message()).type !== 0x47);
    world.journal.hold()
    socket.write(front.copyData('1\n'))
    await recorded('h', 1)
    const rest = Array.from({ length: 20 }, (_, n) => `${n + 2}\n`)
    for (const row of rest) await new Promise((written) => socket.write(front.copyData(row), written))
    socket.write(front.copyDone())
    await recorded('h', 3)
    expect(await arrived()).toEqual([])
    world.journal.release()
    while ((await reader.message()).type !== 0x5a);
    expect(await arrived()).toHaveLength(21)
    const bytes = rest.join('').length
    const lines = world.journal.facts().filter(({ code }) => code === 'h')
    expect(lines.map(({ data }) => [data['offset'], data['length']])).toEqual([
      [0, 2],
      [2, bytes],
      [undefined, 2 + bytes],
    ])
    socket.destroy()
  },
)

test.runIf(isHere)('half a statement never leaves, however long it takes', async () => {
  const { socket, reader } = await wire(world)
  const message = front.query('insert into seen values (1)')
  socket.write(message.subarray(0, 20))
  socket.write(message.subarray(20))
  while ((await reader.message()).type !== 0x5a);
  expect(world.journal.facts().filter(({ code }) => code === 'q')).toHaveLength(1)
  socket.write(Buffer.concat([front.query('insert into seen values (2)'), message.subarray(0, 20)]))
  while ((await reader.message()).type !== 0x5a);
  socket.end()
  await untilClosed(socket)
  expect(await arrived()).toEqual([1, 2])
})

for (const { name, send } of [
  { name: 'a query', send: [front.query('insert into seen values (1)')] },
  {
    name: 'a bound statement',
    send: [front.parse('', 'insert into seen values ($1)'), front.bind('', '', ['1']), front.execute(), front.sync()],
  },
  {
    name: 'a query over a megabyte',
    send: [front.query(`insert into seen values (1) /* ${'x'.repeat(1_200_000)} */`)],
  },
  { name: 'a function call', send: [front.call(1598, [])] },
])
  test.runIf(isHere)(`${name} while the disk is full: nothing arrives, the session ends with the reason`, async () => {
    const { socket } = await wire(world)
    world.journal.fail()
    socket.write(Buffer.concat(send))
    const said = (await untilClosed(socket)).toString('latin1')
    expect(said).toMatch(/SFATAL\0.*C57P01\0Mthis session can no longer be recorded/)
    expect(await arrived()).toEqual([])
    await expect.poll(() => world.ended).toMatchObject([{ reason: 'recorder-failed' }])
  })

test.runIf(isHere)('a disk that fails while statements wait: none of them arrives', async () => {
  const { socket } = await wire(world)
  world.journal.hold()
  socket.write(Buffer.concat([1, 2, 3].map((n) => front.query(`insert into seen values (${n})`))))
  await recorded('q', 3)
  world.journal.fail()
  await untilClosed(socket)
  expect(await arrived()).toEqual([])
})

test.runIf(isHere)('answers are not held, and their record is durable before the next statement goes on', async () => {
  const client = await driver(world)
  await client.query('insert into seen values (1)')
  await expect.poll(() => world.journal.facts().map(({ code }) => code)).toEqual(['q', 'd'])
  world.journal.hold()
  const second = client.query('insert into seen values (2)')
  await recorded('q', 2)
  expect(await arrived()).toEqual([1])
  world.journal.release()
  await second
  await client.end()
})

test.runIf(isHere)('a disk that fails at the answer: the next statement does not arrive', async () => {
  const client = await driver(world)
  await client.query('insert into seen values (1)')
  world.journal.fail()
  await expect(client.query('insert into seen values (2)')).rejects.toMatchObject({ code: '57P01' })
  expect(await arrived()).toEqual([1])
})

test.runIf(isHere)('a flood of notices on a slow disk does not fill memory', async () => {
  const { socket } = await wire(world)
  socket.write(front.query("do $$ begin for i in 1..100000 loop raise notice 'flood %', i; end loop; end $$"))
  await recorded('n', 1)
  world.journal.hold()
  // The server stands still when nobody takes its notices any more, although this client reads on.
  socket.on('data', () => {})
  let before = -1
  await expect
    .poll(async () => {
      const isStill = world.journal.entries.length === before
      before = world.journal.entries.length
      const { rows } = await admin.query('select wait_event from pg_stat_activity where usename = $1', [
        postgres.account,
      ])
      return isStill && (rows as { wait_event: string }[])[0]?.wait_event
    })
    .toBe('ClientWrite')
  expect(world.journal.entries.length).toBeLessThan(100_000)
  world.journal.release()
  const last = () => world.journal.entries.at(-1)?.body
  await expect.poll(last, { timeout: 20_000 }).toMatchObject({ code: 'd', data: { id: 1, tag: 'DO' } })
  socket.destroy()
})
