import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ProtocolViolation } from '../../src/errors.ts'
import { MAX_STRING_BYTES, mpint, SshReader, string, uint32 } from '../../src/sshwire/reader.ts'

const bytes = (hex: string) => Buffer.from(hex, 'hex')

test('the examples of RFC 4251 §5 are read and written', () => {
  const cases = [
    { value: '', wire: '00000000' },
    { value: '09a378f9b2e332a7', wire: '0000000809a378f9b2e332a7' },
    { value: '80', wire: '000000020080' },
  ]
  for (const { value, wire } of cases) {
    expect(mpint(bytes(value)).toString('hex')).toBe(wire)
    expect(new SshReader(bytes(wire)).magnitude().toString('hex')).toBe(value)
  }
  expect(string('testing').toString('hex')).toBe('0000000774657374696e67')
  expect(uint32(699921578).toString('hex')).toBe('29b7f4aa')
})

test('negative and padded numbers are refused', () => {
  for (const wire of ['00000002edcc', '00000005ff21524111', '000000020001', '0000000100']) {
    expect(() => new SshReader(bytes(wire)).magnitude()).toThrow(ProtocolViolation)
  }
})

test('any byte string comes back, with what follows it untouched', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (first, second) => {
      const reader = new SshReader(Buffer.concat([string(Buffer.from(first)), Buffer.from(second)]))
      expect(reader.string()).toEqual(Buffer.from(first))
      expect(reader.rest()).toEqual(Buffer.from(second))
    }),
  )
})

test('nothing is read past the end, whatever a length claims', () => {
  const read = (reader: SshReader) => [
    () => reader.byte(),
    () => reader.uint32(),
    () => reader.uint64(),
    () => reader.string(),
    () => reader.name(),
    () => reader.magnitude(),
    () => reader.end('message'),
  ]
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.array(fc.nat(6), { maxLength: 8 }), (raw, order) => {
      const reader = new SshReader(Buffer.from(raw))
      try {
        for (const which of order) read(reader)[which]?.()
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolViolation)
      }
    }),
  )
})

test('a string beyond its limit is refused before it is looked for', () => {
  expect(() => new SshReader(uint32(MAX_STRING_BYTES + 1)).string()).toThrow(/at most/)
  expect(() => new SshReader(string('four'), 0).string(3)).toThrow(ProtocolViolation)
})
