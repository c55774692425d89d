import { expect, test } from 'vitest'
import { ProtocolViolation } from '../../src/errors.ts'
import { back, front, Watched } from './wire.ts'

const { query, parse, bind, execute, describe, close, sync } = front

test('a query is told before it goes on, and its end with tag, rows and duration', () => {
  const session = new Watched().at(10).c(query('select 1'))
  expect(session.client).toEqual([{ kind: 'query', id: 1, sql: { text: 'select 1' } }])
  session.at(12.5).s(back.rowDescription(), back.row(), back.row(), back.complete('SELECT 2'), back.ready())
  expect(session.server).toEqual([
    { kind: 'done', id: 1, index: 0, tag: 'SELECT 2', rows: 2, ms: 2.5, transaction: 'I' },
  ])
})

test('duration counts from going on, not from being sent', () => {
  const session = new Watched().at(0)
  session.tracker.takeClient(query('select 1'))
  session.at(100).tracker.forwarded(session.tracker.lastId, 100_000)
  session.at(101).s(back.complete('SELECT 0'), back.ready())
  expect(session.done()[0]?.ms).toBe(1)
})

test('several statements in one query end one by one; an error ends the rest', () => {
  const session = new Watched().c(query('insert a; insert b; bad'))
  session.s(back.complete('INSERT 0 1'), back.complete('INSERT 0 3'), back.error('42P01'), back.ready())
  expect(session.server).toMatchObject([
    { id: 1, index: 0, tag: 'INSERT 0 1', rows: 1 },
    { id: 1, index: 1, tag: 'INSERT 0 3', rows: 3 },
    { id: 1, index: 2, tag: null, error: { severity: 'ERROR', sqlstate: '42P01', message: 'it failed' } },
    { kind: 'rolled-back', from: 1, to: 1, extent: 'all' },
  ])
})

test('Parse, Bind, Execute in one chunk: a statement and its parameters, resolved to that statement', () => {
  const session = new Watched().c(
    parse('', 'select $1'),
    bind('', '', ['5', null]),
    describe('P', ''),
    execute(),
    sync(),
  )
  expect(session.client).toEqual([
    { kind: 'parse', id: 1, name: '', sql: { text: 'select $1' }, types: [] },
    { kind: 'bind', id: 2, portal: '', statement: '', values: ['5', null], isExecuted: true, maxRows: 0 },
  ])
  session.s(
    back.parseComplete(),
    back.bindComplete(),
    back.rowDescription(),
    back.row(),
    back.complete('SELECT 1'),
    back.ready(),
  )
  expect(session.server).toMatchObject([
    { kind: 'done', id: 2, statement: 1, tag: 'SELECT 1', rows: 1, transaction: 'I' },
  ])
  expect(session.tracker.inFlight).toBe(0)
})

test('Bind and Execute in different chunks are two events', () => {
  const session = new Watched().c(parse('s', 'select 1'), bind('p', 's')).c(execute('p', 10), sync())
  expect(session.client).toMatchObject([
    { kind: 'parse', id: 1 },
    { kind: 'bind', id: 2, isExecuted: false },
    { kind: 'execute', id: 3, portal: 'p', maxRows: 10 },
  ])
  session.s(back.parseComplete(), back.bindComplete(), back.suspended(), back.ready('T'))
  expect(session.server[0]).toMatchObject({ id: 3, bind: 2, statement: 1, tag: null, isSuspended: true })
})

test('a suspended portal is resumed', () => {
  const session = new Watched().c(parse('', 'select'), bind('p', ''), execute('p', 2), sync())
  session.s(back.parseComplete(), back.bindComplete(), back.row(), back.row(), back.suspended(), back.ready('T'))
  session.c(execute('p', 2), sync()).s(back.row(), back.complete('SELECT 1'), back.ready('T'))
  expect(session.done()).toMatchObject([
    { id: 2, statement: 1, rows: 2, isSuspended: true },
    { id: 3, statement: 1, bind: 2, rows: 1, tag: 'SELECT 1' },
  ])
})

test('a failed re-Parse leaves the old statement under its name, whatever the order of sending', () => {
  const session = new Watched().c(
    parse('s', 'delete from a'),
    sync(),
    parse('s', 'select 1'),
    sync(),
    bind('', 's'),
    execute(),
    sync(),
  )
  session.s(
    back.parseComplete(),
    back.ready(),
    back.error('42P05'),
    back.ready(),
    back.bindComplete(),
    back.complete('DELETE 9'),
    back.ready(),
  )
  expect(session.done()).toMatchObject([
    { id: 2, error: { sqlstate: '42P05' } },
    { id: 3, statement: 1, tag: 'DELETE 9' },
  ])
})

