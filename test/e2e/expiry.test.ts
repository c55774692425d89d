// Access ends on time (P5): when a grant's time is over, when it is revoked, when a session is killed, when its owner gives
// it back. What ran ends at once on the target too, the person is told why, the record says so, and nobody else notices.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { has } from '../support/clients.ts'
import type { Terminal } from '../support/terminal.ts'
import { eventually, leaf, processesRunning, recording } from './traces.ts'
import { World } from './world.ts'

/** Long enough to be inside on a busy machine before it is over. */
const SHORT = '8s'

let world: World
/** The other grant: alice's on the same database with another account, which nothing below may touch. */
let other: { readonly grant: string; readonly psql: Terminal; readonly dsn: string }

beforeAll(async () => {
  world = await World.start()
  for (const user of ['alice', 'bob', 'adam']) await world.signIn(user)
  other = await bystander()
})

afterAll(async () => {
  await world?.close()
})

test.runIf(has('ssh'))('a grant that expires ends what runs in ssh, with and without a terminal', async () => {
  const grant = await world.grant('web-1', SHORT)
  const { expiresAt } = await leaf(world.state, 'grant-activated', (one) => one.grant === grant)
  const sleepers = [new Sleeper('-tt'), new Sleeper('-T')]
  for (const sleeper of sleepers) await sleeper.runs()
  for (const { terminal } of sleepers) expect(await terminal.exited).toBe(124)
  report('ssh sessions ended', expiresAt)
  for (const sleeper of sleepers) await sleeper.isGone()
  report('their processes were gone', expiresAt)
  for (const { terminal } of sleepers) expect(terminal.screen).toMatch(new RegExp(`halligan: grant ${grant} expired`))
  expect(Date.now()).toBeGreaterThanOrEqual(expiresAt)
  for (const { seconds } of sleepers) await isRecorded(grant, seconds, 'expired', '124')
  expect(await leaf(world.state, 'grant-ended', (one) => one.grant === grant)).toMatchObject({ how: 'expired' })
  await isUnharmed()
  // With no grant the same line opens nothing: there is nobody to ask, so it says what to do.
  const again = await world.exec(['web-1', 'echo still here'])
  expect(again.status).toBe(77)
  expect(again.stdout.toString()).toBe('')
  expect(again.stderr).toMatch(/hint: .*ssh/)
})

test.runIf(has('psql'))('a grant that expires ends the query that runs in psql', async () => {
  const grant = await world.grant('orders', SHORT)
  const { expiresAt } = await leaf(world.state, 'grant-activated', (one) => one.grant === grant)
  const dsn = await world.dsn()
  const sleeper = new Query(dsn)
  await sleeper.runs()
  await sleeper.psql.expect('FATAL:  57P01: ')
  report('psql was told', expiresAt)
  await sleeper.psql.expect(`grant ${grant} expired`)
  await sleeper.isGone()
  report('its backend was gone', expiresAt)
  await isRecorded(grant, sleeper.lock, 'expired', '124')
  expect(Date.now()).toBeGreaterThanOrEqual(expiresAt)
  const late = await world.psql(dsn, '-c', 'SELECT 1')
  expect(late).toMatchObject({ status: 2 })
  expect(late.stderr).toContain('no live grant')
  await isUnharmed()
})

test.runIf(has('ssh', 'psql'))('a revocation ends both at once, and says by whom and why', async () => {
  const [host, database] = [await world.grant('web-1', '30m'), await world.grant('orders', '30m')]
  const sleeper = new Sleeper('-tt')
  const asleep = new Query(await world.dsn())
  await Promise.all([sleeper.runs(), asleep.runs()])
  const before = Date.now()
  for (const grant of [host, database]) {
    const revoked = await world.exec(['adam', 'revoke', grant, '--reason', '"wrong incident"'])
    expect(revoked, revoked.stderr).toMatchObject({ status: 0 })
  }
  expect(await sleeper.terminal.exited).toBe(130)
  expect(sleeper.terminal.screen).toContain(`halligan: grant ${host} was revoked by adam: wrong incident`)
  await asleep.psql.expect('FATAL:  57P01: ')
  await asleep.psql.expect(`grant ${database} was revoked by adam: wrong incident`)
  report('both ended after two revocations', before)
  await Promise.all([sleeper.isGone(), asleep.isGone()])
  await isRecorded(host, sleeper.seconds, 'revoked', '130')
  await isRecorded(database, asleep.lock, 'revoked', '130')
  await isUnharmed()
})

test.runIf(has('ssh', 'psql'))('a kill ends one session of a grant and leaves its others', async () => {
  const [host, database] = [await world.grant('web-1', '30m'), await world.grant('orders', '30m')]
  const victim = new Sleeper('-T')
  await victim.runs()
  const [session] = await sessionsOf(host)
  const neighbour = new Sleeper('-T')
  await neighbour.runs()
  const asleep = new Query(await world.dsn())
  await asleep.runs()
  const [connection] = await sessionsOf(database)
  for (const id of [session, connection]) {
    const killed = await world.exec(['adam', 'kill', id ?? '', '--reason', '"wrong host"'])
    expect(killed, killed.stderr).toMatchObject({ status: 0 })
  }
  expect(await victim.terminal.exited).toBe(130)
  expect(victim.terminal.screen).toContain('halligan: killed by adam: wrong host')
  await asleep.psql.expect('FATAL:  57P01: ')
  await asleep.psql.expect('killed by adam: wrong host')
  await Promise.all([victim.isGone(), asleep.isGone()])
  await isRecorded(host, victim.seconds, 'killed', '130')
  await isRecorded(database, asleep.lock, 'killed', '130')
  expect(neighbour.processes).toHaveLength(1)
  await isUnharmed()
  expect((await world.exec(['alice', 'kill', 'sabcdefghijkl', '--reason', 'x'])).status).toBe(77)
  expect((await world.exec(['adam', 'kill', session ?? '', '--reason', 'again'])).status).toBe(64)
  for (const grant of [host, database]) await world.exec(['adam', 'revoke', grant, '--reason', 'done'])
  expect(await neighbour.terminal.exited).toBe(130)
})

