import { expect, test } from 'vitest'
import { signCheckpoint } from '../../src/ledger/checkpoint.ts'
import { leafHash } from '../../src/ledger/merkle.ts'
import { installationKey, noteSigner } from '../../src/ledger/note-key.ts'
import { encodeTlogProof, parseTlogProof } from '../../src/ledger/tlog-proof.ts'
import type { VerifyReport } from '../../src/recording/finding.ts'
import { encodeProof, parseProof } from '../../src/recording/proof.ts'
import { formatReport } from '../../src/recording/report-format.ts'
import { verifyFile, verifyFolder } from '../../src/recording/verify-file.ts'
import { Installation, sessionA, twoSessions } from './installation.ts'

const a = '2026/11/21/sa.cast.zst'
const b = '2026/11/21/sb.cast.zst'
const proofA = '2026/11/21/sa.proof'
const found = ({ findings }: VerifyReport) => findings.map(({ code, subject }) => `${code} ${subject}`)

test('a recording with its proof and the pinned key is proven', async () => {
  const all = await twoSessions()
  const report = await verifyFile(all.open(a), { key: all.key })
  expect([report.exitCode, report.findings, report.unproven]).toEqual([0, [], []])
  expect(report.recordings).toMatchObject([
    { session: 'sa', state: 'proven', lines: sessionA.length, endReason: 'exited' },
  ])
})

test('without a pinned key it is self-consistent only', async () => {
  const all = await twoSessions()
  const report = await verifyFile(all.open(a), {})
  expect([report.exitCode, report.recordings[0]?.state]).toEqual([2, 'self-consistent'])
})

test('signed by another key than the pinned one it is unknown_key', async () => {
  const all = await twoSessions()
  const other = noteSigner('halligan/test', Buffer.alloc(32, 3)).publicKey
  const report = await verifyFile(all.open(a), { key: installationKey('test', other, other) })
  expect(found(report)).toEqual([`unknown_key ${proofA}`])
  expect(report.exitCode).toBe(1)
})

test('under the name of another session it is wrong_name', async () => {
  const all = await twoSessions()
  expect(found(await verifyFile({ ...all.open(a), name: 'sb.cast.zst' }, { key: all.key }))).toEqual([
    'wrong_name sb.cast.zst',
  ])
  expect(found(await verifyFile({ ...all.open(a), name: 'sa.cast.zst' }, { key: all.key }))).toEqual([])
})

test('an interrupted recording is as sealed, and still not proven', async () => {
  const all = new Installation()
  all.grant('g1')
  all.record('sa', 'g1', sessionA)
  await all.seal('sa', sessionA, 'interrupted')
  const report = await verifyFile(all.open(a), { key: all.key })
  expect([report.exitCode, report.recordings[0]?.state]).toEqual([2, 'interrupted'])
})

test('no byte of a proof can change without a finding', async () => {
  const all = await twoSessions()
  const proof = all.files.get(proofA) ?? Buffer.alloc(0)
  for (let at = 0; at < proof.length; at++) {
    const changed = Buffer.from(proof)
    changed[at] = (changed[at] ?? 0) ^ 0x01
    all.files.set(proofA, changed)
    const { findings } = await verifyFile(all.open(a), { key: all.key })
    expect(findings.length, `byte ${at}`).toBeGreaterThan(0)
  }
})

test('a proof about another leaf, or none, is refused', async () => {
  const all = await twoSessions()
  const text = all.files.get(proofA)?.toString() ?? ''
  const proof = parseTlogProof(text)
  if (proof === undefined) throw new Error('a proof parses')
  const leaf = Buffer.from(all.rows[0]?.leaf ?? []).toString('base64')
  const extra = JSON.parse(proof.extra?.toString() ?? '') as Record<string, unknown>
  const changes = [
    { ...proof, index: proof.index - 1 },
    { ...proof, path: proof.path.slice(1) },
    { ...proof, extra: Buffer.from(JSON.stringify({ ...extra, leaf })) },
    { ...proof, extra: Buffer.from(JSON.stringify({ ...extra, version: 2 })) },
    { ...proof, extra: Buffer.from('{') },
    { ...proof, extra: undefined },
  ]
  for (const change of changes) {
    all.files.set(proofA, Buffer.from(encodeTlogProof(change)))
    expect(found(await verifyFile(all.open(a), { key: all.key }))).toEqual([`container_altered ${proofA}`])
  }
})

test('a proof that numbers or times events otherwise than the recording is container_altered', async () => {
  const all = await twoSessions()
  const proofB = '2026/11/21/sb.proof'
  const text = all.files.get(proofB)?.toString() ?? ''
  const proof = parseProof(text)
  if (proof === undefined) throw new Error('a proof parses')
  const { frames } = proof
  const [first, second] = frames
  if (first === undefined || second === undefined) throw new Error('several frames')
  const more = { ...first, lines: first.lines + 1 }
  const changes = [
    { named: proofB, change: { ...proof, frames: frames.with(0, more) } },
    // As many lines in all: an event of the second frame could be disclosed under another number.
    { named: b, change: { ...proof, frames: frames.with(0, more).with(1, { ...second, lines: second.lines - 1 }) } },
    { named: b, change: { ...proof, frames: frames.with(0, { ...first, endMs: first.endMs + 1 }) } },
    { named: proofB, change: { ...proof, key: noteSigner('halligan/test', Buffer.alloc(32, 3)) } },
  ]
  for (const { named, change } of changes) {
    all.files.set(proofB, Buffer.from(encodeProof(change)))
    expect(found(await verifyFile(all.open(b), { key: all.key }))).toEqual([`container_altered ${named}`])
  }
  all.files.set(proofB, Buffer.from(text.replace(/^extra (.*)$/m, (_, extra: string) => `extra ${spacedOut(extra)}`)))
  expect(found(await verifyFile(all.open(b), { key: all.key }))).toEqual([`container_altered ${proofB}`])
})

