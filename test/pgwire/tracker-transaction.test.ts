import { expect, test } from 'vitest'
import { back, front, Watched } from './wire.ts'

const { query, parse, bind, execute, sync } = front

/** Runs statements of the simple protocol: text, tag (null: error), status behind it. */
function run(...steps: [sql: string, tag: string | null, status: 'I' | 'T' | 'E'][]): Watched {
  const session = new Watched()
  for (const [sql, tag, status] of steps)
    session.c(query(sql)).s(tag === null ? back.error() : back.complete(tag), back.ready(status))
  return session
}

const rolledBack = (session: Watched) =>
  session.server.flatMap((event) => (event.kind === 'rolled-back' ? [`${event.extent} ${event.from}-${event.to}`] : []))

const cases: { name: string; steps: Parameters<typeof run>; want: string[] }[] = [
  {
    name: 'committed',
    steps: [
      ['begin', 'BEGIN', 'T'],
      ['insert', 'INSERT 0 1', 'T'],
      ['commit', 'COMMIT', 'I'],
    ],
    want: [],
  },
  {
    name: 'rolled back',
    steps: [
      ['begin', 'BEGIN', 'T'],
      ['insert', 'INSERT 0 1', 'T'],
      ['rollback', 'ROLLBACK', 'I'],
    ],
    want: ['all 1-2'],
  },
  {
    name: 'commit of a failed one',
    steps: [
      ['begin', 'BEGIN', 'T'],
      ['insert', 'INSERT 0 1', 'T'],
      ['bad', null, 'E'],
      ['commit', 'ROLLBACK', 'I'],
    ],
    want: ['all 1-2'],
  },
  {
    name: 'back to a savepoint',
    steps: [
      ['begin', 'BEGIN', 'T'],
      ['insert', 'INSERT 0 1', 'T'],
      ['ROLLBACK TO s', 'ROLLBACK', 'T'],
      ['commit', 'COMMIT', 'I'],
    ],
    want: ['some 1-2'],
  },
  {
    name: 'rolled back and chained',
    steps: [
      ['begin', 'BEGIN', 'T'],
      ['insert', 'INSERT 0 1', 'T'],
      ['rollback and chain', 'ROLLBACK', 'T'],
      ['insert', 'INSERT 0 1', 'T'],
      ['commit', 'COMMIT', 'I'],
    ],
    want: ['all 1-2'],
  },
  {
    name: 'one after another',
    steps: [
      ['insert', 'INSERT 0 1', 'I'],
      ['bad', null, 'I'],
    ],
    want: [],
  },
]
for (const { name, steps, want } of cases)
  test(`a transaction: ${name}`, () => {
    expect(rolledBack(run(...steps))).toEqual(want)
  })

test('statements before an error in one implicit transaction are taken back with it', () => {
  const session = new Watched().c(
    parse('', 'insert'),
    bind('', ''),
    execute(),
    parse('', 'bad'),
    bind('', ''),
    execute(),
    sync(),
  )
  session.s(
    back.parseComplete(),
    back.bindComplete(),
    back.complete('INSERT 0 1'),
    back.parseComplete(),
    back.bindComplete(),
    back.error(),
    back.ready(),
  )
  expect(rolledBack(session)).toEqual(['all 2-2'])
})

test('a commit that fails at Sync takes its statements back', () => {
  const session = new Watched().c(parse('', 'insert'), bind('', ''), execute(), sync())
  session.s(back.parseComplete(), back.bindComplete(), back.complete('INSERT 0 1'), back.error('23503'), back.ready())
  expect(session.server).toMatchObject([
    { kind: 'done', id: 2, tag: 'INSERT 0 1' },
    { kind: 'error', sqlstate: '23503' },
    { kind: 'rolled-back', from: 2, to: 2, extent: 'all' },
  ])
})

test('a commit inside one query keeps what was before it', () => {
  const session = new Watched().c(query('insert; commit; insert; bad'))
  session.s(
    back.complete('INSERT 0 1'),
    back.complete('COMMIT'),
    back.complete('INSERT 0 1'),
    back.error(),
    back.ready(),
  )
  expect(rolledBack(session)).toEqual(['all 1-1'])
})

test('a connection that dies takes an open transaction back and leaves the rest unknown', () => {
  const session = run(['begin', 'BEGIN', 'T'], ['insert', 'INSERT 0 1', 'T'])
  session.c(query('commit'))
  session.tracker.close()
  expect(session.server.slice(-2)).toEqual([
    { kind: 'rolled-back', from: 1, to: 2, extent: 'all' },
    { kind: 'unknown', id: 3 },
  ])
})

test('an implicit transaction that never reached its end is not claimed either way', () => {
  const session = new Watched().c(parse('', 'insert'), bind('', ''), execute(), sync())
  session.s(back.parseComplete(), back.bindComplete(), back.complete('INSERT 0 1'))
  session.tracker.close()
  expect(rolledBack(session)).toEqual(['unknown 2-2'])
})

test('a change of status that came alone is told', () => {
  const session = new Watched().c(query('begin')).s(back.complete('BEGIN')).s(back.ready('T'))
  expect(session.server).toMatchObject([
    { kind: 'done', tag: 'BEGIN' },
    { kind: 'transaction', status: 'T' },
  ])
  expect(session.tracker.transactionStatus).toBe('T')
})
