import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Stream, Tap } from '../../src/ssh/tap.ts'

/** A tap whose disk and far end are the test's. */
function bench(maxLineBytes = 100) {
  const writes: { stream: Stream; bytes: Buffer; durable: () => void; fail: (error: Error) => void }[] = []
  const forwarded: { stream: Stream; text: string; done: () => void }[] = []
  const failures: unknown[] = []
  let credited = 0
  const tap = new Tap({
    maxLineBytes: () => maxLineBytes,
    record: (stream, chunks) =>
      new Promise((resolve, reject) =>
        writes.push({ stream, bytes: Buffer.concat(chunks), durable: resolve, fail: reject }),
      ),
    forward: (stream, bytes, done) => forwarded.push({ stream, text: bytes.toString('latin1'), done }),
    credit: (count) => (credited += count),
    failed: (error) => failures.push(error),
  })
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve))
  /** Each text is a read of its own. */
  const arrive = async (texts: Iterable<string>) => {
    for (const text of texts) {
      tap.push('i', Buffer.from(text))
      await settle()
    }
  }
  return { tap, arrive, writes, forwarded, failures, settle, credited: () => credited }
}

test('nothing goes on before it is durable, and then in order', async () => {
  const { arrive, writes, forwarded, settle } = bench()
  await arrive('ab')
  writes[1]?.durable()
  await settle()
  expect(forwarded).toEqual([])
  writes[0]?.durable()
  await settle()
  expect(forwarded.map(({ text }) => text)).toEqual(['a', 'b'])
})

test('one read is one line, and what arrives while the disk works becomes one line', async () => {
  const { tap, arrive, writes, settle } = bench()
  tap.push('i', Buffer.from('one '))
  tap.push('i', Buffer.from('read'))
  await settle()
  await arrive('0123456789abcdefghi')
  expect(writes.map(({ bytes }) => bytes.toString())).toEqual(['one read', ...'0123456789abcde'.split('')])
  writes[0]?.durable()
  await settle()
  expect(writes[16]?.bytes.toString()).toBe('fghi')
})

test('the room of bytes is given back when they have left, not before', async () => {
  const { tap, writes, forwarded, credited, settle } = bench()
  tap.push('i', Buffer.alloc(10))
  await settle()
  writes[0]?.durable()
  await settle()
  expect(credited()).toBe(0)
  forwarded[0]?.done()
  expect(credited()).toBe(10)
})

test('a failure stops everything, is told once, and gives back what was waiting', async () => {
  const { tap, arrive, writes, forwarded, failures, credited, settle } = bench()
  await arrive('abcdef')
  const full = new Error('ENOSPC')
  writes[0]?.fail(full)
  for (const write of writes.slice(1)) write.durable()
  await settle()
  tap.push('i', Buffer.from('g'))
  expect({ failures, forwarded, credited: credited() }).toEqual({ failures: [full], forwarded: [], credited: 7 })
})

test('steps keep their place among the bytes', async () => {
  const { tap, writes, forwarded, settle } = bench()
  tap.push('i', Buffer.from('before'))
  tap.step(
    () => Promise.resolve(),
    () => forwarded.push({ stream: 'i', text: 'STEP', done: () => undefined }),
  )
  tap.push('i', Buffer.from('after'))
  await settle()
  for (const write of writes) write.durable()
  await settle()
  expect(forwarded.map(({ text }) => text)).toEqual(['before', 'STEP', 'after'])
})

test('any bytes of two streams, recorded in any rhythm, come out whole and in order', async () => {
  const chunk = fc.tuple(
    fc.constantFrom<Stream>('o', 'e'),
    fc.uint8Array({ minLength: 1, maxLength: 20 }),
    fc.boolean(),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(chunk, { maxLength: 60 }), async (chunks) => {
      const { tap, writes, forwarded, settle } = bench(30)
      for (const [stream, bytes, pause] of chunks) {
        tap.push(stream, Buffer.from(bytes))
        if (pause) {
          await settle()
          for (const write of writes) write.durable()
          await settle()
        }
      }
      for (let seen = -1; seen < writes.length;) {
        seen = writes.length
        for (const write of writes) write.durable()
        await settle()
      }
      // Each byte with its stream: small reads may go on as one.
      const marked = (stream: Stream, text: string) => text.split('').map((letter) => stream + letter)
      const want = chunks.flatMap(([stream, bytes]) => marked(stream, Buffer.from(bytes).toString('latin1')))
      expect(forwarded.flatMap(({ stream, text }) => marked(stream, text))).toEqual(want)
      expect(writes.every(({ bytes }) => bytes.length <= 30)).toBe(true)
    }),
  )
})

test('a flood of single bytes is held as few pieces', async () => {
  const { tap, writes, forwarded, credited, settle } = bench(1 << 20)
  for (let count = 0; count < 16; count++) {
    tap.push('i', Buffer.from('x'))
    await settle()
  }
  const text = Array.from({ length: 100_000 }, (_, at) => String.fromCharCode(97 + (at % 26)))
  for (const letter of text) tap.push('i', Buffer.from(letter))
  for (let line = 0; line < 17; line++) {
    writes[line]?.durable()
    await settle()
  }
  expect(forwarded.length).toBeLessThan(200)
  expect(
    forwarded
      .map((piece) => piece.text)
      .join('')
      .slice(16),
  ).toBe(text.join(''))
  for (const { done } of forwarded) done()
  expect(credited()).toBe(100_016)
})
