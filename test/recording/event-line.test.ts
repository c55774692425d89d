import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { ProtocolViolation } from '../../src/errors.ts'
import { bytesOf, decodeLine, encodeLine, type LineBody, type Stream } from '../../src/recording/event-line.ts'

const streams = fc.constantFrom<Stream>('i', 'o', 'e')
const line = (interval: number, body: LineBody) => encodeLine(interval, body).toString()

describe('what a line looks like', () => {
  const cases: readonly { name: string; interval: number; body: LineBody; want: string }[] = [
    {
      name: 'ASCII output',
      interval: 0.25,
      body: { kind: 'bytes', stream: 'o', bytes: Buffer.from('hi\r\n') },
      want: '[0.25,"o","hi\\r\\n"]',
    },
    {
      name: 'whole UTF-8',
      interval: 0,
      body: { kind: 'bytes', stream: 'i', bytes: Buffer.from('é€😀') },
      want: '[0,"i","é€😀"]',
    },
    {
      name: 'a byte order mark stays',
      interval: 0,
      body: { kind: 'bytes', stream: 'e', bytes: Buffer.of(0xef, 0xbb, 0xbf) },
      want: '[0,"e","\ufeff"]',
    },
    {
      name: 'bytes that are no UTF-8',
      interval: 1,
      body: { kind: 'bytes', stream: 'o', bytes: Buffer.of(0xff, 0) },
      want: '[1,"b",{"s":"o","d":"/wA="}]',
    },
    {
      name: 'half a character',
      interval: 1,
      body: { kind: 'bytes', stream: 'o', bytes: Buffer.of(0xe2, 0x82) },
      want: '[1,"b",{"s":"o","d":"4oI="}]',
    },
    {
      name: 'an encoded surrogate',
      interval: 1,
      body: { kind: 'bytes', stream: 'o', bytes: Buffer.of(0xed, 0xa0, 0x80) },
      want: '[1,"b",{"s":"o","d":"7aCA"}]',
    },
    {
      name: 'bulk, also when it is text',
      interval: 0,
      body: { kind: 'bulk', stream: 'i', bytes: Buffer.from('ab') },
      want: '[0,"b",{"s":"i","d":"YWI="}]',
    },
    {
      name: 'a fact',
      interval: 0.000001,
      body: { kind: 'fact', code: 'q', data: { sql: 'select 1' } },
      want: '[0.000001,"q",{"sql":"select 1"}]',
    },
    {
      name: 'an interval rounded to µs',
      interval: 1.23456789,
      body: { kind: 'fact', code: 'r', data: '80x24' },
      want: '[1.234568,"r","80x24"]',
    },
    {
      name: 'a header',
      interval: 0,
      body: { kind: 'header', header: { version: 3, term: { cols: 80, rows: 24 } } },
      want: '{"version":3,"term":{"cols":80,"rows":24}}',
    },
  ]
  for (const { name, interval, body, want } of cases) {
    test(name, () => {
      expect(line(interval, body)).toBe(want)
      expect(decodeLine(Buffer.from(want)).kind).toBe(body.kind === 'header' ? 'header' : 'event')
    })
  }
})

describe('any bytes in are the same bytes out', () => {
  for (const kind of ['bytes', 'bulk'] as const) {
    const anyBytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.string({ unit: 'binary' }).map((text) => new TextEncoder().encode(text)),
    )
    property.prop([streams, anyBytes])(`as ${kind}`, (stream, bytes) => {
      const encoded = encodeLine(0.5, { kind, stream, bytes })
      expect(bytesOf(decodeLine(encoded))).toEqual({ stream, bytes: Buffer.from(bytes) })
      // A journal frame is found again by 0xff, a line in a recording ends at its newline.
      expect(encoded.every((byte) => byte >= 0x20 && byte !== 0xff)).toBe(true)
    })
  }

  property.prop([streams, fc.uint8Array({ maxLength: 60 }), fc.nat(60)])(
    'a view into a larger buffer',
    (stream, bytes, from) => {
      const part = bytes.subarray(Math.min(from, bytes.length))
      expect(bytesOf(decodeLine(encodeLine(0, { kind: 'bytes', stream, bytes: part })))?.bytes).toEqual(
        Buffer.from(part),
      )
    },
  )
})

