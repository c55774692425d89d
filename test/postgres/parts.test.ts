// The small parts between tracker and sockets: held bytes, COPY lines, long messages, cancel keys.
import * as fc from 'fast-check'
import { createHash } from 'node:crypto'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { ByteReader } from '../../src/postgres/byte-reader.ts'
import { CancelKeys } from '../../src/postgres/cancel.ts'
import { CopyRecord } from '../../src/postgres/copy-record.ts'
import { HeldBytes } from '../../src/postgres/held-bytes.ts'
import { LongMessage } from '../../src/postgres/long-message.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('whatever the chunks, records and order of durability: the bytes go on in order, unchanged, none too early', async () => {
  const chunk = fc.record({
    bytes: fc.uint8Array({ minLength: 1, maxLength: 20 }),
    settles: fc.nat(20),
    isRecorded: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(chunk, { maxLength: 12 }), async (chunks) => {
      const forwarded: Buffer[] = []
      const held = new HeldBytes((pieces) => forwarded.push(...pieces))
      const pending: { before: number; resolve: () => void }[] = []
      let pushed = 0
      let settled = 0
      for (const { bytes, settles, isRecorded } of chunks) {
        pushed += bytes.length
        const before = settled
        settled = Math.max(settled, Math.min(pushed, settled + settles))
        const { promise, resolve } = Promise.withResolvers<void>()
        if (isRecorded) pending.push({ before, resolve })
        held.push(Buffer.from(bytes), settled, 0, isRecorded ? promise : undefined)
      }
      const all = Buffer.concat(chunks.map(({ bytes }) => bytes))
      const gone = () => Buffer.concat(forwarded)
      // The first record that is not durable holds everything from its piece on.
      for (const { before: bound, resolve } of pending) {
        expect(gone().length).toBeLessThanOrEqual(bound)
        resolve()
        await turn()
      }
      expect(gone().equals(all.subarray(0, settled))).toBe(true)
      expect(held.isEmpty).toBe(true)
    }),
  )
})

test('a record that becomes durable out of order lets nothing pass before its turn', async () => {
  const forwarded: string[] = []
  const held = new HeldBytes((chunks) => forwarded.push(Buffer.concat(chunks).toString()))
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  held.push(Buffer.from('a'), 1, 1, first.promise)
  held.push(Buffer.from('b'), 2, 2, second.promise)
  held.push(Buffer.from('c'), 3, 2, undefined)
  second.resolve()
  await turn()
  expect(forwarded).toEqual([])
  first.resolve()
  await turn()
  expect(forwarded).toEqual(['abc'])
})

test('COPY lines: offset, length and a hash of all so far, whatever the pieces', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.boolean())), (pieces) => {
      const facts: Record<string, unknown>[] = []
      const kept: Buffer[] = []
      const copy = new CopyRecord({
        keepsBytes: true,
        bulk: (bytes) => kept.push(Buffer.from(bytes)),
        fact: (data) => facts.push(data),
      })
      for (const [bytes, flushes] of pieces) {
        copy.data(7, Buffer.from(bytes))
        if (flushes) copy.flush()
      }
      copy.end(7, null)
      const all = Buffer.concat(pieces.map(([bytes]) => bytes))
      expect(Buffer.concat(kept).equals(all)).toBe(true)
      let offset = 0
      for (const fact of facts.slice(0, -1)) {
        expect(fact['offset']).toBe(offset)
        offset += fact['length'] as number
        expect(fact['sha256']).toBe(createHash('sha256').update(all.subarray(0, offset)).digest('hex'))
      }
      expect(facts.at(-1)).toMatchObject({
        id: 7,
        end: true,
        length: all.length,
        sha256: createHash('sha256').update(all).digest('hex'),
      })
    }),
  )
})

