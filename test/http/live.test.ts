import { afterAll, beforeAll, expect, test } from 'vitest'
import { leb128 } from '../../src/http/alis.ts'
import type { FeedEvent } from '../../src/http/feed.ts'
import { SLOW_CONSUMER_MS } from '../../src/http/limits.ts'
import type { LineBody } from '../../src/recording/event-line.ts'
import { FakeClock } from '../support/clock.ts'
import { readSocket, type SocketReader } from './socket-reader.ts'
import { startWorld, type World } from './world.ts'

let world: World
let cookie: string
beforeAll(async () => {
  world = await startWorld()
  cookie = await world.signIn('rita')
  await world.grant({ id: 'g7f3' })
})
afterAll(() => world.close())

const out = (text: string): LineBody => ({ kind: 'bytes', stream: 'o', bytes: Buffer.from(text) })
const fact = (code: 'q' | 'r' | 'n', data: unknown): LineBody => ({ kind: 'fact', code, data })
const letter = (n: number) => String.fromCharCode(97 + n)
let count = 0
const fresh = () => `s${letter(count++)}`.padEnd(13, 'z')

/** Reads one ALiS frame into its numbers and texts. */
function frame(bytes: Buffer): { type: string; numbers: number[]; text: string } {
  const type = bytes[0] === 1 ? 'reset' : bytes[0] === 4 ? 'eot' : String.fromCharCode(bytes[0] ?? 0)
  let at = 1
  const number = () => {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++] ?? 0
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }
  const counts: Record<string, number> = { reset: 4, o: 2, i: 2, m: 2, r: 4, x: 3, eot: 0 }
  const numbers = Array.from({ length: counts[type] ?? 0 }, number)
  if (type === 'reset') at++
  const hasText = ['reset', 'o', 'm'].includes(type)
  const length = hasText ? number() : 0
  return { type, numbers, text: bytes.subarray(at, at + length).toString() }
}

async function join(path: string): Promise<SocketReader> {
  const socket = world.socket(path, cookie, { protocol: 'v1.alis' })
  const reader = readSocket(socket)
  await new Promise((resolve) => socket.on('open', resolve))
  expect(socket.protocol).toBe('v1.alis')
  return reader
}

async function start(reader: SocketReader) {
  expect((await reader.next()).toString('latin1')).toBe('ALiS\x01')
  return frame(await reader.next())
}

const json = async (reader: SocketReader) => JSON.parse((await reader.next()).toString()) as Record<string, unknown>

test('LEB128 as the player reads it', () => {
  expect(leb128(0)).toEqual(Buffer.from([0]))
  expect(leb128(127)).toEqual(Buffer.from([127]))
  expect(leb128(128)).toEqual(Buffer.from([0x80, 1]))
  expect(leb128(2 ** 45)).toEqual(Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 8]))
})

test('a late watcher sees the present screen at once, then what happens, then the end', async () => {
  const id = fresh()
  await world.open({ id })
  world.record(id, 1_000, out('$ ls\r\nfile-1 file-2\r\n$ '))
  world.record(id, 2_000, out('\x1b[2J\x1b[HOnly this \x1b[31mis\x1b[39m left'))
  const reader = await join(`/ws/sessions/${id}/live`)
  const reset = await start(reader)
  expect(reset.type).toBe('reset')
  expect(reset.numbers.slice(2)).toEqual([80, 24])
  expect(reset.text).toContain('Only this')
  expect(reset.text).not.toContain('file-1')
  world.record(id, 3_000, out('\r\nlive é'))
  world.record(id, 4_000, fact('r', '100x30'), { kind: 'bytes', stream: 'i', bytes: Buffer.from('hunter2') })
  world.record(id, 5_000, { kind: 'bytes', stream: 'o', bytes: Buffer.from([0xff, 0x41]) })
  expect(frame(await reader.next())).toMatchObject({ type: 'o', text: '\r\nlive é' })
  const resized = frame(await reader.next())
  expect(resized.type).toBe('r')
  expect(resized.numbers.slice(2)).toEqual([100, 30])
  expect(frame(await reader.next()).type).toBe('o')
  await world.end(id)
  expect(frame(await reader.next()).type).toBe('eot')
  expect(await reader.closed).toEqual({ code: 4000, reason: 'exited with 0' })
})

test('two watchers share one terminal; a killed session says so', async () => {
  const id = fresh()
  await world.open({ id })
  const first = await join(`/ws/sessions/${id}/live`)
  await start(first)
  world.record(id, 10, out('hello'))
  const second = await join(`/ws/sessions/${id}/live`)
  expect((await start(second)).text).toContain('hello')
  await world.end(id, { reason: 'killed', code: 'killed', message: 'killed by adam: wrong host' })
  for (const reader of [first, second])
    expect(await reader.closed).toEqual({ code: 4001, reason: 'killed by adam: wrong host' })
})

