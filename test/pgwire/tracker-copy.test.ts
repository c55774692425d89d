import { expect, test } from 'vitest'
import { ProtocolViolation } from '../../src/errors.ts'
import { back, front, Watched } from './wire.ts'

const { query, parse, bind, execute, sync, copyData, copyDone, copyFail } = front

test('COPY IN: data belongs to its statement and is counted', () => {
  const session = new Watched().c(query('copy t from stdin')).s(back.copyIn())
  session.c(copyData('1\n'), copyData('22\n'), copyDone()).s(back.complete('COPY 2'), back.ready())
  expect(session.client.slice(1)).toMatchObject([
    { kind: 'copy-data', id: 1, bytes: Buffer.from('1\n') },
    { kind: 'copy-data', id: 1, bytes: Buffer.from('22\n') },
    { kind: 'copy-end', id: 1, failure: null },
  ])
  expect(session.done()).toMatchObject([{ id: 1, tag: 'COPY 2', rows: 2, copyInBytes: 5 }])
})

test('COPY IN over the extended protocol with the early Sync of libpq', () => {
  const session = new Watched().c(parse('', 'copy t from stdin'), bind('', ''), execute(), sync())
  session.s(back.parseComplete(), back.bindComplete(), back.copyIn())
  session.c(copyData('1\n'), copyDone(), sync()).s(back.complete('COPY 1'), back.ready())
  session.c(query('select 1')).s(back.complete('SELECT 1'), back.ready())
  expect(session.done()).toMatchObject([
    { id: 2, tag: 'COPY 1', copyInBytes: 2 },
    { id: 3, tag: 'SELECT 1' },
  ])
  expect(session.tracker.inFlight).toBe(0)
})

test('the client gives up its COPY', () => {
  const session = new Watched().c(query('copy t from stdin')).s(back.copyIn())
  session.c(copyData('1\n'), copyFail('no more')).s(back.error('57014'), back.ready())
  expect(session.client.at(-1)).toMatchObject({ kind: 'copy-end', failure: 'no more' })
  expect(session.done()).toMatchObject([{ id: 1, error: { sqlstate: '57014' } }])
  expect(session.tracker.inFlight).toBe(0)
})

test('the server fails a COPY while data is still coming', () => {
  const session = new Watched().c(query('copy t from stdin')).s(back.copyIn()).c(copyData('bad\n'))
  session.s(back.error('22P02'), back.ready()).c(copyData('more\n'), copyDone(), query('select 1'))
  session.s(back.complete('SELECT 1'), back.ready())
  expect(session.done()).toMatchObject([{ error: { sqlstate: '22P02' } }, { tag: 'SELECT 1' }])
})

test('the server fails an extended COPY: what follows waits for the Sync behind the data', () => {
  const session = new Watched().c(parse('', 'copy'), bind('', ''), execute(), sync())
  session.s(back.parseComplete(), back.bindComplete(), back.copyIn()).c(copyData('bad\n')).s(back.error('22P02'))
  session.c(copyData('x\n'), copyDone(), parse('', 'ignored'), sync()).s(back.ready())
  session.c(query('select 1')).s(back.complete('SELECT 1'), back.ready())
  expect(session.server.map((event) => event.kind)).toEqual(['done', 'skipped', 'done'])
})

test('a Sync that was read over or was not: neither loses the thread', () => {
  const session = new Watched().c(parse('', 'copy'), bind('', ''), execute(), sync())
  session.s(back.parseComplete(), back.bindComplete(), back.copyIn()).s(back.error('57014'), back.ready())
  session.c(query('select 1')).s(back.complete('SELECT 1'), back.ready())
  expect(session.done()).toMatchObject([{ error: { sqlstate: '57014' } }, { tag: 'SELECT 1' }])
})

test('COPY data sent ahead of the answer, with the next statement behind it', () => {
  const session = new Watched().c(query('copy t from stdin'), copyData('1\n'), copyDone(), query('select 1'))
  session.s(back.copyIn(), back.complete('COPY 1'), back.ready(), back.complete('SELECT 1'), back.ready())
  expect(session.done()).toMatchObject([{ tag: 'COPY 1', copyInBytes: 2 }, { tag: 'SELECT 1' }])
})

test('two COPYs in one query', () => {
  const session = new Watched().c(query('copy a from stdin; copy b from stdin')).s(back.copyIn())
  session.c(copyData('1\n'), copyDone()).s(back.complete('COPY 1'), back.copyIn())
  session.c(copyData('22\n'), copyDone()).s(back.complete('COPY 1'), back.ready())
  expect(session.done()).toMatchObject([
    { index: 0, copyInBytes: 2 },
    { index: 1, copyInBytes: 3 },
  ])
})

test('COPY OUT is counted', () => {
  const session = new Watched().c(query('copy t to stdout'))
  session.s(
    back.copyOut(),
    back.copyData('1\n'),
    back.copyData('2\n'),
    back.copyDone(),
    back.complete('COPY 2'),
    back.ready(),
  )
  expect(session.done()).toMatchObject([{ tag: 'COPY 2', copyOutBytes: 4 }])
})

for (const { name, send } of [
  { name: 'a query', send: query('delete from t') },
  { name: 'a Parse', send: parse('', 'x') },
])
  test(`${name} sent into COPY data would be swallowed unseen: violation, before and after the server's answer`, () => {
    const open = new Watched().c(query('copy t from stdin')).s(back.copyIn())
    expect(() => open.c(send)).toThrow(ProtocolViolation)
    const ahead = new Watched().c(query('copy t from stdin'), send)
    expect(() => ahead.s(back.copyIn())).toThrow(ProtocolViolation)
  })

test('ends of COPY data that nobody waits for change nothing', () => {
  const session = new Watched().c(copyDone(), copyFail('x'), query('select 1'), copyDone(), query('select 2'))
  session.s(back.complete('SELECT 1'), back.ready(), back.complete('SELECT 2'), back.ready())
  expect(session.done()).toMatchObject([{ tag: 'SELECT 1' }, { tag: 'SELECT 2' }])
})
