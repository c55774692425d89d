// What a session of an ended grant leaves at work on a real server is ended, and nothing else is.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Client } from 'pg'
import { revoke, type RevokerPorts } from '../../src/bastion/revoking.ts'
import { systemClock } from '../../src/clock.ts'
import { terminateBackends } from '../../src/postgres/maintenance.ts'
import { revocationOf } from '../../src/procedure/revocation.ts'
import { maintain, Maintenance } from '../../src/session/maintenance.ts'
import type { AuditEvent } from '../../src/audit.ts'
import type { SessionRecord } from '../../src/session/session.ts'
import type { Revocation } from '../../src/session/state.ts'
import { driver } from './connect.ts'
import { type RealPostgres, startEmbeddedPostgres } from './real-postgres.ts'
import { World } from './world.ts'

let postgres: RealPostgres
let admin: Client

beforeAll(async () => {
  postgres = await startEmbeddedPostgres()
  admin = await postgres.admin()
})

afterAll(async () => {
  await admin?.end()
  await postgres?.stop()
})

/** Never ends by a cancel, nor by the loss of its client. */
const STUBBORN = `DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(120); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$`

async function working(): Promise<{ pid: number; name: string }[]> {
  const { rows } = await admin.query<{ pid: number; name: string }>(
    "SELECT pid, application_name AS name FROM pg_stat_activity WHERE usename = 'app' AND state = 'active'",
  )
  return rows
}

async function eventually(what: string, find: () => Promise<boolean>): Promise<void> {
  for (let look = 0; look < 200; look++) {
    if (await find()) return
    await new Promise((wake) => setTimeout(wake, 50))
  }
  throw new Error(`there was never ${what}`)
}

/** A revoker over this world; its ledger is a list. */
function revoker(world: World, password = postgres.password): { ports: RevokerPorts; leaves: AuditEvent[] } {
  const leaves: AuditEvent[] = []
  const ports: RevokerPorts = {
    clock: systemClock(),
    state: {
      commit: async (change) => {
        leaves.push(...change.leaves)
        return { size: 0, root: '' }
      },
      session: async (id) =>
        id.startsWith('s') ? ({ id, grant: grantOfSession.get(id) } as SessionRecord) : undefined,
    },
    registry: world.registry,
    target: (name) => (name === 'orders' ? world.target : undefined),
    password: () => password,
  }
  return { ports, leaves }
}

const grantOfSession = new Map<string, string>()

/** A session that runs what ignores its cancel; `first` may run before. */
async function stubborn(world: World, first = 'SELECT 1'): Promise<{ pid: number; session: string }> {
  const before = new Set((await working()).map(({ pid }) => pid))
  const client = await driver(world)
  const session = world.registry.sessions().at(-1)?.id ?? ''
  grantOfSession.set(session, world.grant.id)
  await client.query(first)
  client.query(STUBBORN).catch(() => {
    // It is ended: that is what this is about.
  })
  let pid = 0
  await eventually('a stubborn backend', async () => {
    pid = (await working()).find((one) => !before.has(one.pid))?.pid ?? 0
    return pid !== 0
  })
  return { pid, session }
}

function endOf(world: World): Revocation {
  const backends = world.registry.backendsOf(world.grant.id)
  world.end({ reason: 'revoked', code: 'killed', message: 'revoked by adam' })
  const revocation = revocationOf(world.grant, { protocol: 'postgres' }, backends, Date.now())
  if (revocation === undefined) throw new Error('nothing is queued')
  return revocation
}

