import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fc } from '@fast-check/vitest'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HalliganError } from '../../src/errors.ts'
import { systemFiles } from '../../src/journal/file-port.ts'
import { type OpenJournal, openJournal } from '../../src/journal/journal.ts'
import { bytesOf, decodeLine, type EventLine } from '../../src/recording/event-line.ts'
import { Live, type LiveEvent } from '../../src/session/live.ts'
import type { Journal, Recorder } from '../../src/session/recorder.ts'
import { openRecorder } from '../../src/session/session-recorder.ts'
import { FakeClock } from '../support/clock.ts'

const directory = mkdtempSync(join(tmpdir(), 'halligan-recorder-'))
const header = { version: 3, term: { cols: 80, rows: 24 }, halligan: { grant: 'g1' } }
let journal: OpenJournal
let sessions = 0

beforeAll(async () => {
  const options = { dir: join(directory, 'journal'), segmentBytes: 1 << 20, epochKeyFile: join(directory, 'epoch.key') }
  journal = await openJournal({ ...options, clock: new FakeClock() })
})

afterAll(async () => {
  await journal.close()
  rmSync(directory, { recursive: true })
})

interface Opened {
  readonly recorder: Recorder
  readonly clock: FakeClock
  readonly published: LiveEvent[]
  readonly failures: HalliganError[]
  readonly why: string[]
  /** Lines behind the header. */
  lines(): Promise<EventLine[]>
  /** The same as text. */
  text(): Promise<string[]>
}

async function opened(
  into: Journal = journal,
  maxBytes: number = Number.POSITIVE_INFINITY,
  bulkRefusal: () => HalliganError | undefined = () => undefined,
): Promise<Opened> {
  const session = `s${sessions++}`
  const [clock, live] = [new FakeClock(), new Live()]
  const published: LiveEvent[] = []
  const failures: HalliganError[] = []
  live.watch(session, (event) => published.push(event))
  const why: string[] = []
  const onFailure = (error: HalliganError, kind: string) => {
    failures.push(error)
    why.push(kind)
  }
  const limits = { maxBytes, bulkRefusal }
  const recorder = await openRecorder({ session, header, journal: into, clock, live, onFailure, ...limits })
  const text = async () => {
    const lines: string[] = []
    for await (const { seq, line } of into.lines(session)) {
      expect(seq).toBe(lines.length)
      lines.push(line.toString())
    }
    expect(decodeLine(Buffer.from(lines[0] ?? ''))).toEqual({ kind: 'header', header })
    return lines.slice(1)
  }
  const lines = async () => (await text()).map((line) => decodeLine(Buffer.from(line)))
  return { recorder, clock, published, failures, why, lines, text }
}

const isSettled = async (promise: Promise<unknown>): Promise<boolean> => {
  const pending = Symbol('pending')
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending
}

describe('lines', () => {
  test('carry the time since the line before, from rounded absolute times', async () => {
    const { recorder, clock, text } = await opened()
    clock.advance(1500)
    await recorder.bytes('i', Buffer.from('ls\r'))
    clock.advance(0.0004)
    await recorder.bytes('o', Buffer.from('a'))
    clock.advance(0.0004)
    await recorder.fact('r', '100x50')
    await recorder.fact('x', '0')
    expect(await text()).toEqual(['[1.5,"i","ls\\r"]', '[0,"o","a"]', '[0.000001,"r","100x50"]', '[0,"x","0"]'])
  })

  test('bulk is raw, whatever it holds', async () => {
    const { recorder, text } = await opened()
    await recorder.bulk('i', Buffer.from('text'))
    expect(await text()).toEqual(['[0,"b",{"s":"i","d":"dGV4dA=="}]'])
  })

  test('nothing is recorded of an empty chunk', async () => {
    const { recorder, text } = await opened()
    await recorder.bytes('o', Buffer.alloc(0))
    await recorder.bulk('o', Buffer.alloc(0))
    expect(await text()).toEqual([])
  })

  for (const byMs of [5000, -5000]) {
    test(`a step of the wall clock by ${byMs} ms is a line of its own, once`, async () => {
      const { recorder, clock, text } = await opened()
      clock.step(1999)
      await recorder.bytes('o', Buffer.from('a'))
      clock.step(byMs - 1999)
      clock.advance(10)
      await recorder.bytes('o', Buffer.from('b'))
      await recorder.bytes('o', Buffer.from('c'))
      const notice = `[0.01,"n",${JSON.stringify({ kind: 'clock', wallMs: clock.now(), byMs })}]`
      expect(await text()).toEqual(['[0,"o","a"]', notice, '[0,"o","b"]', '[0,"o","c"]'])
    })
  }

  test('of a large chunk are cut between characters', async () => {
    const { recorder, lines } = await opened()
    const bytes = Buffer.from('€'.repeat(50_000))
    await recorder.bytes('o', bytes)
    const events = await lines()
    expect(events.length).toBe(Math.ceil(bytes.length / (32 << 10)))
    for (const event of events) expect(event).toMatchObject({ code: 'o' })
    expect(Buffer.concat(events.map((event) => bytesOf(event)?.bytes ?? Buffer.alloc(0)))).toEqual(bytes)
  })
})

