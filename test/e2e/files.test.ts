// What people bring with them works as it does without a bastion, byte for byte, and is recorded: scp, sftp, rsync, pipes,
// COPY, pgbench, and Ctrl-C in the right query.
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { has, programPath } from '../support/clients.ts'
import { run, type Ran } from '../support/terminal.ts'
import { bytesOf, dataOf, eventually, leaves, recording, type Recorded } from './traces.ts'
import { World } from './world.ts'

/** All byte values, longer than one packet and no multiple of anything. */
const binary = Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, at) => at)), randomBytes(300_001)])
/** More than is kept whole of a stream. */
const bulk = randomBytes(11 * (1 << 20) + 7)

let world: World
let folder: string
let dsn: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'halligan-files-'))
  writeFileSync(join(folder, 'binary'), binary)
  writeFileSync(join(folder, 'bulk'), bulk)
  world = await World.start()
  await world.signIn('alice')
  await world.grant('web-1', '30m')
  await world.grant('orders', '30m')
  dsn = await world.dsn()
})

afterAll(async () => {
  await world?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A program of OpenSSH's with the demo's settings. */
async function openssh(program: string, args: readonly string[], input?: string): Promise<Ran> {
  const settings = ['-F', join(world.state, 'ssh_config')]
  return run(`/usr/bin/${program}`, [...settings, ...args], { cwd: folder, ...(input === undefined ? {} : { input }) })
}

function read(name: string): Buffer {
  return readFileSync(join(folder, name))
}

for (const { mode, flag } of [
  { mode: 'the old protocol', flag: '-O' },
  { mode: 'sftp', flag: '-s' },
]) {
  test.runIf(has('ssh'))(`scp over ${mode} copies both ways, and what it carried is recorded`, async () => {
    const name = `over${flag}`
    expect(await openssh('scp', [flag, 'binary', `web-1:${name}`])).toMatchObject({ status: 0 })
    expect(await openssh('scp', [flag, `web-1:${name}`, `back${flag}`])).toMatchObject({ status: 0 })
    expect(read(`back${flag}`).equals(binary)).toBe(true)
    const carries = (stream: 'i' | 'o') => (one: Recorded) =>
      JSON.stringify(one).includes(name) && isCarried(bytesOf(one, stream), binary)
    expect(await recording(world.demo.recordings, carries('i'))).toBeDefined()
    expect(await recording(world.demo.recordings, carries('o'))).toBeDefined()
  })
}

/** Between the pieces of a file stand the packets that carry it: only what a packet's end cuts in two is not found whole. */
function isCarried(stream: Buffer, file: Buffer): boolean {
  const starts = Array.from({ length: Math.floor(file.length / 100) }, (_, at) => at * 100)
  const missing = starts.filter((start) => !stream.includes(file.subarray(start, start + 100)))
  return missing.length <= file.length / 8192
}

test.runIf(has('ssh'))("a file beyond a person's input is copied whole", async () => {
  expect(await openssh('scp', ['bulk', 'web-1:bulk'])).toMatchObject({ status: 0 })
  expect(await openssh('scp', ['web-1:bulk', 'bulk-back'])).toMatchObject({ status: 0 })
  expect(read('bulk-back').equals(bulk)).toBe(true)
  const there = await world.exec(['web-1', 'sha256sum < bulk'])
  expect(there.stdout.toString()).toContain(createHash('sha256').update(bulk).digest('hex'))
})

test.runIf(has('ssh'))('an sftp session does what its batch says', async () => {
  const batch =
    'mkdir box\nput binary box/one\nrename box/one box/two\nls -l box\nget box/two got\nrm box/two\nrmdir box\n'
  const ran = await openssh('sftp', ['-b', '-', 'web-1'], batch)
  expect(ran, ran.stderr).toMatchObject({ status: 0 })
  expect(read('got').equals(binary)).toBe(true)
  expect(ran.stdout.toString()).toMatch(/300257 .*two/)
  const missing = await openssh('sftp', ['-b', '-', 'web-1'], 'get no-such-file\n')
  expect(missing.status).toBe(1)
})

test.runIf(has('ssh') && programPath('rsync') !== undefined)('rsync brings a folder over', async () => {
  const ssh = `ssh -F ${join(world.state, 'ssh_config')}`
  const there = await run('rsync', ['-a', '-e', ssh, 'binary', 'bulk', 'web-1:synced/'], { cwd: folder })
  expect(there, there.stderr).toMatchObject({ status: 0 })
  const back = await run('rsync', ['-a', '-e', ssh, 'web-1:synced/bulk', 'bulk-synced'], { cwd: folder })
  expect(back, back.stderr).toMatchObject({ status: 0 })
  expect(read('bulk-synced').equals(bulk)).toBe(true)
})

for (const [name, bytes] of [
  ['binary', binary],
  ['bulk', bulk],
  ['nothing', Buffer.alloc(0)],
] as const) {
  test.runIf(has('ssh'))(`${name} through cat comes back as it went`, async () => {
    const ran = await world.exec(['web-1', `cat; echo ${name} done >&2`], bytes)
    expect(ran).toMatchObject({ status: 0, stderr: `${name} done\n` })
    expect(ran.stdout.equals(bytes)).toBe(true)
    const recorded = await recording(world.demo.recordings, (one) => JSON.stringify(one).includes(`${name} done`))
    // Past the first ten megabytes stands the hash of all there was.
    const hashes = dataOf(recorded, 'h') as { readonly stream: 'i' | 'o'; readonly sha256: string }[]
    for (const stream of ['i', 'o'] as const) {
      const last = hashes.findLast((hash) => hash.stream === stream)
      if (name === 'bulk') expect(last?.sha256).toBe(createHash('sha256').update(bytes).digest('hex'))
      else expect(bytesOf(recorded, stream).equals(bytes)).toBe(true)
    }
    expect(recorded.lines.at(-1)?.slice(1)).toEqual(['x', '0'])
  })
}

test.runIf(has('ssh'))('a reader that has had enough ends the writer, as a closed pipe does', async () => {
  const ssh = `ssh -F '${join(world.state, 'ssh_config')}' web-1`
  const ran = await run('/bin/sh', ['-c', `${ssh} 'yes' | head -n 3`])
  expect(ran.stdout.toString()).toBe('y\ny\ny\n')
})

test.runIf(has('psql'))('COPY brings rows in and out as they are, and both are recorded', async () => {
  const rows = Array.from({ length: 2000 }, (_, at) => `${at}\tcaf\u00e9 \\\\ ${'x'.repeat(at % 50)}\n`).join('')
  writeFileSync(join(folder, 'rows'), rows)
  const script = [
    'CREATE TEMP TABLE carried (id int, note text);',
    "\\copy carried FROM 'rows'",
    "\\copy (SELECT * FROM carried ORDER BY id) TO 'rows-back'",
    'SELECT count(*) FROM carried;',
  ].join('\n')
  const ran = await run('/usr/bin/psql', ['-X', '-At', '-v', 'ON_ERROR_STOP=1', dsn], { cwd: folder, input: script })
  expect(ran, ran.stderr).toMatchObject({ status: 0 })
  expect(ran.stdout.toString()).toContain('2000')
  expect(read('rows-back').toString()).toBe(rows)
  const recorded = await recording(world.demo.recordings, (one) => JSON.stringify(one).includes('carried FROM'))
  const done = dataOf(recorded, 'd')
  expect(done.filter((one) => JSON.stringify(one).includes('COPY'))).toHaveLength(2)
  // The policy keeps files whole.
  expect(bytesOf(recorded, 'i').toString()).toContain('1999\tcaf\u00e9')
})

test.runIf(has('psql', 'pgbench'))('pgbench runs in all three protocols, each statement recorded', async () => {
  const script = '\\set id random(1, 39)\nSELECT sku FROM products WHERE id = :id;\n'
  writeFileSync(join(folder, 'select.sql'), script)
  for (const mode of ['simple', 'extended', 'prepared']) {
    const args = ['-n', '-M', mode, '-f', 'select.sql', '-c', '4', '-t', '25', dsn]
    const ran = await run(programPath('pgbench') ?? 'pgbench', args, { cwd: folder })
    expect(ran, ran.stderr).toMatchObject({ status: 0 })
    expect(ran.stdout.toString()).toContain('number of transactions actually processed: 100/100')
    expect(ran.stdout.toString()).toMatch(/failed transactions: 0 /)
  }
  const all = await eventually('12 sealed connections', async () => {
    const sealed = (await leaves(world.state)).filter((leaf) => leaf.type === 'session-sealed')
    return sealed.length >= 12 ? sealed : undefined
  })
  expect(all.filter((leaf) => leaf.type === 'session-sealed' && leaf.state !== 'complete')).toEqual([])
})

test.runIf(has('psql'))('Ctrl-C in psql cancels its own query, and the one beside it goes on', async () => {
  const [mine, beside] = [world.terminal('/usr/bin/psql', ['-X', dsn]), world.terminal('/usr/bin/psql', ['-X', dsn])]
  for (const psql of [mine, beside]) await psql.expect('=> ')
  const sleeping = async (count: string) => {
    const text = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND wait_event = 'PgSleep'"
    const ran = await world.psql(dsn, '-At', '-c', text)
    return ran.stdout.toString().trim() === count ? true : undefined
  }
  // Long enough for the slowest machine: each is ended by its own Ctrl-C.
  for (const psql of [mine, beside]) psql.type('SELECT pg_sleep(300);\r')
  await eventually('both queries running', () => sleeping('2'))
  mine.type('\x03')
  await mine.expect('canceling statement due to user request')
  mine.type("SELECT 'mine '||'goes on';\r")
  await mine.expect('mine goes on')
  expect(await sleeping('1')).toBe(true)
  expect(beside.screen).not.toContain('canceling')
  beside.type('\x03')
  await beside.expect('canceling statement due to user request')
  mine.type('\\q\r')
  expect(await mine.exited).toBe(0)
  const recorded = await recording(world.demo.recordings, (one) => JSON.stringify(one).includes("'mine '||'goes on'"))
  expect(JSON.stringify(dataOf(recorded, 'd'))).toContain('57014')
})
