// Never silent (P7): a real ssh and a real psql wait at the alert gate while the one outside receiver hangs, get in when
// it accepts, and are marked everywhere when nobody is told in time. The scope of commands is here as well: what is asked
// between the grant and the dial.

import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Bastion, startBastion } from '../../src/bastion/bastion.ts'
import { Receiver } from '../notify/receiver.ts'
import { has } from '../support/clients.ts'
import { run, type Ran, type Terminal } from '../support/terminal.ts'
import { ledgerOf, only } from './evidence.ts'
import { Surroundings, type SurroundingsOptions } from './surroundings.ts'
import { until } from './until.ts'

/** What a person sees while the session is held. */
const WAITING = 'waiting until an outside channel has taken the alert'

interface Place {
  readonly receiver: Receiver
  readonly world: Surroundings
  readonly bastion: Bastion
}

let place: Place
/** Requests that hang. */
const hanging: ServerResponse[] = []

/** One bastion for the tests of a block, each with an engineer of its own; at the start of each its receiver hangs. */
function on(options: Pick<SurroundingsOptions, 'gate' | 'scope'>): void {
  beforeAll(async () => {
    const receiver = new Receiver()
    const webhook = await receiver.start()
    const world = await Surroundings.start({ engineers: ENGINEERS, segment: '1MiB', webhook, ...options })
    const bastion = await startBastion(world.bastionOptions)
    world.reach(bastion.ssh)
    place = { receiver, world, bastion }
  })
  beforeEach(() => place.receiver.answer((response) => hanging.push(response)))
  afterAll(async () => {
    accept()
    await place.bastion.close()
    await place.world.close()
    await place.receiver.stop()
  })
}

/** The receiver takes what hangs, and all that comes. */
function accept(): void {
  place.receiver.answer((response) => response.end('ok'))
  for (const response of hanging.splice(0)) response.end('ok')
}

/** Whether the receiver has got such an alert about the person. */
function wasTold(user: string, type: string): boolean {
  return place.receiver.received
    .map(({ body }) => JSON.parse(String(body)) as { readonly type: string; readonly data: { readonly user: string } })
    .some((alert) => alert.type === type && alert.data.user === user)
}

type SessionLeaf = 'session-opened' | 'session-unannounced'

async function leavesOf(user: string, type: SessionLeaf): Promise<readonly string[]> {
  const sessions = await place.bastion.state.sessions({ user, limit: 20 })
  const ids = new Set(sessions.map(({ id }) => id))
  const ledger = await ledgerOf(place.world.state)
  const leaves = type === 'session-opened' ? only(ledger, 'session-opened') : only(ledger, 'session-unannounced')
  return leaves.map(({ session }) => session).filter((id) => ids.has(id))
}

async function isHeld(user: string): Promise<void> {
  await until(`${user} is held`, async () => (await leavesOf(user, 'session-opened')).length > 0)
}

/** `ssh USER.web-1 COMMAND` without a terminal. */
const ssh = (user: string, ...command: string[]): Promise<Ran> =>
  run('/usr/bin/ssh', [...place.world.sshArguments, `${user}.web-1`, ...command])

/** Gives the person's only grant back. */
async function giveBack(user: string): Promise<void> {
  const [grant] = await place.bastion.state.grants({ user })
  const login = [...place.world.sshArguments, '-l', user, `${user}.web-1`]
  expect(await run('/usr/bin/ssh', [...login, 'end', grant?.id ?? ''])).toMatchObject({ status: 0 })
}

/** Breaks the glass by the prompts, up to the line that says what is waited for. */
async function atTheGate(user: string, command: string): Promise<Terminal> {
  const { world } = place
  const terminal = world.terminal('/usr/bin/ssh', [...world.sshArguments, '-t', `${user}.web-1`, command])
  await terminal.expect('Code: ')
  terminal.type(`${world.code(user)}\r`)
  await terminal.expect('Reason: ')
  terminal.type('checkout is down\r')
  await terminal.expect(WAITING)
  return terminal
}

const ENGINEERS = ['alice', 'bea', 'cora', 'dora']

