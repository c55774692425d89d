import * as fc from 'fast-check'
import { Readable } from 'node:stream'
import { parse, serialize } from 'pg-protocol'
import { expect, test } from 'vitest'
import { decodeAuthentication, decodeBackendKeyData, decodeReport } from '../../src/pgwire/backend-decoding.ts'
import * as backend from '../../src/pgwire/backend-encoding.ts'
import { FieldReader } from '../../src/pgwire/fields.ts'
import { decodeBind, decodeExecute, decodeNamed, decodeParse } from '../../src/pgwire/frontend-decoding.ts'
import * as frontend from '../../src/pgwire/frontend-encoding.ts'

// pg-protocol is the oracle: what we say it must read, what it says we must read.

async function readByOracle(...messages: Buffer[]): Promise<object[]> {
  const seen: object[] = []
  await parse(Readable.from([Buffer.concat(messages)]), (message) => seen.push(message))
  return seen
}

const report = { severity: 'FATAL', sqlstate: '28000', message: 'no live grant', detail: 'd', hint: 'run ssh' } as const

test('pg-protocol reads every message we say to a client', async () => {
  const seen = await readByOracle(
    backend.encodeErrorResponse(report),
    backend.encodeNoticeResponse({ severity: 'NOTICE', sqlstate: '00000', message: 'ends soon' }),
    backend.encodeAuthenticationSasl(['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256']),
    backend.encodeAuthenticationSaslContinue(Buffer.from('r=x')),
    backend.encodeAuthenticationSaslFinal(Buffer.from('v=x')),
    backend.encodeAuthenticationOk(),
    backend.encodeParameterStatus('server_version', '15'),
    backend.encodeBackendKeyData(7, Buffer.from([0, 0, 1, 0])),
    backend.encodeReadyForQuery('T'),
  )
  expect(seen).toMatchObject([
    { name: 'error', severity: 'FATAL', code: '28000', message: 'no live grant', detail: 'd', hint: 'run ssh' },
    { name: 'notice', severity: 'NOTICE', code: '00000', message: 'ends soon' },
    { name: 'authenticationSASL', mechanisms: ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'] },
    { name: 'authenticationSASLContinue', data: 'r=x' },
    { name: 'authenticationSASLFinal', data: 'v=x' },
    { name: 'authenticationOk' },
    { name: 'parameterStatus', parameterName: 'server_version', parameterValue: '15' },
    { name: 'backendKeyData', processID: 7, secretKey: 256 },
    { name: 'readyForQuery', status: 'T' },
  ])
})

test('our own decoders read what we say, too', () => {
  const body = (message: Buffer) => new FieldReader().over(message, 5, message.length)
  expect(decodeReport(body(backend.encodeErrorResponse(report)))).toEqual(report)
  expect(decodeAuthentication(body(backend.encodeAuthenticationSasl(['A', 'B'])))).toEqual({
    kind: 'sasl',
    mechanisms: ['A', 'B'],
  })
  expect(decodeAuthentication(body(backend.encodeAuthenticationOk()))).toEqual({ kind: 'ok' })
  const key = { processId: -9, secretKey: Buffer.alloc(32, 5) }
  expect(decodeBackendKeyData(body(backend.encodeBackendKeyData(key.processId, key.secretKey)))).toEqual(key)
})

test('a NUL in a text cannot forge another field', async () => {
  const [seen] = await readByOracle(backend.encodeErrorResponse({ ...report, message: 'a\0C00000\0Mforged' }))
  expect(seen).toMatchObject({ code: '28000' })
})

test('what we say to a server is what pg-protocol says', () => {
  expect(frontend.encodeSslRequest()).toEqual(serialize.requestSsl())
  expect(frontend.encodeCancelRequest(7, Buffer.from([0, 0, 0, 9]))).toEqual(serialize.cancel(7, 9))
  expect(frontend.encodeTerminate()).toEqual(serialize.end())
  expect(frontend.encodeSaslInitialResponse('SCRAM-SHA-256', Buffer.from('n,,n=,r=x'))).toEqual(
    serialize.sendSASLInitialResponseMessage('SCRAM-SHA-256', 'n,,n=,r=x'),
  )
  expect(frontend.encodeSaslResponse(Buffer.from('c=biws'))).toEqual(serialize.sendSCRAMClientFinalMessage('c=biws'))
  const parameters = { user: 'u', database: 'd', client_encoding: 'UTF8' }
  expect(frontend.encodeStartupMessage(Object.entries(parameters))).toEqual(
    serialize.startup({ user: 'u', database: 'd' }),
  )
})

const name = fc.string({ maxLength: 60, unit: fc.constantFrom('a', 'b', ' ', '"', 'é', '$') })

test('pg-protocol’s Parse, Bind, Execute, Describe and Close are read back', () => {
  const reader = new FieldReader()
  const body = (message: Buffer) => reader.over(message, 5, message.length)
  const bytes = (text: string) => Buffer.from(text).toString('latin1').slice(0, 63)
  fc.assert(
    fc.property(
      name,
      name,
      fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\0', '')),
      fc.array(
        fc.oneof(
          fc.constant(null),
          fc.string(),
          fc.uint8Array().map((raw) => Buffer.from(raw)),
        ),
      ),
      (portal, statement, sql, values) => {
        const parsed = decodeParse(body(serialize.parse({ name: statement, text: sql, types: [23, 25] })))
        expect({ ...parsed, sql: parsed.sql.toString() }).toEqual({ name: bytes(statement), sql, types: [23, 25] })
        const bound = decodeBind(body(serialize.bind({ portal, statement, values })))
        expect(bound.portal).toBe(bytes(portal))
        expect(bound.statement).toBe(bytes(statement))
        expect(bound.values.map((value) => value?.bytes.toString('hex') ?? null)).toEqual(
          values.map((value) => (value === null ? null : Buffer.from(value).toString('hex'))),
        )
        expect(decodeExecute(body(serialize.execute({ portal, rows: 5 })))).toEqual({
          portal: bytes(portal),
          maxRows: 5,
        })
        expect(decodeNamed(body(serialize.describe({ type: 'S', name: statement })), 'Describe').name).toBe(
          bytes(statement),
        )
        expect(decodeNamed(body(serialize.close({ type: 'P', name: portal })), 'Close').kind).toBe('P')
      },
    ),
  )
})