test.runIf(has('ssh'))('giving a grant back ends what runs under it, with thanks', async () => {
  const grant = await world.grant('web-1', '30m')
  const sleeper = new Sleeper('-tt')
  await sleeper.runs()
  const ended = await world.exec(['alice', 'end', grant])
  expect(ended.status).toBe(0)
  expect(ended.stdout.toString()).toMatch(/thank you, alice: .* is given back, \d+ min early/)
  expect(await sleeper.terminal.exited).toBe(124)
  expect(sleeper.terminal.screen).toContain(`halligan: grant ${grant} was given back by alice`)
  await sleeper.isGone()
  await isRecorded(grant, sleeper.seconds, 'returned', '124')
  await isUnharmed()
})

/** Sleeping on web-1 for a number of seconds that nobody else sleeps for. */
class Sleeper {
  static #next = 60
  readonly seconds: string
  readonly terminal: Terminal

  constructor(tty: '-tt' | '-T') {
    this.seconds = `${Sleeper.#next++}.${process.pid}`
    this.terminal = world.ssh(tty, 'web-1', `echo up; exec sleep ${this.seconds}`)
  }

  get processes(): number[] {
    return processesRunning('sleep', this.seconds)
  }

  async runs(): Promise<void> {
    await this.terminal.expect('up')
    await eventually(`a sleep ${this.seconds}`, () => this.processes[0])
  }

  async isGone(): Promise<void> {
    await eventually(`an end of sleep ${this.seconds}`, () => (this.processes.length === 0 ? true : undefined))
  }
}

/** psql that sleeps on the server, holding a lock that others can see: it is gone when its backend is. */
class Query {
  static #next = 7000
  readonly lock: string
  readonly psql: Terminal

  constructor(dsn: string) {
    this.lock = String(Query.#next++)
    this.psql = world.terminal('/usr/bin/psql', ['-X', '-v', 'VERBOSITY=verbose', dsn])
    this.psql.type(`SELECT pg_advisory_lock(${this.lock}), pg_sleep(60);\r`)
  }

  async runs(): Promise<void> {
    await eventually(`lock ${this.lock}`, async () => ((await this.#isHeld()) ? true : undefined))
  }

  async isGone(): Promise<void> {
    await eventually(`an end of lock ${this.lock}`, async () => ((await this.#isHeld()) ? undefined : true))
  }

  async #isHeld(): Promise<boolean> {
    const text = `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = ${this.lock} AND granted`
    const ran = await world.psql(other.dsn, '-At', '-c', text)
    if (ran.status !== 0) throw new Error(`the other grant does not answer: ${ran.stderr}`)
    return ran.stdout.toString().trim() === '1'
  }
}

/** Bob approves alice's grant with the writing account; a psql under it stays open all along. */
async function bystander(): Promise<typeof other> {
  const ask = ['alice', 'request', 'orders', '--account', 'app_readwrite', '--trigger', 'customer-impact', '--json']
  const asked = await world.exec([...ask, '--reason', '"payments are stuck"'])
  const { id } = JSON.parse(asked.stdout.toString()) as { readonly id: string }
  const approved = await world.exec(['bob', 'approve', id])
  if (approved.status !== 0) throw new Error(`bob could not approve: ${approved.stderr}`)
  const printed = await world.exec(['alice', 'dsn', 'orders', '--account', 'app_readwrite'])
  const dsn = printed.stdout.toString().trim()
  const psql = world.terminal('/usr/bin/psql', ['-X', dsn])
  psql.type("SELECT 'in'||'side';\r")
  await psql.expect('inside')
  return { grant: id, psql, dsn }
}

async function isUnharmed(): Promise<void> {
  other.psql.type("SELECT 'still '||'here';\r")
  await other.psql.expect('still here')
}

async function sessionsOf(grant: string): Promise<string[]> {
  const ran = await world.exec(['adam', 'who', '--json'])
  const all = JSON.parse(ran.stdout.toString()) as { readonly id: string; readonly grant: string }[]
  return all.filter((session) => session.grant === grant).map(({ id }) => id)
}

/** The sealed recording with `word` in it says why it ended. */
async function isRecorded(grant: string, word: string, reason: string, status: '124' | '130'): Promise<void> {
  const { header, lines } = await recording(
    world.demo.recordings,
    (one) => one.header.halligan.grant.id === grant && JSON.stringify(one).includes(word),
  )
  expect(lines.at(-2)?.slice(1)).toMatchObject(['n', { kind: 'end', reason }])
  expect(lines.at(-1)?.slice(1)).toEqual(['x', status])
  expect(await leaf(world.state, 'session-sealed', (one) => one.session === header.halligan.id)).toMatchObject({
    endReason: reason,
    state: 'complete',
  })
}

/** Said, not asserted: a machine may be busy. */
function report(what: string, since: number): void {
  console.info(`${what} ${Date.now() - since} ms after`)
}