describe('a character split over two chunks', () => {
  const euro = Buffer.from('€')

  test('is one character when the rest comes in time, and both wait for it', async () => {
    const { recorder, clock, text } = await opened()
    const first = recorder.bytes('o', Buffer.concat([Buffer.from('5 '), euro.subarray(0, 1)]))
    clock.advance(2)
    const second = recorder.bytes('o', euro.subarray(1, 2))
    clock.advance(2)
    expect(await isSettled(first)).toBe(false)
    await Promise.all([first, second, recorder.bytes('o', Buffer.concat([euro.subarray(2), Buffer.from('!')]))])
    expect(await text()).toEqual(['[0,"o","5 "]', '[0.004,"o","€!"]'])
  })

  test('is raw bytes after 5 ms, and what follows it is text again', async () => {
    const { recorder, clock, text } = await opened()
    const first = recorder.bytes('o', euro.subarray(0, 2))
    clock.advance(5)
    await first
    await recorder.bytes('o', Buffer.concat([euro.subarray(2), Buffer.from('!')]))
    expect(await text()).toEqual(['[0.005,"b",{"s":"o","d":"4oI="}]', '[0,"b",{"s":"o","d":"rA=="}]', '[0,"o","!"]'])
  })

  test('does not wait 5 ms again for each byte', async () => {
    const { recorder, clock, text } = await opened()
    const smile = Buffer.from('😀')
    const parts = [recorder.bytes('o', smile.subarray(0, 1))]
    clock.advance(3)
    parts.push(recorder.bytes('o', smile.subarray(1, 2)))
    clock.advance(2)
    await Promise.all(parts)
    expect(await text()).toEqual(['[0.005,"b",{"s":"o","d":"8J8="}]'])
  })

  for (const other of ['bytes', 'bulk', 'fact'] as const) {
    test(`goes out before ${other} of another stream`, async () => {
      const { recorder, lines } = await opened()
      const first = recorder.bytes('o', euro.subarray(0, 1))
      const second = other === 'fact' ? recorder.fact('x', '0') : recorder[other]('i', Buffer.from('x'))
      await Promise.all([first, second])
      const events = await lines()
      expect(bytesOf(events[0] as EventLine)).toEqual({ stream: 'o', bytes: euro.subarray(0, 1) })
      expect(events.length).toBe(2)
    })
  }

  test('binary data waits for nothing', async () => {
    const { recorder, lines } = await opened()
    await recorder.bytes('o', Buffer.of(0xff, 0xfe, 0xe2))
    expect(await lines()).toMatchObject([{ code: 'b' }])
  })
})

test('any bytes in any chunks are recorded, stream by stream, in order', async () => {
  const chunk = fc.record({
    stream: fc.constantFrom('i' as const, 'o' as const, 'e' as const),
    bytes: fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc.string({ unit: 'binary', maxLength: 6 }).map((text) => new TextEncoder().encode(text)),
    ),
    cut: fc.nat(12),
    waitMs: fc.constantFrom(0, 1, 6),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(chunk, { maxLength: 30 }), async (chunks) => {
      const { recorder, clock, published, lines } = await opened()
      const want = { i: [] as Uint8Array[], o: [] as Uint8Array[], e: [] as Uint8Array[] }
      const promises: Promise<void>[] = []
      for (const { stream, bytes, cut, waitMs } of chunks) {
        for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
          want[stream].push(part)
          promises.push(recorder.bytes(stream, part))
        }
        clock.advance(waitMs)
      }
      clock.advance(5)
      await Promise.all(promises)
      expect(recorder.pendingBytes).toBe(0)
      const events = await lines()
      for (const stream of ['i', 'o', 'e'] as const) {
        const got = events.map(bytesOf).filter((bytes) => bytes?.stream === stream)
        expect(Buffer.concat(got.map((bytes) => bytes?.bytes ?? Buffer.alloc(0)))).toEqual(Buffer.concat(want[stream]))
      }
      expect(published.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1).toSpliced(0, 0, 0))
    }),
    { numRuns: 60 },
  )
})

