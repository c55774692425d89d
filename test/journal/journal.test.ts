import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fc } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { bytesOf, decodeLine, type LineBody } from '../../src/recording/event-line.ts'
import { openIn, entryOf, linesOf, scratchDirectory, seqsOf, upTo } from './scratch.ts'
import { type Call, watchedFiles } from './watched-files.ts'

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)

describe('in its own thread', () => {
  test('what was appended is read back in order, now and after a restart', async () => {
    const directory = scratchDirectory()
    const first = await openIn(directory)
    expect(first.recovery).toMatchObject({ created: true, sessions: [], tornBytes: 0, damage: [], newestWallMs: 0 })
    await Promise.all(
      upTo(300).flatMap((seq) => [
        first.append(entryOf('sa', seq, `a${seq}`)),
        first.append(entryOf('sb', seq, `b${seq}`)),
      ]),
    )
    const lines = await linesOf(first, 'sa')
    expect(lines).toEqual(upTo(300).map((seq) => ({ seq, line: `[0.000001,"o","a${seq}"]` })))
    expect(await linesOf(first, 'snobody')).toEqual([])
    const head = first.head()
    await first.close()

    const second = await openIn(directory)
    expect(second.head()).toEqual(head)
    expect(second.recovery).toMatchObject({
      created: false,
      tornBytes: 0,
      damage: [],
      genesisPublicKey: first.recovery.genesisPublicKey,
    })
    expect(second.recovery.newestWallMs).toBe(Date.UTC(2040, 0, 1) + 299)
    expect(second.recovery.sessions).toEqual(
      ['sa', 'sb'].map((session) => ({
        session,
        lines: 300,
        firstSeq: 0,
        lastSeq: 299,
        hasLines: true,
        damaged: false,
      })),
    )
    await second.append(entryOf('sa', 300, 'more'))
    expect(await linesOf(second, 'sa')).toEqual([...lines, { seq: 300, line: '[0.000001,"o","more"]' }])
    expect((await linesOf(second, 'sb')).length).toBe(300)
    await second.close()
  })

  test('directories are 0700 and files 0600', async () => {
    const directory = scratchDirectory()
    const journal = await openIn(directory)
    await journal.epoch({ size: 0, root: '0'.repeat(64) })
    expect(mode(join(directory, 'journal'))).toBe('700')
    expect(mode(join(directory, 'keys'))).toBe('700')
    expect(mode(join(directory, 'keys', 'epoch.key'))).toBe('600')
    for (const name of readdirSync(join(directory, 'journal')))
      expect(mode(join(directory, 'journal', name))).toBe('600')
    await journal.close()
  })

  test('a closed journal takes nothing', async () => {
    const journal = await openIn(scratchDirectory())
    await journal.close()
    await expect(journal.append(entryOf('s', 0, 'x'))).rejects.toMatchObject({ code: 'journal_failed' })
    await expect(journal.epoch({ size: 0, root: '0'.repeat(64) })).rejects.toMatchObject({ code: 'journal_failed' })
    await expect(linesOf(journal, 's')).rejects.toMatchObject({ code: 'journal_failed' })
    await journal.close()
  })

  test('lines of every kind keep their bytes', async () => {
    const journal = await openIn(scratchDirectory())
    const bodies: LineBody[] = [
      { kind: 'header', header: { version: 3, term: { cols: 80, rows: 24 } } },
      { kind: 'bytes', stream: 'i', bytes: Buffer.from('é') },
      { kind: 'bytes', stream: 'e', bytes: Buffer.of(0xff, 0x48, 0x4a, 0x31) },
      { kind: 'bulk', stream: 'o', bytes: Buffer.from('bulk') },
      { kind: 'fact', code: 'q', data: { sql: 'select 1' } },
    ]
    await Promise.all(bodies.map((body, seq) => journal.append({ ...entryOf('s', seq, ''), interval: 0, body })))
    const lines = (await linesOf(journal, 's')).map(({ line }) => line)
    expect(lines).toEqual([
      '{"version":3,"term":{"cols":80,"rows":24}}',
      '[0,"i","é"]',
      '[0,"b",{"s":"e","d":"/0hKMQ=="}]',
      '[0,"b",{"s":"o","d":"YnVsaw=="}]',
      '[0,"q",{"sql":"select 1"}]',
    ])
    await journal.close()
  })

  test('a caller whose entry is no line fails alone', async () => {
    const journal = await openIn(scratchDirectory())
    const good = entryOf('s', 0, 'x')
    const bad = [
      { ...good, session: 'much too long a name' },
      { ...good, session: '' },
      { ...good, seq: -1 },
      { ...good, wallMs: 2 ** 53 },
      { ...good, interval: -1 },
      { ...good, body: { kind: 'fact', code: 'n', data: 1n } },
      { ...good, body: { kind: 'bytes', stream: 'o', bytes: Buffer.alloc((8 << 20) + 1) } },
    ] as const
    for (const entry of bad) await expect(journal.append(entry)).rejects.toThrow()
    await journal.append(good)
    expect(await seqsOf(journal, 's')).toEqual([0])
    await journal.close()
  })
})

