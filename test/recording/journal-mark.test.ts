import { expect, test } from 'vitest'
import type { VerifyReport } from '../../src/recording/finding.ts'
import { verifyAll } from '../../src/recording/verify-all.ts'
import { Installation, sessionA, sessionB } from './installation.ts'

const verify = (all: Installation): Promise<VerifyReport> =>
  verifyAll(all.snapshot(), { key: all.key, checkpoint: all.checkpoint })
const found = ({ findings }: VerifyReport) => findings.map(({ code, subject }) => `${code} ${subject}`)

/** One session sealed and one running; the ledger told of the journal's head after `marked` lines of the running one. */
async function running(marked: number | undefined, changed?: number): Promise<Installation> {
  const all = new Installation()
  all.grant('g1')
  all.opened('sa', 'g1')
  for (const [seq, line] of sessionA.entries()) all.frame('line', 'sa', seq, line)
  await all.seal('sa', sessionA)
  all.opened('sb', 'g1')
  for (const [seq, line] of sessionB.entries()) {
    all.frame('line', 'sb', seq, seq === changed ? Buffer.from(line.toString().replace(/.$/, ' ]')) : line)
    if (seq + 1 === marked) all.markJournal()
  }
  all.sign()
  return all
}

/** Cuts frames off the end of the journal, as many as hold its last `lines` lines. */
function cut(all: Installation, lines: number): Installation {
  const last = all.segments.pop() ?? Buffer.alloc(0)
  const tail = sessionB.slice(-lines)
  const at = last.lastIndexOf(tail[0] ?? '')
  const magic = last.subarray(0, 4)
  all.segments.push(last.subarray(0, last.lastIndexOf(magic, at)))
  return all
}

test('a journal that goes on behind every head the ledger tells of has no finding', async () => {
  for (const marked of [undefined, 1, 5, sessionB.length])
    expect(found(await verify(await running(marked)))).toEqual([])
})

test('a journal cut behind its last epoch record is found where the ledger tells of more', async () => {
  expect(found(await verify(cut(await running(undefined), 3)))).toEqual([])
  expect(found(await verify(cut(await running(sessionB.length), 1)))).toEqual(['truncated journal'])
  expect(found(await verify(cut(await running(sessionB.length - 3), 3)))).toEqual([])
  expect(found(await verify(cut(await running(sessionB.length - 2), 3)))).toEqual(['truncated journal'])
})

test('lines that were rewritten with a whole new chain behind the last epoch record are found', async () => {
  const honest = await running(5)
  for (const changed of [0, 4]) {
    const rewritten = await running(5, changed)
    rewritten.rows.splice(0, Infinity, ...honest.rows)
    rewritten.checkpoint = honest.checkpoint
    expect(found(await verify(rewritten))).toEqual(['content_altered journal'])
  }
  const behind = await running(5, 6)
  behind.rows.splice(0, Infinity, ...honest.rows)
  behind.checkpoint = honest.checkpoint
  expect(found(await verify(behind))).toEqual([])
})

test('a row that names no head holds the journal to nothing', async () => {
  for (const { seq, head } of [
    { seq: -1, head: '00' },
    { seq: 1.5, head: '00'.repeat(32) },
    { seq: Number.MAX_VALUE, head: '00'.repeat(32) },
    { seq: 3, head: 'no hex' },
  ]) {
    const all = await running(undefined)
    all.leaf({ type: 'journal-head', seq, head })
    all.sign()
    expect(found(await verify(all))).toEqual([])
  }
})
