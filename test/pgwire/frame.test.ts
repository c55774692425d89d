import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ProtocolViolation } from '../../src/errors.ts'
import { encodeMessage } from '../../src/pgwire/backend-encoding.ts'
import { FrameScanner } from '../../src/pgwire/frame.ts'
import { frontendHandling, frontendType } from '../../src/pgwire/message-type.ts'

type Seen =
  | { kind: 'message' | 'counted'; type: number; body: string }
  | { kind: 'part'; type: number; body: string; last: boolean }

function scanner(maxWholeBytes: number) {
  const seen: Seen[] = []
  const sizes: number[] = []
  const frames = new FrameScanner(
    frontendHandling,
    {
      message: (type, bytes, start, end) =>
        seen.push({ kind: 'message', type, body: bytes.toString('hex', start, end) }),
      counted: (type, size) => seen.push({ kind: 'counted', type, body: String(size) }),
      part: (type, bytes, start, end, index, last) => {
        const body = bytes.toString('hex', start, end)
        sizes.push(end - start)
        const before = seen.at(-1)
        // Where a body is cut depends on the chunks; what it says does not.
        if (index > 0 && before?.kind === 'part') Object.assign(before, { body: before.body + body, last })
        else seen.push({ kind: 'part', type, body, last })
      },
    },
    { maxWholeBytes },
  )
  return { frames, seen, sizes }
}

const messages = fc.array(
  fc
    .tuple(
      fc.constantFrom(...Object.values(frontendType).filter((type) => type !== frontendType.PasswordMessage)),
      fc.uint8Array({ maxLength: 40 }),
    )
    .map(([type, body]) => encodeMessage(type, Buffer.from(body))),
  { maxLength: 12 },
)

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  let at = 0
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    chunks.push(bytes.subarray(at, at + size))
    at += size
  }
  return chunks
}

const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 })

test('any chunking gives the same messages', () => {
  fc.assert(
    fc.property(messages, cuts, fc.integer({ min: 8, max: 50 }), (list, sizes, max) => {
      const bytes = Buffer.concat(list)
      const whole = scanner(max)
      whole.frames.scan(bytes)
      const cutUp = scanner(max)
      for (const chunk of cut(bytes, sizes)) cutUp.frames.scan(Buffer.from(chunk))
      expect(cutUp.seen).toEqual(whole.seen)
      expect(cutUp.frames.settled).toBe(bytes.length)
      expect(whole.frames.settled).toBe(bytes.length)
    }),
  )
})

test('bytes of a message that is not whole yet are never settled, bytes before it always', () => {
  fc.assert(
    fc.property(messages, cuts, (list, sizes) => {
      const frames = scanner(1 << 20).frames
      const borders = list.reduce<number[]>((ends, message) => [...ends, (ends.at(-1) ?? 0) + message.length], [0])
      const isPassing = (index: number) => [0x64, 0x48, 0x63].includes(list[index]?.[0] ?? 0)
      let fed = 0
      for (const chunk of cut(Buffer.concat(list), sizes)) {
        frames.scan(chunk)
        fed += chunk.length
        const index = borders.findLastIndex((border) => border <= fed)
        const start = borders[index] ?? 0
        // Of CopyData (and of messages without content) what came may go on; of all others only what is whole.
        expect(frames.settled).toBe(isPassing(index) && fed - start >= 5 ? fed : start)
      }
    }),
  )
})

test('any bytes give messages or ProtocolViolation, in bounded memory', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), cuts, (bytes, sizes) => {
      const { frames, sizes: parts } = scanner(16)
      try {
        for (const chunk of cut(Buffer.from(bytes), sizes)) frames.scan(chunk)
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolViolation)
      }
      expect(Math.max(0, ...parts)).toBeLessThanOrEqual(200)
    }),
  )
})

const hostile = [
  { name: 'a length that does not hold itself', bytes: '5100000003' },
  { name: 'a length of zero', bytes: '5100000000' },
  { name: 'a negative length', bytes: '51ffffffff' },
  { name: 'a length over 1 GiB', bytes: '5140000001' },
  { name: 'an unknown type', bytes: '0100000004' },
  { name: 'a password after authentication', bytes: '7000000004' },
  { name: 'a TLS handshake in the stream', bytes: '1603010200' },
  { name: 'HTTP', bytes: Buffer.from('GET / HTTP/1.1').toString('hex') },
]
for (const { name, bytes } of hostile)
  test(`${name} is a violation, whole or byte by byte`, () => {
    const input = Buffer.from(bytes, 'hex')
    expect(() => scanner(100).frames.scan(input)).toThrow(ProtocolViolation)
    const slow = scanner(100).frames
    expect(() => input.forEach((byte) => slow.scan(Buffer.from([byte])))).toThrow(ProtocolViolation)
  })

test('a message over the bound comes in parts that do not split characters', () => {
  const text = 'aé€😀'.repeat(40)
  const { frames, seen } = scanner(16)
  const parts: string[] = []
  const reading = new FrameScanner(
    frontendHandling,
    {
      message: () => expect.unreachable(),
      counted: () => expect.unreachable(),
      part: (_type, bytes, start, end) => parts.push(bytes.toString('utf8', start, end)),
    },
    { maxWholeBytes: 16 },
  )
  const message = encodeMessage(0x51, `${text}\0`)
  for (const chunk of cut(message, [7, 1, 1, 30])) {
    frames.scan(chunk)
    reading.scan(chunk)
  }
  expect(seen).toEqual([{ kind: 'part', type: 0x51, body: Buffer.from(`${text}\0`).toString('hex'), last: true }])
  expect(parts.every((part) => !part.includes('\ufffd'))).toBe(true)
  expect(parts.join('')).toBe(`${text}\0`)
})

test('a message that announces a megabyte and sends nothing is given little memory', () => {
  const before = process.memoryUsage().arrayBuffers
  const idle = Array.from({ length: 200 }, () => scanner(1 << 20).frames)
  for (const frames of idle) frames.scan(Buffer.from('510010000061', 'hex'))
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200 * 16_384)
})