test('names longer than the server compares are one name', () => {
  const long = 'n'.repeat(63)
  const session = new Watched().c(parse(`${long}x`, 'delete from a'), bind('', `${long}y`), execute(), sync())
  session.s(back.parseComplete(), back.bindComplete(), back.complete('DELETE 1'), back.ready())
  expect(session.done()).toMatchObject([{ statement: 1 }])
})

test('after an error everything up to Sync is skipped, and said so once per event', () => {
  const session = new Watched().c(
    parse('', 'bad'),
    bind('', ''),
    execute(),
    query('select 1'),
    parse('', 'x'),
    sync(),
    query('select 2'),
  )
  session.s(back.error(), back.ready(), back.complete('SELECT 1'), back.ready())
  expect(session.server).toMatchObject([
    { kind: 'done', id: 1, error: { sqlstate: '42601' } },
    { kind: 'skipped', id: 2 },
    { kind: 'skipped', id: 3 },
    { kind: 'skipped', id: 4 },
    { kind: 'done', id: 5, tag: 'SELECT 1' },
  ])
})

test('after an error without Sync, what is sent later is skipped until Sync, a query too', () => {
  const session = new Watched().c(parse('', 'bad')).s(back.error())
  session.c(query('select 1'), bind('', ''), sync(), query('select 2'))
  session.s(back.ready(), back.complete('SELECT 1'), back.ready())
  expect(session.server.map((event) => `${event.kind} ${'id' in event ? event.id : ''}`)).toEqual([
    'done 1',
    'skipped 2',
    'skipped 3',
    'done 4',
  ])
})

test('a failed Bind takes the Execute with it as one', () => {
  const session = new Watched().c(bind('', 'nope'), execute(), sync()).s(back.error('26000'), back.ready())
  expect(session.server).toMatchObject([{ kind: 'done', id: 1, error: { sqlstate: '26000' } }])
  expect(session.server).toHaveLength(1)
})

test('a name made by SQL PREPARE is known, one made out of sight is not', () => {
  const session = new Watched()
    .c(query('PREPARE "Plan a" (int) AS delete from t'))
    .s(back.complete('PREPARE'), back.ready())
  session.c(bind('', 'Plan a'), execute(), sync()).s(back.bindComplete(), back.complete('DELETE 1'), back.ready())
  session.c(bind('', 'hidden'), execute(), sync()).s(back.bindComplete(), back.complete('DELETE 1'), back.ready())
  expect(session.done()).toMatchObject([{ tag: 'PREPARE' }, { statement: 1 }, { statement: null }])
})

const forgets = [
  { sql: 'deallocate a', tag: 'DEALLOCATE', keeps: true },
  { sql: '/* x */ DEALLOCATE PREPARE "S1";', tag: 'DEALLOCATE', keeps: true },
  { sql: 'deallocate s1', tag: 'DEALLOCATE', keeps: false },
  { sql: 'select 1; deallocate s1', tag: 'DEALLOCATE', keeps: false },
  { sql: 'deallocate all', tag: 'DEALLOCATE ALL', keeps: false },
  { sql: 'discard all', tag: 'DISCARD ALL', keeps: false },
]
for (const { sql, tag, keeps } of forgets)
  test(`${sql}: the old meaning of s1 ${keeps ? 'stays' : 'is gone'}`, () => {
    const session = new Watched().c(parse('s1', 'select 1'), sync()).s(back.parseComplete(), back.ready())
    session.c(query(sql)).s(back.complete(tag), back.ready())
    session.c(bind('', 's1'), execute(), sync()).s(back.bindComplete(), back.complete('SELECT 1'), back.ready())
    expect(session.done().at(-1)).toMatchObject({ statement: keeps ? 1 : null })
  })

test('Close and a simple query forget names', () => {
  const session = new Watched().c(parse('a', 'x'), parse('', 'y'), close('S', 'a'), sync())
  session.s(back.parseComplete(), back.parseComplete(), back.closeComplete(), back.ready())
  session.c(query('select 1')).s(back.complete('SELECT 1'), back.ready())
  session.c(bind('', 'a'), execute(), bind('', ''), execute(), sync())
  session.s(back.bindComplete(), back.complete('X'), back.bindComplete(), back.complete('X'), back.ready())
  expect(session.done().slice(1)).toMatchObject([{ statement: null }, { statement: null }])
})

