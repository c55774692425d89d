import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ProtocolViolation } from '../../src/errors.ts'
import { back, front, Watched } from './wire.ts'

// A little server: answers what it is sent, as PostgreSQL would, with errors where the case says so.
interface Step {
  readonly kind: 'query' | 'extended' | 'copy'
  readonly sql: string
  readonly fails: boolean
}

const steps = fc.array(
  fc.record({
    kind: fc.constantFrom<Step['kind']>('query', 'extended', 'copy'),
    sql: fc.string({ unit: 'grapheme', maxLength: 30 }).map((text) => text.replaceAll('\0', '')),
    fails: fc.boolean(),
  }),
  { maxLength: 8 },
)

function client(step: Step): Buffer[] {
  if (step.kind === 'query') return [front.query(step.sql)]
  if (step.kind === 'copy') return [front.query(step.sql), front.copyData('1\n'), front.copyDone()]
  return [front.parse('s', step.sql), front.bind('', 's', ['v']), front.execute(), front.sync()]
}

function server(step: Step): Buffer[] {
  const end = step.fails ? back.error() : back.complete('INSERT 0 1')
  if (step.kind === 'query') return [end, back.ready()]
  if (step.kind === 'copy') return [back.copyIn(), end, back.ready()]
  return [back.parseComplete(), back.bindComplete(), end, back.ready()]
}

function chunks(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const list: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    list.push(Buffer.from(bytes.subarray(at, at + size)))
    at += size
  }
  return list
}

// Whether Bind and Execute share an event, and how COPY data is cut, depends on the chunks; the facts do not.
function facts(session: Watched) {
  const sql = session.client.flatMap((event) =>
    event.kind === 'query' || event.kind === 'parse' ? [event.sql.text] : [],
  )
  const values = session.client.flatMap((event) => (event.kind === 'bind' ? [event.values] : []))
  const copied = Buffer.concat(session.client.flatMap((event) => (event.kind === 'copy-data' ? [event.bytes] : [])))
  const done = session.done().map(({ tag, error, rows }) => ({ tag, error, rows }))
  return { sql, values, copied: copied.toString(), done, inFlight: session.tracker.inFlight }
}

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 })

test('any chunking of either side gives the same facts, pipelined', () => {
  fc.assert(
    fc.property(steps, sizes, sizes, (list, clientSizes, serverSizes) => {
      const fromClient = Buffer.concat(list.flatMap(client))
      const fromServer = Buffer.concat(list.flatMap(server))
      const whole = new Watched().c(fromClient).s(fromServer)
      const cutUp = new Watched()
      for (const chunk of chunks(fromClient, clientSizes)) cutUp.c(chunk)
      for (const chunk of chunks(fromServer, serverSizes)) cutUp.s(chunk)
      expect(facts(cutUp)).toEqual(facts(whole))
      expect(facts(whole)).toMatchObject({ sql: list.map((step) => step.sql), inFlight: 0 })
      expect(whole.done()).toHaveLength(list.length)
    }),
  )
})

test('both sides in any interleaving of whole exchanges give every statement its own end', () => {
  fc.assert(
    fc.property(steps, fc.array(fc.boolean()), (list, order) => {
      const session = new Watched()
      let asked = 0
      let answered = 0
      for (const asks of [...order, ...list.flatMap(() => [true, false])]) {
        const next = list[asks ? asked : answered]
        if (next === undefined || (!asks && answered === asked)) continue
        if (asks) asked++
        else answered++
        if (asks) session.c(...client(next))
        else session.s(...server(next))
      }
      expect(session.done().map(({ error }) => error !== undefined)).toEqual(
        list.slice(0, answered).map(({ fails }) => fails),
      )
    }),
  )
})

const message = fc.oneof(
  fc.constantFrom(
    ...[
      front.query('x'),
      front.parse('', 'x'),
      front.bind('', ''),
      front.execute(),
      front.sync(),
      front.describe('S', ''),
      front.close('P', ''),
      front.copyData('x'),
      front.copyDone(),
      front.copyFail('x'),
      front.terminate(),
      front.flush(),
    ].map((bytes) => ({ side: 'c' as const, bytes })),
    ...[
      back.complete('X'),
      back.ready(),
      back.ready('E'),
      back.error(),
      back.parseComplete(),
      back.bindComplete(),
      back.closeComplete(),
      back.noData(),
      back.suspended(),
      back.empty(),
      back.rowDescription(),
      back.row(),
      back.copyIn(),
      back.copyOut(),
      back.notice('x'),
    ].map((bytes) => ({ side: 's' as const, bytes })),
  ),
  fc.record({
    side: fc.constantFrom('c' as const, 's' as const),
    bytes: fc.uint8Array({ maxLength: 20 }).map((raw) => Buffer.from(raw)),
  }),
)

test('any messages and any bytes give events or ProtocolViolation', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 40 }), (list) => {
      const session = new Watched({ maxWholeBytes: 12 })
      try {
        for (const { side, bytes } of list) session[side](bytes)
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolViolation)
      }
      session.tracker.close()
      const told = session.server.flatMap((event) =>
        event.kind === 'skipped' || event.kind === 'unknown' ? [event.id] : [],
      )
      expect(new Set(told).size).toBe(told.length)
    }),
    { numRuns: 500 },
  )
})
