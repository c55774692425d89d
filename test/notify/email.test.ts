import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { text } from 'node:stream/consumers'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { afterEach, expect, test } from 'vitest'
import { emailChannel, mailOf, type EmailOptions } from '../../src/notify/email.ts'
import { FakeClock } from '../support/clock.ts'
import { alertOf, certificate, hostile, hostileAlert, never, noon } from './alerts.ts'

const hostname = 'bastion.example.com'
const { ca, cert, key } = certificate()

interface Taken {
  readonly from: string
  readonly to: readonly string[]
  readonly raw: string
  readonly secure: boolean
  readonly user: string | undefined
}

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** A real SMTP server on this machine; gives its port and what it took. */
async function serve(over: SMTPServerOptions = {}): Promise<{ port: number; taken: Taken[] }> {
  const taken: Taken[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH'],
    key,
    cert,
    closeTimeout: 100,
    onData: (stream, session, done) => {
      void text(stream).then((raw) => {
        const { mailFrom, rcptTo } = session.envelope
        taken.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          raw,
          secure: session.secure,
          user: session.user === undefined ? undefined : String(session.user),
        })
        done(null, 'queued as 17')
      })
    },
    ...over,
  })
  server.on('error', () => {})
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  closing.push(() => new Promise((resolve) => server.close(() => resolve())))
  return { port: (server.server.address() as AddressInfo).port, taken }
}

function channel(port: number, over: Partial<EmailOptions> = {}) {
  return emailChannel({
    name: 'leads',
    host: 'localhost',
    port,
    security: 'starttls',
    ca,
    from: 'halligan@example.com',
    to: ['leads@example.com', 'security@example.com'],
    login: null,
    outside: true,
    hostname,
    clock: new FakeClock(noon),
    ...over,
  })
}

const headersOf = (raw: string) =>
  raw
    .slice(0, raw.indexOf('\r\n\r\n'))
    .replaceAll(/\r\n[ \t]/g, ' ')
    .split('\r\n')
const header = (raw: string, name: string) =>
  headersOf(raw)
    .filter((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
    .map((line) => line.slice(name.length + 1).trim())

test('one mail to all recipients, over STARTTLS, and the server’s word is the receipt', async () => {
  const { port, taken } = await serve()
  expect(await channel(port).deliver(alertOf(), never)).toEqual({ receipt: '250 queued as 17' })
  expect(taken).toMatchObject([
    { from: 'halligan@example.com', to: ['leads@example.com', 'security@example.com'], secure: true },
  ])
  const raw = taken[0]?.raw ?? ''
  expect(header(raw, 'Subject')).toEqual(['Halligan: alice broke the glass: deploy@web-1'])
  expect(header(raw, 'Message-ID')).toEqual([`<a-5b2c@${hostname}>`])
  expect(header(raw, 'References')).toEqual([`<grant-g7f3@${hostname}>`])
  expect(header(raw, 'Auto-Submitted')).toEqual(['auto-generated'])
  expect(header(raw, 'Content-Type')).toEqual([expect.stringContaining('text/plain')])
  expect(raw).toContain('why: payments are stuck')
  expect(raw).toContain('https://halligan.example.com/grants/g7f3')
})

test('what is sent twice has the same Message-ID', async () => {
  const { port, taken } = await serve()
  for (let n = 0; n < 2; n++) await channel(port).deliver(alertOf(), never)
  const ids = taken.map(({ raw }) => header(raw, 'Message-ID')[0])
  expect(new Set(ids)).toEqual(new Set([`<a-5b2c@${hostname}>`]))
  expect(mailOf({ ...alertOf(), id: 'x>\r\nBcc: eve' }, hostname).messageId).toMatch(
    /^<[0-9a-f]{64}@bastion\.example\.com>$/,
  )
})

test('TLS from the first byte, with a login', async () => {
  const { port, taken } = await serve({
    secure: true,
    authOptional: false,
    disabledCommands: [],
    onAuth: (auth, _, done) => {
      if (auth.username === 'halligan' && auth.password === 'right') done(null, { user: 'halligan' })
      else done(new Error('no'))
    },
  })
  const login = { user: 'halligan', password: 'right' }
  await channel(port, { security: 'tls', login }).deliver(alertOf(), never)
  expect(taken).toMatchObject([{ secure: true, user: 'halligan' }])
  await expect(
    channel(port, { security: 'tls', login: { user: 'halligan', password: 'hunter2' } }).deliver(alertOf(), never),
  ).rejects.toMatchObject({ code: 'unreachable', message: expect.not.stringMatching(/hunter2|aGFsbGlnYW4/) })
})

test('a server that does not offer STARTTLS gets no mail and no password', async () => {
  const said: string[] = []
  const { port, taken } = await serve({
    disabledCommands: ['STARTTLS'],
    authOptional: false,
    allowInsecureAuth: true,
    onAuth: (auth, _, done) => {
      said.push(String(auth.password))
      done(null, { user: 'halligan' })
    },
  })
  const login = { user: 'halligan', password: 'hunter2' }
  await expect(channel(port, { login }).deliver(alertOf(), never)).rejects.toMatchObject({ code: 'unreachable' })
  expect([...taken, ...said]).toEqual([])
})

for (const { name, over } of [
  { name: 'of a CA nobody trusts', over: { ca: certificate().ca } },
  { name: 'of the machine’s CAs alone', over: { ca: undefined } },
])
  test(`a certificate not ${name === 'of a CA nobody trusts' ? 'signed by the CA of the configuration' : 'signed by a CA of the machine'} ends it before the mail`, async () => {
    const { port, taken } = await serve()
    await expect(channel(port, over).deliver(alertOf(), never)).rejects.toMatchObject({ code: 'unreachable' })
    const secure = await serve({ secure: true })
    await expect(channel(secure.port, { ...over, security: 'tls' }).deliver(alertOf(), never)).rejects.toMatchObject({
      code: 'unreachable',
    })
    expect([...taken, ...secure.taken]).toEqual([])
  })

test('a certificate for another name ends it before the mail', async () => {
  const other = certificate(['mail.example.com'])
  const { port, taken } = await serve({ key: other.key, cert: other.cert })
  await expect(channel(port, { ca: other.ca }).deliver(alertOf(), never)).rejects.toMatchObject({ code: 'unreachable' })
  expect(taken).toEqual([])
})

for (const { name, text: hostileText } of hostile)
  test(`${name} in every field: the headers are ours, the body is one text`, async () => {
    const { port, taken } = await serve({ disabledCommands: ['AUTH', 'STARTTLS'] })
    await channel(port, { security: 'none', ca: undefined }).deliver(hostileAlert(hostileText), never)
    const [mail] = taken
    const raw = mail?.raw ?? ''
    expect(taken).toHaveLength(1)
    expect(mail?.to).toEqual(['leads@example.com', 'security@example.com'])
    const names = headersOf(raw).map((line) => line.slice(0, line.indexOf(':')).toLowerCase())
    expect(names.filter((one) => ['bcc', 'cc', 'to', 'subject', 'from'].includes(one)).sort()).toEqual([
      'from',
      'subject',
      'to',
    ])
    expect(raw.split('\r\n').every((line) => line.length <= 998)).toBe(true)
    expect(Buffer.byteLength(raw)).toBeLessThan(64 * 1024)
  })

test('one recipient of several refused: taken, and said', async () => {
  const { port, taken } = await serve({
    onRcptTo: ({ address }, _, done) => done(address.startsWith('leads') ? new Error('no such user') : null),
  })
  expect((await channel(port).deliver(alertOf(), never)).receipt).toBe('250 queued as 17 (1 of 2 recipients refused)')
  expect(taken[0]?.to).toEqual(['security@example.com'])
})

test('refused by all, for now, or at the end: no acceptance, with the server’s words', async () => {
  const all = await serve({
    onRcptTo: (_, __, done) => done(Object.assign(new Error('no such user'), { responseCode: 550 })),
  })
  await expect(channel(all.port).deliver(alertOf(), never)).rejects.toMatchObject({ code: 'unreachable' })
  const later = await serve({
    onMailFrom: (_, __, done) => done(Object.assign(new Error('busy'), { responseCode: 451 })),
  })
  await expect(channel(later.port).deliver(alertOf(), never)).rejects.toMatchObject({
    message: expect.stringContaining('451'),
  })
  const full = await serve({
    onData: (stream, _, done) => {
      stream.resume().on('end', () => done(Object.assign(new Error('mailbox full'), { responseCode: 552 })))
    },
  })
  await expect(channel(full.port).deliver(alertOf(), never)).rejects.toMatchObject({
    message: expect.stringContaining('552'),
  })
})

/** A listener that is no mail server. */
async function odd(talk: (server: Server) => void): Promise<number> {
  const server = createServer()
  const sockets = new Set<import('node:net').Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket.on('error', () => {}))
  })
  talk(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return (server.address() as AddressInfo).port
}

