import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ProtocolViolation } from '../../src/errors.ts'
import { encodeNegotiateProtocolVersion, int32 } from '../../src/pgwire/backend-encoding.ts'
import { encodeCancelRequest, encodeSslRequest, encodeStartupMessage } from '../../src/pgwire/frontend-encoding.ts'
import { applicationName, asksForReplication, passParameters } from '../../src/pgwire/startup-parameters.ts'
import { StartupReader } from '../../src/pgwire/startup.ts'

const gss = Buffer.concat([int32(8), int32(80_877_104)])
const ssl = encodeSslRequest()
const startup = encodeStartupMessage([
  ['user', 'alice'],
  ['database', 'orders'],
])

test('GSS, TLS and start-up in a row, byte by byte', () => {
  const reader = new StartupReader()
  const kinds: string[] = []
  for (const byte of gss) kinds.push(reader.push(Buffer.from([byte]))?.kind ?? '')
  for (const byte of ssl) kinds.push(reader.push(Buffer.from([byte]))?.kind ?? '')
  reader.secured()
  const last = [...startup].map((byte) => reader.push(Buffer.from([byte]))).at(-1)
  expect(kinds.filter((kind) => kind !== '')).toEqual(['gss-encryption-requested', 'tls-requested'])
  expect(last).toMatchObject({ kind: 'startup', minorVersion: 0, protocolOptions: [] })
  expect(last?.kind === 'startup' && [...last.parameters]).toEqual([
    ['user', 'alice'],
    ['database', 'orders'],
  ])
})

test('direct TLS is known by its first byte and gives all bytes on', () => {
  const hello = Buffer.from('160301', 'hex')
  expect(new StartupReader().push(hello)).toEqual({ kind: 'direct-tls', bytes: hello })
})

for (const size of [4, 32, 256])
  test(`a cancel request with a key of ${size} bytes`, () => {
    const key = Buffer.alloc(size, 7)
    expect(new StartupReader().push(encodeCancelRequest(-5, key))).toEqual({
      kind: 'cancel',
      processId: -5,
      secretKey: key,
    })
  })

test('a newer minor version and unknown protocol options are named', () => {
  const packet = Buffer.from(startup)
  packet.writeUInt16BE(2, 6)
  expect(new StartupReader().push(packet)).toMatchObject({ kind: 'startup', minorVersion: 2 })
  const options = encodeStartupMessage([
    ['user', 'a'],
    ['_pq_.grease', 'x'],
  ])
  expect(new StartupReader().push(options)).toMatchObject({ protocolOptions: ['_pq_.grease'] })
  expect(encodeNegotiateProtocolVersion(['_pq_.grease']).toString('hex')).toBe(
    `76${(4 + 4 + 4 + 12).toString(16).padStart(8, '0')}0003000000000001${Buffer.from('_pq_.grease\0').toString('hex')}`,
  )
})

const secured = (reader: StartupReader) => {
  reader.push(ssl)
  reader.secured()
  return reader
}
const hostile: { name: string; run: () => unknown }[] = [
  { name: 'bytes behind SSLRequest', run: () => new StartupReader().push(Buffer.concat([ssl, startup])) },
  {
    name: 'one byte behind GSSENCRequest',
    run: () => new StartupReader().push(Buffer.concat([gss, Buffer.from([0])])),
  },
  { name: 'SSLRequest inside TLS', run: () => secured(new StartupReader()).push(ssl) },
  {
    name: 'a second TLS handshake inside TLS',
    run: () => secured(new StartupReader()).push(Buffer.from('1603010200', 'hex')),
  },
  { name: 'a packet of 10001 bytes', run: () => new StartupReader().push(int32(10_001)) },
  { name: 'a packet of 7 bytes', run: () => new StartupReader().push(int32(7)) },
  { name: 'a cancel key of 3 bytes', run: () => new StartupReader().push(encodeCancelRequest(1, Buffer.alloc(3))) },
  { name: 'a cancel key of 257 bytes', run: () => new StartupReader().push(encodeCancelRequest(1, Buffer.alloc(257))) },
  { name: 'protocol 2', run: () => new StartupReader().push(Buffer.concat([int32(8), int32(0x20000)])) },
  { name: 'HTTP', run: () => new StartupReader().push(Buffer.from('GET / HTTP/1.1\r\n')) },
  {
    name: 'parameters without end',
    run: () => new StartupReader().push(Buffer.concat([int32(12), int32(196_608), Buffer.from('user')])),
  },
  {
    name: 'bytes behind the end of parameters',
    run: () => new StartupReader().push(Buffer.concat([int32(11), int32(196_608), Buffer.from('\0x\0')])),
  },
  {
    name: 'a name without value',
    run: () => new StartupReader().push(Buffer.concat([int32(13), int32(196_608), Buffer.from('abcd\0')])),
  },
]
for (const { name, run } of hostile)
  test(`${name}: violation`, () => {
    expect(run).toThrow(ProtocolViolation)
  })

test('GSSENCRequest twice: violation', () => {
  const reader = new StartupReader()
  reader.push(gss)
  expect(() => reader.push(gss)).toThrow(ProtocolViolation)
})

test('any bytes in any chunks give an event, nothing, or ProtocolViolation', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 30 }), { maxLength: 6 }), (chunks) => {
      const reader = new StartupReader()
      try {
        for (const chunk of chunks) if (reader.push(Buffer.from(chunk))?.kind === 'direct-tls') break
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolViolation)
      }
    }),
  )
})

test('settings pass by name, whatever their case; what changes who one is does not', () => {
  const { passed, dropped, application } = passParameters(
    new Map([
      ['user', 'alice'],
      ['database', 'orders'],
      ['application_name', 'psql'],
      ['datestyle', 'ISO'],
      [
        'options',
        String.raw`-c search_path=a\ b --statement-timeout=5s -c role=postgres -csession_authorization=x -d 5`,
      ],
      ['session_preload_libraries', 'evil'],
    ]),
  )
  expect(Object.fromEntries(passed)).toEqual({ DateStyle: 'ISO', search_path: 'a b', statement_timeout: '5s' })
  expect(dropped).toEqual(['role', 'session_authorization', '-d', '5', 'session_preload_libraries'])
  expect(application).toBe('psql')
})

test('replication is asked for by anything that is not plainly no', () => {
  const asks = (value: string) => asksForReplication(new Map([['replication', value]]))
  expect(['true', 'on', 'yes', '1', 'database', 't', 'tr', 'DATABASE', ''].map(asks)).not.toContain(false)
  expect(['false', 'off', 'no', '0', 'f'].map(asks)).not.toContain(true)
  expect(asksForReplication(new Map())).toBe(false)
})

test("the application name keeps the session's id whatever the client calls itself", () => {
  expect(applicationName('psql', 's234567abcdef')).toBe('psql [s234567abcdef]')
  expect(applicationName('', 's1')).toBe('[s1]')
  const long = applicationName('ü'.repeat(200), 's234567abcdef')
  expect(Buffer.byteLength(long)).toBe(63)
  expect(long.endsWith(' [s234567abcdef]')).toBe(true)
})
