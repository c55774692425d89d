// Tampering shows (P3): what was sealed is proven offline with the pinned key and a checkpoint from outside; whatever is
// changed afterwards is found and named. Each change is made to a copy, as somebody with the whole disk would make it.
import Database from 'better-sqlite3'
import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifyInstallation, verifyPath } from '../../src/archive/verification.ts'
import type { VerifyReport } from '../../src/recording/finding.ts'
import {
  encodeInstallationKey,
  installationKey,
  ledgerOrigin,
  noteSigner,
  parseInstallationKey,
} from '../../src/ledger/note-key.ts'
import { readLedger } from '../../src/store/ledger-reader.ts'
import { has } from '../support/clients.ts'
import type { Ran } from '../support/terminal.ts'
import { eventually, filesBelow, leaves } from './traces.ts'
import { World } from './world.ts'

let world: World
let folder: string
/** Kept outside the machine: what the verifier trusts. */
let pinned: { readonly key: string; readonly checkpoint: string }
/** The sealed recordings, the longest first. */
let files: readonly string[]
let copies = 0

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'halligan-tamper-'))
  world = await World.start()
  await world.signIn('alice')
  await world.grant('web-1', '30m')
  await world.grant('orders', '30m')
  // Long enough for several frames of the sealed file.
  await world.exec(['web-1', 'for i in $(seq 20000); do echo "line $i of what was seen"; done'])
  await world.exec(['web-1', 'echo short'])
  await world.psql(await world.dsn(), '-c', 'SELECT * FROM orders', '-c', 'SELECT 1/0')
  const recordings = await eventually('three sealed recordings and their proofs', async () => {
    const sealed = (await leaves(world.state)).filter((leaf) => leaf.type === 'session-sealed').length
    const all = filesBelow(world.demo.recordings)
    const proofs = all.filter((file) => file.endsWith('.proof')).length
    return sealed === 3 && proofs === 3 ? all.filter((file) => file.endsWith('.cast.zst')) : undefined
  })
  files = recordings.toSorted((a, b) => readFileSync(b).length - readFileSync(a).length)
  await world.stop()
  const keep = (file: string) => {
    const kept = join(folder, basename(file))
    cpSync(file, kept)
    return kept
  }
  pinned = { key: keep(join(world.state, 'halligan.pub')), checkpoint: keep(join(world.state, 'checkpoint')) }
})

