import * as fc from 'fast-check'
import { isIPv6 } from 'node:net'
import { expect, test } from 'vitest'
import { addressBlock, formatAddress, normalizeAddress, parseAddress } from '../../src/identity/address.ts'

const cases: readonly { written: string; want: string }[] = [
  { written: '192.0.2.7', want: '192.0.2.7' },
  { written: '::ffff:192.0.2.7', want: '192.0.2.7' },
  { written: '::FFFF:c000:0207', want: '192.0.2.7' },
  { written: '127.0.0.1', want: '127.0.0.1' },
  { written: '127.8.9.10', want: '127.0.0.1' },
  { written: '::1', want: '127.0.0.1' },
  { written: '0:0:0:0:0:0:0:1', want: '127.0.0.1' },
  { written: '::ffff:127.0.0.1', want: '127.0.0.1' },
  { written: '2001:DB8:0:0:0:0:0:1', want: '2001:db8::1' },
  { written: '2001:db8:0:1:1:1:1:1', want: '2001:db8:0:1:1:1:1:1' },
  { written: '2001:0:0:1:0:0:0:1', want: '2001:0:0:1::1' },
  { written: 'fe80::1%eth0', want: 'fe80::1' },
  { written: '::', want: '::' },
  { written: 'not an address', want: 'not an address' },
  { written: '', want: '' },
]

for (const { written, want } of cases) {
  test(`${JSON.stringify(written)} is seen as ${want}`, () => {
    expect(normalizeAddress(written)).toBe(want)
  })
}

test('what counts failures is the /64 of an IPv6 address and the whole of an IPv4 one', () => {
  expect(addressBlock('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64')
  expect(addressBlock('2001:db8:1:2:ffff::')).toBe('2001:db8:1:2::/64')
  expect(addressBlock('192.0.2.7')).toBe('192.0.2.7')
  expect(addressBlock('::1')).toBe('127.0.0.1')
})

test('every IPv6 address comes back from its text', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }), (value) => {
      const text = formatAddress({ family: 6, value })
      expect(isIPv6(text)).toBe(true)
      const parsed = parseAddress(text)
      expect(parsed?.value).toBe(value >> 32n === 0xffffn ? value & 0xffffffffn : value)
    }),
  )
})

test('normalising twice is normalising once, for any text', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), (text) => {
      expect(normalizeAddress(normalizeAddress(text))).toBe(normalizeAddress(text))
    }),
  )
})