test('nobody there, another protocol, a greeting that never ends: no acceptance', async () => {
  const gone = createServer().listen(0, '127.0.0.1')
  await once(gone, 'listening')
  const { port } = gone.address() as AddressInfo
  gone.close()
  await expect(channel(port).deliver(alertOf(), never)).rejects.toMatchObject({
    message: expect.stringContaining('ECONNREFUSED'),
  })
  const web = await odd((server) => server.on('connection', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')))
  await expect(channel(web).deliver(alertOf(), never)).rejects.toMatchObject({ code: 'unreachable' })
  const patience = new AbortController()
  const endless = await odd((server) =>
    server.on('connection', (socket) => {
      const more = () => {
        while (!socket.destroyed && socket.write('220-'.repeat(16_384)));
      }
      socket.on('drain', more).once('drain', () => patience.abort())
      more()
    }),
  )
  await expect(channel(endless).deliver(alertOf(), patience.signal)).rejects.toMatchObject({ code: 'unreachable' })
})

test('a server that hangs is given up with the attempt', async () => {
  const patience = new AbortController()
  const port = await odd((server) => server.on('connection', () => patience.abort()))
  await expect(channel(port).deliver(alertOf(), patience.signal)).rejects.toMatchObject({
    message: expect.stringContaining('in time'),
  })
})

for (const { name, over } of [
  { name: 'mail to another machine without TLS', over: { host: 'smtp.example.com', security: 'none' } },
  { name: 'a recipient with a line end', over: { to: ['leads@example.com\r\nRCPT TO:<eve@evil.example>'] } },
  { name: 'a recipient with a name', over: { to: ['Leads <leads@example.com>'] } },
  { name: 'a sender that is none', over: { from: 'halligan' } },
] as const)
  test(`${name} is refused when it is configured`, () => {
    expect(() => channel(25, over)).toThrow(expect.objectContaining({ code: 'config_invalid' }))
  })

test('link-local and metadata addresses are never dialled', async () => {
  await expect(channel(25, { host: '169.254.169.254' }).deliver(alertOf(), never)).rejects.toMatchObject({
    code: 'config_invalid',
  })
})
