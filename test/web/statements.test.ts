import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { riskyMarker } from '../../src/postgres/line-data.ts'
import type { Recorded } from '../../web/src/recorded.ts'
import { sqlSession } from '../../web/src/statements.ts'

function session(...facts: [code: string, data: unknown][]) {
  return sqlSession(facts.map(([code, data], seq): Recorded => ({ seq, at: seq, code, data })))
}

const query = (id: number, sql: string): [string, unknown] => ['q', { id, kind: 'query', sql }]
const done = (id: number, tag: string | null, more: object = {}): [string, unknown] => [
  'd',
  { id, tag, rows: 0, ms: 1, ...more },
]

test('a statement runs until its end is told; then it has tag, rows and time', () => {
  const running = session(query(1, 'SELECT 1'))
  expect(running.statements).toMatchObject([{ id: 1, sql: 'SELECT 1', state: 'running', outcomes: [] }])
  const over = session(
    query(1, 'SELECT 1; SELECT 2'),
    done(1, 'SELECT 1', { rows: 1, ms: 4 }),
    done(1, 'SELECT 2', { rows: 2, index: 1 }),
  )
  expect(over.statements).toMatchObject([
    {
      state: 'done',
      outcomes: [
        { rows: 1, ms: 4 },
        { tag: 'SELECT 2', rows: 2 },
      ],
    },
  ])
})

test('an error names its SQLSTATE; what came after is skipped; a lost connection leaves it unknown', () => {
  const { statements } = session(
    query(1, 'SELEC'),
    done(1, null, { sqlstate: '42601', severity: 'ERROR', error: 'syntax error' }),
    ['p', { id: 2, statement: '', values: [], executed: true }],
    ['d', { id: 2, skipped: true }],
    query(3, 'SELECT pg_sleep(60)'),
    ['d', { id: 3, unknown: true }],
  )
  expect(statements.map(({ state }) => state)).toEqual(['failed', 'skipped', 'unknown'])
  expect(statements[0]?.outcomes[0]?.error).toEqual({ sqlstate: '42601', message: 'syntax error' })
})

test('a prepared statement is shown where it runs, with its values; alone only when it failed', () => {
  const { statements } = session(
    ['q', { id: 1, kind: 'parse', name: 's', sql: 'UPDATE t SET a = $1 WHERE b = $2' }],
    ['p', { id: 2, statement: 's', values: ['x', { hex: '00ff' }], executed: true }],
    done(2, 'UPDATE 1', { rows: 1, statement: 1 }),
    ['q', { id: 3, kind: 'parse', name: '', sql: 'broken' }],
    done(3, null, { sqlstate: '42601', error: 'no' }),
    ['p', { id: 4, statement: 's', portal: 'c', values: [null, 'y'], executed: false }],
    ['q', { id: 5, kind: 'execute', portal: 'c' }],
  )
  expect(statements.map(({ id, sql, parameters }) => ({ id, sql, parameters }))).toEqual([
    { id: 2, sql: 'UPDATE t SET a = $1 WHERE b = $2', parameters: ['x', '\\x00ff'] },
    { id: 3, sql: 'broken', parameters: [] },
    { id: 5, sql: 'UPDATE t SET a = $1 WHERE b = $2', parameters: [null, 'y'] },
  ])
})

test('transactions are numbered and say how they ended; what was taken back is marked', () => {
  const { statements } = session(
    query(1, 'BEGIN'),
    done(1, 'BEGIN', { tx: 'T' }),
    query(2, 'INSERT INTO t VALUES (1)'),
    done(2, 'INSERT 0 1', { tx: 'T' }),
    query(3, 'ROLLBACK'),
    done(3, 'ROLLBACK', { tx: 'I' }),
    ['d', { rolledBack: { from: 1, to: 2, extent: 'all' } }],
    query(4, 'BEGIN'),
    done(4, 'BEGIN'),
    query(5, 'SAVEPOINT s'),
    done(5, 'SAVEPOINT'),
    query(6, 'ROLLBACK TO s'),
    done(6, 'ROLLBACK'),
    query(7, 'COMMIT'),
    done(7, 'COMMIT'),
    query(8, 'SELECT 1'),
  )
  expect(
    statements.map(({ transaction, rolledBack }) => `${transaction?.number} ${transaction?.fate} ${rolledBack}`),
  ).toEqual([
    '1 taken-back undefined',
    '1 taken-back all',
    '1 taken-back undefined',
    '2 kept undefined',
    '2 kept undefined',
    '2 kept undefined',
    '2 kept undefined',
    'undefined undefined undefined',
  ])
})

test('a text in pieces is put together; notices and farewells are told', () => {
  const { statements, notices } = session(
    ['q', { id: 1, kind: 'part', of: 'query', index: 0, sql: 'SELECT ' }],
    ['q', { id: 1, kind: 'part', of: 'query', index: 1, last: true, sql: '1' }],
    ['q', { kind: 'cancel' }],
    ['n', { kind: 'server-notice', severity: 'NOTICE', sqlstate: '00000', message: 'table exists' }],
    ['d', { sqlstate: '57P01', severity: 'FATAL', error: 'terminating connection' }],
  )
  expect(statements.map(({ sql }) => sql)).toEqual(['SELECT 1'])
  expect(notices.map(({ text, isError }) => [text, isError])).toEqual([
    ['the client asked to cancel what runs', false],
    ['table exists', false],
    ['57P01 terminating connection', true],
  ])
})

test('what is risky is marked where it was asked, and wherever it runs', () => {
  const { statements } = session(
    query(1, 'DROP TABLE t; GRANT a TO b'),
    ['m', riskyMarker(1, ['DROP', 'GRANT'])],
    done(1, 'DROP TABLE'),
    query(2, 'SELECT 1'),
    ['m', 'a marker of something else'],
    ['m', riskyMarker(99, ['DROP'])],
    ['q', { id: 3, kind: 'parse', name: 's', sql: 'TRUNCATE t' }],
    ['m', riskyMarker(3, ['TRUNCATE'])],
    ['p', { id: 4, statement: 's', values: [], executed: true }],
    done(4, 'TRUNCATE TABLE', { statement: 3 }),
    ['p', { id: 5, statement: 's', portal: 'c', values: [], executed: false }],
    ['q', { id: 6, kind: 'execute', portal: 'c' }],
    // The name on the wire meant another by then.
    ['p', { id: 7, statement: 's', values: [], executed: true }],
    done(7, 'SELECT 1', { statement: 2 }),
  )
  expect(statements.map(({ id, risky }) => [id, risky])).toEqual([
    [1, 'DROP, GRANT'],
    [2, undefined],
    [4, 'TRUNCATE'],
    [6, 'TRUNCATE'],
    [7, undefined],
  ])
})

test('any facts are read without an error', () => {
  const code = fc.constantFrom('q', 'p', 'd', 'n', 'm', 'x')
  fc.assert(
    fc.property(fc.array(fc.tuple(code, fc.jsonValue())), (facts) => {
      for (const { sql, parameters } of session(...facts).statements) {
        expect(typeof sql).toBe('string')
        expect(Array.isArray(parameters)).toBe(true)
      }
    }),
  )
})