test('watchers leave with the last recorded line, not when the row of its end is written', async () => {
  const id = fresh()
  await world.open({ id })
  const reader = await join(`/ws/sessions/${id}/live`)
  await start(reader)
  // What somebody prints is no end, whatever it looks like.
  world.record(id, 10, out('[0,"n",{"kind":"end","reason":"killed","message":"x"}]'))
  expect(frame(await reader.next()).type).toBe('o')
  const data = { kind: 'end', reason: 'expired', message: 'grant g7f3 expired at 03:30 UTC' }
  world.record(id, 20, { kind: 'fact', code: 'n', data }, { kind: 'fact', code: 'x', data: '124' })
  expect(frame(await reader.next()).type).toBe('x')
  expect(frame(await reader.next()).type).toBe('eot')
  expect(await reader.closed).toEqual({ code: 4000, reason: 'grant g7f3 expired at 03:30 UTC' })
  expect((await world.state.session(id))?.state).toBe('open')
  await world.end(id)
})

test('a session without a PTY gets its line ends, and its errors in red', async () => {
  const id = fresh()
  await world.open({ id, what: { kind: 'exec', command: 'make', term: null } })
  const reader = await join(`/ws/sessions/${id}/live`)
  await start(reader)
  world.record(id, 10, out('a\nb\n'), { kind: 'bytes', stream: 'e', bytes: Buffer.from('bad\n') })
  expect(frame(await reader.next()).text).toBe('a\r\nb\r\n')
  expect(frame(await reader.next()).text).toBe('\x1b[31mbad\r\n\x1b[39m')
})

test('an sql session has no terminal to watch', async () => {
  const id = fresh()
  await world.open({ id, protocol: 'postgres', what: { kind: 'sql', application: 'psql' } })
  const reader = readSocket(world.socket(`/ws/sessions/${id}/live`, cookie))
  expect((await reader.closed).code).toBe(409)
})

test('events: the backlog, then live, neither gap nor duplicate, then the end', async () => {
  const id = fresh()
  await world.open({ id, protocol: 'postgres', what: { kind: 'sql', application: 'psql' } })
  for (let seq = 1; seq <= 20; seq++) world.record(id, seq * 1000, fact('q', { id: seq, sql: `SELECT ${seq}` }))
  // While the backlog is being opened more becomes durable and goes live: both ways at once.
  let raced = 0
  world.onOpen = () => {
    if (raced++ === 0) for (let seq = 21; seq <= 30; seq++) world.record(id, seq * 1000, fact('q', { id: seq }))
  }
  const reader = readSocket(world.socket(`/ws/sessions/${id}/events`, cookie))
  const seqs: unknown[] = []
  let caughtUp = 0
  for (let n = 0; n < 32; n++) {
    const message = await json(reader)
    if (message['type'] === 'caught-up') caughtUp++
    else seqs.push(message['seq'])
  }
  world.onOpen = () => {}
  expect(caughtUp).toBe(1)
  expect(seqs).toEqual(Array.from({ length: 31 }, (_, seq) => seq))
  world.record(id, 31_500, fact('n', { kind: 'notice', text: '10 minutes left' }))
  expect(await json(reader)).toEqual({
    type: 'line',
    seq: 31,
    at: 0.0315,
    line: [0.0015, 'n', { kind: 'notice', text: '10 minutes left' }],
  })
  await world.end(id)
  expect(await json(reader)).toMatchObject({ seq: 32 })
  expect((await reader.closed).code).toBe(4000)
})

test('events beyond what a tail holds are read from disk again: nothing is lost', async () => {
  const id = fresh()
  await world.open({ id, protocol: 'postgres', what: { kind: 'sql', application: 'psql' } })
  const reader = readSocket(world.socket(`/ws/sessions/${id}/events?from=1`, cookie))
  expect((await json(reader))['type']).toBe('caught-up')
  for (let seq = 1; seq <= 6_000; seq++) world.record(id, seq, fact('q', { id: seq }))
  for (let seq = 1; seq <= 6_000; seq++) expect((await json(reader))['seq']).toBe(seq)
  await world.end(id)
  expect((await json(reader))['seq']).toBe(6_001)
  expect((await reader.closed).code).toBe(4000)
})

test('watching is a leaf before anything is sent, one for both panes and a reconnect', async () => {
  const id = fresh()
  await world.open({ id })
  const views = () => world.state.leavesWritten.filter((leaf) => leaf.type === 'session-viewed' && leaf.session === id)
  const first = await join(`/ws/sessions/${id}/live`)
  expect(views()).toEqual([{ type: 'session-viewed', session: id, by: 'rita', how: 'live' }])
  await start(first)
  await json(readSocket(world.socket(`/ws/sessions/${id}/events`, cookie)))
  expect(views()).toHaveLength(1)
})

test('an unproven recording is not tailed either', async () => {
  const id = fresh()
  await world.open({ id })
  world.findings.set(id, { finding: 'truncated', message: 'cut after event 7' })
  const reader = readSocket(world.socket(`/ws/sessions/${id}/events`, cookie))
  expect(await reader.closed).toEqual({ code: 4004, reason: 'cut after event 7' })
  const live = await join(`/ws/sessions/${id}/live`)
  expect((await live.closed).code).toBe(4004)
})

