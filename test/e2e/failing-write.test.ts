import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServerResponse } from 'node:http'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { type Bastion, startBastion } from '../../src/bastion/bastion.ts'
import type { FileSystem } from '../../src/journal/file-port.ts'
import { systemError, watchedFiles } from '../journal/watched-files.ts'
import { Receiver } from '../notify/receiver.ts'
import { has } from '../support/clients.ts'
import { run, type Terminal } from '../support/terminal.ts'
import { ledgerOf, only, recordingsOf, sealedSessions, streamOf, verifyAll } from './evidence.ts'
import { Surroundings } from './surroundings.ts'
import { until } from './until.ts'

/** The header, the first lines typed and the first echoes are all behind this many writes and syncs. */
const turns = Array.from({ length: 12 }, (_, index) => index)
const userOf = (turn: number): string => `engineer-${turn}`

const receiver = new Receiver()
let world: Surroundings
let bastion: Bastion | undefined

beforeAll(async () => {
  const webhook = await receiver.start()
  world = await Surroundings.start({ engineers: [...turns, 12, 13].map(userOf), segment: '64KiB', webhook })
})

afterEach(() => receiver.answer((response) => response.end('ok')))

afterAll(async () => {
  await bastion?.close()
  await world?.close()
  await receiver.stop()
})

for (const turn of turns)
  test.runIf(has('ssh'))(
    `a disk that is full at write or sync ${turn} of a session: told, alerted, nothing lost`,
    async () => {
      const user = userOf(turn)
      // Every other disk has room again afterwards, as where ballast was given back.
      const disk = fullAt(turn, turn % 2 === 0 ? 'for good' : 'once')
      await start(disk.files)
      disk.arm()
      const { terminal, status, file } = await work(user)
      expect(disk.isFull()).toBe(true)
      expect(status).toBe(75)
      expect(terminal.screen).toMatch(/\nhalligan: [^\r]*ENOSPC/)
      const opened = only(await ledgerOf(world.state), 'session-opened').length
      const again = await run('/usr/bin/ssh', [...world.sshArguments, `${user}.web-1`, `echo > ${file}.again`])
      expect(again.stderr).toMatch(/^halligan: .*ENOSPC.*\nhint: /)
      expect(again.status).toBe(75)
      expect(only(await ledgerOf(world.state), 'session-opened').length).toBe(opened)
      expect(received(`${file}.again`)).toEqual(Buffer.alloc(0))

      await start()
      const [session, ...more] = await sealedSessions(world.state, user, 'recorder-failed')
      expect(more).toEqual([])
      expect(session?.sealed.state).toBe('interrupted')
      const [lines = []] = (await recordingsOf(world.recordings, session === undefined ? [] : [session]))('web-1')
      const typed = streamOf(lines, 'i')
      expect(typed.subarray(0, received(file).length)).toEqual(received(file))
      await until('the alert has been accepted', () => alertsOf(session?.opened.session).length === 1)
    },
  )

test.runIf(has('ssh'))('a session whose last line is lost says how it ended, and is not called complete', async () => {
  const user = userOf(turns.length + 1)
  const disk = fullAt(0, 'for good')
  await start(disk.files)
  const terminal = await world.breakGlass(user, 'web-1', 'echo ready; exec cat')
  await terminal.expect('ready')
  disk.arm()
  terminal.close()
  await until(
    'the row is written',
    async () => only(await ledgerOf(world.state), 'recorder-failed').length > turns.length,
  )
  await start()
  const [session] = await sealedSessions(world.state, user, 'client-closed')
  expect(session?.sealed.state).toBe('interrupted')
  expect(alertsOf(session?.opened.session).length).toBe(1)
})

test.runIf(has('ssh'))('an alert that no channel takes when the disk fails is delivered later', async () => {
  const user = userOf(turns.length)
  const unavailable = (response: ServerResponse) => {
    response.statusCode = 503
    response.end()
  }
  const disk = fullAt(6, 'once')
  await start(disk.files)
  receiver.answer(unavailable)
  disk.arm()
  await work(user)
  await until('the channel was asked', () => receiver.received.some(({ body }) => body.includes('recorder.failed')))
  receiver.answer((response) => response.end('ok'))
  await start()
  const [session] = await sealedSessions(world.state, user, 'recorder-failed')
  const accepted = async () => {
    const ids = alertsOf(session?.opened.session).map(({ id }) => id)
    return only(await ledgerOf(world.state), 'alert-accepted').some(({ alert }) => ids.includes(alert))
  }
  await until('the alert has been accepted', accepted)
})

test.runIf(has('ssh'))('after all of that everything verifies', async () => {
  await bastion?.close()
  bastion = undefined
  const { status, report } = await verifyAll(world)
  expect(report.findings).toEqual([])
  expect(status).toBe(2)
  expect(new Set(report.recordings.map(({ state }) => state))).toEqual(new Set(['interrupted']))
  expect(report.recordings.length).toBe(turns.length + 2)
})

/** Ends the bastion that runs and starts one on these files, or on the machine's own. */
async function start(journalFiles?: FileSystem): Promise<void> {
  await bastion?.close()
  bastion = undefined
  bastion = await startBastion({ ...world.bastionOptions, ...(journalFiles === undefined ? {} : { journalFiles }) })
  world.reach(bastion.ssh)
}

/** Types line by line into a file on the target until the session is ended. */
async function work(user: string): Promise<{ terminal: Terminal; status: number; file: string }> {
  const file = join(world.drop, user)
  const terminal = await world.breakGlass(user, 'web-1', `stty -echo -icanon; exec tee ${file}`)
  let isOver = false
  const over = terminal.exited.then(() => (isOver = true))
  for (let line = 0; line < 100 && !isOver; line++) {
    terminal.type(`line ${line};`)
    await Promise.race([terminal.expect(`line ${line};`).catch(() => over), over])
  }
  return { terminal, status: await terminal.exited, file }
}

/** Files of a disk whose write or sync number `turn`, once armed, finds no room; then none does, or all do. */
function fullAt(turn: number, how: 'once' | 'for good'): { files: FileSystem; arm(): void; isFull(): boolean } {
  let [isArmed, calls, failed] = [false, 0, 0]
  const files = watchedFiles((call) => {
    if (!isArmed || !['write', 'datasync'].includes(call)) return
    const isDue = how === 'once' ? calls === turn : calls >= turn
    calls++
    if (!isDue) return
    failed++
    throw systemError('ENOSPC')
  })
  return {
    files,
    arm: () => {
      isArmed = true
    },
    isFull: () => failed > 0,
  }
}

function received(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    // The target was never reached.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}

/** What the channel got of a session's failure: the alert's id and facts, with each alert once. */
function alertsOf(session: string | undefined): { readonly id: string; readonly error: string }[] {
  const alerts = receiver.received.flatMap(({ headers, body }) => {
    const { type, data } = JSON.parse(body.toString()) as { type: string; data: { session: string; error: string } }
    return type === 'recorder.failed' && data.session === session
      ? [{ id: String(headers['webhook-id']), error: data.error }]
      : []
  })
  return [...new Map(alerts.map((alert) => [alert.id, alert])).values()]
}
