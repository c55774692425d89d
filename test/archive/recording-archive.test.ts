import { createHash } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { recordingPath, sealRecording, writeProof, writeRecording } from '../../src/archive/recording-archive.ts'
import { verifyInstallation, verifyPath } from '../../src/archive/verification.ts'
import { VerifiedRecording } from '../../src/archive/verified-recording.ts'
import { HalliganError } from '../../src/errors.ts'
import type { VerifyReport } from '../../src/recording/finding.ts'
import { parseProof } from '../../src/recording/proof.ts'
import { proofName } from '../../src/recording/verify-file.ts'
import { Installation, sessionA, sessionB, twoSessions } from '../recording/installation.ts'

const openedAt = Date.UTC(2026, 10, 21, 23, 59)
let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'halligan-archive-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

async function codeOf(run: Promise<unknown>): Promise<string | undefined> {
  try {
    await run
  } catch (error) {
    if (error instanceof HalliganError) return error.code
    throw error
  }
  return undefined
}

const found = ({ findings }: VerifyReport) => findings.map(({ code, subject }) => `${code} ${subject}`)
const seal = async (lines: readonly Buffer[], session = 'sa') =>
  await sealRecording(directory, session, openedAt, lines)

test('a recording lies under the day its session opened, readable and not writable', async () => {
  const { file, content } = await seal(sessionA)
  expect(file).toBe('2026/11/21/sa.cast.zst')
  const path = join(directory, file)
  expect((await stat(path)).mode & 0o777).toBe(0o444)
  const bytes = await readFile(path)
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(content.sha256)
  expect(await readdir(join(directory, '2026/11/21'))).toEqual(['sa.cast.zst'])
})

test('sealing again is harmless, and a crash in the middle leaves nothing in the way', async () => {
  const first = await seal(sessionA)
  await writeFile(join(directory, '2026/11/21/.sa.cast.zst.tmp'), 'half a file')
  expect(await seal(sessionA)).toEqual(first)
  expect(await readdir(join(directory, '2026/11/21'))).toEqual(['sa.cast.zst'])
})

test('other bytes under the same name are refused and the first stay', async () => {
  const { content } = await seal(sessionA)
  expect(await codeOf(seal(sessionB))).toBe('conflict')
  const bytes = await readFile(join(directory, '2026/11/21/sa.cast.zst'))
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(content.sha256)
  expect(await readdir(join(directory, '2026/11/21'))).toEqual(['sa.cast.zst'])
})

test('a directory or link under the name is a conflict, not followed', async () => {
  await mkdir(join(directory, '2026/11/21/sa.cast.zst'), { recursive: true })
  expect(await codeOf(seal(sessionA))).toBe('conflict')
  await symlink(join(directory, 'elsewhere'), join(directory, '2026/11/21/sb.cast.zst'))
  expect(await codeOf(seal(sessionA, 'sb'))).toBe('conflict')
  expect(await readdir(directory)).toEqual(['2026'])
})

test('lines that fail leave no file behind', async () => {
  async function* failing() {
    yield sessionA[0] ?? Buffer.alloc(0)
    throw new HalliganError('journal_failed', 'cannot read')
  }
  expect(await codeOf(sealRecording(directory, 'sa', openedAt, failing()))).toBe('journal_failed')
  expect(await readdir(join(directory, '2026/11/21'))).toEqual([])
})

test('a directory that cannot be made is store_failed', async () => {
  await writeFile(join(directory, '2026'), 'a file where a folder must be')
  expect(await codeOf(seal(sessionA))).toBe('store_failed')
})

test('a session id that is a path is refused', async () => {
  for (const session of ['../x', 'a/b', '', 'x'.repeat(17), 'a.b'])
    expect(() => recordingPath(session, openedAt)).toThrow('id of a session')
})

async function replayed(lines: readonly Buffer[]) {
  const { file, content } = await seal(lines)
  return { file, ...content, root: content.root.toString('hex') }
}

test('a verified recording gives its lines, all or by frame', async () => {
  const recording = await VerifiedRecording.open(directory, await replayed(sessionB))
  expect(await Array.fromAsync(recording.lines())).toEqual(sessionB)
  const { frames } = recording
  expect(frames.length).toBeGreaterThan(3)
  for (const [at, { firstLine, lines }] of frames.entries())
    expect(await Array.fromAsync(recording.lines(at, at + 1))).toEqual(sessionB.slice(firstLine, firstLine + lines))
  expect(recording.frameAt(0)).toBe(0)
  expect(recording.frameAt(frames[1]?.endMs ?? 0)).toBe(1)
  expect(recording.frameAt(1e9)).toBe(frames.length - 1)
  await recording.close()
})

test('a recording that is not what was sealed is not opened for replay', async () => {
  const sealed = await replayed(sessionB)
  const path = join(directory, sealed.file)
  const bytes = await readFile(path)
  await chmod(path, 0o600)
  for (let at = 0; at < bytes.length; at += 5003) {
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] ?? 0) ^ 1
    await writeFile(path, changed)
    expect(await codeOf(VerifiedRecording.open(directory, sealed)), `byte ${at}`).toBe('recording_altered')
  }
  await rm(path)
  expect(await codeOf(VerifiedRecording.open(directory, sealed))).toBe('not_found')
  await mkdir(path)
  expect(await codeOf(VerifiedRecording.open(directory, sealed))).toBe('not_found')
})

