import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import * as fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { syslogChannel, type SyslogOptions } from '../../src/notify/syslog.ts'
import { escapeParam, syslogFrame, syslogMessage } from '../../src/notify/syslog-message.ts'
import { FakeClock } from '../support/clock.ts'
import { alertOf, certificate, hostile, hostileAlert, never, noon } from './alerts.ts'

const hostname = 'bastion.example.com'
const { ca, cert, key } = certificate()

interface Parsed {
  readonly priority: number
  readonly timestamp: string
  readonly hostname: string
  readonly app: string
  readonly messageId: string
  readonly params: ReadonlyMap<string, string>
  readonly text: string
}

/** RFC 5424 §6, strictly; throws on anything else. */
function parse(message: string): Parsed {
  const head = /^<(\d{1,3})>1 (\S+) ([!-~]{1,255}) ([!-~]{1,48}) - ([!-~]{1,32}) \[halligan@32473/.exec(message)
  if (head === null) throw new Error('no header')
  const params = new Map<string, string>()
  let at = head[0].length
  const param = / ([^\p{Cc}="\] ]{1,32})="((?:[^"\\\]]|\\["\\\]])*)"/uy
  for (;;) {
    param.lastIndex = at
    const found = param.exec(message)
    if (found === null) break
    params.set(found[1] ?? '', (found[2] ?? '').replaceAll(/\\(["\\\]])/g, '$1'))
    at = param.lastIndex
  }
  if (!message.startsWith('] \uFEFF', at)) throw new Error(`no end of the structured data at ${at}`)
  const [, priority = '', timestamp = '', host = '', app = '', messageId = ''] = head
  return { priority: Number(priority), timestamp, hostname: host, app, messageId, params, text: message.slice(at + 3) }
}

/** RFC 6587 §3.4.1, strictly. */
function unframe(bytes: Buffer): string[] {
  const messages: string[] = []
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at)
    const length = bytes.toString('latin1', at, space)
    if (!/^[1-9]\d*$/.test(length)) throw new Error('no length')
    const end = space + 1 + Number(length)
    if (end > bytes.length) throw new Error('cut off')
    messages.push(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(space + 1, end)))
    at = end
  }
  return messages
}

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** A real listener; `took` are the octets of each connection that ended. */
async function listen(
  transport: 'tls' | 'tcp',
  talk: (socket: Socket, done: (bytes: Buffer) => void) => void = collect,
  certificates = { cert, key },
): Promise<{ port: number; took: Buffer[] }> {
  const took: Buffer[] = []
  const sockets = new Set<Socket>()
  const serve = (socket: Socket) =>
    talk(
      socket.on('error', () => {}),
      (bytes) => took.push(bytes),
    )
  const server: Server =
    transport === 'tls' ? createTlsServer(certificates, serve).on('tlsClientError', () => {}) : createServer(serve)
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => {})))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return { port: (server.address() as AddressInfo).port, took }
}

/** Reads to the end and then ends, as rsyslog and syslog-ng do. */
function collect(socket: Socket, done: (bytes: Buffer) => void): void {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => done(Buffer.concat(chunks)))
}

const channel = (port: number, over: Partial<SyslogOptions> = {}) =>
  syslogChannel({
    name: 'archive',
    host: 'localhost',
    port,
    transport: 'tls',
    ca,
    outside: true,
    hostname,
    clock: systemClock(),
    ...over,
  })

test('over TLS: one framed message, parsed back by the grammar of the RFC', async () => {
  const { port, took } = await listen('tls')
  const { receipt } = await channel(port).deliver(alertOf(), never)
  expect(receipt).toMatch(/^TLS: \d+ octets, then the receiver ended its side; syslog itself acknowledges nothing$/)
  const [message = ''] = unframe(took[0] ?? Buffer.alloc(0))
  const parsed = parse(message)
  expect(parsed).toMatchObject({
    // authpriv, critical
    priority: 82,
    timestamp: '2026-11-21T11:59:55.000Z',
    hostname,
    app: 'halligan',
    messageId: 'grant.activated',
    text: expect.stringContaining('alice broke the glass: deploy@web-1'),
  })
  expect(Object.fromEntries(parsed.params)).toMatchObject({
    alert: 'a-5b2c',
    type: 'grant.activated',
    grant: 'g7f3',
    user: 'alice',
    reason: 'payments are stuck',
  })
})

test('what is sent twice carries the same alert', async () => {
  const { port, took } = await listen('tls')
  for (let n = 0; n < 2; n++) await channel(port).deliver(alertOf(), never)
  expect(took).toHaveLength(2)
  expect(took[1]).toEqual(took[0])
})

for (const { name, text } of hostile)
  test(`${name} in every field: one message of the grammar, at most 8192 octets`, () => {
    const message = syslogMessage({ ...hostileAlert(text), type: text }, hostname)
    expect(unframe(syslogFrame(message))).toEqual([message])
    expect(Buffer.byteLength(message)).toBeLessThanOrEqual(8192)
    const parsed = parse(message)
    expect(message).not.toMatch(/[\p{Cc}\p{Cs}]/u)
    expect(parsed.params.get('alert')).toBe('a-5b2c')
    expect(parsed.text.startsWith('\uFEFF')).toBe(false)
  })

