import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { OpenJournal } from '../../src/journal/journal.ts'
import { crc32c } from '../../src/recording/crc32c.ts'
import { readFrame } from '../../src/recording/frame.ts'
import { entryOf, openIn, scratchDirectory, seqsOf, upTo } from './scratch.ts'
import { watchedFiles } from './watched-files.ts'

const root = '0'.repeat(64)
const segmentPath = (directory: string, number: number) => join(directory, 'journal', `0000000${number}.seg`)

/** Offsets of the frames of a segment, and the end of the last. */
function framesOf(path: string): { from: number; to: number; type: string; session: string }[] {
  const bytes = readFileSync(path)
  const frames = []
  for (let from = 0; ;) {
    const read = readFrame(bytes, from)
    if (read.kind !== 'frame') return frames
    frames.push({ from, to: read.next, type: read.header.type, session: read.header.session })
    from = read.next
  }
}

function edit(path: string, change: (bytes: Buffer) => void): void {
  const bytes = readFileSync(path)
  change(bytes)
  writeFileSync(path, bytes)
}

function flip(bytes: Buffer, at: number): void {
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0x10, at)
}

async function written(fill: (journal: OpenJournal) => Promise<void>): Promise<string> {
  const directory = scratchDirectory()
  const journal = await openIn(directory)
  await fill(journal)
  await journal.close()
  return directory
}

const threeLines = () =>
  written(async (journal) => {
    for (const seq of upTo(3)) await journal.append(entryOf('s', seq, `line ${seq}`))
  })

/** Three segments of eight lines of `sa` each; `sp0` and `sp1` stand in the first, `sp2` in the second. */
const threeSegments = () =>
  written(async (journal) => {
    for (const part of upTo(3)) {
      await journal.append(entryOf(`sp${part}`, 0, 'only here'))
      for (const n of upTo(8)) await journal.append(entryOf('sa', part * 8 + n, 'x'.repeat(6_000)))
    }
  })

describe('a torn tail', () => {
  test('is put aside, at every byte of the last frame', async () => {
    const whole = await threeLines()
    const last = framesOf(segmentPath(whole, 1)).at(-1)
    expect(last?.type).toBe('line')
    const { from, to } = last ?? { from: 0, to: 0 }
    const files = watchedFiles(() => {})
    for (let end = from; end < to; end++) {
      const directory = scratchDirectory()
      cpSync(whole, directory, { recursive: true })
      edit(segmentPath(directory, 1), (bytes) => bytes.fill(0, end))
      const torn = readFileSync(segmentPath(directory, 1)).subarray(from, end)
      while (torn.length > 0 && torn.at(-1) === 0) torn.fill(1, torn.length - 1)
      const journal = await openIn(directory, { fileSystem: files })
      const { tornBytes, damage, sessions } = journal.recovery
      expect(damage).toEqual([])
      // Zeros at the end of what was written are not told from space never written.
      expect(tornBytes).toBeLessThanOrEqual(end - from)
      expect(tornBytes > 0).toBe(end > from)
      expect(sessions).toEqual([{ session: 's', lines: 2, firstSeq: 0, lastSeq: 1, hasLines: true, damaged: false }])
      const aside = readdirSync(join(directory, 'journal')).filter((name) => name.startsWith('torn-'))
      expect(aside.length).toBe(end > from ? 1 : 0)
      await journal.append(entryOf('s', 2, 'again'))
      await journal.close()

      const again = await openIn(directory, { fileSystem: files })
      expect(again.recovery).toMatchObject({ tornBytes: 0, damage: [] })
      expect(await seqsOf(again, 's')).toEqual([0, 1, 2])
      await again.close()
      rmSync(directory, { recursive: true })
    }
  })

  test('what a crash left is kept, byte for byte', async () => {
    const directory = await threeLines()
    const last = framesOf(segmentPath(directory, 1)).at(-1)
    const end = last?.to ?? 0
    // Longer than what the start writes over it.
    const rubbish = Buffer.alloc(5000, 'half a frame')
    edit(segmentPath(directory, 1), (bytes) => bytes.set(rubbish, end))
    const journal = await openIn(directory)
    expect(journal.recovery).toMatchObject({ tornBytes: rubbish.length, damage: [] })
    expect(readFileSync(join(directory, 'journal', `torn-00000001.seg-${end}`))).toEqual(rubbish)
    expect(await seqsOf(journal, 's')).toEqual([0, 1, 2])
    await journal.close()
    const again = await openIn(directory)
    expect(again.recovery).toMatchObject({ tornBytes: 0, damage: [] })
    await again.close()
  })

  test('of a segment just begun uses its number again', async () => {
    const directory = await threeLines()
    writeFileSync(segmentPath(directory, 2), Buffer.concat([Buffer.from('ff484a31', 'hex'), Buffer.alloc(65_532)]))
    const journal = await openIn(directory)
    expect(journal.recovery).toMatchObject({ tornBytes: 4, damage: [] })
    await journal.append(entryOf('s', 3, 'x'))
    expect(await seqsOf(journal, 's')).toEqual([0, 1, 2, 3])
    await journal.close()
    const again = await openIn(directory)
    expect(again.recovery).toMatchObject({ tornBytes: 0, damage: [] })
    await again.close()
  })
})