describe('segments', () => {
  test('a line longer than a segment gets a segment of its own size', async () => {
    const directory = scratchDirectory()
    const first = await openIn(directory)
    const long = 'x'.repeat(300 << 10)
    await Promise.all([
      first.append(entryOf('s', 0, 'before')),
      first.append(entryOf('s', 1, long)),
      first.append(entryOf('s', 2, 'after')),
    ])
    await first.close()
    const second = await openIn(directory)
    expect(second.recovery).toMatchObject({ damage: [], tornBytes: 0 })
    const lines = await linesOf(second, 's')
    expect(lines.map(({ seq }) => seq)).toEqual([0, 1, 2])
    expect(lines[1]?.line.length).toBe(long.length + '[0.000001,"o",""]'.length)
    await second.close()
  })

  test('random sessions, sizes and restarts lose and change nothing', async () => {
    const chunk = fc.record({
      session: fc.constantFrom('sa', 'sb', 'sc'),
      size: fc.oneof(fc.nat(200), fc.nat(40_000)),
      byte: fc.nat(255),
      restart: fc.boolean(),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(chunk, { minLength: 1, maxLength: 25 }), async (chunks) => {
        const directory = scratchDirectory()
        const want: Record<string, Buffer[]> = { sa: [], sb: [], sc: [] }
        let journal = await openIn(directory)
        let waiting: Promise<void>[] = []
        for (const { session, size, byte, restart } of chunks) {
          const bytes = Buffer.alloc(size, byte)
          const lines = want[session] ?? []
          waiting.push(journal.append(entryOf(session, lines.length, bytes)))
          lines.push(bytes)
          if (!restart) continue
          await Promise.all(waiting)
          waiting = []
          await journal.close()
          journal = await openIn(directory)
          expect(journal.recovery).toMatchObject({ damage: [], tornBytes: 0 })
        }
        await Promise.all(waiting)
        for (const [session, bytes] of Object.entries(want)) {
          const lines = await linesOf(journal, session)
          expect(lines.map(({ seq }) => seq)).toEqual(upTo(bytes.length))
          expect(lines.map(({ line }) => bytesOf(decodeLine(Buffer.from(line)))?.bytes)).toEqual(bytes)
        }
        await journal.close()
      }),
      { numRuns: 12 },
    )
  })
})

describe('group commit', () => {
  test('all that is pending goes in one write and one sync, and nothing is confirmed before the sync', async () => {
    const calls: Call[] = []
    let confirmed = 0
    const confirmedAtSync: number[] = []
    const files = watchedFiles((call) => {
      calls.push(call)
      if (call === 'datasync') confirmedAtSync.push(confirmed)
    })
    const journal = await openIn(scratchDirectory(), { segmentBytes: 256 << 10, fileSystem: files })
    // The segment made ahead is ready once an append has come back.
    await journal.append(entryOf('s', 0, 'first'))
    calls.length = 0
    confirmedAtSync.length = 0
    const order: number[] = []
    await Promise.all(
      upTo(200).map((seq) =>
        journal.append(entryOf('s', seq + 1, 'x')).then(() => {
          confirmed += 1
          order.push(seq)
        }),
      ),
    )
    expect(calls.filter((call) => call === 'write' || call === 'datasync')).toEqual(['write', 'datasync'])
    expect(confirmedAtSync).toEqual([0])
    expect(order).toEqual(upTo(200))
    await journal.close()
  })

  test('memory of a sealed session is given up, its lines stay', async () => {
    const directory = scratchDirectory()
    const journal = await openIn(directory)
    await journal.append(entryOf('s', 0, 'x'))
    journal.forget('s')
    expect(await linesOf(journal, 's')).toEqual([])
    await journal.close()
    const again = await openIn(directory)
    expect(await seqsOf(again, 's')).toEqual([0])
    await again.close()
  })
})