for (const { name, first, forgetPids } of [
  { name: 'by the session in its name, as after a crash', first: 'SELECT 1', forgetPids: true },
  {
    name: 'by its process number, when it has taken another name',
    first: "SET application_name = 'psql'",
    forgetPids: false,
  },
  {
    name: 'although the account has given itself a search path of look-alikes and a time-out',
    first: `CREATE SCHEMA IF NOT EXISTS fake; CREATE OR REPLACE VIEW fake.pg_stat_activity AS SELECT 1 AS pid, '' AS application_name,
      now() AS backend_start, ''::name AS usename, '' AS backend_type WHERE false;
      ALTER ROLE app SET search_path = fake, pg_catalog; ALTER ROLE app SET statement_timeout = 1`,
    forgetPids: false,
  },
])
  test(`a query that ignores its cancel is ended: ${name}`, { timeout: 40_000 }, async () => {
    const world = await World.start(postgres)
    const { pid } = await stubborn(world, first)
    const queued = endOf(world)
    const revocation = forgetPids ? { ...queued, what: { ...queued.what, backends: [] } } : queued
    await eventually('an end of our connection', async () => world.ended.length > 0)
    expect((await working()).map((one) => one.pid)).toContain(pid)
    const { ports, leaves } = revoker(world)
    expect(await revoke(ports, revocation)).toBe('1 backend was at work and ended')
    expect((await working()).map((one) => one.pid)).not.toContain(pid)
    expect(await revoke(ports, revocation)).toBe('no backend was left')
    expect(leaves.map((leaf) => leaf.type === 'maintenance' && leaf.result)).toEqual([
      'begun',
      '1 backend was at work and ended',
      'begun',
      'no backend was left',
    ])
    await admin.query('ALTER ROLE app RESET ALL')
    await world.stop()
  })

test("another grant's backends of the same account are left alone, whatever they call themselves", async () => {
  const world = await World.start(postgres)
  const other = await World.start(postgres)
  const { session } = await stubborn(world)
  const innocent = await driver(other)
  // It takes the ended session's name: it is inside, so it stays.
  await innocent.query(`SET application_name = 'psql [${session}]'`)
  const { rows } = await innocent.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const revocation = endOf(world)
  const { ports } = revoker(world)
  const both = { ...ports, registry: other.registry }
  expect(await revoke(both, revocation)).toBe('1 backend was at work and ended')
  const still = await innocent.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  expect(still.rows).toEqual(rows)
  // A number that was given out again, to a backend younger than the grant's end, is somebody else's.
  await innocent.end()
  const stranger = await driver(other)
  const { rows: strangers } = await stranger.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const reused: Revocation = {
    ...revocation,
    queuedAt: Date.now() - 3_600_000,
    what: { ...revocation.what, backends: [{ pid: strangers[0]?.pid, openedAt: Date.now() - 7_200_000 }] },
  }
  expect(await revoke(ports, reused)).toBe('no backend was left')
  await stranger.end()
  await world.stop()
  await other.stop()
})

test('a target that refuses, or is not there, fails with its words, and the leaf says so', async () => {
  const world = await World.start(postgres)
  const revocation = { ...(revocationOf(world.grant, { protocol: 'postgres' }, [], Date.now()) as Revocation) }
  const { ports, leaves } = revoker(world, 'not the password any more')
  await expect(revoke(ports, revocation)).rejects.toMatchObject({ code: 'unreachable' })
  expect(leaves.map((leaf) => leaf.type === 'maintenance' && leaf.result)).toMatchObject(['begun', /^failed: /])
  await expect(revoke({ ...ports, target: () => undefined }, revocation)).rejects.toMatchObject({ code: 'unreachable' })
  const closed = { ...world.target, port: 1 }
  await expect(revoke({ ...ports, target: () => closed }, revocation)).rejects.toMatchObject({ code: 'unreachable' })
  await world.stop()
})

test('a token is minted with its leaf and nowhere else: a look-alike dials nothing', async () => {
  const world = await World.start(postgres)
  const ports = { clock: systemClock(), password: () => postgres.password }
  const never = async () => false
  const shape = { operation: 'terminate-backends', target: world.target, account: 'app' } as const
  const lookAlike = Object.assign(Object.create(Maintenance.prototype), shape) as Maintenance
  await expect(terminateBackends(ports, lookAlike, never)).rejects.toThrow('was minted')
  const Forge = Maintenance as unknown as new (minted: object) => Maintenance
  expect(() => new Forge(shape)).toThrow('minted')
  // Without its leaf nothing runs.
  let ran = false
  const failing = { clock: ports.clock, state: { commit: () => Promise.reject(new Error('disk')) } }
  await expect(
    maintain(failing, shape, async () => {
      ran = true
      return ''
    }),
  ).rejects.toThrow('disk')
  expect(ran).toBe(false)
  await world.stop()
})