test('COPY data is kept whole up to ten megabytes, and by hash beyond; another COPY begins anew', () => {
  let kept = 0
  const facts: Record<string, unknown>[] = []
  const copy = new CopyRecord({
    keepsBytes: true,
    bulk: (bytes) => (kept += bytes.length),
    fact: (data) => facts.push(data),
  })
  const megabyte = Buffer.alloc(1 << 20, 'x')
  for (let i = 0; i < 12; i++) {
    copy.data(1, megabyte)
    copy.flush()
  }
  expect(kept).toBe(10 << 20)
  copy.end(1, 'enough')
  expect(facts.at(-1)).toMatchObject({ length: 12 << 20, failure: 'enough' })
  copy.data(2, megabyte)
  copy.flush()
  expect(facts.at(-1)).toMatchObject({ id: 2, offset: 0, length: 1 << 20 })
})

test('a long Parse in parts gives its text and, as hex, the types behind it', () => {
  const long = new LongMessage('parse', 5)
  const body = Buffer.from('name\0select $1\0\0\x01\0\0\0\x17', 'latin1')
  expect(long.part(body.subarray(0, 12), 0, false)).toEqual({
    code: 'q',
    data: {
      id: 5,
      kind: 'part',
      of: 'parse',
      index: 0,
      last: undefined,
      name: 'name',
      sql: 'select ',
      raw: undefined,
      tail: undefined,
    },
  })
  expect(long.part(body.subarray(12, 16), 1, false).data).toMatchObject({ sql: '$1', tail: '0000' })
  expect(long.part(body.subarray(16), 2, true).data).toMatchObject({ sql: '', tail: '0100000017', last: true })
})

test('a cancel key belongs to one session, and to none after its end', async () => {
  const keys = new CancelKeys()
  let cancelled = ''
  const [a, b] = ['a', 'b'].map((name) =>
    keys.issue(async () => {
      cancelled += name
    }),
  )
  if (a === undefined || b === undefined) throw new Error('no keys')
  expect(await keys.cancel(b)).toBe(true)
  expect(await keys.cancel({ processId: a.processId, secretKey: b.secretKey })).toBe(false)
  expect(await keys.cancel({ processId: a.processId, secretKey: Buffer.alloc(32) })).toBe(false)
  keys.release(a)
  expect(await keys.cancel(a)).toBe(false)
  expect({ cancelled, left: keys.size }).toEqual({ cancelled: 'b', left: 1 })
})

test('the reader of a start-up gives whole messages from any chunks and keeps what is behind them', async () => {
  const stream = new PassThrough()
  const reader = new ByteReader(stream)
  const bytes = Buffer.from('52000000080000000053000000086162630058', 'hex')
  const reading = (async () => [await reader.message(), await reader.message()])()
  for (const byte of bytes) {
    stream.write(Buffer.from([byte]))
    await turn()
  }
  expect((await reading).map(({ type, body }) => [type, body.toString('hex')])).toEqual([
    [0x52, '00000000'],
    [0x53, '61626300'],
  ])
  stream.end()
  expect(await reader.chunk()).toEqual(Buffer.from('58', 'hex'))
  expect(await reader.chunk()).toBeUndefined()
  await expect(reader.message()).rejects.toMatchObject({ code: 'unreachable' })
})

test('a message that comes byte by byte goes on as soon as it is whole', () => {
  const bytes = 400_000
  const forwarded: Buffer[] = []
  const held = new HeldBytes((chunks) => forwarded.push(Buffer.concat(chunks)))
  for (let at = 1; at < bytes; at++) held.push(Buffer.of(at & 0xff), 0, 0, undefined)
  const startMs = performance.now()
  held.push(Buffer.of(bytes & 0xff), bytes, 1, undefined)
  expect(performance.now() - startMs).toBeLessThan(1_000)
  expect(Buffer.concat(forwarded).equals(Buffer.from(Array.from({ length: bytes }, (_, at) => (at + 1) & 0xff)))).toBe(
    true,
  )
})
