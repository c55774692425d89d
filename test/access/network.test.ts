import * as fc from 'fast-check'
import { BlockList } from 'node:net'
import { expect, test } from 'vitest'
import { admitsFrom, isWithin, networksMeet, parseNetwork } from '../../src/access/network.ts'

const readable = ['10.0.0.0/8', '192.0.2.7', '0.0.0.0/0', '2001:db8::/32', '::/0', '2001:db8::1', '::ffff:10.0.0.0/104']
for (const text of readable) {
  test(`${text} is a network`, () => {
    expect(parseNetwork(text).kind).toBe('network')
  })
}

const bad = [
  '',
  '/8',
  '10.0.0.0/',
  '10.0.0.0/33',
  '10.0.0.0/08',
  '10.0.0.0/-1',
  '10.0.0.0/8/8',
  '10.0.0/8',
  '010.0.0.0/8',
  'localhost',
  '2001:db8::/129',
  'fe80::1%eth0/64',
  '::ffff:10.0.0.0/64',
  '10.0.0.0/8 ',
]
for (const text of bad) {
  test(`${JSON.stringify(text)} is no network and admits nobody`, () => {
    expect(parseNetwork(text).kind).toBe('bad')
    expect(admitsFrom([text], '10.0.0.1')).toBe(false)
  })
}

test('bits right of the prefix are refused with the network that was meant', () => {
  expect(parseNetwork('10.1.2.3/8')).toMatchObject({ kind: 'bad', meant: '10.0.0.0/8' })
  expect(parseNetwork('2001:db8::1/32')).toMatchObject({ kind: 'bad', meant: '2001:db8::/32' })
})

const admissions = [
  { networks: [], address: '192.0.2.1', want: true },
  { networks: [], address: 'nonsense', want: true },
  { networks: ['10.0.0.0/8'], address: '10.255.0.1', want: true },
  { networks: ['10.0.0.0/8'], address: '11.0.0.1', want: false },
  { networks: ['10.0.0.0/8'], address: '::ffff:10.0.0.1', want: true },
  { networks: ['::ffff:10.0.0.0/104'], address: '10.0.0.1', want: true },
  { networks: ['10.0.0.0/8', '2001:db8::/32'], address: '2001:db8:1::1', want: true },
  { networks: ['2001:db8::/32'], address: '2001:db9::1', want: false },
  { networks: ['::/0'], address: '10.0.0.1', want: false },
  { networks: ['0.0.0.0/0'], address: '2001:db8::1', want: false },
  { networks: ['::1'], address: '127.0.0.1', want: true },
  { networks: ['127.0.0.0/8'], address: '::1', want: true },
  { networks: ['10.0.0.0/8'], address: '127.0.0.1', want: false },
  { networks: ['10.0.0.0/8'], address: '', want: false },
  { networks: ['10.0.0.0/8'], address: '10.0.0.1; DROP', want: false },
]
for (const { networks, address, want } of admissions) {
  test(`from [${networks.join(', ')}] ${want ? 'admits' : 'refuses'} ${JSON.stringify(address)}`, () => {
    expect(admitsFrom(networks, address)).toBe(want)
  })
}

test("agrees with Node's own block list on every network and address", () => {
  const subnet = fc
    .record({ address: fc.ipV4(), prefix: fc.integer({ min: 1, max: 32 }) })
    .filter(({ address }) => !address.startsWith('127.'))
  fc.assert(
    fc.property(subnet, fc.ipV4(), ({ address, prefix }, client) => {
      fc.pre(!client.startsWith('127.'))
      const result = parseNetwork(`${address}/${prefix}`)
      const text = result.kind === 'bad' ? (result.meant ?? '') : `${address}/${prefix}`
      const list = new BlockList()
      list.addSubnet(address, prefix, 'ipv4')
      expect(admitsFrom([text], client)).toBe(list.check(client, 'ipv4'))
      expect(admitsFrom([text], address)).toBe(true)
    }),
  )
})

test('lists meet when one address is in both', () => {
  expect(networksMeet(['10.0.0.0/8'], ['10.1.0.0/16'])).toBe(true)
  expect(networksMeet(['10.1.0.0/16'], ['10.0.0.0/8', '192.0.2.0/24'])).toBe(true)
  expect(networksMeet(['10.0.0.0/8'], ['192.0.2.0/24'])).toBe(false)
  expect(networksMeet(['10.0.0.0/8'], ['2001:db8::/32'])).toBe(false)
  expect(networksMeet([], ['192.0.2.0/24'])).toBe(true)
})

test('a network is within a list when one network of it holds all of it', () => {
  expect(isWithin('10.1.0.0/16', ['10.0.0.0/8'])).toBe(true)
  expect(isWithin('10.0.0.0/8', ['10.1.0.0/16'])).toBe(false)
  expect(isWithin('10.0.0.1', [])).toBe(true)
  expect(isWithin('nonsense', [])).toBe(false)
})
