import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { SkeletonFile } from '../../src/journal/skeleton-file.ts'
import { readFrame } from '../../src/recording/frame.ts'
import { entryOf, openIn, scratchDirectory, seqsOf, upTo } from './scratch.ts'
import { type Call, systemError, watchedFiles } from './watched-files.ts'

const names = (directory: string) => readdirSync(join(directory, 'journal')).sort()
const segment = (directory: string, number: number) => join(directory, 'journal', `0000000${number}.seg`)
const sizes = (directory: string) => [1, 2, 3].map((number) => statSync(segment(directory, number)).size)
const whole = [65_536, 65_536, 65_536]

/** Four segments: `sealed` stands in all of them, `open` in the third and fourth. */
async function filled(): Promise<{ directory: string; head: unknown }> {
  const directory = scratchDirectory()
  const journal = await openIn(directory)
  for (const seq of upTo(40)) {
    await journal.append(entryOf('sealed', seq, `${seq} ${'x'.repeat(5000)}`))
    if (seq >= 20) await journal.append(entryOf('open', seq - 20, `${seq} open`))
    if (seq % 10 === 5) await journal.epoch({ size: seq, root: '0'.repeat(64) })
  }
  const head = journal.head()
  await journal.close()
  return { directory, head }
}

/** A start finds the same chain, no damage, and every line that is not sealed. */
async function expectIntact(directory: string, head: unknown): Promise<void> {
  const journal = await openIn(directory)
  expect(journal.recovery.damage).toEqual([])
  expect(journal.head()).toEqual(head)
  expect(await seqsOf(journal, 'open')).toEqual(upTo(20))
  expect(names(directory).filter((name) => name.endsWith('.skeleton'))).toEqual([])
  await journal.close()
}

describe('a journal whose sessions are sealed', () => {
  test('reduces the segments that hold nothing else, and goes on', async () => {
    const { directory, head } = await filled()
    const journal = await openIn(directory)
    journal.forget('sealed')
    await expect
      .poll(() =>
        sizes(directory)
          .slice(0, 2)
          .every((size) => size < 5000),
      )
      .toBe(true)
    // Another session is not sealed: its segment stays.
    expect(sizes(directory)[2]).toBe(65_536)
    expect(await seqsOf(journal, 'open')).toEqual(upTo(20))
    await journal.append(entryOf('later', 0, 'goes on'))
    await journal.close()
    const again = await openIn(directory)
    expect(again.recovery.damage).toEqual([])
    expect(again.head()).not.toEqual(head)
    const [sealed, open] = again.recovery.sessions
    expect([sealed, open]).toMatchObject([
      { session: 'sealed', lines: 40, damaged: false },
      { session: 'open', hasLines: true, damaged: false },
    ])
    for (const session of ['sealed', 'open', 'later']) again.forget(session)
    await expect.poll(() => sizes(directory)[2] ?? 0).toBeLessThan(5000)
    await again.close()
    const last = await openIn(directory)
    expect(last.recovery.damage).toEqual([])
    await last.close()
  })

  test('keeps a damaged segment as it is', async () => {
    const { directory } = await filled()
    const bytes = readFileSync(segment(directory, 1))
    bytes[20_000] = (bytes[20_000] ?? 0) ^ 1
    writeFileSync(segment(directory, 1), bytes)
    const journal = await openIn(directory)
    expect(journal.recovery.damage.length).toBeGreaterThan(0)
    journal.forget('sealed')
    await expect.poll(() => sizes(directory)[1] ?? 0).toBeLessThan(5000)
    expect(readFileSync(segment(directory, 1))).toEqual(bytes)
    await journal.close()
  })

  test('whose disk does not take a skeleton goes on without', async () => {
    const { directory, head } = await filled()
    let refused = 0
    const fileSystem = watchedFiles((call, [path]) => {
      if (call !== 'open' || !String(path).endsWith('.skeleton')) return
      refused++
      throw systemError('ENOSPC')
    })
    const journal = await openIn(directory, { fileSystem })
    journal.forget('sealed')
    await expect.poll(() => refused).toBe(2)
    expect(sizes(directory)).toEqual(whole)
    expect(await seqsOf(journal, 'open')).toEqual(upTo(20))
    expect(journal.head()).toEqual(head)
    await journal.append(entryOf('later', 0, 'goes on'))
    await journal.close()
  })
})

