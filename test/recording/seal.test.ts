import { spawnSync } from 'node:child_process'
import { hash } from 'node:crypto'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { leafHash, treeRoot } from '../../src/ledger/merkle.ts'
import { readContent } from '../../src/recording/content.ts'
import { frameContentBytes } from '../../src/recording/content-tree.ts'
import { chunksOf, judge, sealed, sessionLines } from './sealed.ts'

const hasZstd = spawnSync('zstd', ['--version']).status === 0

test.runIf(hasZstd)('zstd -dc reads the very lines', async () => {
  const lines = sessionLines(5000)
  const { file, content } = await sealed(lines)
  const { stdout, status } = spawnSync('zstd', ['-dc'], { input: file, maxBuffer: 1 << 28 })
  expect(status).toBe(0)
  expect(stdout.equals(Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')])))).toBe(true)
  expect(content.frames.length).toBeGreaterThan(3)
})

test.runIf(hasZstd)('zstd -l and -t find the file sound', async () => {
  const { file } = await sealed(sessionLines(3))
  expect(spawnSync('zstd', ['-t'], { input: file }).status).toBe(0)
})

test('leaf is line, subtree is frame, root is recording', async () => {
  const lines = sessionLines(5000)
  const { file, content } = await sealed(lines)
  let at = 0
  const roots = content.frames.map((frame) => treeRoot(lines.slice(at, (at += frame.lines)).map(leafHash)))
  expect(at).toBe(lines.length)
  expect(content.frames.map(({ root }) => root)).toEqual(roots)
  expect(content.root).toEqual(treeRoot(roots))
  expect(content.lines).toBe(lines.length)
  expect(content.sizeBytes).toBe(file.length)
  expect(content.sha256).toBe(hash('sha256', file))
  expect(content.frames.at(-1)?.endMs).toBe(5000 * 250)
})

test('frames hold whole lines up to 64 KiB, and a longer line is a frame of its own', async () => {
  const long = Buffer.from(`[0.5,"o","${'x'.repeat(3 * frameContentBytes)}"]`)
  const [header = long, ...events] = sessionLines(2)
  const { file, content } = await sealed([header, long, ...events])
  expect(content.frames.map(({ lines }) => lines)).toEqual([1, 1, 2])
  const facts = await readContent(chunksOf(file)())
  expect(facts.frames.map(({ contentBytes }) => contentBytes <= frameContentBytes)).toEqual([true, false, true])
})

test('any lines: what is read is what was sealed, in chunks of any size', async () => {
  const line = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.integer({ min: 0, max: 70_000 }).map((length) => Buffer.alloc(length, 'y')),
  )
  const lines = fc.array(
    line.map((bytes) => Buffer.from(bytes).map((byte) => (byte === 10 ? 11 : byte))).map((bytes) => Buffer.from(bytes)),
    { maxLength: 12 },
  )
  await fc.assert(
    fc.asyncProperty(lines, fc.integer({ min: 1, max: 5000 }), async (list, size) => {
      const { file, content } = await sealed(list)
      const facts = await readContent(chunksOf(file, size)())
      expect(facts.digests).toEqual(content.frames)
      expect(facts.root).toEqual(content.root)
      expect([facts.lines, facts.sizeBytes, facts.sha256]).toEqual([list.length, file.length, content.sha256])
      expect([facts.broken, facts.seekTable, facts.wholeBytes]).toEqual([undefined, 'right', file.length])
      expect(facts.frames.map(({ lines: count }) => count)).toEqual(content.frames.map(({ lines: count }) => count))
    }),
    { numRuns: 60 },
  )
})

test('a session without any line seals to a file that reads as empty', async () => {
  const { file, content } = await sealed([])
  expect(content.lines).toBe(0)
  expect(await judge(file, content)).toBeUndefined()
})

test('lines are taken as they come: a source that never ends is not read ahead of the chunks', async () => {
  const { Sealing } = await import('../../src/recording/seal.ts')
  let given = 0
  function* endless() {
    for (;;) {
      given += 1
      yield Buffer.alloc(1000, 'z')
    }
  }
  const chunks = new Sealing(endless()).chunks()
  await chunks.next()
  expect(given).toBeLessThan(70)
  await chunks.return()
})
