import { hash } from 'node:crypto'
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { crc32c } from '../../src/recording/crc32c.ts'
import {
  encodeFrame,
  encodeLeafFrame,
  frameOverheadBytes,
  type FrameHeader,
  genesisHead,
  headerBytesOf,
  leafHash,
  leafOf,
  nextHead,
  readFrame,
} from '../../src/recording/frame.ts'

const headers: fc.Arbitrary<Omit<FrameHeader, 'length'>> = fc.record({
  type: fc.constantFrom('line' as const, 'epoch' as const, 'segment' as const, 'recovered' as const),
  session: fc.stringMatching(/^[a-z2-7]{0,16}$/),
  seq: fc.maxSafeNat(),
  monotonicUs: fc.maxSafeNat(),
  wallUs: fc.maxSafeNat(),
})
const header = {
  type: 'line',
  session: 'sabc234def567x',
  seq: 7,
  monotonicUs: 1_000_001,
  wallUs: 1_795_000_000_000_000,
} as const

describe('CRC-32C', () => {
  // RFC 3720 B.4 and the polynomial's customary check value.
  const vectors = [
    { name: '123456789', bytes: Buffer.from('123456789'), want: 0xe3069283 },
    { name: '32 zeros', bytes: Buffer.alloc(32), want: 0x8a9136aa },
    { name: '32 ones', bytes: Buffer.alloc(32, 0xff), want: 0x62a8ab43 },
    { name: '0 to 31', bytes: Buffer.from(Array.from({ length: 32 }, (_, i) => i)), want: 0x46dd794e },
    { name: 'nothing', bytes: Buffer.alloc(0), want: 0 },
  ]
  for (const { name, bytes, want } of vectors) test(name, () => expect(crc32c(bytes)).toBe(want))

  property.prop([fc.uint8Array(), fc.nat(64)])('goes on where it stopped', (bytes, cut) => {
    const at = Math.min(cut, bytes.length)
    expect(crc32c(bytes, at, bytes.length, crc32c(bytes, 0, at))).toBe(crc32c(bytes))
  })
})

property.prop([headers, fc.uint8Array(), fc.nat(9)])('a frame reads back from any offset', (header, line, offset) => {
  const frame = encodeFrame(header, line)
  const buffer = Buffer.concat([Buffer.alloc(offset, 1), frame, Buffer.alloc(3)])
  const read = readFrame(buffer, offset)
  expect(read).toMatchObject({ kind: 'frame', header: { ...header, length: line.length }, next: offset + frame.length })
  expect(read.kind === 'frame' && read.line).toEqual(Buffer.from(line))
  expect(read.kind === 'frame' && read.headerBytes).toEqual(headerBytesOf(frame))
  expect(readFrame(buffer, offset + frame.length)).toEqual({ kind: 'end' })
})

test('a frame has the documented layout', () => {
  const frame = encodeFrame(header, Buffer.from('[0,"o","x"]'))
  expect(frame.length).toBe(frameOverheadBytes + 11)
  expect(frame.subarray(0, 56).toString('hex')).toBe(
    'ff484a310000000b0100000073616263323334646566353637780000' +
      '0000000000000007' +
      '00000000000f4241' +
      (1_795_000_000_000_000).toString(16).padStart(16, '0') +
      '0000000b',
  )
  expect(frame.readUInt32BE(56)).toBe(crc32c(Buffer.concat([frame.subarray(4, 56), frame.subarray(60)])))
})

test('a flipped bit anywhere, and a frame cut anywhere, is torn', () => {
  const frame = encodeFrame(header, Buffer.from('[0,"o","hello"]'))
  for (let at = 0; at < frame.length; at++) {
    for (const bit of [1, 0x80]) {
      const flipped = Buffer.from(frame)
      flipped[at] = (flipped[at] ?? 0) ^ bit
      expect(readFrame(flipped, 0)).toEqual({ kind: 'torn' })
    }
    if (at === 0) continue
    expect(readFrame(frame.subarray(0, at), 0)).toEqual({ kind: 'torn' })
    // As a crash leaves it in reserved space.
    expect(readFrame(Buffer.concat([frame.subarray(0, at), Buffer.alloc(200)]), 0)).toEqual({ kind: 'torn' })
  }
})

