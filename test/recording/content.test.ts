import { spawnSync } from 'node:child_process'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeSeekTable } from '../../src/recording/container.ts'
import { readContent } from '../../src/recording/content.ts'
import { judgeContent } from '../../src/recording/content-judgement.ts'
import { encodeLine } from '../../src/recording/event-line.ts'
import { leafHash } from '../../src/recording/frame.ts'
import { chunksOf, judge, sealed, sessionLines } from './sealed.ts'

/** Long lines, so that a small file has several frames. */
const lines = sessionLines(11, 20_000)
const { file, content } = await sealed(lines)
const facts = await readContent(chunksOf(file)())
const frames = content.frames
const leavesOf = (list: readonly Buffer[]) =>
  async function* () {
    for (const line of list) yield leafHash(line)
  }
const plain = (list: readonly Buffer[]) => Buffer.concat(list.flatMap((line) => [line, Buffer.from('\n')]))
const edited = encodeLine(0.25, { kind: 'bytes', stream: 'o', bytes: Buffer.from('nothing happened here') })

test('the file as sealed has no fault', async () => {
  expect(frames.length).toBe(4)
  expect(await judge(file, content, { frames, leaves: leavesOf(lines) })).toBeUndefined()
})

test('every flipped byte of a small file is found, and its frame named', async () => {
  const small = await sealed(sessionLines(6))
  for (let at = 0; at < small.file.length; at++)
    for (const mask of [0x01, 0x80, 0xff]) {
      const changed = Buffer.from(small.file)
      changed[at] = (changed[at] ?? 0) ^ mask
      const found = await judge(changed, small.content, { frames: small.content.frames })
      expect(found?.code, `byte ${at} ^ ${mask}`).toMatch(/^(content_altered|container_altered|repacked|truncated)$/)
      if (found?.code === 'content_altered')
        expect(found.place).toEqual({ frame: 0, firstEvent: 0, lastEvent: 6, fromMs: 0, toMs: 1500 })
    }
})

test('a flipped byte anywhere in a frame of many names that frame, its events and times', async () => {
  let firstLine = 0
  for (const [frame, { offset, frameBytes, lines: count, startMs }] of facts.frames.entries()) {
    const place = {
      frame,
      firstEvent: firstLine,
      lastEvent: firstLine + count - 1,
      fromMs: startMs,
      toMs: frames[frame]?.endMs,
    }
    for (let at = offset; at < offset + frameBytes; at += 997) {
      const changed = Buffer.from(file)
      changed[at] = (changed[at] ?? 0) ^ 0x10
      const found = await judge(changed, content, { frames })
      if (found?.code === 'content_altered') expect(found.place, `byte ${at}`).toEqual(place)
      expect(found, `byte ${at}`).toBeDefined()
    }
    firstLine += count
  }
})

test('every cut is truncated, with the first event that is lost', async () => {
  for (let length = 0; length < file.length; length += 211) {
    const found = await judge(file.subarray(0, length), content, { frames })
    const left = facts.frames.findLast((frame) => frame.offset + frame.frameBytes <= length)
    expect(found?.code, `${length} bytes`).toBe('truncated')
    const isComplete = left?.firstLine !== undefined && left.firstLine + left.lines === lines.length
    expect(found?.place?.firstEvent, `${length} bytes`).toBe(
      isComplete ? undefined : (left?.firstLine ?? 0) + (left?.lines ?? 0),
    )
  }
  for (const length of [file.length - 1, facts.wholeBytes - 8, file.length - facts.frames.length * 8 - 17])
    expect((await judge(file.subarray(0, length), content, { frames }))?.code).toBe('truncated')
})

const altered = [
  { name: 'edited', list: lines.with(5, edited), event: 5 },
  { name: 'dropped', list: lines.toSpliced(5, 1), event: 5 },
  { name: 'put in', list: lines.toSpliced(5, 0, edited), event: 5 },
  { name: 'exchanged with the next', list: lines.with(5, lines[6] ?? edited).with(6, lines[5] ?? edited), event: 5 },
  { name: 'added at the end', list: [...lines, edited], event: lines.length },
  { name: 'dropped at the end', list: lines.slice(0, -1), event: lines.length - 1 },
]
for (const { name, list, event } of altered) {
  test(`an event ${name} and sealed again is found in its frame`, async () => {
    const again = await sealed(list)
    const found = await judge(again.file, content, { frames })
    // A file that only lost its end is shorter and sound up to there.
    expect(found?.code).toBe(name === 'dropped at the end' ? 'truncated' : 'content_altered')
    expect(found?.place?.firstEvent).toBeLessThanOrEqual(event)
    expect(found?.place?.lastEvent ?? event).toBeGreaterThanOrEqual(event)
  })

  test(`an event ${name} is named by itself when the leaves are at hand`, async () => {
    const again = await sealed(list)
    const found = await judge(again.file, content, { leaves: leavesOf(lines) })
    expect(found?.place?.event ?? found?.place?.firstEvent).toBe(event)
  })

  test(`an event ${name} is found without anything but the seal`, async () => {
    const again = await sealed(list)
    expect(await judge(again.file, content)).toBeDefined()
  })
}

