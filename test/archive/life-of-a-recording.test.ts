import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sealRecording, writeProof } from '../../src/archive/recording-archive.ts'
import { verifyInstallation } from '../../src/archive/verification.ts'
import { VerifiedRecording } from '../../src/archive/verified-recording.ts'
import { type AuditEvent, encodeLeaf } from '../../src/audit.ts'
import { systemClock } from '../../src/clock.ts'
import { type OpenJournal, openJournal } from '../../src/journal/journal.ts'
import { signCheckpoint } from '../../src/ledger/checkpoint.ts'
import { Frontier, leafHash } from '../../src/ledger/merkle.ts'
import { installationKey, noteSigner } from '../../src/ledger/note-key.ts'
import type { VerifyReport } from '../../src/recording/finding.ts'
import type { LedgerRow } from '../../src/recording/ledger-check.ts'
import { sealEventOf } from '../../src/recording/seal-leaf.ts'

const signer = noteSigner('halligan/life', Buffer.alloc(32, 4))
const minute = 60_000
let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'halligan-life-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

/** Real journal, real archive, and a ledger in memory: the order of design §8. */
class Life {
  readonly rows: LedgerRow[] = []
  readonly frontier = new Frontier()
  checkpoint = ''
  journal: OpenJournal
  readonly genesis: string

  constructor(journal: OpenJournal) {
    this.journal = journal
    this.genesis = journal.recovery.genesisPublicKey
  }

  leaf(event: AuditEvent): void {
    const leaf = encodeLeaf(this.rows.length * 1000, event)
    this.rows.push({ position: this.rows.length, leaf, hash: leafHash(leaf) })
    this.frontier.append(leafHash(leaf))
  }

  grant(grant: string): void {
    const request = { policy: 'p', policyHash: 'h', trigger: 't', reason: 'r', durationMs: 30 * minute, rule: 'self' }
    const who = { grant, user: 'alice', target: 'web-1', account: 'root' }
    this.leaf({ type: 'grant-requested', ...who, ...request, address: '::1' })
    this.leaf({ type: 'grant-activated', ...who, rule: 'self', expiresAt: 20 * minute })
  }

  async open(session: string): Promise<void> {
    const who = { session, grant: 'g1', user: 'alice', target: 'web-1', account: 'root' }
    this.leaf({ type: 'session-opened', ...who, protocol: 'ssh', address: '::1', fingerprint: 'f' })
    await this.line(session, 0, { kind: 'header', header: { version: 3, term: { cols: 80, rows: 24 } } })
  }

  async line(session: string, seq: number, body: Parameters<OpenJournal['append']>[0]['body']): Promise<void> {
    await this.journal.append({
      session,
      seq,
      monotonicUs: seq * 1000,
      wallMs: seq,
      interval: seq === 0 ? 0 : 0.5,
      body,
    })
  }

  async epoch(): Promise<void> {
    await this.journal.epoch({ size: this.rows.length, root: this.frontier.root().toString('hex') })
  }

  async seal(session: string, lastSeq: number): Promise<{ file: string; root: string }> {
    const { journal } = this
    async function* lines() {
      for await (const { line } of journal.lines(session)) yield line
    }
    const { file, content } = await sealRecording(join(directory, 'recordings'), session, minute, lines())
    const end = { file, firstSeq: 0, lastSeq, endReason: 'exited', state: 'complete' } as const
    const path = this.frontier.nextInclusionProof()
    this.leaf({ type: 'session-sealed', session, ...sealEventOf(content), ...end })
    await this.epoch()
    const head = { size: this.frontier.size, root: this.frontier.root() }
    this.checkpoint = signCheckpoint(head, signer)
    const leaf = Buffer.from(this.rows.at(-1)?.leaf ?? [])
    const proof = { leaf, index: head.size - 1, path, checkpoint: this.checkpoint, key: signer, frames: content.frames }
    await writeProof(join(directory, 'recordings'), file, proof)
    journal.forget(session)
    return { file, ...sealEventOf(content) }
  }

  async verify(): Promise<VerifyReport> {
    const { rows, checkpoint } = this
    async function* ledger() {
      yield* rows
    }
    const places = { recordings: join(directory, 'recordings'), journal: join(directory, 'journal') }
    const key = installationKey('life', signer.publicKey, Buffer.from(this.genesis, 'hex'))
    return await verifyInstallation({ ...places, ledger, checkpoint }, { key, checkpoint })
  }
}

async function open(): Promise<OpenJournal> {
  const epochKeyFile = join(directory, 'keys', 'epoch.key')
  return await openJournal({
    dir: join(directory, 'journal'),
    segmentBytes: 64 << 10,
    epochKeyFile,
    clock: systemClock(),
  })
}