describe('held until an outside receiver accepts', () => {
  on({ gate: '{ accepted: 1, within: 1s, otherwise: hold, holdMax: 1m, then: deny }' })

  test.runIf(has('ssh'))('ssh is told that it waits, and gets its shell when the receiver accepts', async () => {
    const terminal = await atTheGate('alice', 'echo inside')
    // The row and its leaf are written, the alert is on its way; nothing was dialled.
    expect(await leavesOf('alice', 'session-opened')).toHaveLength(1)
    await until('the receiver has the alert', () => wasTold('alice', 'grant.activated'))
    expect(terminal.screen).not.toContain('recorded, grant')
    accept()
    await terminal.expect('recorded, grant')
    await terminal.expect('inside')
    expect(terminal.screen).not.toContain('UNANNOUNCED')
    expect(await terminal.exited).toBe(0)
    expect(await leavesOf('alice', 'session-unannounced')).toEqual([])
  })

  test.runIf(has('ssh'))('Ctrl-C leaves, and giving the grant back ends what is held at once', async () => {
    const impatient = await atTheGate('bea', 'echo inside')
    impatient.type('\x03')
    expect(await impatient.exited).not.toBe(0)
    const { world } = place
    const held = world.terminal('/usr/bin/ssh', [...world.sshArguments, '-t', 'bea.web-1', 'echo inside'])
    await held.expect(WAITING)
    await giveBack('bea')
    expect(await held.exited).toBe(124)
    expect(held.screen).not.toContain('inside')
  })

  test.runIf(has('ssh', 'psql'))('psql waits, and gets its rows when the receiver accepts', async () => {
    const asking = run('/usr/bin/psql', ['-X', await place.world.dsn('cora'), '-Atc', 'SELECT 6 * 7'])
    let isOver = false
    void asking.then(() => (isOver = true))
    await isHeld('cora')
    expect(isOver).toBe(false)
    accept()
    expect(await asking).toMatchObject({ status: 0, stdout: Buffer.from('42\n') })
  })

  test.runIf(has('ssh', 'psql'))(
    'psql that goes while it is held is let go of at once, and dials nothing',
    async () => {
      const dsn = await place.world.dsn('dora')
      const terminal = place.world.terminal('/usr/bin/psql', ['-X', dsn, '-c', 'SELECT 1'])
      await isHeld('dora')
      process.kill(terminal.pid, 'SIGKILL')
      await terminal.exited
      await until('its session has ended', async () => {
        const [session] = await place.bastion.state.sessions({ user: 'dora', limit: 1 })
        return session?.end?.reason === 'client-closed'
      })
      expect(place.bastion.registry.sessions().filter(({ user }) => user === 'dora')).toEqual([])
    },
  )
})

describe('let in unannounced when nobody is told in time', () => {
  on({ gate: '{ accepted: 1, within: 1s, otherwise: allow }' })

  test.runIf(has('ssh'))(
    'ssh sees it in the banner; ledger and grant have it, and the review is due within the hour',
    async () => {
      const terminal = await place.world.breakGlass('alice', 'web-1', 'echo inside')
      await terminal.expect('UNANNOUNCED')
      await terminal.expect('inside')
      expect(await terminal.exited).toBe(0)
      expect(await leavesOf('alice', 'session-unannounced')).toHaveLength(1)
      // Delivery goes on.
      accept()
      await until('the late alerts are accepted', () => wasTold('alice', 'session.unannounced'))
      await giveBack('alice')
      const [grant] = await place.bastion.state.grants({ user: 'alice' })
      expect(grant?.unannouncedAt).not.toBeNull()
      expect((grant?.reviewDueAt ?? 0) - (grant?.endedAt ?? 0)).toBe(3_600_000)
    },
  )

  test.runIf(has('ssh', 'psql'))('psql is told so as a warning', async () => {
    const ran = await run('/usr/bin/psql', ['-X', await place.world.dsn('bea'), '-Atc', 'SELECT 1'])
    expect(ran).toMatchObject({ status: 0, stdout: Buffer.from('1\n') })
    expect(ran.stderr).toContain('WARNING:  halligan: UNANNOUNCED')
  })
})

describe('refused until somebody was told', () => {
  on({ gate: '{ accepted: 1, within: 1s, otherwise: deny }' })

  test.runIf(has('ssh'))('a refusal has its words, a status and nothing else; later it opens', async () => {
    const terminal = await place.world.breakGlass('alice', 'web-1', 'echo inside')
    await terminal.expect('outside channel has taken the alert')
    expect(await terminal.exited).toBe(77)
    const ran = await ssh('alice', 'echo inside')
    expect(ran).toMatchObject({ status: 77 })
    expect(ran.stdout.toString()).toBe('')
    expect(ran.stderr).toMatch(/^halligan: .*\nhint: /)
    accept()
    await until('it opens', async () => (await ssh('alice', 'echo inside')).stdout.toString() === 'inside\n')
  })
})

describe('a scope of commands', () => {
  on({ scope: '{ commands: [echo listed], files: true }' })

  test.runIf(has('ssh'))('opens exactly those, and says which', async () => {
    const listed = await place.world.breakGlass('alice', 'web-1', 'echo listed')
    await listed.expect('listed')
    expect(await listed.exited).toBe(0)
    expect(await ssh('alice', 'echo listed')).toMatchObject({ status: 0, stdout: Buffer.from('listed\n') })
    for (const command of [['echo', 'listed', 'too'], ['echo  listed'], ['echo listed; id'], ['id'], []]) {
      const refused = await ssh('alice', ...command)
      expect(refused.status).toBe(77)
      expect(refused.stdout.toString()).toBe('')
      expect(refused.stderr).toContain('echo listed; and sftp')
    }
    await until('people are told of what was tried', async () => wasTold('alice', 'session.risky'))
    expect(only(await ledgerOf(place.world.state), 'risky-action').map(({ what }) => what)).toEqual([
      'refused exec outside the scope',
      'refused shell outside the scope',
    ])
    const { sshArguments } = place.world
    const copied = await run('/usr/bin/scp', ['-O', ...sshArguments, 'alice.web-1:/etc/hostname', '/dev/null'])
    expect(copied.status).not.toBe(0)
    const listing = await run('/usr/bin/sftp', ['-b', '-', ...sshArguments, 'alice.web-1'], { input: 'pwd\n' })
    expect(listing.stderr + String(listing.stdout)).toContain('Remote working directory')
  })
})
