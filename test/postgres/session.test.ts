// Real clients through the bastion to real servers: what they see, and what is recorded.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { Query } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { has } from '../support/clients.ts'
import { run, Terminal } from '../support/terminal.ts'
import { front } from '../pgwire/wire.ts'
import { cancelPacket, driver, encrypted, plain, untilClosed, wire } from './connect.ts'
import { debianPrograms, startDebianPostgres, startEmbeddedPostgres } from './real-postgres.ts'
import type { RealPostgres } from './real-postgres.ts'
import { World } from './world.ts'

const debian = debianPrograms()
const servers = [
  ...(debian === undefined ? [] : [{ name: "Debian's PostgreSQL", start: () => startDebianPostgres(debian) }]),
  ...(has('postgres') ? [{ name: "the demo's PostgreSQL", start: startEmbeddedPostgres }] : []),
]

for (const { name, start } of servers)
  describe(name, () => {
    let postgres: RealPostgres
    let world: World
    beforeAll(async () => {
      postgres = await start()
    })
    afterAll(() => postgres.stop())
    beforeEach(async () => {
      world = await World.start(postgres, { files: 'full' })
    })
    afterEach(() => world.stop())

    const lines = (...codes: string[]) =>
      world.journal
        .facts()
        .filter(({ code }) => codes.includes(code))
        .map(({ data }) => data)

    async function psql(commands: string[], options: { input?: string | Buffer; env?: Record<string, string> } = {}) {
      const args = commands.flatMap((command) => ['-c', command])
      return run('psql', ['-X', '-v', 'ON_ERROR_STOP=0', ...args], {
        env: await world.env(options.env),
        input: options.input ?? '',
      })
    }

    test.runIf(has('psql'))(
      'psql: results, errors and settings are the server’s own; each statement is recorded',
      async () => {
        const ran = await psql(['select 40 + 2 as answer', 'select 1/0', "select 'ü' as u"])
        expect(ran.stdout.toString()).toContain('42')
        expect(ran.stderr).toContain('ERROR:  division by zero')
        await expect
          .poll(() => lines('q'))
          .toEqual([
            { id: 1, kind: 'query', sql: 'select 40 + 2 as answer' },
            { id: 2, kind: 'query', sql: 'select 1/0' },
            { id: 3, kind: 'query', sql: "select 'ü' as u" },
          ])
        await expect
          .poll(() => lines('d'))
          .toMatchObject([
            { id: 1, tag: 'SELECT 1', rows: 1 },
            { id: 2, tag: null, sqlstate: '22012', severity: 'ERROR', error: 'division by zero' },
            { id: 3, tag: 'SELECT 1', rows: 1 },
          ])
        await expect.poll(() => world.ended).toMatchObject([{ reason: 'client-closed', code: null }])
      },
    )

    test.runIf(has('psql'))(
      'the header says who, with which mechanism, to which database, from which program',
      async () => {
        await psql(['select 1'])
        expect(world.journal.header()).toMatchObject({
          halligan: {
            user: 'alice',
            mfa: 'grant-secret/SCRAM-SHA-256-PLUS',
            target: 'orders',
            account: 'app',
            database: 'shop',
            what: { kind: 'sql', application: 'psql' },
          },
        })
      },
    )

    test.runIf(has('psql'))(
      'COPY both ways: the bytes are recorded with their hash, and come through unchanged',
      async () => {
        const rows = Array.from({ length: 20_000 }, (_, i) => `${i}\tline ${i} äöü\n`).join('')
        const ran = await psql(['create temp table t (a int, b text)', '\\copy t from stdin', '\\copy t to stdout'], {
          input: rows,
        })
        expect(ran.stdout.toString()).toContain(rows)
        expect(world.journal.bulk().toString()).toBe(rows)
        const sha256 = createHash('sha256').update(rows).digest('hex')
        const size = Buffer.byteLength(rows)
        await expect.poll(() => lines('h').at(-1)).toEqual({ id: 2, end: true, length: size, sha256 })
        await expect
          .poll(() => lines('d'))
          .toMatchObject([{}, { id: 2, tag: 'COPY 20000', copyIn: size }, { id: 3, tag: 'COPY 20000', copyOut: size }])
      },
    )

    test.runIf(has('psql'))('COPY that fails in the middle is told by both, and counted', async () => {
      const ran = await psql(['create temp table t (a int)', '\\copy t from stdin'], { input: '1\nnot a number\n3\n' })
      expect(ran.stderr).toContain('invalid input syntax')
      await expect.poll(() => lines('d').at(-1)).toMatchObject({ id: 2, sqlstate: '22P02', copyIn: 17 })
      await expect(psql(['select 1'])).resolves.toMatchObject({ status: 0 })
    })

    test('the extended protocol: parameters, text and binary, and the statement they ran', async () => {
      const client = await driver(world)
      const result = await client.query('select $1::int + 1 as n, $2::bytea as b', [41, Buffer.from([0, 255])])
      expect(result.rows).toEqual([{ n: 42, b: Buffer.from([0, 255]) }])
      await expect
        .poll(() => lines('q'))
        .toEqual([{ id: 1, kind: 'parse', name: '', sql: 'select $1::int + 1 as n, $2::bytea as b' }])
      await expect
        .poll(() => lines('p'))
        .toEqual([{ id: 2, statement: '', values: ['41', { hex: '00ff' }], executed: true }])
      await expect.poll(() => lines('d')).toMatchObject([{ id: 2, statement: 1, tag: 'SELECT 1', rows: 1 }])
      await client.end()
    })

    test('named statements, portals with a row limit, and a name used again', async () => {
      const client = await driver(world)
      for (const value of ['1', '2']) await client.query({ name: 'plan', text: 'select $1::text', values: [value] })
      const rows: unknown[] = []
      const query = client.query(new Query({ text: 'select generate_series(1, 5)', rows: 2 } as never))
      query.on('row', (row) => rows.push(row))
      await new Promise((resolve) => query.on('end', resolve))
      expect(rows).toHaveLength(5)
      await expect
        .poll(() => lines('d').slice(0, 2))
        .toMatchObject([
          { id: 2, statement: 1 },
          { id: 3, statement: 1 },
        ])
      await expect
        .poll(() =>
          lines('d')
            .slice(2)
            .map(({ tag, rows: count, suspended }) => [tag, count, suspended]),
        )
        .toEqual([
          [null, 2, true],
          [null, 2, true],
          ['SELECT 1', 1, undefined],
        ])
      await client.end()
    })

    test('transactions: what was taken back is said so', async () => {
      const client = await driver(world)
      await client.query('create temp table t (a int)')
      await client.query('begin')
      await client.query('insert into t values (1)')
      await client.query('savepoint s')
      await client.query('insert into t values (2)')
      await client.query('rollback to s')
      await client.query('rollback')
      await expect(client.query('insert into t values (1); insert into t values (0/0)')).rejects.toMatchObject({
        code: '22012',
      })
      await world.journal.until((facts) => facts.filter(({ data }) => 'rolledBack' in data).length >= 3 || undefined)
      const seen = lines('d').map(({ tag, tx, rolledBack }) => rolledBack ?? `${String(tag)} ${String(tx)}`)
      expect(seen).toEqual([
        'CREATE TABLE I',
        'BEGIN T',
        'INSERT 0 1 T',
        'SAVEPOINT T',
        'INSERT 0 1 T',
        'ROLLBACK T',
        { from: 2, to: 5, extent: 'some' },
        'ROLLBACK I',
        { from: 2, to: 5, extent: 'all' },
        'INSERT 0 1 undefined',
        'null undefined',
        { from: 8, to: 8, extent: 'all' },
      ])
      await client.end()
    })

    test('names longer than 63 bytes are one name to the server, as they are to the record', async () => {
      const { socket, reader } = await wire(world)
      const long = 'n'.repeat(63)
      socket.write(
        Buffer.concat([front.parse(`${long}x`, 'select 1'), front.bind('', `${long}y`), front.execute(), front.sync()]),
      )
      const types: number[] = []
      for (let type = 0; type !== 0x5a; types.push(type)) type = (await reader.message()).type
      expect(String.fromCharCode(...types)).toBe('12DCZ')
      await expect.poll(() => lines('d')).toMatchObject([{ id: 2, statement: 1, tag: 'SELECT 1' }])
      socket.destroy()
    })

    test('a pipeline sent in one piece, with an error in its middle', async () => {
      const { socket, reader } = await wire(world)
      const step = (sql: string) => [front.parse('', sql), front.bind('', ''), front.execute()]
      socket.write(
        Buffer.concat([
          ...step('select 1'),
          front.sync(),
          ...step('select 1/0'),
          ...step('select 2'),
          front.sync(),
          ...step('select 3'),
          front.sync(),
        ]),
      )
      let ready = 0
      while (ready < 3) if ((await reader.message()).type === 0x5a) ready++
      await expect
        .poll(() => lines('d').map(({ id, tag, sqlstate, skipped }) => [id, tag ?? sqlstate ?? skipped]))
        .toEqual([
          [2, 'SELECT 1'],
          [4, '22012'],
          [5, true],
          [6, true],
          [8, 'SELECT 1'],
        ])
      socket.destroy()
    })

    test('a statement over a megabyte is recorded in parts, takes effect once, and answers', async () => {
      const client = await driver(world)
      const text = 'é'.repeat(1_500_000)
      const { rows } = await client.query(`select length('${text}') as n`)
      expect(rows).toEqual([{ n: 1_500_000 }])
      const parts = lines('q')
      expect(parts.map(({ kind, of, index, last }) => [kind, of, index, last])).toEqual([
        ['part', 'query', 0, undefined],
        ['part', 'query', 1, undefined],
        ['part', 'query', 2, true],
      ])
      expect(parts.map(({ sql }) => sql).join('')).toBe(`select length('${text}') as n`)
      await expect.poll(() => lines('d')).toMatchObject([{ id: 1, tag: 'SELECT 1' }])
      await client.end()
    })

    test('what destroys or hands out access is told and marked, in both protocols and in parts, and runs as ever', async () => {
      const client = await driver(world)
      await client.query('create temp table t (a int)')
      await client.query("select 'drop table t'")
      await client.query('delete from t; drop table t')
      await client.query({ name: 'wipe', text: 'create temp table u as select $1::int', values: [1] })
      await expect(client.query('truncate $1', [1])).rejects.toMatchObject({ code: '42601' })
      await client.query(`select '${'é'.repeat(1_000_000)}'; delete from u`)
      const told = world.risky.map(({ what, statement }) => [what, statement])
      const asked = lines('q').flatMap(({ id, sql }) => (/delete|truncate/.test(String(sql)) ? [Number(id)] : []))
      const [both, truncate, long] = asked
      expect(told).toEqual([
        ['DELETE without WHERE', both],
        ['DROP', both],
        ['TRUNCATE', truncate],
        ['DELETE without WHERE', long],
      ])
      expect(world.risky[0]).toMatchObject({
        session: { user: 'alice', target: 'orders' },
        grant: { id: world.grant.id },
      })
      const marked = world.journal
        .facts()
        .flatMap(({ code, data }, index, all) => (code === 'm' ? [[data, all[index - 1]?.data['id']]] : []))
      expect(marked).toEqual([
        [`risky statement ${both}: DELETE without WHERE, DROP`, both],
        [`risky statement ${truncate}: TRUNCATE`, truncate],
        [`risky statement ${long}: DELETE without WHERE`, long],
      ])
      await client.end()
    })

    test('an answer of many megabytes comes through a reader that is slow', async () => {
      const client = await driver(world)
      const { rows } = await client.query("select repeat('x', 1000) as x from generate_series(1, 20000)")
      expect(rows).toHaveLength(20_000)
      await expect.poll(() => lines('d')).toMatchObject([{ tag: 'SELECT 20000', rows: 20_000 }])
      await client.end()
    })

    test('both ways full at once: neither waits for the other for ever', async () => {
      const { socket } = await wire(world)
      const sql = front.query(`select repeat('x', 60000) /* ${'y'.repeat(60_000)} */`)
      const count = 300
      Readable.from(
        (function* () {
          for (let i = 0; i < count; i++) yield sql
        })(),
      ).pipe(socket, { end: false })
      let seen = 0
      let tail = ''
      await new Promise<void>((resolve) => {
        socket.on('data', (chunk: Buffer) => {
          const text = tail + chunk.toString('latin1')
          seen += text.split('SELECT 1\0Z').length - 1
          tail = text.slice(-9)
          if (seen >= count) resolve()
        })
      })
      await world.journal.until((facts) => facts.filter(({ code }) => code === 'd').length >= count || undefined)
      socket.destroy()
    })

    test('notices and notifications are recorded', async () => {
      const client = await driver(world)
      await client.query("listen jobs; notify jobs, 'new'")
      await client.query("do $$ begin raise notice 'hello'; end $$")
      await expect
        .poll(() => lines('n'))
        .toMatchObject([
          { kind: 'notification', channel: 'jobs', payload: 'new' },
          { kind: 'server-notice', severity: 'NOTICE', message: 'hello' },
        ])
      await client.end()
    })

    test('start-up settings that go on take effect; one that does not is named', async () => {
      const ran = await psql(['show statement_timeout', 'show search_path', 'select current_user'], {
        env: { PGOPTIONS: '-c statement_timeout=7s -c role=postgres', PGAPPNAME: 'psql' },
      })
      expect(ran.stdout.toString()).toMatch(/7s[\s\S]*app\b/)
      expect(ran.stderr).toContain('does not pass on these start-up settings: role')
    })

    test.runIf(has('psql'))('Ctrl-C in psql cancels the running statement, and that is recorded', async () => {
      const terminal = new Terminal('psql', ['-X'], { env: await world.env() })
      await terminal.expect('=>')
      terminal.type('select pg_sleep(60);\n')
      await world.journal.until((facts) => facts.find(({ code }) => code === 'q'))
      await expect.poll(() => running(postgres)).toBe(1)
      terminal.type('\x03')
      await terminal.expect('canceling statement due to user request')
      await expect.poll(() => lines('q').at(-1)).toEqual({ kind: 'cancel' })
      await expect.poll(() => lines('d').at(-1)).toMatchObject({ id: 1, sqlstate: '57014' })
      terminal.type('select 7 * 6;\n')
      await terminal.expect('42')
      terminal.type('\\q\n')
      expect(await terminal.exited).toBe(0)
    })

    test('a cancel key works in clear and inside TLS, and only while its session lives', async () => {
      const { socket, reader, key } = await wire(world)
      for (const open of [plain, encrypted]) {
        socket.write(front.query('select pg_sleep(60)'))
        await expect.poll(() => running(postgres)).toBe(1)
        const asking = await open(world)
        asking.write(cancelPacket(key))
        await untilClosed(asking)
        let types = ''
        while (!types.endsWith('Z')) types += String.fromCharCode((await reader.message()).type)
        expect(types).toMatch(/EZ$/)
      }
      expect(world.refusals).toEqual([])
      socket.destroy()
      await expect.poll(() => world.ended.length).toBe(1)
      const late = await plain(world)
      late.write(cancelPacket(key))
      await untilClosed(late)
      expect(world.refusals).toMatchObject([{ reason: 'foreign-cancel-key' }])
    })

    test('what a client sent before it went away takes effect and is recorded with its end', async () => {
      const { socket } = await wire(world)
      socket.end(front.query('create table if not exists left_behind (a int); insert into left_behind values (1)'))
      await world.journal.until((facts) => facts.find(({ data }) => data['tag'] === 'INSERT 0 1'))
      await expect.poll(() => world.ended).toMatchObject([{ reason: 'client-closed' }])
    })

    for (const { what, bytes } of [
      { what: 'an unknown message', bytes: Buffer.from('7900000004', 'hex') },
      { what: 'an impossible length', bytes: Buffer.from('5100000001', 'hex') },
      { what: 'a query with bytes behind its end', bytes: Buffer.from('510000000a783b00783b00', 'hex') },
    ])
      test(`${what} in a session ends it with 08P01, and nothing of it reaches the server`, async () => {
        const { socket } = await wire(world)
        socket.write(bytes)
        expect((await untilClosed(socket)).toString('latin1')).toMatch(/C08P01\0/)
        await expect.poll(() => world.ended).toMatchObject([{ reason: 'protocol-violation' }])
      })

    test.runIf(has('pgbench'))(
      'pgbench: simple, extended and prepared, several at once',
      async () => {
        const env = await world.env()
        const bench = (...args: string[]) => run('pgbench', args, { env, timeoutMs: 60_000 })
        const init = await bench('-i', '-q', '--no-vacuum', '-s', '1')
        expect(init.status, init.stderr).toBe(0)
        for (const mode of ['simple', 'extended', 'prepared']) {
          const ran = await bench('-M', mode, '-c', '4', '-t', '20', '-n')
          expect(ran.status, ran.stderr).toBe(0)
          expect(ran.stdout.toString()).toContain('processed: 80/80')
        }
        const committed = () => lines('d').filter(({ tag }) => tag === 'COMMIT').length
        await expect.poll(committed).toBeGreaterThanOrEqual(240)
      },
      120_000,
    )
  })

/** Statements that sleep on the server now, as its superuser sees them. */
async function running(postgres: RealPostgres): Promise<number> {
  const admin = await postgres.admin()
  try {
    const { rows } = await admin.query(
      "select from pg_stat_activity where state = 'active' and query like '%pg_sleep%' and pid <> pg_backend_pid()",
    )
    return rows.length
  } finally {
    await admin.end()
  }
}
