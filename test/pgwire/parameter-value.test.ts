import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeBinary, decodeRecorded, recordValue } from '../../src/pgwire/parameter-value.ts'
import { recordText } from '../../src/pgwire/text.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

// Binary forms as a PostgreSQL 15 server's send functions give them.
const cases = [
  { type: 'bool', oid: 16, bytes: '01', want: 't' },
  { type: 'int2', oid: 21, bytes: 'fffe', want: '-2' },
  { type: 'int4', oid: 23, bytes: '0000002a', want: '42' },
  { type: 'int8', oid: 20, bytes: '7fffffffffffffff', want: '9223372036854775807' },
  { type: 'float4', oid: 700, bytes: '3dcccccd', want: '0.1' },
  { type: 'float8', oid: 701, bytes: '3fb999999999999a', want: '0.1' },
  { type: 'text', oid: 25, bytes: '68c3a9', want: 'hé' },
  { type: 'bytea', oid: 17, bytes: '00ff', want: '\\x00ff' },
  { type: 'uuid', oid: 2950, bytes: '0123456789abcdef0123456789abcdef', want: '01234567-89ab-cdef-0123-456789abcdef' },
  { type: 'jsonb', oid: 3802, bytes: '017b7d', want: '{}' },
  { type: 'date', oid: 1082, bytes: '00000000', want: '2000-01-01' },
  { type: 'date before', oid: 1082, bytes: 'ffffffff', want: '1999-12-31' },
  { type: 'timestamp', oid: 1114, bytes: '00000000000f4241', want: '2000-01-01 00:00:01.000001' },
  { type: 'timestamptz', oid: 1184, bytes: 'ffffffffffffffff', want: '1999-12-31 23:59:59.999999+00' },
  { type: 'infinite date', oid: 1082, bytes: '7fffffff', want: 'infinity' },
  { type: 'numeric 1234.5', oid: 1700, bytes: '0002 0000 0000 0001 04d2 1388', want: '1234.5' },
  { type: 'numeric -0.0001', oid: 1700, bytes: '0001 ffff 4000 0004 0001', want: '-0.0001' },
  { type: 'numeric 0', oid: 1700, bytes: '0000 0000 0000 0000', want: '0' },
  { type: 'numeric NaN', oid: 1700, bytes: '0000 0000 c000 0000', want: 'NaN' },
  {
    type: 'int4[]',
    oid: 1007,
    bytes: '00000001 00000001 00000017 00000002 00000001 00000004 00000001 ffffffff',
    want: '{1,NULL}',
  },
  { type: 'text[]', oid: 1009, bytes: '00000001 00000000 00000019 00000001 00000001 00000003 612c62', want: '{"a,b"}' },
  { type: 'empty array', oid: 1007, bytes: '00000000 00000000 00000017', want: '{}' },
  { type: 'int4 of three bytes', oid: 23, bytes: '000001', want: undefined },
  { type: 'unknown type', oid: 999_999, bytes: '00', want: undefined },
  {
    type: 'array with a length beyond its bytes',
    oid: 1007,
    bytes: '00000001 00000000 00000017 00000001 00000001 7fffffff',
    want: undefined,
  },
  { type: 'array of a billion', oid: 1007, bytes: '00000001 00000000 00000017 3fffffff 00000001', want: undefined },
]
for (const { type, oid, bytes, want } of cases)
  test(`binary ${type}`, () => {
    expect(decodeBinary(oid, hex(bytes))).toBe(want)
  })

test('any bytes under any type decode or stay hex', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...new Set(cases.map(({ oid }) => oid))),
      fc.uint8Array({ maxLength: 60 }),
      (oid, bytes) => {
        const recorded = recordValue({ bytes: Buffer.from(bytes), format: 1 }, 'UTF8')
        expect(recorded).toEqual({ hex: Buffer.from(bytes).toString('hex') })
        const [decoded] = decodeRecorded([recorded], [oid])
        expect(typeof decoded === 'string' || decoded === recorded).toBe(true)
      },
    ),
  )
})

test('text that is no text keeps its bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.constantFrom('UTF8', 'LATIN1', 'SJIS', 'SQL_ASCII', 'EUC_TW'), (raw, encoding) => {
      const bytes = Buffer.from(raw)
      const recorded = recordText(bytes, encoding)
      const back = recorded.raw === undefined ? Buffer.from(recorded.text) : Buffer.from(recorded.raw, 'base64')
      expect(back.equals(bytes)).toBe(true)
    }),
  )
  expect(recordText(Buffer.from('\ufffd'), 'UTF8')).toEqual({ text: '\ufffd' })
  expect(recordText(Buffer.from([0xe9]), 'LATIN1')).toEqual({ text: 'é', raw: '6Q==' })
})
