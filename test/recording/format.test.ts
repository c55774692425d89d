// docs/recording-format.md, docs/verify.mjs and test/vectors against each other and against Halligan's own verifier: two
// implementations that share no line must agree on every change of every byte.

import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifyPath } from '../../src/archive/verification.ts'
import { parseInstallationKey } from '../../src/ledger/note-key.ts'
import { genesisHead, leafHash, nextHead, readFrame } from '../../src/recording/frame.ts'
import { parseEpoch, EpochChain } from '../../src/ledger/epoch.ts'

interface StandAlone {
  verify(file: string, publicKey?: string): Promise<{ status: number; say: string }>
}

const vectors = resolve(import.meta.dirname, '../vectors')
const program = resolve(import.meta.dirname, '../../docs/verify.mjs')
const publicKey = readFileSync(join(vectors, 'halligan.pub'), 'utf8')
const key = parseInstallationKey(publicKey)
const names = ['session.cast.zst', 'session.proof', 'one.event.json'] as const

let folder: string
let standAlone: StandAlone

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'halligan-format-'))
  for (const name of names) cpSync(join(vectors, name), join(folder, name))
  standAlone = (await import(program)) as StandAlone
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const subject = (name: string) => join(folder, name === 'session.proof' ? 'session.cast.zst' : name)

test('the vectors are proven by both verifiers, and only consistent with themselves without the key', async () => {
  for (const name of ['session.cast.zst', 'one.event.json']) {
    expect(await standAlone.verify(join(vectors, name), publicKey)).toMatchObject({ status: 0 })
    expect(await standAlone.verify(join(vectors, name))).toMatchObject({ status: 2 })
    // Halligan's own also holds the file's name against the seal; here every vector lies in one folder.
    const report = await verifyPath(join(vectors, name), { key })
    expect(report.findings.filter(({ code }) => code !== 'wrong_name')).toEqual([])
  }
})

test('the verifier runs alone: a copy of one file, a plain Node, an exit status', () => {
  const alone = join(folder, 'alone.mjs')
  cpSync(program, alone)
  const ran = (...args: string[]) =>
    spawnSync(process.execPath, [alone, ...args], { cwd: '/', env: {}, timeout: 20_000 })
  const pub = join(vectors, 'halligan.pub')
  expect(ran(join(folder, 'session.cast.zst'), pub).status).toBe(0)
  expect(ran(join(folder, 'session.cast.zst')).status).toBe(2)
  expect(ran(join(folder, 'nothing.cast.zst'), pub).status).toBe(1)
  expect(ran().status).toBe(64)
})

for (const name of names)
  test(`any byte of ${name} changed is refused by both, or changes nothing that is said`, async () => {
    const whole = readFileSync(join(vectors, name))
    const said = await standAlone.verify(subject(name), publicKey)
    const place = fc.integer({ min: 0, max: whole.length - 1 })
    await fc.assert(
      fc.asyncProperty(place, fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const changed = Buffer.from(whole)
        changed[at] = (changed[at] ?? 0) ^ flip
        writeFileSync(join(folder, name), changed)
        const here = await standAlone.verify(subject(name), publicKey)
        const there = await verifyPath(subject(name), { key })
        const isFoundThere = there.findings.some(({ code }) => code !== 'wrong_name')
        expect(here.status === 1).toBe(isFoundThere)
        if (here.status === 0) expect(here.say).toBe(said.say)
      }),
      { numRuns: 150 },
    )
    writeFileSync(join(folder, name), whole)
  })

test('a file cut at any length is refused by both', async () => {
  const whole = readFileSync(join(vectors, 'session.cast.zst'))
  for (let length = 0; length < whole.length; length += Math.max(1, Math.floor(whole.length / 60))) {
    writeFileSync(join(folder, 'session.cast.zst'), whole.subarray(0, length))
    expect(await standAlone.verify(subject('session.cast.zst'), publicKey)).toMatchObject({ status: 1 })
    expect((await verifyPath(subject('session.cast.zst'), { key })).exitCode).toBe(1)
  }
  writeFileSync(join(folder, 'session.cast.zst'), whole)
})

test('another key proves nothing to either', async () => {
  const other = readFileSync(join(vectors, 'other.pub'), 'utf8')
  expect(await standAlone.verify(join(vectors, 'session.cast.zst'), other)).toMatchObject({ status: 1 })
  expect((await verifyPath(join(vectors, 'session.cast.zst'), { key: parseInstallationKey(other) })).exitCode).toBe(1)
})

test('the journal of the vectors chains from genesis, and its epoch records from the pinned key', () => {
  const bytes = readFileSync(join(vectors, '00000001.seg'))
  const epochs = new EpochChain(key.genesis.publicKey)
  let head = genesisHead
  let records = 0
  for (let offset = 0; ;) {
    const read = readFrame(bytes, offset)
    if (read.kind === 'end') break
    if (read.kind !== 'frame') throw new Error(`no frame at ${offset}`)
    if (read.header.type === 'epoch') {
      const record = parseEpoch(read.line)
      if (record === undefined) throw new Error('not an epoch record')
      expect(record.journalHead).toEqual(head)
      expect(epochs.accept(record)).toBeUndefined()
      records++
    }
    head = nextHead(head, read.headerBytes, leafHash(read.line))
    offset = read.next
  }
  expect(records).toBeGreaterThan(0)
})

test('the page names every file of the vectors and what they are made of', () => {
  const page = readFileSync(resolve(import.meta.dirname, '../../docs/recording-format.md'), 'utf8')
  for (const word of [
    'halligan/journal/1',
    'halligan/epoch/1',
    '0x184D2A5E',
    '65,536',
    'FF 48 4A 31',
    'session-sealed',
  ])
    expect(page).toContain(word)
})
