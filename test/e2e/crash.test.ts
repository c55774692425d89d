import { createCipheriv } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { has } from '../support/clients.ts'
import { Statements, Typing, Upload } from './emergency.ts'
import { ledgerOf, recordingsOf, sealedSessions, verifyAll } from './evidence.ts'
import { Serving } from './serving.ts'
import { Surroundings } from './surroundings.ts'
import { until } from './until.ts'

const rounds = Array.from({ length: 10 }, (_, index) => index)
const userOf = (round: number): string => `engineer-${round}`

/** 64 MiB that look random: more than is uploaded before the kill. */
const content = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16)).update(Buffer.alloc(64 << 20))

let world: Surroundings
let bastion: Serving | undefined

beforeAll(async () => {
  // Small segments: a kill also hits the step from one to the next.
  world = await Surroundings.start({ engineers: rounds.map(userOf), segment: '64KiB' })
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
    await bastion?.kill()
    const { status, report } = await verifyAll(world)
    expect(report.findings).toEqual([])
    expect(status).toBe(2)
    const opened = (await ledgerOf(world.state)).filter(({ type }) => type === 'session-opened')
    expect(report.recordings.length).toBe(opened.length)
    const interrupted = report.recordings.filter(({ state }) => state === 'interrupted')
    expect(interrupted.length).toBeGreaterThanOrEqual(3 * rounds.length)
    expect(report.recordings.filter(({ state }) => !['interrupted', 'proven'].includes(state))).toEqual([])
  },
)

/** A start that is itself killed in the middle of sealing what the kill before it left. */
async function startAndKill(): Promise<void> {
  const files = () => readdirSync(world.recordings, { recursive: true }).length
  const before = files()
  const starting = new Serving(world)
  await until('sealing has begun', () => files() > before || starting.isOver || starting.printed.includes('serves ssh'))
  await starting.kill()
}
