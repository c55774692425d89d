import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { OpenJournal } from '../../src/journal/journal.ts'
import { entryOf, linesOf, openIn, scratchDirectory, upTo } from './scratch.ts'
import { systemError, watchedFiles } from './watched-files.ts'

interface Attempt {
  readonly calls: number
  /** null: the journal did not open. */
  readonly opened: boolean
  readonly confirmed: number[]
  /** Outcome of each append made after the first that was rejected. */
  readonly afterwards: ('durable' | 'rejected')[]
  readonly directory: string
}

/** Fills three segments with epochs between, with call number `failAt` failing by `code`; -1: none does. */
async function attempt(failAt: number, code: string): Promise<Attempt> {
  const directory = scratchDirectory()
  let calls = 0
  const files = watchedFiles(() => {
    if (calls++ === failAt) throw systemError(code)
  })
  let journal: OpenJournal
  try {
    journal = await openIn(directory, { fileSystem: files })
  } catch (error) {
    expect(error).toMatchObject({ code: 'journal_failed' })
    return { calls, opened: false, confirmed: [], afterwards: [], directory }
  }
  const confirmed: number[] = []
  const afterwards: Attempt['afterwards'] = []
  let hasFailed = false
  for (const seq of upTo(30)) {
    try {
      if (seq % 10 === 5) await journal.epoch({ size: seq, root: '0'.repeat(64) })
    } catch (error) {
      expect(error).toMatchObject({ code: 'journal_failed' })
      hasFailed = true
    }
    const outcome = await journal.append(entryOf('s', seq, `${seq} ${'x'.repeat(5000)}`)).then(
      () => 'durable' as const,
      (error: unknown) => {
        expect(error).toMatchObject({ code: 'journal_failed' })
        return 'rejected' as const
      },
    )
    if (hasFailed) afterwards.push(outcome)
    else if (outcome === 'durable') confirmed.push(seq)
    if (outcome === 'rejected') hasFailed = true
  }
  if (hasFailed) expect(await journal.failed).toMatchObject({ code: 'journal_failed' })
  // What was confirmed can still be read, for sealing.
  const seqs = (await linesOf(journal, 's')).map(({ seq }) => seq)
  expect(seqs.slice(0, confirmed.length)).toEqual(confirmed)
  await journal.close()
  return { calls, opened: true, confirmed, afterwards, directory }
}

for (const code of ['ENOSPC', 'EIO']) {
  test(
    `${code} at every call of the file port: nothing confirmed is lost, nothing is confirmed afterwards`,
    { timeout: 120_000 },
    async () => {
      const { calls, confirmed } = await attempt(-1, code)
      expect(confirmed).toEqual(upTo(30))
      for (const failAt of upTo(calls)) {
        const { confirmed, afterwards, directory } = await attempt(failAt, code)
        expect(confirmed).toEqual(upTo(confirmed.length))
        expect(afterwards).not.toContain('durable')
        // A healthy disk again: everything confirmed is there, in order, and no damage.
        const journal = await openIn(directory, { fileSystem: watchedFiles(() => {}) })
        expect(journal.recovery.damage).toEqual([])
        const lines = await linesOf(journal, 's')
        expect(lines.map(({ seq }) => seq)).toEqual(upTo(lines.length))
        expect(lines.length).toBeGreaterThanOrEqual(confirmed.length)
        for (const seq of confirmed) expect(lines[seq]?.line).toBe(`[0.000001,"o","${seq} ${'x'.repeat(5000)}"]`)
        await journal.append(entryOf('safter', 0, 'goes on'))
        await journal.close()
      }
    },
  )
}

for (const failing of ['write', 'datasync'] as const) {
  test(`after a ${failing} that failed, its descriptor is written to no more`, async () => {
    const touched: string[] = []
    let isBroken = false
    const files = watchedFiles((call, [fd]) => {
      if (call !== 'write' && call !== 'datasync') return
      if (isBroken) touched.push(`${call} ${String(fd)}`)
      if (isBroken && call === failing) throw systemError('EIO')
    })
    const journal = await openIn(scratchDirectory(), { fileSystem: files })
    await journal.append(entryOf('s', 0, 'x'))
    isBroken = true
    await expect(journal.append(entryOf('s', 1, 'x'))).rejects.toMatchObject({ code: 'journal_failed' })
    await expect(journal.append(entryOf('s', 1, 'x'))).rejects.toMatchObject({ code: 'journal_failed' })
    expect(await linesOf(journal, 's')).toEqual([{ seq: 0, line: '[0.000001,"o","x"]' }])
    await journal.close()
    expect(touched.filter((call) => call.startsWith('datasync')).length).toBe(failing === 'datasync' ? 1 : 0)
    expect(touched.filter((call) => call.startsWith('write')).length).toBe(1)
  })
}

test('a failing disk is heard of without an append, ballast is given back, and the recording says why it ends', async () => {
  const directory = scratchDirectory()
  let isFull = false
  const files = watchedFiles((call) => {
    if (isFull && call === 'open') throw systemError('ENOSPC')
  })
  const journal = await openIn(directory, { fileSystem: files })
  expect(readdirSync(join(directory, 'journal'))).toContain('ballast')
  await journal.append(entryOf('srunning', 0, 'x'))
  await journal.append(entryOf('sended', 0, 'x'))
  await journal.append({ ...entryOf('sended', 1, ''), body: { kind: 'fact', code: 'x', data: '0' } })
  isFull = true
  // Fills the segment: the one made ahead is taken, the next cannot be made.
  for (const seq of upTo(12)) await journal.append(entryOf('slong', seq, 'x'.repeat(6000))).catch(() => {})
  expect(await journal.failed).toMatchObject({ code: 'journal_failed', hint: expect.stringContaining('free space') })
  expect(readdirSync(join(directory, 'journal'))).not.toContain('ballast')
  expect((await linesOf(journal, 'srunning')).map(({ line }) => line)).toEqual([
    '[0.000001,"o","x"]',
    '[0,"n",{"kind":"end","reason":"recorder-failed","message":"the recorder failed: ENOSPC"}]',
    '[0,"x","75"]',
  ])
  expect((await linesOf(journal, 'sended')).length).toBe(2)
  await journal.close()
})

describe.runIf(canMount())('on a real file system of 1 MB', () => {
  test('that fills up: every confirmed line is there, and the journal fails with ENOSPC', { timeout: 60_000 }, () => {
    const directory = scratchDirectory()
    const child = join(import.meta.dirname, 'filling-child.ts')
    const script = 'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" "$3" "$1"'
    const output = execFileSync('unshare', ['-rm', 'sh', '-c', script, 'sh', directory, process.execPath, child], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const result = JSON.parse(output) as {
      confirmed: number
      lines: number
      code: string
      cause: string
      after: string
    }
    expect(result.confirmed).toBeGreaterThan(50)
    expect(result.code).toBe('journal_failed')
    expect(result.cause).toContain('ENOSPC')
    expect(result.after).toBe('journal_failed')
    // The confirmed lines and the two last words.
    expect(result.lines).toBe(result.confirmed + 2)
  })
})

function canMount(): boolean {
  return spawnSync('unshare', ['-rm', 'true']).status === 0
}