const spacedOut = (base64: string) => Buffer.from(`${Buffer.from(base64, 'base64').toString()} `).toString('base64')

test('a missing recording and a missing proof are missing', async () => {
  const all = await twoSessions()
  all.files.delete(a)
  expect(found(await verifyFile(all.open(a), { key: all.key }))).toEqual([`missing ${a}`])
  all.files.delete(proofA)
  expect(found(await verifyFile(all.open(a), { key: all.key }))).toEqual([`missing ${proofA}`, `missing ${a}`])
})

test('a recording that cannot be read to its end is missing, with the reason', async () => {
  const all = await twoSessions()
  async function* failing() {
    yield Buffer.from('28b52ffd', 'hex')
    throw new Error('EIO')
  }
  const file = { kind: 'file', read: failing } as const
  const report = await verifyFile({ ...all.open(a), file }, { key: all.key })
  expect(found(report)).toEqual([`missing ${a}`])
  expect(report.findings[0]?.detail).toContain('EIO')
})

test('the checkpoint from outside decides as far as it reaches', async () => {
  const all = await twoSessions()
  const size = all.rows.length
  const at = (rows: number, root = all.root(rows)) => signCheckpoint({ size: rows, root }, all.signer)
  const cases = [
    { name: 'the same', checkpoint: at(size), exit: 0 },
    { name: 'older', checkpoint: at(3), exit: 2 },
    { name: 'newer', checkpoint: at(size + 5, leafHash(Buffer.from('x'))), exit: 2 },
    { name: 'of the same size with another root', checkpoint: at(size, leafHash(Buffer.from('x'))), exit: 1 },
    { name: 'no checkpoint', checkpoint: 'x', exit: 1 },
  ]
  for (const { name, checkpoint, exit } of cases)
    expect((await verifyFile(all.open(b), { key: all.key, checkpoint })).exitCode, name).toBe(exit)
})

test("the ledger's rows join an older proof to a newer checkpoint, or show that they are forked", async () => {
  const all = await twoSessions()
  const { ledger } = all.snapshot()
  const trust = { key: all.key, checkpoint: all.checkpoint }
  expect((await verifyFile(all.open(a), trust)).exitCode).toBe(2)
  expect((await verifyFile(all.open(a), { ...trust, ledger })).exitCode).toBe(0)
  const forged = signCheckpoint({ size: all.rows.length, root: leafHash(Buffer.from('x')) }, all.signer)
  expect((await verifyFile(all.open(a), { ...trust, checkpoint: forged, ledger })).exitCode).toBe(1)
})

test('a folder lists every recording and finds what is wrong with each', async () => {
  const all = await twoSessions()
  const whole = await verifyFolder(all.folder(), { key: all.key })
  expect([whole.exitCode, whole.recordings.map(({ session }) => session)]).toEqual([0, ['sa', 'sb']])
  const [one, other] = [all.files.get(a), all.files.get(b)]
  all.files.set(a, other ?? Buffer.alloc(0))
  all.files.set('2026/11/21/sx.cast.zst', one ?? Buffer.alloc(0))
  all.files.delete(b)
  expect(found(await verifyFolder(all.folder(), { key: all.key }))).toEqual([
    'missing 2026/11/21/sx.proof',
    `wrong_name ${a}`,
    `missing ${b}`,
  ])
})

test('two proofs with checkpoints of one size and different roots are forked', async () => {
  const all = await twoSessions()
  const other = await twoSessions()
  other.leaf({ type: 'session-viewed', session: 'sa', by: 'eve', how: 'live' })
  const forked = new Installation()
  forked.grant('g1')
  forked.record('sz', 'g1', sessionA)
  while (forked.rows.length < all.rows.length - 1)
    forked.leaf({ type: 'session-viewed', session: 'sz', by: 'x', how: 'live' })
  const z = await forked.seal('sz', sessionA)
  all.files.set(z, forked.files.get(z) ?? Buffer.alloc(0))
  all.files.set('2026/11/21/sz.proof', forked.files.get('2026/11/21/sz.proof') ?? Buffer.alloc(0))
  expect(found(await verifyFolder(all.folder(), { key: all.key }))).toEqual(['forked 2026/11/21/sz.proof'])
})

test('the report names place and verdict, and lets no name steer the terminal', async () => {
  const all = await twoSessions()
  const bytes = Buffer.from(all.files.get(b) ?? [])
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0xff
  all.files.set(b, bytes)
  const text = formatReport(
    await verifyFile({ ...all.open(b), name: 'x\u001b[2J\u202e/sb.cast.zst' }, { key: all.key }),
  )
  expect(text).toContain('content_altered')
  expect(text).toMatch(/frame \d, events \d+ to \d+, 00:00:0\d\.\d+ to 00:00:0\d\.\d+\n/)
  expect(text).not.toMatch(/[\u001b\u202e]/)
  expect(text.trimEnd().split('\n').at(-1)).toBe('1 finding: 0 of 1 recordings proven')
  expect(formatReport(await verifyFolder(all.folder(), {}))).toContain('signer not pinned')
})