/** Two sessions over several segments and a restart, both sealed. */
async function lived(): Promise<Life & { seals: { file: string; root: string }[] }> {
  const life = new Life(await open())
  life.leaf({ type: 'ledger-started', genesisPublicKey: life.genesis, installation: 'life' })
  life.grant('g1')
  for (const session of ['sa', 'sb']) await life.open(session)
  const bytes = (seq: number) => Buffer.from(`${seq} `.repeat(300))
  for (let seq = 1; seq <= 150; seq++) {
    const body = { kind: 'bytes', stream: 'o', bytes: bytes(seq) } as const
    await Promise.all([life.line('sa', seq, body), life.line('sb', seq, body)])
    if (seq % 40 === 0) await life.epoch()
  }
  const first = await life.seal('sa', 150)
  await life.journal.close()
  life.journal = await open()
  await life.line('sb', 151, { kind: 'fact', code: 'x', data: 0 })
  const second = await life.seal('sb', 151)
  await life.journal.close()
  return Object.assign(life, { seals: [first, second] })
}

/** Waits until every segment but the last is a skeleton. */
async function reduced(life: Life): Promise<void> {
  life.journal = await open()
  for (const session of ['sa', 'sb']) life.journal.forget(session)
  const segments = segmentFiles()
  await expect.poll(() => segments.slice(0, -2).every((path) => statSync(path).size < 20_000)).toBe(true)
  await life.journal.close()
}

/** Those that hold frames, and the one made ahead. */
function segmentFiles(): string[] {
  const names = readdirSync(join(directory, 'journal')).filter((name) => name.endsWith('.seg'))
  return names.sort().map((name) => join(directory, 'journal', name))
}

test('what the journal took, the archive sealed and the ledger says is proven, over segments and a restart', async () => {
  const life = await lived()
  expect((await readdir(join(directory, 'journal'))).length).toBeGreaterThan(3)
  const report = await life.verify()
  expect([report.findings, report.unproven, report.exitCode]).toEqual([[], [], 0])
  expect(report.recordings.map(({ state }) => state)).toEqual(['proven', 'proven'])
})

test('the sealed lines are the very lines that were journalled', async () => {
  const life = await lived()
  const [seal] = life.rows
    .map(({ leaf }) => JSON.parse(Buffer.from(leaf).toString()) as AuditEvent)
    .filter((event) => event.type === 'session-sealed')
  if (seal === undefined) throw new Error('a session was sealed')
  const recording = await VerifiedRecording.open(join(directory, 'recordings'), seal)
  const lines = await Array.fromAsync(recording.lines())
  await recording.close()
  expect(lines.length).toBe(151)
  expect(lines[7]?.toString()).toBe(`[0.5,"o","${'7 '.repeat(300)}"]`)
})

test('one flipped byte in any segment of the real journal is found', async () => {
  const life = await lived()
  const segments = (await readdir(join(directory, 'journal'))).filter((name) => name.endsWith('.seg'))
  for (const name of segments) {
    const path = join(directory, 'journal', name)
    const bytes = readFileSync(path)
    // Some may be skeletons by now, and shorter.
    const used = bytes.findLastIndex((byte) => byte !== 0)
    for (const at of [70, 900, Math.min(20_000, used - 100)]) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ 0x20
      writeFileSync(path, changed)
      const { exitCode } = await life.verify()
      expect(exitCode, `${name} byte ${at}`).toBe(at < bytes.findLastIndex((byte) => byte !== 0) - 1000 ? 1 : exitCode)
      expect(exitCode, `${name} byte ${at}`).not.toBe(0)
    }
    writeFileSync(path, bytes)
  }
})

test('as skeletons, segments give the same verdict, at a start as well', async () => {
  const life = await lived()
  const before = await life.verify()
  const opened = await open()
  const head = opened.head()
  await opened.close()
  await reduced(life)
  const after = await life.verify()
  const verdict = ({ findings, unproven, recordings, exitCode }: VerifyReport) => ({
    findings,
    recordings,
    exitCode,
    unproven,
  })
  expect(verdict(after)).toEqual(verdict(before))
  expect(after.exitCode).toBe(0)
  life.journal = await open()
  expect(life.journal.recovery.damage).toEqual([])
  expect(life.journal.head()).toEqual(head)
  await life.journal.close()
})

test('one changed byte in any skeleton is found, and so is a skeleton that was cut or exchanged', async () => {
  const life = await lived()
  await reduced(life)
  const skeletons = segmentFiles().slice(0, -2)
  const verdict = async (path: string, changed: Buffer, what: string) => {
    const whole = readFileSync(path)
    writeFileSync(path, changed)
    const { exitCode } = await life.verify()
    expect(exitCode, `${path} ${what}`).toBe(1)
    writeFileSync(path, whole)
  }
  for (const [index, path] of skeletons.entries()) {
    const bytes = readFileSync(path)
    for (let at = 7; at < bytes.length; at += 1201) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ 1
      await verdict(path, changed, `byte ${at}`)
    }
    await verdict(path, bytes.subarray(0, bytes.length - 92), 'without its last frame')
    await verdict(path, readFileSync(skeletons[(index + 1) % skeletons.length] ?? path), 'as another')
  }
})