test('a leaf stands for its line: the same header, the same place in the chain', () => {
  const frame = encodeFrame(header, Buffer.from('[0,"o","hello"]'))
  const whole = readFrame(frame, 0)
  if (whole.kind !== 'frame') throw new Error('a frame reads back')
  const read = readFrame(encodeLeafFrame(whole.headerBytes, leafOf(whole)), 0)
  if (read.kind !== 'leaf') throw new Error('a leaf reads back')
  expect(read.header).toEqual(whole.header)
  expect(read.headerBytes).toEqual(whole.headerBytes)
  expect(leafOf(read)).toEqual(leafHash(whole.line))
})

test('a changed byte anywhere in a leaf frame, and one cut anywhere, is torn', () => {
  const line = Buffer.alloc(32, 'x')
  const frame = encodeLeafFrame(headerBytesOf(encodeFrame(header, line)), leafHash(line))
  for (let at = 0; at < frame.length; at++) {
    const flipped = Buffer.from(frame)
    flipped[at] = (flipped[at] ?? 0) ^ 1
    // 32 and 33 are one bit apart, and so are 31 and 30: neither is a magic of the other kind.
    expect(readFrame(flipped, 0)).toEqual({ kind: 'torn' })
    if (at > 0) expect(readFrame(frame.subarray(0, at), 0)).toEqual({ kind: 'torn' })
  }
})

test('no leaf stands for a line of the journal itself', () => {
  for (const type of ['epoch', 'segment', 'recovered'] as const) {
    const own = encodeFrame({ ...header, type, session: '' }, Buffer.from('{}'))
    expect(readFrame(encodeLeafFrame(headerBytesOf(own), leafHash(Buffer.from('{}'))), 0)).toEqual({ kind: 'torn' })
  }
})

describe('the end is blank', () => {
  for (const length of [0, 1, 3, 4, 100]) {
    test(`${length} zeros`, () => expect(readFrame(Buffer.alloc(length), 0)).toEqual({ kind: 'end' }))
  }
})

property.prop([fc.uint8Array({ maxLength: 200 }), fc.nat(200)])('hostile bytes never throw', (bytes, offset) => {
  expect(['end', 'torn']).toContain(readFrame(Buffer.from(bytes), Math.min(offset, bytes.length)).kind)
})

property.prop([fc.uint8Array({ minLength: 56, maxLength: 90 })])(
  'hostile bytes behind a magic never throw',
  (bytes) => {
    const buffer = Buffer.concat([Buffer.from('ff484a31', 'hex'), bytes])
    buffer.writeUInt32BE(crc32c(Buffer.concat([buffer.subarray(4, 56), buffer.subarray(60)])), 56)
    expect(readFrame(buffer, 0).kind).toMatch(/torn|frame/)
  },
)

describe('a header that cannot be written is our own mistake', () => {
  const cases: readonly Partial<FrameHeader>[] = [
    { session: 'a'.repeat(17) },
    { session: 'ü' },
    { session: 'a b' },
    { seq: -1 },
    { seq: 1.5 },
    { wallUs: 2 ** 53 },
  ]
  for (const wrong of cases) {
    test(JSON.stringify(wrong), () =>
      expect(() => encodeFrame({ ...header, ...wrong }, Buffer.alloc(0))).toThrow('assertion failed'),
    )
  }
})

test('leaf and head are the hashes that the design names', () => {
  const line = Buffer.from('[0,"o","x"]')
  const sha256 = (...parts: Uint8Array[]) => hash('sha256', Buffer.concat(parts), 'buffer')
  const name = Buffer.from('halligan/journal/1\0')
  const frame = encodeFrame(header, line)
  expect(genesisHead).toEqual(sha256(name))
  expect(leafHash(line)).toEqual(sha256(Buffer.of(0), line))
  expect(nextHead(genesisHead, headerBytesOf(frame), leafHash(line))).toEqual(
    sha256(name, genesisHead, frame.subarray(8, 56), leafHash(line)),
  )
})