afterAll(async () => {
  await world?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** A copy of the whole state. `file`: one of its files, by the path in the original. */
function copy(): { readonly state: string; readonly file: (original: string) => string } {
  const state = join(folder, `copy-${copies++}`)
  cpSync(world.state, state, { recursive: true })
  return { state, file: (original) => original.replace(world.state, state) }
}

function verify(...args: string[]): Promise<Ran> {
  return world.local('verify', '--key', pinned.key, '--checkpoint', pinned.checkpoint, ...args)
}

/** The findings about a path, or about a whole state; in this process: so many programs would take their time. */
async function found(place: string | { readonly state: string }): Promise<VerifyReport['findings']> {
  const trust = {
    key: parseInstallationKey(readFileSync(pinned.key, 'utf8')),
    checkpoint: readFileSync(pinned.checkpoint, 'utf8'),
  }
  const report =
    typeof place === 'string' ? await verifyPath(place, trust) : await verifyInstallation(evidence(place.state), trust)
  expect(report.exitCode).toBe(1)
  return report.findings
}

function evidence(state: string): Parameters<typeof verifyInstallation>[0] {
  const recordings = join(state, 'recordings')
  return {
    recordings,
    journal: join(recordings, 'journal'),
    ledger: () => readLedger(join(state, 'halligan.db')),
    checkpoint: readFileSync(join(state, 'checkpoint'), 'utf8'),
  }
}

/** What `halligan verify` prints of what it found. */
async function named(...args: string[]): Promise<string> {
  const ran = await verify(...args)
  expect(ran, ran.stderr).toMatchObject({ status: 1 })
  return ran.stdout.toString()
}

function flip(file: string, at: number): void {
  const bytes = readFileSync(file)
  const place = at < 0 ? bytes.length + at : at
  bytes.writeUInt8(bytes.readUInt8(place) ^ 1, place)
  rmSync(file, { force: true })
  writeFileSync(file, bytes)
}

test.runIf(has('ssh', 'psql'))('what was sealed is proven: a file, a folder, everything', async () => {
  for (const path of [files[0] ?? '', world.demo.recordings]) {
    const ran = await world.local('verify', '--key', pinned.key, path)
    expect(ran, ran.stdout.toString()).toMatchObject({ status: 0 })
  }
  // A checkpoint that is newer than a recording's own proof is joined to it by the ledger alone, and that is said.
  const beside = await verify(world.demo.recordings)
  expect(beside).toMatchObject({ status: 2 })
  expect(beside.stdout.toString()).toContain('verify --all')
  const whole = await verify('--json', '--all', '--state', world.state)
  expect(whole, whole.stdout.toString()).toMatchObject({ status: 0 })
  const report = JSON.parse(whole.stdout.toString()) as VerifyReport
  expect(report.recordings).toHaveLength(3)
  expect(report.recordings.map(({ state }) => state)).toEqual(['proven', 'proven', 'proven'])
  expect(report.checks.filter(({ result }) => result !== 'ok')).toEqual([])
})

test.runIf(has('ssh', 'psql'))(
  'without the pinned key, or without a checkpoint, it is only consistent with itself',
  async () => {
    const [file = ''] = files
    for (const args of [[file], [world.demo.recordings], ['--all', '--state', world.state]]) {
      const ran = await world.local('verify', ...args)
      expect(ran).toMatchObject({ status: 2 })
      expect(ran.stdout.toString()).toContain('signer not pinned')
    }
    const tail = await world.local('verify', '--key', pinned.key, '--all', '--state', world.state)
    expect(tail).toMatchObject({ status: 2 })
    expect(tail.stdout.toString()).toContain('tail not proven')
  },
)

test.runIf(has('ssh', 'psql'))('one flipped byte is found wherever it is, and the place is named', async () => {
  const [long = ''] = files
  const size = readFileSync(long).length
  for (const at of [0, 20, Math.floor(size / 2), Math.floor(size * 0.8), -30, -1]) {
    const { file } = copy()
    flip(file(long), at)
    const findings = await found(file(long))
    expect(findings[0]).toMatchObject({ subject: basename(long) })
    expect(['content_altered', 'container_altered']).toContain(findings[0]?.code)
  }
  const { state, file } = copy()
  flip(file(long), Math.floor(size / 2))
  for (const args of [file(long), join(state, 'recordings'), { state }]) {
    const findings = await found(args)
    expect(findings).toHaveLength(1)
    const [finding] = findings
    expect(finding?.code).toBe('content_altered')
    expect(finding?.subject).toContain(basename(long))
    expect(finding?.place?.frame).toBeGreaterThan(0)
    expect(finding?.place?.firstEvent).toBeGreaterThan(0)
    expect(finding?.place?.toMs).toBeGreaterThanOrEqual(finding?.place?.fromMs ?? 0)
  }
  expect(await named(file(long))).toMatch(
    /content_altered .*\n\s+frame \d+, events \d+ to \d+, \d\d:\d\d:\d\d\.\d{3} to /,
  )
})

test.runIf(has('ssh', 'psql'))('a deleted recording is missed, with and without its proof', async () => {
  const [, file = ''] = files
  const one = copy()
  rmSync(one.file(file))
  for (const place of [join(one.state, 'recordings'), one])
    expect(await found(place)).toMatchObject([
      { code: 'missing', subject: expect.stringContaining(basename(file)) as string },
    ])
  rmSync(one.file(file).replace(/\.cast\.zst$/, '.proof'))
  expect(await named('--all', '--state', one.state)).toMatch(new RegExp(`missing .*${basename(file)}`))
  const both = await found(one)
  expect(both).toContainEqual(
    expect.objectContaining({ code: 'missing', subject: expect.stringContaining(basename(file)) as string }),
  )
})

test.runIf(has('ssh', 'psql'))('two recordings that changed their names are found', async () => {
  const [a = '', b = ''] = files
  const { state, file } = copy()
  const bytes = readFileSync(a)
  for (const [to, content] of [
    [file(a), readFileSync(b)],
    [file(b), bytes],
  ] as const) {
    rmSync(to)
    writeFileSync(to, content)
  }
  for (const place of [join(state, 'recordings'), { state }])
    expect((await found(place)).length).toBeGreaterThanOrEqual(2)
})

/** Runs SQL on a copied ledger as whoever owns the file can: no trigger or foreign key stands in the way. */
function edit(state: string, change: (database: Database.Database) => void): void {
  const database = new Database(join(state, 'halligan.db'))
  const triggers = database.prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'").pluck().all() as string[]
  for (const name of triggers) database.exec(`DROP TRIGGER "${name}"`)
  change(database)
  database.close()
}

test.runIf(has('ssh', 'psql'))('an edited row of the ledger is found, also with its hash made to fit', async () => {
  const all = await leaves(world.state)
  const position = all.findIndex(({ type }) => type === 'grant-requested')
  for (const fits of [false, true]) {
    const { state } = copy()
    edit(state, (database) => {
      const row = database.prepare('SELECT leaf FROM ledger WHERE position = ?').get(position) as { leaf: Buffer }
      const text = row.leaf.toString()
      const leaf = Buffer.from(text.replace('checkout is down', 'checkout is fine'))
      expect(leaf.toString()).not.toBe(text)
      const hash = createHash('sha256').update(Buffer.of(0)).update(leaf).digest()
      database.prepare('UPDATE ledger SET leaf = ? WHERE position = ?').run(leaf, position)
      if (fits) database.prepare('UPDATE ledger SET hash = ? WHERE position = ?').run(hash, position)
    })
    if (!fits) expect(await named('--all', '--state', state)).toContain(`ledger row ${position}`)
    const findings = await found({ state })
    const subject = fits ? (expect.stringMatching(/^ledger rows 0 to \d+$/) as string) : `ledger row ${position}`
    expect(findings).toContainEqual(expect.objectContaining({ code: 'content_altered', subject }))
  }
})

test.runIf(has('ssh', 'psql'))('rows taken out of the ledger are missed, in the middle and at the end', async () => {
  const size = (await leaves(world.state)).length
  for (const positions of [[3], [size - 1], [size - 3, size - 2, size - 1]]) {
    const { state } = copy()
    edit(state, (database) => {
      for (const position of positions) database.prepare('DELETE FROM ledger WHERE position = ?').run(position)
    })
    const findings = await found({ state })
    expect(findings.length).toBeGreaterThan(0)
    if (positions.includes(size - 1)) expect(findings.map(({ code }) => code)).toContain('rolled_back')
  }
})

test.runIf(has('ssh', 'psql'))(
  'a byte of the journal is found, and so is a signer that is not the pinned one',
  async () => {
    const { state } = copy()
    const [segment = ''] = filesBelow(join(state, 'recordings', 'journal')).filter((file) => file.endsWith('.seg'))
    const text = readFileSync(segment)
    flip(segment, text.indexOf('line 10 of what was seen'))
    const findings = await found({ state })
    expect(findings.some(({ subject }) => subject.includes(basename(segment)))).toBe(true)
    const name = /halligan\/(\w+)/.exec(readFileSync(pinned.checkpoint, 'utf8'))?.[1] ?? ''
    const { publicKey } = noteSigner(ledgerOrigin(name), Buffer.alloc(32, 5))
    const foreign = join(folder, 'foreign.pub')
    writeFileSync(foreign, encodeInstallationKey(installationKey(name, publicKey, Buffer.alloc(32, 6))))
    for (const args of [[files[0] ?? ''], ['--all', '--state', world.state]]) {
      const ran = await world.local('verify', '--json', '--key', foreign, ...args)
      expect(ran).toMatchObject({ status: 1 })
      const report = JSON.parse(ran.stdout.toString()) as VerifyReport
      expect(report.findings.map(({ code }) => code)).toContain('unknown_key')
    }
  },
)

test(
  'a sealed recording is exported in other forms, and one event of it is proven without the rest',
  { timeout: 120_000 },
  async () => {
    const session = basename(files[0] ?? '').replace('.cast.zst', '')
    const { recordings } = world.demo
    const exported = (...args: string[]) =>
      world.local('export', '--recordings', recordings, '--key', pinned.key, ...args)
    const text = await exported(session, '--text')
    expect(text.stdout.toString()).toContain('line 19999 of what was seen')
    const cast = (await exported(session, '--asciicast')).stdout.toString().split('\n')
    expect(JSON.parse(cast[0] ?? '')).toMatchObject({ version: 3, term: { cols: expect.any(Number) } })
    const sql = await Promise.all(files.map((file) => exported(file, '--sql')))
    expect(sql.map(({ stdout }) => stdout).join('')).toContain('SELECT 1/0;')

    const event = join(folder, 'one.event.json')
    writeFileSync(event, (await exported(session, '--event', '3')).stdout)
    expect((await world.local('verify', '--key', pinned.key, event)).status).toBe(0)
    writeFileSync(event, readFileSync(event, 'utf8').replace('"seq": 3', '"seq": 4'))
    expect((await world.local('verify', '--key', pinned.key, event)).status).toBe(1)
    expect((await exported('sabcdefghijkl', '--text')).status).toBe(64)
    expect((await exported(session)).status).toBe(64)
  },
)

test('an altered recording is not exported', async () => {
  const { file } = copy()
  const changed = file(files[0] ?? '')
  const bytes = readFileSync(changed)
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
  rmSync(changed)
  writeFileSync(changed, bytes)
  const refused = await world.local('export', changed, '--text', '--key', pinned.key)
  expect(refused).toMatchObject({ status: 65 })
})