test('binary parameters are told as bytes before, and decoded by the types of the statement they went to', () => {
  const session = new Watched().c(parse('s', 'select $1, $2', [23, 0]), describe('S', 's'), sync())
  session.s(back.parseComplete(), back.parameterDescription([23, 16]), back.noData(), back.ready())
  session.c(bind('', 's', [Buffer.from([0, 0, 0, 42]), Buffer.from([1])]), execute(), sync())
  expect(session.client.at(-1)).toMatchObject({ values: [{ hex: '0000002a' }, { hex: '01' }] })
  session.s(back.bindComplete(), back.complete('SELECT 1'), back.ready())
  expect(session.done()).toMatchObject([{ values: ['42', 't'] }])
})

test('empty query, function call, notices, notifications and settings', () => {
  const session = new Watched().c(query('')).s(back.empty(), back.ready())
  session.c(front.call(1598, ['x'])).s(back.functionResult(), back.ready())
  session.s(back.notification('jobs', 'new'), back.notice('hi'), back.parameterStatus('client_encoding', 'LATIN1'))
  expect(session.server).toMatchObject([
    { id: 1, tag: '' },
    { id: 2, tag: 'FUNCTION CALL' },
    { kind: 'notification', channel: 'jobs', payload: 'new', processId: 7 },
    { kind: 'notice', message: 'hi' },
  ])
  session.c(query('select é'))
  expect(session.client.at(-1)).toMatchObject({ sql: { raw: Buffer.from('select é').toString('base64') } })
})

test('a server that says goodbye with nothing due is told as an error', () => {
  const session = new Watched().s(back.error('57P01', 'FATAL'))
  expect(session.server).toMatchObject([{ kind: 'error', severity: 'FATAL', sqlstate: '57P01' }])
})

test('a message too long to be whole comes in parts under one id', () => {
  const session = new Watched({ maxWholeBytes: 16 })
  const sql = `select '${'é'.repeat(30)}'`
  session.c(parse('n', sql), bind('', 'n'), execute(), sync())
  session.s(back.parseComplete(), back.bindComplete(), back.complete('SELECT 1'), back.ready())
  const parts = session.client.filter((event) => event.kind === 'part')
  expect(Buffer.concat(parts.map((part) => part.bytes)).toString()).toBe(`n\0${sql}\0\0\0`)
  expect(parts.map((part) => part.id)).toEqual(parts.map(() => 1))
  expect(parts.at(-1)?.isLast).toBe(true)
  expect(session.done()).toMatchObject([{ statement: 1 }])
})

test('a very long error is told by its beginning', () => {
  const session = new Watched({ maxWholeBytes: 64 }).c(query('select 1'))
  const long = Buffer.concat([Buffer.from('SERROR\0VERROR\0C22000\0M'), Buffer.alloc(500, 'x'), Buffer.from('\0\0')])
  session.s(Buffer.concat([Buffer.from('E'), Buffer.from([0, 0, 2, (long.length + 4) & 255]), long]), back.ready())
  expect(session.done()).toMatchObject([{ error: { sqlstate: '22000' } }])
})

const outOfPlace = [
  { name: 'an answer nobody waits for', run: (s: Watched) => s.s(back.complete('SELECT 1')) },
  { name: 'ReadyForQuery nobody waits for', run: (s: Watched) => s.s(back.ready()) },
  { name: 'BindComplete for a Parse', run: (s: Watched) => s.c(parse('', 'x')).s(back.bindComplete()) },
  { name: 'an error while nothing is due', run: (s: Watched) => s.s(back.error()) },
  { name: 'replication', run: (s: Watched) => s.c(query('x')).s(back.copyBoth()) },
  { name: 'a second authentication', run: (s: Watched) => s.s(Buffer.from('520000000800000000', 'hex')) },
  { name: 'bytes behind a Sync', run: (s: Watched) => s.c(Buffer.from('530000000500', 'hex')) },
  { name: 'bytes behind a query', run: (s: Watched) => s.c(Buffer.from('5100000007780079', 'hex')) },
  { name: 'a Bind that ends early', run: (s: Watched) => s.c(Buffer.from('420000000600000000', 'hex')) },
]
for (const { name, run } of outOfPlace)
  test(`${name}: violation`, () => {
    expect(() => run(new Watched())).toThrow(ProtocolViolation)
  })

test('Terminate is known as the client’s wish to end', () => {
  const session = new Watched().c(query('select 1'))
  expect(session.tracker.clientHasSaidFarewell).toBe(false)
  session.c(front.terminate())
  expect(session.tracker.clientHasSaidFarewell).toBe(true)
})
