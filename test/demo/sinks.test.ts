import { once } from 'node:events'
import { connect } from 'node:net'
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { startDemoSinks, type DemoSinks } from '../../src/demo/sinks.ts'
import { emailChannel } from '../../src/notify/email.ts'

const now = Date.UTC(2026, 10, 21, 3, 0, 0)
let sinks: DemoSinks
beforeAll(async () => {
  sinks = await startDemoSinks({ now: () => now })
})
afterAll(() => sinks.stop())

test('what is posted is kept with its headers and listed in order', async () => {
  const post = (body: string, id: string) =>
    fetch(sinks.webhook, { method: 'POST', body, headers: { 'webhook-id': id } })
  expect((await post('{"type":"grant.activated"}', 'a')).status).toBe(204)
  expect((await post('not json', 'b')).status).toBe(204)
  const listed: unknown = await (await fetch(sinks.webhook)).json()
  expect(listed).toMatchObject([
    { receivedAt: '2026-11-21T03:00:00.000Z', headers: { 'webhook-id': 'a' }, body: { type: 'grant.activated' } },
    { headers: { 'webhook-id': 'b' }, body: 'not json' },
  ])
})

test.each([
  { name: 'another path', path: '/', method: 'GET', body: undefined, status: 404 },
  { name: 'another method', path: '', method: 'DELETE', body: undefined, status: 405 },
  { name: 'a body over the limit', path: '', method: 'POST', body: 'x'.repeat(256 * 1024 + 1), status: 413 },
])('$name: $status, and nothing is kept', async ({ path, method, body, status }) => {
  const before = sinks.hooks().length
  const url = path === '' ? sinks.webhook : new URL(path, sinks.webhook).href
  expect((await fetch(url, { method, body: body ?? null })).status).toBe(status)
  expect(sinks.hooks()).toHaveLength(before)
})

test('checkpoints have a place of their own: the newest is given back, and none is among the alerts', async () => {
  const before = sinks.hooks().length
  const place = `${sinks.webhook}/anchor`
  const post = (body: string) => fetch(place, { method: 'POST', body })
  expect((await fetch(place)).status).toBe(404)
  for (const checkpoint of ['first\n', 'second — signed\n'])
    expect((await post(JSON.stringify({ data: { checkpoint } }))).status).toBe(204)
  expect(await (await fetch(place)).text()).toBe('second — signed\n')
  for (const body of ['not json', '{"data":null}', '{"data":{"checkpoint":7}}', 'x'.repeat(256 * 1024 + 1)])
    expect((await post(body)).status).toBe(400)
  expect((await fetch(place, { method: 'DELETE' })).status).toBe(405)
  expect(await (await fetch(place)).text()).toBe('second — signed\n')
  expect(sinks.hooks()).toHaveLength(before)
})

test('the oldest of many is given up', async () => {
  for (let n = 0; n < 210; n++) await fetch(sinks.webhook, { method: 'POST', body: String(n) })
  expect(sinks.hooks()).toHaveLength(200)
  expect(sinks.hooks().at(-1)?.body).toBe(209)
})

test('mail arrives with its recipients and its lines, stuffed dots taken out and umlauts unchanged', async () => {
  const start = ['EHLO me\r\n', 'MAIL FROM:<halligan@example.com> SIZE=100\r\n', 'RCPT TO:<leads@example.com>\r\n']
  const text = 'Subject: größer\r\n\r\n..a dot first\r\n...two\r\nend\r\n'
  const answers = await talk([...start, 'rcpt to:<security@example.com>\r\n', 'DATA\r\n', `${text}.\r\n`, 'QUIT\r\n'])
  expect(answers.map((answer) => answer.slice(0, 3))).toEqual(['220', '250', '250', '250', '250', '354', '250', '221'])
  expect(sinks.mails().at(-1)).toEqual({
    receivedAt: '2026-11-21T03:00:00.000Z',
    from: 'halligan@example.com',
    to: ['leads@example.com', 'security@example.com'],
    text: 'Subject: größer\r\n\r\n.a dot first\r\n..two\r\nend\r\n',
  })
})

test('an alert by e-mail, as the demo is configured, is kept and listed', async () => {
  const [host = '', port = ''] = sinks.smtp.split(':')
  const channel = emailChannel({
    name: 'demo-mail',
    host,
    port: Number(port),
    security: 'none',
    from: 'halligan@example.com',
    to: ['leads@example.com'],
    login: null,
    outside: false,
    hostname: 'localhost',
    clock: systemClock(),
  })
  const alert = { id: 'a-7', channel: 'demo-mail', type: 'grant.activated', at: now, payload: { reason: 'größer' } }
  expect((await channel.deliver(alert, new AbortController().signal)).receipt).toMatch(/^250 /)
  const listed = (await (await fetch(`${sinks.webhook}/mail`)).json()) as { text: string }[]
  expect(listed.at(-1)?.text).toMatch(/^Message-ID: <a-7@localhost>\r$/m)
})

/** Says the lines one after the other's answer and gives the answers. */
async function talk(lines: readonly string[]): Promise<string[]> {
  const [host = '', port = ''] = sinks.smtp.split(':')
  const socket = connect(Number(port), host).setEncoding('utf8')
  const answers: string[] = []
  const heard = async () => answers.push(((await once(socket, 'data')) as [string])[0])
  await heard()
  for (const line of lines) {
    socket.write(line)
    await heard()
  }
  socket.destroy()
  return answers
}

test.each([
  { name: 'RCPT before MAIL', lines: ['RCPT TO:<a@b>\r\n'], want: '503' },
  { name: 'DATA before RCPT', lines: ['MAIL FROM:<a@b>\r\n', 'DATA\r\n'], want: '503' },
  { name: 'an address without brackets', lines: ['MAIL FROM: a@b\r\n'], want: '501' },
  { name: 'an unknown command', lines: ['XYZZY\r\n'], want: '502' },
  { name: 'an endless line', lines: ['x'.repeat(3000)], want: '500' },
])('$name is answered $want', async ({ lines, want }) => {
  expect((await talk(lines)).at(-1)?.slice(0, 3)).toBe(want)
})

test('a message over the limit is refused and not kept, and the next one is taken', async () => {
  const before = sinks.mails().length
  const start = ['MAIL FROM:<a@b>\r\n', 'RCPT TO:<c@d>\r\n', 'DATA\r\n']
  const answers = await talk([...start, `${`${'x'.repeat(998)}\r\n`.repeat(300)}.\r\n`, ...start, 'small\r\n.\r\n'])
  expect(answers.map((answer) => answer.slice(0, 3))).toEqual([
    '220',
    '250',
    '250',
    '354',
    '552',
    '250',
    '250',
    '354',
    '250',
  ])
  expect(sinks.mails()).toHaveLength(before + 1)
})

test('any bytes cost nothing but their own connection', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
      for (const address of [sinks.smtp, new URL(sinks.webhook).host]) {
        const [host = '', port = ''] = address.split(':')
        const socket = connect(Number(port), host)
        socket.on('error', () => socket.destroy())
        socket.resume().end(bytes)
        await once(socket, 'close')
      }
    }),
    { numRuns: 30 },
  )
  expect((await fetch(sinks.webhook)).status).toBe(200)
})