describe('a skeleton', () => {
  test('holds every header and leaf, and no line', async () => {
    const { directory } = await filled()
    reduce(directory, 1, () => {})
    const bytes = readFileSync(segment(directory, 1))
    const kinds = new Set<string>()
    for (let offset = 0; offset < bytes.length;) {
      const frame = readFrame(bytes, offset)
      if (frame.kind !== 'frame' && frame.kind !== 'leaf') throw new Error(`no frame at ${offset}`)
      kinds.add(`${frame.kind} ${frame.header.type}`)
      offset = frame.next
    }
    expect([...kinds].sort()).toEqual(['frame epoch', 'frame segment', 'leaf line'])
    expect(bytes.includes('xxxx')).toBe(false)
  })

  test('of a skeleton is the same', async () => {
    const { directory } = await filled()
    reduce(directory, 1, () => {})
    const once = readFileSync(segment(directory, 1))
    reduce(directory, 1, () => {})
    expect(readFileSync(segment(directory, 1))).toEqual(once)
  })

  test('is not made of a segment that does not lead to the next', async () => {
    const { directory } = await filled()
    writeFileSync(segment(directory, 1), readFileSync(segment(directory, 2)))
    expect(() => reduce(directory, 1, () => {})).toThrow(/does not begin/)
    const { directory: other } = await filled()
    const bytes = readFileSync(segment(other, 1))
    // Its last frame is gone: what is left is whole by itself.
    const offsets = offsetsOf(bytes)
    bytes.fill(0, offsets.at(-1) ?? 0)
    writeFileSync(segment(other, 1), bytes)
    expect(() => reduce(other, 1, () => {})).toThrow(/does not lead/)
    expect(readFileSync(segment(other, 1))).toEqual(bytes)
    expect(names(other).filter((name) => name.endsWith('.skeleton'))).toEqual([])
  })

  for (const mode of ['fails', 'is the last'] as const)
    test(`when any call ${mode}, leaves the segment or the skeleton, and a start finds the same`, async () => {
      const { directory, head } = await filled()
      const before = readFileSync(segment(directory, 1))
      const calls: Call[] = []
      reduce(directory, 1, (call) => calls.push(call))
      const skeleton = readFileSync(segment(directory, 1))
      expect(calls).toContain('rename')
      for (const failAt of upTo(calls.length)) {
        writeFileSync(segment(directory, 1), before)
        let at = 0
        const hear = () => {
          // A crash: nothing is done any more, not even tidied up.
          if (mode === 'fails' ? at++ === failAt : at++ >= failAt) throw systemError('EIO')
        }
        expect(() => reduce(directory, 1, hear), `call ${failAt}, ${calls[failAt]}`).toThrow(/EIO/)
        const left = readFileSync(segment(directory, 1))
        expect(left.equals(before) || left.equals(skeleton), `call ${failAt}, ${calls[failAt]}`).toBe(true)
        await expectIntact(directory, head)
      }
    })
})

/** Makes one, or abandons it and throws what went wrong first. */
function reduce(directory: string, number: number, hear: (call: Call) => void): void {
  const skeleton = new SkeletonFile(watchedFiles(hear), join(directory, 'journal'), number)
  try {
    while (!skeleton.step()) continue
  } catch (error) {
    try {
      skeleton.abandon()
    } catch (second) {
      // The disk that failed may fail again; what is left is looked at by the test.
      expect(second).toBeInstanceOf(Error)
    }
    throw error
  }
}

function offsetsOf(bytes: Buffer): number[] {
  const offsets: number[] = []
  for (let offset = 0; ;) {
    const frame = readFrame(bytes, offset)
    if (frame.kind !== 'frame') return offsets
    offsets.push(offset)
    offset = frame.next
  }
}