test('a recording that changes while it is replayed stops the replay', async () => {
  const sealed = await replayed(sessionB)
  const recording = await VerifiedRecording.open(directory, sealed)
  const path = join(directory, sealed.file)
  await chmod(path, 0o600)
  const bytes = await readFile(path)
  await writeFile(path, bytes.fill(0x55, 100))
  expect(await codeOf(Array.fromAsync(recording.lines()))).toBe('recording_altered')
  await recording.close()
})

/** Puts an installation from memory on disk. */
async function written(all: Installation): Promise<{ recordings: string; journal: string }> {
  const [recordings, journal] = [join(directory, 'recordings'), join(directory, 'journal')]
  await mkdir(journal)
  for (const { name, read } of all.journal())
    await writeFile(join(journal, name), Buffer.concat(await Array.fromAsync(read())))
  for (const [name, bytes] of all.files) {
    const file = name.replace(/\.proof$/, '.cast.zst')
    const session = file.slice(file.lastIndexOf('/') + 1, -'.cast.zst'.length)
    const proof = name === proofName(file) ? parseProof(bytes.toString()) : undefined
    async function* chunks() {
      yield bytes
    }
    if (proof === undefined) expect(await writeRecording(recordings, session, openedAt, chunks())).toBe(file)
    else await writeProof(recordings, file, proof)
  }
  return { recordings, journal }
}

async function verifyAll(all: Installation, places: { recordings: string; journal: string }): Promise<VerifyReport> {
  const { ledger, checkpoint } = all.snapshot()
  return await verifyInstallation({ ...places, ledger, checkpoint }, { key: all.key, checkpoint: all.checkpoint })
}

test('what was written to disk verifies as file, directory and installation', async () => {
  const all = await twoSessions()
  const places = await written(all)
  const key = all.key
  const file = join(places.recordings, '2026/11/21/sa.cast.zst')
  expect((await verifyPath(file, { key })).exitCode).toBe(0)
  expect((await verifyPath(proofName(file), { key })).exitCode).toBe(0)
  expect((await verifyPath(places.recordings, { key })).recordings.length).toBe(2)
  const report = await verifyAll(all, places)
  expect([report.exitCode, report.findings, report.unproven]).toEqual([0, [], []])
})

/** A recording is 0444, which holds back everyone but root. */
async function cut(path: string, length: number): Promise<void> {
  await chmod(path, 0o600)
  await truncate(path, length)
}

const damages: { name: string; damage: (path: string) => Promise<void>; want: string }[] = [
  { name: 'deleted', damage: (path) => rm(path), want: 'missing' },
  { name: 'cut', damage: (path) => cut(path, 1000), want: 'truncated' },
  { name: 'emptied', damage: (path) => cut(path, 0), want: 'truncated' },
  {
    name: 'replaced by a directory',
    damage: async (path) => {
      await rm(path)
      await mkdir(path)
    },
    want: 'missing',
  },
  {
    name: 'replaced by a link to a copy',
    damage: async (path) => {
      await writeFile(`${path}.copy`, await readFile(path))
      await rm(path)
      await symlink(`${path}.copy`, path)
    },
    want: 'missing',
  },
  {
    name: 'flipped in one byte',
    damage: async (path) => {
      const bytes = await readFile(path)
      await chmod(path, 0o600)
      bytes[40_000] = (bytes[40_000] ?? 0) ^ 1
      await writeFile(path, bytes)
    },
    want: 'content_altered',
  },
]
for (const { name, damage, want } of damages)
  test(`a recording ${name} is ${want} in file, directory and installation`, async () => {
    const all = await twoSessions()
    const places = await written(all)
    const file = '2026/11/21/sb.cast.zst'
    await damage(join(places.recordings, file))
    expect(found(await verifyPath(join(places.recordings, file), { key: all.key }))).toEqual([`${want} sb.cast.zst`])
    expect(found(await verifyPath(places.recordings, { key: all.key }))).toEqual([`${want} ${file}`])
    expect(found(await verifyAll(all, places))).toEqual([`${want} ${file}`])
  })

test('archive and journal gone altogether are findings, not a crash', async () => {
  const all = await twoSessions()
  const report = await verifyAll(all, { recordings: join(directory, 'none'), journal: join(directory, 'none') })
  expect(report.exitCode).toBe(1)
  expect(report.findings.filter(({ code }) => code === 'missing').length).toBe(5)
})

test('nothing at a path is missing', async () => {
  expect((await verifyPath(join(directory, 'none.cast.zst'), {})).exitCode).toBe(1)
  expect((await verifyPath(join(directory, 'none'), {})).exitCode).toBe(1)
})

test('a seal that names a file outside the archive finds nothing there', async () => {
  const all = await twoSessions()
  const places = await written(all)
  const { openStored } = await import('../../src/archive/recording-folder.ts')
  for (const name of ['../journal/00000001.seg', '/etc/hostname.cast.zst', 'a/../../x.cast.zst', 'x\0.cast.zst'])
    expect((await openStored(places.recordings, name)).file.kind, name).toBe('absent')
})