/** The real journal behind a gate: what is appended waits until the test lets it go. */
function gated(): { journal: Journal; letGo(): void; break(): void } {
  let gate = Promise.withResolvers<void>()
  gate.resolve()
  let isBroken = false
  return {
    journal: {
      append: async (entry) => {
        const durable = journal.append(entry)
        if (entry.seq > 0) await gate.promise
        if (isBroken) throw new Error('no space left on device')
        await durable
      },
      lines: (session) => journal.lines(session),
      head: () => journal.head(),
      epoch: (ledger) => journal.epoch(ledger),
      close: () => journal.close(),
    },
    letGo: () => {
      gate.resolve()
      gate = Promise.withResolvers()
    },
    break: () => {
      isBroken = true
      gate.resolve()
    },
  }
}

describe('what is not durable', () => {
  test('is pending, unpublished and unresolved', async () => {
    const { journal: slow, letGo } = gated()
    letGo()
    const { recorder, published } = await opened(slow)
    const done = recorder.bytes('o', Buffer.from('12345'))
    expect(recorder.pendingBytes).toBe(5)
    expect(published.map(({ seq }) => seq)).toEqual([0])
    expect(await isSettled(done)).toBe(false)
    letGo()
    await done
    expect(recorder.pendingBytes).toBe(0)
    expect(published[1]).toMatchObject({ seq: 1, sinceOpenUs: 0, body: { kind: 'bytes', stream: 'o' } })
  })

  test('after the first failure every pending and later call rejects, and it is told once', async () => {
    const { journal: slow, letGo, break: breakIt } = gated()
    letGo()
    const { recorder, failures, published, clock } = await opened(slow)
    const pending = [
      recorder.bytes('o', Buffer.from('a')),
      recorder.bulk('o', Buffer.from('b')),
      recorder.fact('n', {}),
      recorder.bytes('i', Buffer.of(0xe2)),
    ]
    const outcomes = Promise.allSettled(pending)
    clock.advance(5)
    breakIt()
    for (const outcome of await outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'recorder_failed' } })
    for (const later of [
      () => recorder.bytes('o', Buffer.from('x')),
      () => recorder.bulk('o', Buffer.from('x')),
      () => recorder.fact('n', 1),
    ]) {
      await expect(later()).rejects.toMatchObject({ code: 'recorder_failed' })
    }
    expect(failures.map(({ code }) => code)).toEqual(['recorder_failed'])
    expect(published.map(({ seq }) => seq)).toEqual([0])
    expect(recorder.pendingBytes).toBe(0)
  })

  test('a real disk that fills up ends the session', async () => {
    let isFull = false
    const files = systemFiles()
    const dir = mkdtempSync(join(directory, 'full-'))
    const full = await openJournal({
      dir,
      segmentBytes: 64 << 10,
      epochKeyFile: join(dir, 'epoch.key'),
      clock: new FakeClock(),
      fileSystem: {
        ...files,
        write: (fd, bytes, position) => {
          if (isFull) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
          return files.write(fd, bytes, position)
        },
      },
    })
    const { recorder, failures } = await opened(full)
    await recorder.bytes('o', Buffer.from('kept'))
    isFull = true
    await expect(recorder.bytes('o', Buffer.from('lost'))).rejects.toMatchObject({
      code: 'recorder_failed',
      cause: { code: 'journal_failed' },
    })
    expect(failures.length).toBe(1)
    await full.close()
  })

  test('a session whose header is not durable does not open', async () => {
    const failing = gated()
    failing.break()
    await expect(opened(failing.journal)).rejects.toMatchObject({ code: 'recorder_failed' })
  })

  test('a fact that is no JSON ends the session', async () => {
    const { recorder, failures } = await opened()
    await expect(recorder.fact('n', () => {})).rejects.toMatchObject({ code: 'recorder_failed' })
    expect(failures.length).toBe(1)
  })
})

