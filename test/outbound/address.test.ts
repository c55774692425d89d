import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { guardedLookup, reachOf } from '../../src/outbound/address.ts'

const forbidden = [
  '169.254.169.254',
  '169.254.0.1',
  '::ffff:169.254.169.254',
  '::ffff:a9fe:a9fe',
  '::169.254.169.254',
  '::ffff:0:169.254.169.254',
  '64:ff9b::169.254.169.254',
  '64:ff9b::a9fe:a9fe',
  '2002:a9fe:a9fe::1',
  'fe80::1',
  'fe80::1%eth0',
  'febf:ffff::1',
  'fec0::1',
  'fd00:ec2::254',
  'FD00:0EC2:0:0:0:0:0:254',
  'fd20:ce::254',
  '100.100.100.200',
  '192.0.0.192',
  '168.63.129.16',
  '224.0.0.1',
  'ff02::1',
  '255.255.255.255',
  'localhost',
  '',
  '1.2.3',
]
for (const address of forbidden)
  test(`${JSON.stringify(address)} is never dialled`, () => {
    expect(reachOf(address)).toBe('forbidden')
  })

for (const address of [
  '127.0.0.1',
  '127.255.0.9',
  '::1',
  '0.0.0.0',
  '::',
  '::ffff:127.0.0.1',
  '::127.0.0.1',
  '64:ff9b::7f00:1',
  '2002:7f00:1::',
])
  test(`${address} is this machine`, () => {
    expect(reachOf(address)).toBe('loopback')
  })

for (const address of [
  '10.0.0.1',
  '192.168.1.1',
  '198.51.100.7',
  '2001:db8::1',
  'fd00:ec2::253',
  '64:ff9b::c633:6407',
  '169.253.255.255',
  '1::2:1',
])
  test(`${address} is open`, () => {
    expect(reachOf(address)).toBe('open')
  })

test('every address of 169.254.0.0/16 is forbidden in each of its spellings', () => {
  fc.assert(
    fc.property(fc.nat(255), fc.nat(255), (third, fourth) => {
      const dotted = `169.254.${third}.${fourth}`
      for (const spelling of [dotted, `::ffff:${dotted}`, `64:ff9b::${dotted}`, `::${dotted}`])
        expect(reachOf(spelling)).toBe('forbidden')
    }),
  )
})

test('any text has a reach, and what is no address is forbidden', () => {
  fc.assert(fc.property(fc.string(), (text) => ['forbidden', 'loopback', 'open'].includes(reachOf(text))))
})

const answers = (...addresses: string[]) =>
  guardedLookup(['open'], (_, done) => {
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
  })
const ask = (lookup: ReturnType<typeof guardedLookup>, options: object) =>
  new Promise((resolve, reject) => {
    lookup('hooks.example.com', options, (error, address, family) => {
      if (error === null) resolve(family === undefined ? address : { address, family })
      else reject(error)
    })
  })

test('of a name with good and bad addresses only the good ones are handed over', async () => {
  const lookup = answers('169.254.169.254', '198.51.100.7', '127.0.0.1', '2001:db8::7', 'fe80::7')
  expect(await ask(lookup, { all: true })).toEqual([
    { address: '198.51.100.7', family: 4 },
    { address: '2001:db8::7', family: 6 },
  ])
  expect(await ask(lookup, {})).toEqual({ address: '198.51.100.7', family: 4 })
  expect(await ask(lookup, { family: 6 })).toEqual({ address: '2001:db8::7', family: 6 })
})

test('a name with no good address is refused', async () => {
  for (const lookup of [answers('169.254.169.254'), answers('127.0.0.1'), answers()])
    for (const options of [{ all: true }, {}])
      await expect(ask(lookup, options)).rejects.toMatchObject({ code: 'unreachable' })
})
