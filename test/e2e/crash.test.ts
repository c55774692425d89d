import { createCipheriv } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { EventLine } from '../../src/recording/event-line.ts'
import type { CheckedRecording } from '../../src/recording/finding.ts'
import type { Session } from '../../src/session/session.ts'
import { has } from '../support/clients.ts'
import { run } from '../support/terminal.ts'
import { Statements, Typing, Upload } from './emergency.ts'
import { allSealed, ledgerOf, only, recordingsOf, sealedSessions, verifyAll } from './evidence.ts'
import { Serving } from './serving.ts'
import { Surroundings } from './surroundings.ts'
import { until } from './until.ts'

const rounds = Array.from({ length: 10 }, (_, index) => index)
const userOf = (round: number): string => `engineer-${round}`
/** Short sessions, where a kill hits their opening, their end and their sealing. */
const shortRounds = [10, 11, 12, 13]

/** 64 MiB that look random: more than is uploaded before the kill. */
const content = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16)).update(Buffer.alloc(64 << 20))

let world: Surroundings
let bastion: Serving | undefined

beforeAll(async () => {
  // Small segments: a kill also hits the step from one to the next.
  world = await Surroundings.start({ engineers: [...rounds, ...shortRounds].map(userOf), segment: '64KiB' })
  await Statements.prepare(world)
  bastion = await Serving.start(world)
})

afterAll(async () => {
  await bastion?.kill()
  await world?.close()
})

test.runIf(has('ssh', 'psql'))(
  'ten times kill -9 amid typing, uploads and statements: all that targets received is recorded and verifies',
  { timeout: 180_000 },
  async () => {
    for (const round of rounds) {
      const user = userOf(round)
      const typing = await Typing.start(world, user)
      const statements = await Statements.start(world, user)
      // Each round a little later: some uploads are cut in their text, some in their bulk.
      await until('text has been typed', () => typing.receivedBytes() > 100 * round)
      await until('statements have been run', async () => (await statements.receivedRows()) > 10 * round)
      const upload = await Upload.open(world, user, content)
      upload.begin()
      await until('part of the upload is there', () => upload.receivedBytes() > 300_000 * round)
      await bastion?.kill()
      await Promise.all([typing.over(), upload.over(), statements.over()])
      if (round % 3 === 2) await startAndKill()
      bastion = await Serving.start(world)

      const cut = await sealedSessions(world.state, user, 'interrupted')
      const read = await recordingsOf(world.recordings, cut)
      const [typed = [], uploaded = []] = read('web-1')
      typing.check(typed)
      upload.check(uploaded)
      await statements.check(read('orders'))
    }
    await bastion?.stop()
    bastion = undefined
    expect((await verified('interrupted')).length).toBeGreaterThanOrEqual(3 * rounds.length)
  },
)

test.runIf(has('ssh'))(
  'four times kill -9 amid sessions that open, end and are sealed: each command a target ran is recorded, all verifies',
  { timeout: 90_000 },
  async () => {
    for (const round of shortRounds) {
      const user = userOf(round)
      bastion ??= await Serving.start(world)
      const first = await world.breakGlass(user, 'web-1', 'true')
      await first.exited
      const file = join(world.drop, `${user}.ran`)
      const ran = () => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [])
      const people = [0, 1, 2, 3].map((person) => runUntilRefused(user, (n) => `echo ${person}/${n} >> ${file}`))
      await until('commands have been run', () => ran().length > 6 + round)
      await bastion.kill()
      await Promise.all(people)
      bastion = await Serving.start(world)

      const sessions = await allSealed(world.state, user)
      const read = (await recordingsOf(world.recordings, sessions))('web-1')
      const recorded = new Set(read.map(commandOf).map((command) => command?.split(' ')[1]))
      expect(ran().filter((line) => !recorded.has(line))).toEqual([])
    }
    await bastion?.stop()
    bastion = undefined
    await verified('interrupted')
  },
)

/** Runs one command after the other, each in a session of its own, until one does not work. */
async function runUntilRefused(user: string, command: (n: number) => string): Promise<void> {
  for (let n = 0; ; n++) {
    const { status } = await run('/usr/bin/ssh', [...world.sshArguments, `${user}.web-1`, command(n)])
    if (status !== 0) return
  }
}

/** The command that a recording's header names. */
function commandOf([header]: readonly EventLine[]): string | undefined {
  if (header?.kind !== 'header') return undefined
  const { what } = header.header['halligan'] as Session
  return what.kind === 'exec' ? what.command : undefined
}

/** Every session there ever was is sealed and in order, or known to be cut; gives those in `state`. */
async function verified(state: CheckedRecording['state']): Promise<readonly CheckedRecording[]> {
  const { status, report } = await verifyAll(world)
  expect(report.findings).toEqual([])
  expect(status).toBe(2)
  const opened = only(await ledgerOf(world.state), 'session-opened')
  expect(report.recordings.length).toBe(opened.length)
  expect(report.recordings.filter((recording) => !['interrupted', 'proven'].includes(recording.state))).toEqual([])
  return report.recordings.filter((recording) => recording.state === state)
}

/** A start that is itself killed in the middle of sealing what the kill before it left. */
async function startAndKill(): Promise<void> {
  const files = () => readdirSync(world.recordings, { recursive: true }).length
  const before = files()
  const starting = new Serving(world)
  await until('sealing has begun', () => files() > before || starting.isOver || starting.printed.includes('serves ssh'))
  await starting.kill()
}
