// The red button and what goes with it, with real clients: more time for what runs, locks by people and by the machine's
// operator, and what a session left at work on a target.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { has } from '../support/clients.ts'
import type { Ran, Terminal } from '../support/terminal.ts'
import { dataOf, eventually, leaf, leaves, recording } from './traces.ts'
import { World } from './world.ts'

let world: World

beforeAll(async () => {
  world = await World.start()
  for (const user of ['alice', 'adam']) await world.signIn(user)
})

afterAll(async () => {
  await world?.close()
})

/** A shell of alice's on web-1 that says something now and then. */
async function ticking(): Promise<Terminal> {
  const shell = world.ssh('-tt', 'web-1', 'while :; do echo tick; sleep 0.2; done')
  await shell.expect('tick')
  return shell
}

/** A command of adam's that asks for a code of its own. */
async function asAdmin(...args: string[]): Promise<Ran> {
  return world.exec(['adam', ...args], `${await world.code('adam')}\n`)
}

test.runIf(has('ssh'))('more time: the shell goes on, says so, and its recording too; twice is too often', async () => {
  const grant = await world.grant('web-1', '10m')
  const { expiresAt } = await leaf(world.state, 'grant-activated', (one) => one.grant === grant)
  const shell = await ticking()
  const extended = await world.exec(['alice', 'extend', '--for', '20m', '--reason', '"the rollback still runs"'])
  expect(extended, extended.stderr).toMatchObject({ status: 0 })
  const { expiresAt: moved } = await leaf(world.state, 'grant-extended', (one) => one.grant === grant)
  expect(moved).toBe(expiresAt + 20 * 60_000)
  const ends = `grant ${grant} now ends ${new Date(moved).toISOString().slice(11, 16)} UTC`
  await shell.expect(ends)
  await shell.expect('tick')
  const again = await world.exec(['alice', 'extend', '--reason', '"still not done"'])
  expect(again.status).toBe(77)
  expect(again.stderr).toContain('allows no more')
  const ended = await world.exec(['alice', 'end'])
  expect(ended.stdout.toString()).toMatch(/^thank you, alice: /)
  expect(await shell.exited).toBe(124)
  const recorded = await recording(world.demo.recordings, (one) => one.header.halligan.grant.id === grant)
  expect(dataOf(recorded, 'n')).toContainEqual({ kind: 'notice', text: ends })
})

test.runIf(has('ssh', 'psql'))('a locked person is out everywhere in a second, and gets one clear answer', async () => {
  await world.grant('web-1', '10m')
  await world.grant('orders', '10m')
  const shell = await ticking()
  const dsn = await world.dsn()
  const sql = world.terminal('/usr/bin/psql', ['-X', dsn])
  sql.type("SELECT 'in'||'side';\r")
  await sql.expect('inside')
  sql.type('SELECT pg_sleep(300);\r')
  const before = Date.now()
  const locked = await world.exec(['adam', 'lock', 'user', 'alice', '--reason', '"laptop stolen"'])
  expect(locked, locked.stderr).toMatchObject({ status: 0 })
  expect(await shell.exited).toBe(130)
  await sql.expect('user alice was locked by adam: laptop stolen')
  console.info(`shell and query ended ${Date.now() - before} ms after the command was typed`)
  for (const args of [
    ['alice', 'whoami'],
    ['alice', 'web'],
    ['web-1', 'true'],
    ['orders', 'dsn'],
    ['alice', 'end'],
  ]) {
    const refused = await world.exec(args)
    expect({ args, status: refused.status }).toEqual({ args, status: 77 })
    expect(refused.stderr).toContain('user alice is locked by adam: laptop stolen')
  }
  expect(await world.psql(dsn, '-c', 'SELECT 1')).toMatchObject({ status: 2 })
  // A remembered code locks; giving back asks for one on this connection.
  const unasked = await world.exec(['adam', 'unlock', 'user', 'alice', '--reason', 'found'])
  expect(unasked.status).toBe(77)
  const unlocked = await asAdmin('unlock', 'user', 'alice', '--reason', 'found')
  expect(unlocked, unlocked.stderr).toMatchObject({ status: 0 })
  expect((await world.exec(['alice', 'whoami'])).status).toBe(0)
  // Revoked stays revoked.
  expect((await world.exec(['alice', 'grants'])).stdout.toString()).not.toContain(' active ')
  const ends = (await leaves(world.state)).filter((one) => one.type === 'grant-ended' && one.by === 'adam')
  expect(ends).toHaveLength(2)
})

test.runIf(has('ssh'))('while everything is locked an admin may unlock, and nobody anything else', async () => {
  await world.grant('web-1', '10m')
  const shell = await ticking()
  expect((await world.exec(['alice', 'lock', '--all', '--reason', '"just because"'])).status).toBe(77)
  expect((await world.exec(['adam', 'lock', 'user', 'nobody', '--reason', '"typing error"'])).status).toBe(64)
  expect((await world.exec(['adam', 'lock', '--all', '--reason', '"worm on the loose"'])).status).toBe(0)
  expect(await shell.exited).toBe(130)
  for (const args of [
    ['alice', 'whoami'],
    ['rita', 'whoami'],
    ['adam', 'sessions'],
    ['adam', 'lock', '--all', '--reason', 'x'],
    ['web-1', 'true'],
  ])
    expect((await world.exec(args)).stderr).toContain('halligan is locked by adam: worm on the loose')
  expect((await world.exec(['bob', 'unlock', '--all', '--reason', '"not mine to do"'])).status).toBe(77)
  const unlocked = await asAdmin('unlock', '--all', '--reason', '"over"')
  expect(unlocked, unlocked.stderr).toMatchObject({ status: 0 })
  expect((await world.exec(['alice', 'whoami'])).status).toBe(0)
})

