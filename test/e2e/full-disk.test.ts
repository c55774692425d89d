import { mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { has } from '../support/clients.ts'
import { canMount, SmallDisk } from '../support/small-disk.ts'
import { run } from '../support/terminal.ts'
import { Statements, Typing, Upload } from './emergency.ts'
import { type Installation, ledgerOf, only, recordingsOf, sealedSessions, verifyAll } from './evidence.ts'
import { Serving } from './serving.ts'
import { Surroundings, type SurroundingsOptions } from './surroundings.ts'
import { until } from './until.ts'

/** 64 MiB that compress well: the journal fills the disk, not the files that are sealed from it. */
const content = Buffer.from('all work and no play makes jack a dull boy\n'.repeat(1_600_000))

const isHere = has('ssh', 'psql') && canMount('Halligan on a real disk that fills up')

const places = [
  {
    name: 'recordings on a disk of 1 MB that they fill',
    recordings: 'apart',
    size: '1m',
    folder: (world: Surroundings) => world.recordings,
    fill: () => undefined,
  },
  {
    name: 'state and recordings on a disk that somebody else fills',
    recordings: 'below the state',
    size: '32m',
    folder: (world: Surroundings) => world.state,
    fill: (disk: SmallDisk, file: string) => disk.fill(file),
  },
] as const

describe.runIf(isHere).each(places)('$name', ({ recordings, size, folder, fill }) => {
  let world: Surroundings | undefined
  let disk: SmallDisk | undefined
  let bastion: Serving | undefined

  afterEach(async () => {
    await bastion?.kill()
    await disk?.unmount()
    await world?.close()
  })

  test(
    'every session ends and says why, no target got what is not recorded, nobody new gets in',
    { timeout: 90_000 },
    async () => {
      ;({ world, disk } = await onSmallDisk(
        { engineers: ['ada', 'grace'], segment: '64KiB', recordings },
        folder,
        size,
      ))
      const somebodyElse = join(folder(world), 'somebody-else')
      disk.run('dd', 'if=/dev/zero', `of=${somebodyElse}`, 'bs=1k', 'count=300')
      bastion = await Serving.start(world, disk.prefix)
      const typing = await Typing.start(world, 'ada')
      const upload = await Upload.open(world, 'ada', content)
      const statements = await Statements.start(world, 'ada')
      await until('statements have been run', async () => (await statements.receivedRows()) > 10)
      fill(disk, somebodyElse)
      upload.begin()
      await Promise.all([typing.over(), upload.over(), statements.over()])

      expect(await typing.terminal.exited).toBe(75)
      expect(typing.terminal.screen).toMatch(/\r\nhalligan: [^\r]*ENOSPC/)
      expect(upload.status).toBe(75)
      expect(upload.told).toMatch(/^halligan: .*ENOSPC/)
      expect(statements.told).toMatch(/FATAL: .*ENOSPC/)
      await refused(world, statements.dsn)
      // Room alone does not help: what has failed stays failed until it is started again.
      disk.run('rm', somebodyElse)
      await refused(world, statements.dsn)
      expect(await bastion.stop()).toBe(0)

      bastion = await Serving.start(world, disk.prefix)
      const shell = await world.breakGlass('grace', 'web-1')
      shell.type('exit 4\r')
      expect(await shell.exited).toBe(4)
      expect(await bastion.stop()).toBe(0)

      const evidence = copyOf(world, disk)
      const ended = await sealedSessions(evidence.state, 'ada', 'recorder-failed')
      expect(ended.length).toBeGreaterThanOrEqual(3)
      const read = await recordingsOf(evidence.recordings, ended)
      const [typed = [], uploaded = []] = read('web-1')
      typing.check(typed)
      upload.check(uploaded)
      await statements.check(read('orders'))
      await alerted(
        world,
        ended.map(({ opened }) => opened.session),
      )
      const { status, report } = await verifyAll(evidence)
      expect(report.findings).toEqual([])
      expect(status).toBe(2)
      expect(report.recordings.filter(({ state }) => !['interrupted', 'proven'].includes(state))).toEqual([])
      const opened = only(await ledgerOf(evidence.state), 'session-opened')
      expect(report.recordings.length).toBe(opened.length)
    },
  )
})

describe.runIf(isHere)('a full disk on which the journal still has room', () => {
  let world: Surroundings | undefined
  let disk: SmallDisk | undefined
  let bastion: Serving | undefined

  afterEach(async () => {
    await bastion?.kill()
    await disk?.unmount()
    await world?.close()
  })

  test('lets who is inside go on and end, nobody in, and seals once there is room', { timeout: 90_000 }, async () => {
    const options = { engineers: ['ada'], segment: '1MiB' }
    ;({ world, disk } = await onSmallDisk(options, ({ recordings }) => recordings, '8m'))
    bastion = await Serving.start(world, disk.prefix)
    const shell = await world.breakGlass('ada', 'web-1')
    const somebodyElse = join(world.recordings, 'somebody-else')
    disk.fill(somebodyElse)
    const { status, stderr } = await run('/usr/bin/ssh', [...world.sshArguments, 'ada.web-1', 'true'])
    expect(stderr).toMatch(/^halligan: no room to record: .*\nhint: /)
    expect(status).toBe(75)
    shell.type('echo still-$((40+2)); exit 5\r')
    await shell.expect('still-42')
    expect(await shell.exited).toBe(5)

    const seals = async () => only(await ledgerOf(world?.state ?? ''), 'session-sealed')
    expect(await seals()).toEqual([])
    disk.run('rm', somebodyElse)
    await until('the session is sealed', async () => (await seals()).length === 1)
    expect(await bastion.stop()).toBe(0)
    const { report } = await verifyAll(copyOf(world, disk))
    expect(report.findings).toEqual([])
    expect(report.recordings.map(({ state, endReason }) => ({ state, endReason }))).toEqual([
      { state: 'proven', endReason: 'exited' },
    ])
  })
})

/** Surroundings whose state or recordings lie on a disk of their own. */
async function onSmallDisk(
  options: SurroundingsOptions,
  folder: (world: Surroundings) => string,
  size: string,
): Promise<{ world: Surroundings; disk: SmallDisk }> {
  const world = await Surroundings.start(options)
  await Statements.prepare(world)
  const made = join(world.folder, 'made')
  renameSync(folder(world), made)
  mkdirSync(folder(world), { mode: 0o700 })
  const disk = await SmallDisk.mount(folder(world), size)
  disk.run('cp', '-a', `${made}/.`, folder(world))
  return { world, disk }
}

/** State and recordings as they are on the disk, where the test can read them. */
function copyOf(world: Surroundings, disk: SmallDisk): Installation {
  const [state, recordings] = [join(world.folder, 'state-afterwards'), join(world.folder, 'recordings-afterwards')]
  disk.run('cp', '-a', world.state, state)
  disk.run('cp', '-a', world.recordings, recordings)
  return { state, recordings, publicKeyFile: world.publicKeyFile.replace(world.state, state) }
}

/** A new session is refused on both front ends, with the reason and what to do. */
async function refused(world: Surroundings, dsn: string): Promise<void> {
  const { status, stderr } = await run('/usr/bin/ssh', [...world.sshArguments, 'ada.web-1', 'true'])
  expect(stderr).toMatch(/^halligan: .*ENOSPC.*\nhint: /)
  expect(status).toBe(75)
  const psql = await run('psql', ['-X', '-c', 'SELECT 1', dsn])
  expect(psql.stderr).toMatch(/FATAL: .*ENOSPC.*\nHINT: /)
}

/** Each of these sessions has been told of, with the reason. */
async function alerted(world: Surroundings, sessions: readonly string[]): Promise<void> {
  const told = () =>
    world.sinks.hooks().flatMap(({ body }) => {
      const { type, data } = body as { type: string; data: { session: string; error: string } }
      return type === 'recorder.failed' && data.error.includes('ENOSPC') ? [data.session] : []
    })
  await until('each session has been told of', () => sessions.every((session) => told().includes(session)))
}
