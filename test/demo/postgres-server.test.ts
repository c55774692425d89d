import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startDemoPostgres, type DemoPostgres } from '../../src/demo/postgres-server.ts'
import { selfSigned } from '../../src/pgwire/certificate.ts'
import { has } from '../support/clients.ts'
import { demoFolders, isAlive, ownTemporaryDirectory, runModule, until } from './processes.ts'

ownTemporaryDirectory()

type Account = keyof DemoPostgres['passwords']

describe.runIf(has('postgres'))('the demo PostgreSQL', () => {
  let postgres: DemoPostgres
  let folder: string
  const before = new Set(demoFolders('demo-postgres'))

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'demo-test-'))
    postgres = await startDemoPostgres({ now: Date.now() })
    writeFileSync(join(folder, 'ca.crt'), postgres.ca)
    writeFileSync(
      join(folder, 'other.crt'),
      selfSigned({ commonName: 'x', altNames: [], now: Date.now(), validDays: 1 }).ca,
    )
  })
  afterAll(async () => {
    await postgres.stop()
    rmSync(folder, { recursive: true })
  })

  async function asAccount<T>(account: Account, work: (client: Client) => Promise<T>): Promise<T> {
    const ssl = { ca: postgres.ca, servername: 'localhost' }
    const { host, port, database } = postgres
    const client = new Client({ host, port, database, ssl, user: account, password: postgres.passwords[account] })
    await client.connect()
    try {
      return await work(client)
    } finally {
      await client.end()
    }
  }

  function psql(account: Account, sql: string, options: Record<string, string> = {}): Promise<PsqlResult> {
    const conninfo = {
      host: '127.0.0.1',
      port: String(postgres.port),
      dbname: postgres.database,
      user: account,
      password: postgres.passwords[account],
      sslmode: 'verify-full',
      sslrootcert: join(folder, 'ca.crt'),
      channel_binding: 'require',
      ...options,
    }
    const text = Object.entries(conninfo).map(([name, value]) => `${name}='${value}'`)
    return new Promise((resolve) => {
      execFile(
        'psql',
        ['-X', '-A', '-t', '-c', sql, text.join(' ')],
        { env: { PATH: process.env['PATH'], HOME: folder } },
        (error, stdout, stderr) => resolve({ ok: error === null, stdout: stdout.trim(), stderr }),
      )
    })
  }

  interface PsqlResult {
    readonly ok: boolean
    readonly stdout: string
    readonly stderr: string
  }

  test('is PostgreSQL 18 and holds a shop of a few hundred rows', async () => {
    const { rows } = await asAccount('app_readonly', (client) =>
      client.query(`SELECT current_setting('server_version_num')::int / 10000 AS major,
        (SELECT count(*)::int FROM customers) AS customers, (SELECT count(*)::int FROM orders) AS orders,
        (SELECT count(*)::int FROM order_items) AS items, (SELECT count(*)::int FROM products) AS products,
        (SELECT count(*)::int FROM payments WHERE state = 'authorized') AS stuck`),
    )
    expect(rows).toEqual([{ major: 18, customers: 200, orders: 600, items: 1500, products: 40, stuck: 26 }])
  })

  describe.runIf(has('psql'))('through psql', () => {
    test.each(['app_readonly', 'app_readwrite'] as const)(
      '%s logs in over verified TLS with SCRAM',
      async (account) => {
        const result = await psql(
          account,
          'SELECT current_user, (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())',
        )
        expect(result).toEqual({ ok: true, stdout: `${account}|t`, stderr: '' })
      },
    )

    test.each([
      { name: 'a login without TLS', options: { sslmode: 'disable', channel_binding: 'disable' } },
      { name: 'a wrong password', options: { password: 'wrong' } },
      { name: 'a client that trusts another CA', options: { sslrootcert: '$other' } },
      { name: 'the account in another database', options: { dbname: 'postgres' } },
    ])('$name is refused', async ({ options }) => {
      const filled = Object.entries(options).map(([name, value]) => [
        name,
        value.replace('$other', join(folder, 'other.crt')),
      ])
      const result = await psql('app_readonly', 'SELECT 1', Object.fromEntries(filled) as Record<string, string>)
      expect(result).toMatchObject({ ok: false, stdout: '' })
    })
  })

  test.each<{ account: Account; sql: string; code: string | undefined }>([
    { account: 'app_readonly', sql: 'CREATE TEMPORARY TABLE mine AS SELECT * FROM orders', code: undefined },
    { account: 'app_readonly', sql: 'SELECT * FROM order_totals LIMIT 1', code: undefined },
    { account: 'app_readonly', sql: "UPDATE orders SET note = 'x'", code: '42501' },
    { account: 'app_readonly', sql: 'CREATE TABLE mine (id int)', code: '42501' },
    {
      account: 'app_readwrite',
      sql: "INSERT INTO orders (customer_id, status, placed_at) VALUES (1, 'open', now())",
      code: undefined,
    },
    { account: 'app_readwrite', sql: 'DROP TABLE orders', code: '42501' },
    { account: 'app_readwrite', sql: "COPY orders TO PROGRAM 'true'", code: '42501' },
  ])('$account: $sql gives $code', async ({ account, sql, code }) => {
    const outcome = await asAccount(account, async (client) => {
      await client.query('BEGIN')
      return client.query(sql).then(
        () => undefined,
        (error: { code?: string }) => error.code,
      )
    })
    expect(outcome).toBe(code)
  })

  test('runs as somebody who is not root, in a folder only that account can enter', () => {
    const [name] = demoFolders('demo-postgres').filter((entry) => !before.has(entry))
    const { mode, uid } = statSync(join(tmpdir(), name ?? ''))
    expect(mode & 0o777).toBe(0o700)
    expect(uid).not.toBe(0)
  })

  test('stop ends the server and removes its folder, also while a query runs', async () => {
    const known = new Set(demoFolders('demo-postgres'))
    const another = await startDemoPostgres({ now: Date.now() })
    const [name] = demoFolders('demo-postgres').filter((entry) => !known.has(entry))
    const { host, port, database, ca } = another
    const [user, password] = ['app_readonly', another.passwords.app_readonly]
    const client = new Client({ host, port, database, user, password, ssl: { ca, servername: 'localhost' } })
    client.on('error', () => client.removeAllListeners())
    await client.connect()
    const sleeping = client.query('SELECT pg_sleep(60)').then(
      () => 'done',
      () => 'ended',
    )
    await Promise.all([another.stop(), another.stop()])
    expect(await sleeping).toBe('ended')
    await another.ended
    expect(isAlive(another.pid)).toBe(false)
    expect(demoFolders('demo-postgres')).not.toContain(name)
  })

  test('a killed parent leaves neither server nor folder behind', async () => {
    const known = new Set(demoFolders('demo-postgres'))
    const module = new URL('../../src/demo/postgres-server.ts', import.meta.url)
    const { child, first } = await runModule(`
      import { startDemoPostgres } from ${JSON.stringify(module.href)}
      const { pid } = await startDemoPostgres({ now: Date.now() })
      console.log(JSON.stringify(pid))`)
    const made = demoFolders('demo-postgres').filter((entry) => !known.has(entry))
    expect(made).toHaveLength(1)
    expect(isAlive(first as number)).toBe(true)
    child.kill('SIGKILL')
    await once(child, 'exit')
    await until(() => !isAlive(first as number), 10_000)
    await until(() => !demoFolders('demo-postgres').includes(made[0] ?? ''), 10_000)
  })
})