property.prop([fc.jsonValue()])('a fact comes back as JSON gives it', (data) => {
  const fact = decodeLine(encodeLine(0, { kind: 'fact', code: 'n', data }))
  expect(fact).toEqual({ kind: 'event', interval: 0, code: 'n', data: JSON.parse(JSON.stringify(data)) })
  expect(bytesOf(fact)).toBeNull()
})

property.prop([fc.integer({ min: 0, max: 10 ** 12 })])('intervals are whole µs', (us) => {
  const event = decodeLine(encodeLine(us / 1e6, { kind: 'fact', code: 'n', data: null }))
  expect(event.kind === 'event' && Math.round(event.interval * 1e6)).toBe(us)
})

describe('what is no line is refused', () => {
  const bad = [
    '',
    ' ',
    'x',
    'null',
    '7',
    '"o"',
    '[]',
    '{}',
    '{"version":2}',
    '[0,"o"]',
    '[0,"o","a",1]',
    '["0","o","a"]',
    '[-1,"o","a"]',
    '[1e300,"o","a"]',
    '[0,"z","a"]',
    '[0,"__proto__","a"]',
    '[0,"oo","a"]',
    '[0,1,"a"]',
    '[0,"o",1]',
    '[0,"o",null]',
    '[0,"i","\\ud800"]',
    '[0,"b","YQ=="]',
    '[0,"b",{"s":"o"}]',
    '[0,"b",{"s":"x","d":""}]',
    '[0,"b",{"s":"o","d":"YQ"}]',
    '[0,"b",{"s":"o","d":"Y Q=="}]',
    '[0,"b",{"s":"o","d":"","t":1}]',
    '[0,"o","a"]\n[0,"o","b"]',
  ]
  for (const text of bad) {
    test(JSON.stringify(text), () => expect(() => decodeLine(Buffer.from(text))).toThrow(ProtocolViolation))
  }

  test('bytes that are no UTF-8', () => {
    expect(() => decodeLine(Buffer.from('[0,"o","\xff"]', 'latin1'))).toThrow(ProtocolViolation)
  })

  property.prop([
    fc.oneof(
      fc.uint8Array(),
      fc.json().map((json) => Buffer.from(json)),
    ),
  ])('any bytes give a line or a violation', (bytes) => {
    try {
      expect(decodeLine(bytes)).toHaveProperty('kind')
    } catch (error) {
      expect(error).toBeInstanceOf(ProtocolViolation)
    }
  })
})

describe('what cannot be a line is our own mistake', () => {
  const cases: readonly { name: string; interval: number; body: LineBody }[] = [
    { name: 'negative interval', interval: -1, body: { kind: 'fact', code: 'n', data: 1 } },
    { name: 'no interval', interval: Number.NaN, body: { kind: 'fact', code: 'n', data: 1 } },
    { name: 'a fact with a code of bytes', interval: 0, body: { kind: 'fact', code: 'o', data: 'x' } },
    { name: 'a fact that is no JSON', interval: 0, body: { kind: 'fact', code: 'n', data: undefined } },
    { name: 'a header of another version', interval: 0, body: { kind: 'header', header: { version: 2 } } },
    {
      name: 'a line longer than any frame',
      interval: 0,
      body: { kind: 'bulk', stream: 'o', bytes: Buffer.alloc(49 << 20) },
    },
  ]
  for (const { name, interval, body } of cases) {
    test(name, () => expect(() => encodeLine(interval, body)).toThrow('assertion failed'))
  }
})