test.runIf(has('ssh'))(
  "the machine's operator locks through the socket, and without a running Halligan",
  { timeout: 90_000 },
  async () => {
    await world.grant('web-1', '10m')
    const shell = await ticking()
    const uid = process.getuid?.() ?? 0
    const here = ['--state', world.state]
    const locked = await world.local('lock', 'target', 'web-1', '--reason', 'host compromised', ...here)
    expect(locked, locked.stderr).toMatchObject({ status: 0 })
    expect(locked.stdout.toString()).toContain('target:web-1 is locked: 1 sessions ended')
    expect(await shell.exited).toBe(130)
    expect((await world.local('status', ...here)).stdout.toString()).toContain(`locked: target:web-1 by local:${uid}`)
    await leaf(
      world.state,
      'local-command',
      (one) => one.actor === `local:${uid}` && one.command === 'lock target:web-1',
    )
    expect((await world.local('reload', ...here)).status).not.toBe(70)
    const refused = await world.exec(['web-1', 'true'])
    expect(refused.status).toBe(77)
    expect(refused.stderr).toContain(`target web-1 is locked by local:${uid}`)
    expect((await world.local('unlock', 'target', 'web-1', '--reason', 'cleaned', ...here)).status).toBe(0)
    await world.grant('web-1', '10m')
    await world.kill()
    // The socket that the crash left answers nobody; what is written now counts at the next start.
    const offline = await world.local('lock', 'user', 'alice', '--reason', 'laptop stolen', ...here)
    expect(offline, offline.stderr).toMatchObject({ status: 0 })
    expect(offline.stdout.toString()).toContain('the next start')
    expect((await world.local('lock', 'user', 'nobody', '--reason', 'typing error', ...here)).status).toBe(64)
    expect((await world.local('status', ...here)).status).toBe(75)
    await world.boot()
    expect((await world.exec(['alice', 'whoami'])).stderr).toContain(`user alice is locked by local:${uid}`)
    const ended = (await leaves(world.state)).filter((one) => one.type === 'grant-ended').at(-1)
    expect(ended).toMatchObject({ how: 'revoked', by: `local:${uid}` })
    expect((await world.local('unlock', 'user', 'alice', '--reason', 'found it', ...here)).status).toBe(0)
    expect((await world.exec(['alice', 'whoami'])).status).toBe(0)
  },
)

test.runIf(has('psql'))('a query that ignores its cancel is ended on the server, and the ledger says so', async () => {
  for (const user of ['alice', 'adam']) await world.signIn(user)
  const grant = await world.grant('orders', '10m')
  const dsn = await world.dsn()
  const sql = world.terminal('/usr/bin/psql', ['-X', dsn])
  sql.type("SET application_name = 'nothing to see';\r")
  await sql.expect('SET')
  sql.type(
    'DO $$ BEGIN PERFORM pg_advisory_lock(4711); LOOP BEGIN PERFORM pg_sleep(300); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$;\r',
  )
  const held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND granted"
  await eventually('the query at work', async () =>
    (await world.psql(dsn, '-At', '-c', held)).stdout.toString().trim() === '1' ? true : undefined,
  )
  const revoked = await world.exec(['adam', 'revoke', grant, '--reason', '"wrong incident"'])
  expect(revoked, revoked.stderr).toMatchObject({ status: 0 })
  await sql.expect('was revoked by adam')
  const done = await leaf(world.state, 'revocation', (one) => one.grant === grant && one.state === 'done')
  expect(done.detail).toBe('1 backend was at work and ended')
  const made = (await leaves(world.state)).filter((one) => one.type === 'maintenance').map((one) => one.operation)
  expect(new Set(made)).toEqual(new Set(['terminate-backends of app_readonly']))
  await world.grant('orders', '10m')
  const free = await eventually('the lock, free again', async () => {
    const ran = await world.psql(await world.dsn(), '-At', '-c', 'SELECT pg_try_advisory_lock(4711)')
    return ran.stdout.toString().trim() === 't' ? 'free' : undefined
  })
  expect(free).toBe('free')
})

test.runIf(has('ssh', 'psql'))(
  'extensions, locks, a crash and late ends break no rule that the verifier replays',
  async () => {
    await world.stop()
    const ran = await world.local('verify', '--key', world.demo.publicKey, '--all', '--state', world.state)
    expect(ran.stdout.toString()).not.toContain('rule_broken')
    // 2: nothing outside says that the tail is the newest; there is no finding.
    expect([0, 2]).toContain(ran.status)
  },
)