test('the same events in another compression are repacked, not altered', async () => {
  const one = zstdCompressSync(plain(lines), { params: { [constants.ZSTD_c_compressionLevel]: 12 } })
  expect((await judge(one, content, { frames }))?.code).toBe('repacked')
  const cut = plain(lines)
  const halves = [cut.subarray(0, 50_001), cut.subarray(50_001)].map((half) => zstdCompressSync(half))
  expect((await judge(Buffer.concat(halves), content, { frames }))?.code).toBe('repacked')
})

const containers = [
  { name: 'garbage behind the end', bytes: Buffer.concat([file, Buffer.from('garbage')]) },
  { name: 'one more byte', bytes: Buffer.concat([file, Buffer.of(0)]) },
  { name: 'a second seek table', bytes: Buffer.concat([file, encodeSeekTable([])]) },
  { name: 'an empty frame behind the end', bytes: Buffer.concat([file, zstdCompressSync('')]) },
  {
    name: 'a hidden skippable frame in front',
    bytes: Buffer.concat([Buffer.from('502a4d1804000000', 'hex'), Buffer.alloc(4), file]),
  },
  {
    name: 'a false seek table',
    bytes: Buffer.concat([file.subarray(0, -(17 + 8 * facts.frames.length)), encodeSeekTable(facts.frames.slice(1))]),
  },
]
for (const { name, bytes } of containers)
  test(`${name} is container_altered`, async () => {
    expect((await judge(bytes, content, { frames }))?.code).toBe('container_altered')
  })

test('frames of another recording in the proof are not believed', async () => {
  const other = await sealed(sessionLines(3))
  const again = await sealed(lines.with(5, edited))
  expect(await judge(again.file, content, { frames: other.content.frames })).toEqual({
    code: 'content_altered',
    detail: expect.any(String),
  })
})

test('a frame that unpacks to far more than a line is not unpacked', async () => {
  const block = Buffer.alloc(128 * 1024)
  const bomb = zstdCompressSync(Buffer.concat(Array.from({ length: 640 }, () => block)))
  expect(bomb.length).toBeLessThan(20_000)
  expect((await readContent(chunksOf(bomb)())).broken).toBe('oversize')
})

test('any bytes give facts, never an exception', async () => {
  const mutated = fc
    .tuple(fc.nat(file.length - 1), fc.nat(file.length - 1), fc.uint8Array({ maxLength: 64 }))
    .map(([from, to, bytes]) => Buffer.concat([file.subarray(0, from), bytes, file.subarray(to)]))
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array().map((bytes) => Buffer.from(bytes)),
        mutated,
      ),
      async (bytes) => {
        const found = await judge(bytes, content, { frames })
        if (!bytes.equals(file)) expect(found).toBeDefined()
      },
    ),
    { numRuns: 200 },
  )
})

test.runIf(spawnSync('zstd', ['--version']).status === 0)('what the real zstd packs again is repacked', async () => {
  const { stdout } = spawnSync('zstd', ['-c', '-19'], { input: zstdDecompressSync(file) })
  expect((await judge(stdout, content, { frames }))?.code).toBe('repacked')
})

test('a file is let go of, however early its fault is found', async () => {
  let open = 0
  const counted = (bytes: Buffer) =>
    async function* () {
      open += 1
      try {
        yield* chunksOf(bytes)()
      } finally {
        open -= 1
      }
    }
  for (let at = 0; at < file.length; at += 4001) {
    const changed = Buffer.from(file)
    changed[at] = (changed[at] ?? 0) ^ 0xff
    const read = counted(changed)
    expect(
      await judgeContent(read, await readContent(read()), content, { frames, leaves: leavesOf(lines) }),
    ).toBeDefined()
    expect(open).toBe(0)
  }
})