describe('a session that has written as much as one may', () => {
  const most = 4096
  const lastWords = async (recorder: Recorder): Promise<void> => {
    await recorder.fact('n', { kind: 'end', reason: 'recording-full', message: 'it is full' })
    await recorder.fact('x', '75')
  }

  test('writes nothing beyond it but why it ended, and is told once', async () => {
    const { recorder, failures, why, published, text } = await opened(journal, most)
    await recorder.bytes('o', Buffer.alloc(most / 2, 'a'))
    const beyond = [
      () => recorder.bytes('i', Buffer.alloc(most, 'b')),
      () => recorder.bytes('o', Buffer.from('c')),
      () => recorder.bulk('i', Buffer.from('d')),
      () => recorder.fact('q', { id: 1, sql: 'select 1' }),
      () => recorder.fact('n', { kind: 'server-notice', message: 'e' }),
    ]
    for (const write of beyond) await expect(write()).rejects.toMatchObject({ code: 'recorder_failed' })
    await lastWords(recorder)
    expect([failures.length, why]).toEqual([1, ['full']])
    const lines = await text()
    expect(lines).toHaveLength(3)
    expect(lines[1]).toContain('"recording-full"')
    expect(lines[2]).toBe('[0,"x","75"]')
    // Numbers have no gap, and watchers see the end.
    expect(published.map(({ seq }) => seq)).toEqual([0, 1, 2, 3])
  })

  test('has nothing forwarded that waits for the disk beside what was too much', async () => {
    const { journal: slow, letGo } = gated()
    letGo()
    const { recorder, text } = await opened(slow, most)
    const before = recorder.bytes('i', Buffer.from('first'))
    const beyond = recorder.bytes('i', Buffer.alloc(most, 'b'))
    const settled = Promise.allSettled([before, beyond])
    letGo()
    expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    const reason = recorder.fact('n', { kind: 'end', reason: 'recording-full', message: 'it is full' })
    letGo()
    await reason
    const exit = recorder.fact('x', '75')
    letGo()
    await exit
    expect((await text()).map((line) => line.slice(0, 7))).toEqual(['[0,"i",', '[0,"n",', '[0,"x",'])
  })

  test('counts facts by their text and half a character that waits', async () => {
    const { recorder, why, clock } = await opened(journal, most)
    await recorder.fact('q', { id: 1, sql: 'x'.repeat(most - 600) })
    for (let n = 0; n < 10; n++) {
      const held = recorder.bytes('o', Buffer.of(0xe2)).catch(() => 'refused')
      clock.advance(5)
      if ((await held) === 'refused') break
    }
    expect(why).toEqual(['full'])
  })

  test('that ended for another reason still says which', async () => {
    const { recorder, why, text } = await opened(journal, 1024)
    await recorder.bytes('o', Buffer.alloc(700, 'a'))
    await recorder.fact('n', { kind: 'end', reason: 'killed', message: 'm'.repeat(400) })
    await recorder.fact('x', '130')
    expect(why).toEqual([])
    expect(await text()).toHaveLength(3)
  })

  test('and whose disk then fails has no last words', async () => {
    const { journal: breaking, letGo, break: breakIt } = gated()
    letGo()
    const { recorder, failures } = await opened(breaking, most)
    await expect(recorder.bytes('o', Buffer.alloc(most))).rejects.toMatchObject({ code: 'recorder_failed' })
    breakIt()
    await expect(lastWords(recorder)).rejects.toMatchObject({ code: 'recorder_failed' })
    expect(failures).toHaveLength(1)
  })
})

describe('with too little room for transfers', () => {
  const scarce = () => new HalliganError('recorder_failed', 'no room for transfers')
  const hashed = (offset: number, length: number) => ({ stream: 'i', offset, length, sha256: '00' })

  for (const { name, write } of [
    { name: 'hashes', write: (recorder: Recorder) => recorder.fact('h', hashed(1 << 20, 1)) },
    { name: 'whole bytes', write: (recorder: Recorder) => recorder.bulk('i', Buffer.alloc(1)) },
  ])
    test(`a transfer by ${name} ends behind its first megabyte, and says so`, async () => {
      const { recorder, why, text } = await opened(journal, undefined, scarce)
      await recorder.bulk('i', Buffer.alloc(1 << 20))
      await recorder.fact('h', hashed(0, 1 << 20))
      await expect(write(recorder)).rejects.toMatchObject({ code: 'recorder_failed' })
      await expect(recorder.bytes('i', Buffer.from('more'))).rejects.toMatchObject({ code: 'recorder_failed' })
      await recorder.fact('n', { kind: 'end', reason: 'no-room', message: 'm' })
      await recorder.fact('x', '75')
      expect(why).toEqual(['no-room'])
      expect((await text()).slice(-3).map((line) => line.slice(0, 7))).toEqual(['[0,"h",', '[0,"n",', '[0,"x",'])
    })

  test('what is typed, shown and queried goes on, and so does one small transfer after the other', async () => {
    const { recorder, why } = await opened(journal, undefined, scarce)
    for (let n = 0; n < 3; n++) {
      await recorder.bytes('o', Buffer.alloc(600 << 10, 'a'))
      await recorder.fact('q', { id: n, kind: 'query', sql: 'copy t from stdin' })
      await recorder.bulk('i', Buffer.alloc(600 << 10))
      await recorder.fact('h', hashed(0, 600 << 10))
    }
    expect(why).toEqual([])
  })

  test('a transfer under way ends when room becomes scarce', async () => {
    let isScarce = false
    const { recorder, why } = await opened(journal, undefined, () => (isScarce ? scarce() : undefined))
    await recorder.fact('h', hashed(5 << 20, 1 << 20))
    isScarce = true
    await expect(recorder.fact('h', hashed(6 << 20, 1 << 20))).rejects.toMatchObject({ code: 'recorder_failed' })
    expect(why).toEqual(['no-room'])
  })
})