test('segments made ahead, whole or in part, are no damage', async () => {
  for (const size of [0, 1, 40_000, 65_536]) {
    const directory = await threeLines()
    writeFileSync(segmentPath(directory, 2), Buffer.alloc(size))
    const journal = await openIn(directory)
    expect(journal.recovery).toMatchObject({ tornBytes: 0, damage: [], created: false })
    await journal.close()
  }
})

describe('damage', () => {
  test('a flipped byte in the middle is named, and the rest still read', async () => {
    const directory = await threeLines()
    const frames = framesOf(segmentPath(directory, 1))
    const middle = frames[2] ?? { from: 0, to: 0 }
    edit(segmentPath(directory, 1), (bytes) => flip(bytes, middle.to - 3))
    const untouched = readFileSync(segmentPath(directory, 1))

    const journal = await openIn(directory)
    expect(journal.recovery.damage).toEqual([
      { kind: 'unreadable', segment: '00000001.seg', from: middle.from, to: middle.to, sessions: ['s'], known: false },
    ])
    expect(journal.recovery.sessions).toEqual([
      { session: 's', lines: 2, firstSeq: 0, lastSeq: 2, hasLines: true, damaged: true },
    ])
    expect(await seqsOf(journal, 's')).toEqual([0, 2])
    await journal.append(entryOf('snew', 0, 'goes on'))
    await journal.close()
    expect(readFileSync(segmentPath(directory, 1))).toEqual(untouched)

    const again = await openIn(directory)
    expect(again.recovery.damage).toMatchObject([{ kind: 'unreadable', known: true }])
    expect(again.recovery.sessions).toMatchObject([{ damaged: true }, { session: 'snew', damaged: false }])
    expect(again.recovery.genesisPublicKey).toBe(journal.recovery.genesisPublicKey)
    await again.close()
  })

  test('a flipped byte in every place of a journal is found', async () => {
    const whole = await written(async (journal) => {
      await journal.append(entryOf('s', 0, 'a'))
      await journal.epoch({ size: 0, root })
      await journal.append(entryOf('s', 1, 'b'))
    })
    const end = framesOf(segmentPath(whole, 1)).at(-1)?.to ?? 0
    const files = watchedFiles(() => {})
    for (let at = 0; at < end; at += 7) {
      const directory = scratchDirectory()
      cpSync(whole, directory, { recursive: true })
      edit(segmentPath(directory, 1), (bytes) => flip(bytes, at))
      const journal = await openIn(directory, { fileSystem: files })
      const { damage, tornBytes } = journal.recovery
      expect(damage.length + tornBytes).toBeGreaterThan(0)
      await journal.append(entryOf('safter', 0, 'x'))
      expect(await seqsOf(journal, 'safter')).toEqual([0])
      await journal.close()
      rmSync(directory, { recursive: true })
    }
  })

  test('a line rewritten with a right checksum breaks the chain at the next segment', async () => {
    const directory = await threeSegments()
    const path = segmentPath(directory, 1)
    const target = framesOf(path).find(({ session }) => session === 'sp0') ?? { from: 0, to: 0 }
    edit(path, (bytes) => {
      bytes.write('ONLY', bytes.indexOf('only here'))
      const { from, to } = target
      const checked = Buffer.concat([bytes.subarray(from + 4, from + 56), bytes.subarray(from + 60, to)])
      bytes.writeUInt32BE(crc32c(checked), from + 56)
    })
    const journal = await openIn(directory)
    const end = framesOf(path).at(-1)?.to ?? 0
    expect(journal.recovery.damage).toEqual([
      { kind: 'chain_broken', segment: '00000001.seg', from: 0, to: end, sessions: ['sp0', 'sa', 'sp1'], known: false },
    ])
    await journal.close()
  })

  test('a line rewritten with a right checksum in the last segment breaks the chain at the next epoch', async () => {
    const directory = await written(async (journal) => {
      await journal.append(entryOf('s', 0, 'before'))
      await journal.epoch({ size: 0, root })
      await journal.append(entryOf('s', 1, 'secret'))
      await journal.epoch({ size: 0, root })
    })
    const path = segmentPath(directory, 1)
    const frames = framesOf(path)
    const { from, to } = frames[3] ?? { from: 0, to: 0 }
    edit(path, (bytes) => {
      bytes.write('public', bytes.indexOf('secret'))
      const checked = Buffer.concat([bytes.subarray(from + 4, from + 56), bytes.subarray(from + 60, to)])
      bytes.writeUInt32BE(crc32c(checked), from + 56)
    })
    const journal = await openIn(directory)
    expect(journal.recovery.damage).toMatchObject([
      { kind: 'chain_broken', segment: '00000001.seg', from: frames[2]?.from, to: frames[4]?.from },
    ])
    await journal.close()
  })

  test('a cut end of an earlier segment, swapped frames and a lost segment are each named', async () => {
    const cut = await threeSegments()
    const last = framesOf(segmentPath(cut, 1)).at(-1)
    edit(segmentPath(cut, 1), (bytes) => bytes.fill(0, last?.from))
    const afterCut = await openIn(cut)
    expect(afterCut.recovery.damage).toMatchObject([{ kind: 'chain_broken', segment: '00000001.seg' }])
    expect(afterCut.recovery.sessions.find(({ session }) => session === 'sa')?.damaged).toBe(true)
    await afterCut.close()

    const swapped = await threeSegments()
    edit(segmentPath(swapped, 1), (bytes) => {
      const [, , one, two] = framesOf(segmentPath(swapped, 1))
      const first = Buffer.from(bytes.subarray(one?.from, one?.to))
      bytes.set(bytes.subarray(two?.from, two?.to), one?.from)
      bytes.set(first, two?.from)
    })
    const afterSwap = await openIn(swapped)
    expect(afterSwap.recovery.damage).toMatchObject([{ kind: 'chain_broken', segment: '00000001.seg' }])
    await afterSwap.close()

    const lost = await threeSegments()
    unlinkSync(segmentPath(lost, 2))
    const afterLoss = await openIn(lost)
    expect(afterLoss.recovery.damage).toMatchObject([{ kind: 'missing', segment: '00000002.seg' }])
    expect(afterLoss.recovery.sessions.find(({ session }) => session === 'sa')?.damaged).toBe(true)
    expect(await seqsOf(afterLoss, 'sp0')).toEqual([0])
    expect(await seqsOf(afterLoss, 'sp2')).toEqual([])
    expect((await seqsOf(afterLoss, 'sa')).at(-1)).toBe(23)
    await afterLoss.close()
  })

  test('all segments gone, the key still there', async () => {
    const directory = await threeLines()
    rmSync(join(directory, 'journal'), { recursive: true })
    mkdirSync(join(directory, 'journal'))
    const journal = await openIn(directory)
    expect(journal.recovery).toMatchObject({ created: false, damage: [{ kind: 'missing', segment: '00000001.seg' }] })
    await journal.close()
  })

  test('an epoch record by a foreign key, and a lost key', async () => {
    const directory = await threeLines()
    const other = await threeLines()
    const key = join(directory, 'keys', 'epoch.key')
    copyFileSync(join(other, 'keys', 'epoch.key'), key)
    const journal = await openIn(directory)
    expect(journal.recovery.damage).toMatchObject([{ kind: 'key_lost' }])
    await journal.epoch({ size: 1, root })
    await journal.append(entryOf('s', 3, 'x'))
    await journal.close()
    const again = await openIn(directory)
    expect(again.recovery).toMatchObject({ damage: [], genesisPublicKey: journal.recovery.genesisPublicKey })
    expect(await seqsOf(again, 's')).toEqual([0, 1, 2, 3])
    await again.close()
  })

  test('a segment changed while Halligan runs is an error and not a recording', async () => {
    const directory = scratchDirectory()
    const journal = await openIn(directory)
    await journal.append(entryOf('s', 0, 'x'))
    const fd = readFileSync(segmentPath(directory, 1))
    fd[fd.indexOf('"x"') + 1] = 0x79
    writeFileSync(segmentPath(directory, 1), fd)
    await expect(seqsOf(journal, 's')).rejects.toMatchObject({ code: 'journal_failed' })
    await journal.close()
  })
})