test('an address stays as it was written for machines, and is none for people', () => {
  const { params, text } = parse(syslogMessage(alertOf({ reason: 'see https://status.example.com' }), hostname))
  expect(params.get('reason')).toBe('see https://status.example.com')
  expect(text).not.toContain('see https://')
})

test('any payload is a message of the grammar; escaped values come back', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), (payload, type) => {
      const message = syslogMessage({ ...alertOf(), type, payload }, hostname)
      expect(parse(message).hostname).toBe(hostname)
      expect(Buffer.byteLength(message)).toBeLessThanOrEqual(8192)
    }),
  )
  fc.assert(
    fc.property(fc.string(), (value) => {
      expect(escapeParam(value).replaceAll(/\\(["\\\]])/g, '$1')).toBe(value)
      expect(escapeParam(value)).not.toMatch(/(^|[^\\])(\\\\)*["\]]/)
    }),
  )
})

test('a drill is marked as one', () => {
  expect(parse(syslogMessage(alertOf({ drill: true }), hostname))).toMatchObject({
    priority: 86,
    text: expect.stringMatching(/^\[DRILL\] /),
  })
})

/** Takes the octets and keeps its side open. */
function lingering(socket: Socket, done: (bytes: Buffer) => void): void {
  socket.allowHalfOpen = true
  collect(socket, done)
}

/** Moves the clock until the delivery has ended. */
async function waitedOut<T>(clock: FakeClock, delivered: Promise<T>): Promise<T> {
  let isDone = false
  const marked = delivered.finally(() => (isDone = true))
  marked.catch(() => {})
  while (!isDone) {
    clock.advance(1000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return await marked
}

test('over TCP the receipt says that nothing is acknowledged', async () => {
  const { port, took } = await listen('tcp')
  const { receipt } = await channel(port, { transport: 'tcp', outside: false, ca: undefined }).deliver(alertOf(), never)
  expect(receipt).toContain('acknowledges nothing')
  expect(unframe(took[0] ?? Buffer.alloc(0))).toHaveLength(1)
})

test('a receiver that never ends its side: handed over only, which is no acceptance outside', async () => {
  const clock = new FakeClock(noon)
  const tls = await listen('tls', lingering)
  await expect(waitedOut(clock, channel(tls.port, { clock }).deliver(alertOf(), never))).rejects.toMatchObject({
    code: 'unreachable',
    message: expect.stringContaining('did not end'),
  })
  const inside = channel(tls.port, { clock, outside: false }).deliver(alertOf(), never)
  expect((await waitedOut(clock, inside)).receipt).toContain('nothing shows that they were read')
})

test('a receiver that hangs up without reading, resets, or is not there: no acceptance', async () => {
  const rude = await listen('tls', (socket) => socket.end().destroy())
  await expect(channel(rude.port).deliver(alertOf(), never)).rejects.toMatchObject({ code: 'unreachable' })
  const reset = await listen('tcp', (socket) => socket.resetAndDestroy())
  const plain = { transport: 'tcp', outside: false } as const
  await expect(channel(reset.port, plain).deliver(alertOf(), never)).rejects.toMatchObject({ code: 'unreachable' })
  const gone = createServer().listen(0, '127.0.0.1')
  await once(gone, 'listening')
  const { port } = gone.address() as AddressInfo
  gone.close()
  await expect(channel(port, plain).deliver(alertOf(), never)).rejects.toMatchObject({
    message: expect.stringContaining('ECONNREFUSED'),
  })
})

test('a receiver that talks without end costs nothing, and one that hangs is given up with the attempt', async () => {
  const talking = await listen('tls', (socket, done) => {
    collect(socket, done)
    const more = () => {
      while (!socket.destroyed && socket.writable && socket.write('x'.repeat(65_536)));
    }
    socket.on('drain', more)
    more()
  })
  const patience = new AbortController()
  const delivered = channel(talking.port)
    .deliver(alertOf(), patience.signal)
    .catch((error: unknown) => error)
  patience.abort()
  expect(await delivered).toMatchObject({ code: 'unreachable' })
})

test('a certificate that does not prove the name ends it before the alert', async () => {
  const other = certificate(['logs.example.com'])
  const wrongName = await listen('tls', collect, other)
  await expect(channel(wrongName.port, { ca: other.ca }).deliver(alertOf(), never)).rejects.toMatchObject({
    message: expect.stringContaining('ERR_TLS_CERT_ALTNAME_INVALID'),
  })
  const wrongCa = await listen('tls')
  await expect(channel(wrongCa.port, { ca: undefined }).deliver(alertOf(), never)).rejects.toMatchObject({
    code: 'unreachable',
  })
  expect([...wrongName.took, ...wrongCa.took]).toEqual([])
})

test('plain TCP cannot be outside; link-local and metadata addresses are never dialled', async () => {
  expect(() => channel(514, { transport: 'tcp', outside: true })).toThrow(
    expect.objectContaining({ code: 'config_invalid' }),
  )
  await expect(channel(514, { host: 'fe80::1' }).deliver(alertOf(), never)).rejects.toMatchObject({
    code: 'config_invalid',
  })
})