test('a browser that talks is shown out; one that sends too much as well', async () => {
  for (const message of ['hello', 'x'.repeat(100_000)]) {
    const socket = world.socket('/ws/events', cookie)
    const reader = readSocket(socket)
    await json(reader)
    socket.send(message)
    expect([1008, 1009, 1006]).toContain((await reader.closed).code)
  }
})

test('the page hears of what it may see and of nothing else', async () => {
  const alice = await world.signIn('alice')
  const erin = await world.signIn('erin')
  const readers = await Promise.all(
    [cookie, alice, erin].map(async (who) => {
      const reader = readSocket(world.socket('/ws/events', who))
      expect(await json(reader)).toMatchObject({ type: 'welcome' })
      return reader
    }),
  )
  const [rita, own, other] = readers
  const id = fresh()
  await world.open({ id })
  for (const reader of [rita, own])
    expect(reader && (await json(reader))).toEqual({ type: 'changed', topic: 'sessions', id })
  await world.end(id)
  for (const reader of [rita, own])
    expect(reader && (await json(reader))).toEqual({ type: 'changed', topic: 'sessions', id })
  await world.grant({ id: 'g99', user: 'erin' })
  expect(other && (await json(other))).toEqual({ type: 'changed', topic: 'grants', id: 'g99' })
})

test('who is locked out, what was served, drilled or taken away: each hears what is theirs to know', async () => {
  const users = ['rita', 'otto', 'alice', 'erin'] as const
  const readers = await Promise.all(
    users.map(async (user) => {
      const reader = readSocket(world.socket('/ws/events', await world.signIn(user)))
      expect(await json(reader)).toMatchObject({ type: 'welcome' })
      return reader
    }),
  )
  const says: readonly [FeedEvent, readonly (typeof users)[number][]][] = [
    [{ topic: 'locks', id: 'user:alice' }, ['rita', 'otto', 'alice']],
    [{ topic: 'views', id: 's1' }, ['rita', 'otto']],
    [{ topic: 'drills', id: 'd1' }, ['rita', 'otto']],
    [{ topic: 'revocations', id: 'r1' }, ['rita']],
    [{ topic: 'locks', id: 'all' }, users],
  ]
  for (const [event] of says) world.feed.publish(event)
  for (const [index, user] of users.entries()) {
    const reader = readers[index]
    for (const [event, hearers] of says)
      if (hearers.includes(user) && reader !== undefined)
        expect(await json(reader)).toEqual({ type: 'changed', ...event })
  }
})

test('signing out closes the sockets', async () => {
  const otto = await world.signIn('otto')
  const reader = readSocket(world.socket('/ws/events', otto))
  await json(reader)
  await world.post('/api/sign-out', {}, otto)
  expect(await reader.closed).toEqual({ code: 4002, reason: 'signed out' })
})

test('a session has a bounded number of sockets', async () => {
  const bob = await world.signIn('bob')
  const open = await Promise.all(
    Array.from({ length: 48 }, async () => {
      const socket = world.socket('/ws/events', bob)
      await json(readSocket(socket))
      return socket
    }),
  )
  expect(await readSocket(world.socket('/ws/events', bob)).closed).toMatchObject({ code: 1013 })
  for (const socket of open) socket.terminate()
})

test('a browser that falls behind is sent the present screen when it is ready, not what it missed', async () => {
  const id = fresh()
  await world.open({ id })
  const socket = world.socket(`/ws/sessions/${id}/live`, cookie, { protocol: 'v1.alis' })
  const reader = readSocket(socket)
  await start(reader)
  socket.pause()
  const line = `${'x'.repeat(60_000)}\r\n`
  const lines = 600
  for (let n = 0; n < lines; n++) world.record(id, 1_000 + n, out(line))
  world.record(id, 2_000, out('\x1b[2J\x1b[HPRESENT'))
  let received = 0
  socket.on('message', (data: Buffer) => (received += data.length))
  // Everything has been offered to it by the time another watcher has seen the last of it.
  const other = await join(`/ws/sessions/${id}/live`)
  for (let seen = await start(other); !seen.text.includes('PRESENT');) seen = frame(await other.next())
  socket.resume()
  for (;;) {
    const { type, text } = frame(await reader.next())
    if (type === 'reset' && text.includes('PRESENT')) break
  }
  expect(received).toBeLessThan((lines * line.length) / 2)
  world.record(id, 3_000, out('goes on'))
  expect(frame(await reader.next())).toMatchObject({ type: 'o', text: 'goes on' })
})

test('a browser that never reads is dropped, and its broadcast with it', async () => {
  const clock = new FakeClock()
  const moved = await startWorld({ clock })
  const rita = await moved.signIn('rita')
  const id = fresh()
  await moved.open({ id })
  const socket = moved.socket(`/ws/sessions/${id}/live`, rita, { protocol: 'v1.alis' })
  const reader = readSocket(socket)
  await start(reader)
  socket.pause()
  for (let n = 0; n < 600; n++) moved.record(id, n, out('y'.repeat(60_000)))
  const isDropped = () => {
    clock.advance(SLOW_CONSUMER_MS)
    return moved.live.watchers(id) === 0
  }
  await expect.poll(isDropped).toBe(true)
  socket.terminate()
  await moved.close()
})
