import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { outboundUrl, type OutboundRequest, request } from '../../src/outbound/request.ts'
import { selfSigned } from '../../src/pgwire/certificate.ts'
import { FakeClock } from '../support/clock.ts'

let server: Server
let url: string
let clock: FakeClock
let seen: string[]
let answer: (response: ServerResponse) => void

beforeEach(async () => {
  clock = new FakeClock()
  seen = []
  answer = (response) => response.end('ok')
  server = createServer((incoming, response) => {
    seen.push(`${incoming.method} ${incoming.url}`)
    answer(response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`
})

afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
})

const of = (name: string) => ({ commonName: name, altNames: [name], now: Date.now(), validDays: 1 })

const get = (to: string, over: Partial<OutboundRequest> = {}) =>
  request(to, { method: 'GET', headers: {}, timeoutMs: 5_000, maxBytes: 1_000, clock, ...over })

test('gives status, headers and body', async () => {
  answer = (response) => response.writeHead(418, { 'x-what': 'tea' }).end('short')
  const { status, headers, body } = await get(url)
  expect([status, headers['x-what'], body.toString()]).toEqual([418, 'tea', 'short'])
})

test('a redirect is an answer, not a way', async () => {
  answer = (response) => response.writeHead(302, { location: '/elsewhere' }).end()
  expect((await get(url)).status).toBe(302)
  expect(seen).toEqual(['GET /x'])
})

test('a body is sent whole, with its length', async () => {
  const got = Promise.withResolvers<string>()
  server.removeAllListeners('request')
  server.on('request', (incoming, response) => {
    let text = `${incoming.headers['content-length']} `
    incoming.on('data', (chunk: Buffer) => (text += chunk.toString()))
    incoming.on('end', () => {
      got.resolve(text)
      response.end()
    })
  })
  await get(url, { method: 'POST', body: 'é!' })
  expect(await got.promise).toBe('3 é!')
})

for (const answers of ['whole', 'start'] as const)
  test(`an endless body is cut at its limit: ${answers}`, async () => {
    answer = (response) => {
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      }
      response.on('drain', more)
      more()
    }
    const asked = get(url, { answer: answers })
    if (answers === 'whole') await expect(asked).rejects.toMatchObject({ code: 'unreachable' })
    else expect((await asked).body).toHaveLength(1_000)
  })

/** Lets time go on until `asked` is settled: its timer starts when the server has answered so far. */
async function settle<T>(asked: Promise<T>): Promise<T> {
  let isDone = false
  const marked = asked.finally(() => (isDone = true))
  marked.catch(() => {})
  while (!isDone) {
    clock.advance(500)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return await marked
}

test('a body that stops in the middle is an error after the time allowed, or what came of it', async () => {
  answer = (response) => void response.writeHead(200).write('half')
  await expect(settle(get(url))).rejects.toMatchObject({ code: 'unreachable' })
  expect((await settle(get(url, { answer: 'start', timeoutMs: 3_600_000 }))).status).toBe(200)
})

test('a body that breaks off is an error, or what came of it', async () => {
  answer = (response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('half', () => response.destroy())
  }
  await expect(get(url)).rejects.toMatchObject({ code: 'unreachable' })
  expect((await get(url, { answer: 'start' })).status).toBe(200)
})

test('no answer in time is an error, and the connection is closed', async () => {
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  const { promise: closed, resolve: onClose } = Promise.withResolvers<void>()
  answer = (response) => {
    response.on('close', onClose)
    resolve()
  }
  const waiting = expect(get(url)).rejects.toMatchObject({ code: 'unreachable' })
  await asked
  clock.advance(5_000)
  await waiting
  await closed
})

test('a signal gives up before and amid', async () => {
  await expect(get(url, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'unreachable' })
  expect(seen).toEqual([])
  const patience = new AbortController()
  answer = () => patience.abort()
  await expect(get(url, { signal: patience.signal })).rejects.toMatchObject({ code: 'unreachable' })
})

const garbage: readonly { readonly name: string; readonly say: (socket: Socket) => void }[] = [
  { name: 'nothing at all', say: (socket) => socket.end() },
  { name: 'no HTTP', say: (socket) => socket.end('\u0000\u0001 no\r\n\r\n') },
  { name: 'a reset', say: (socket) => socket.resetAndDestroy() },
  { name: 'headers without end', say: (socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(40_000)}`) },
  {
    name: 'another protocol',
    say: (socket) => socket.end('HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
  },
  {
    name: 'two lengths',
    say: (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'),
  },
]
for (const { name, say } of garbage)
  test(`${name} is an error without the URL in it`, async () => {
    const tcp = createTcpServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => say(socket))
    }).listen(0, '127.0.0.1')
    await once(tcp, 'listening')
    const { port } = tcp.address() as AddressInfo
    await expect(get(`http://127.0.0.1:${port}/token-in-path`)).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.not.stringMatching(/127\.0\.0\.1|token/),
    })
    tcp.close()
  })

test('nobody there is an error', async () => {
  const free = createTcpServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port } = free.address() as AddressInfo
  free.close()
  await once(free, 'close')
  await expect(get(`http://127.0.0.1:${port}/`)).rejects.toMatchObject({ code: 'unreachable' })
})

for (const to of [
  'http://hooks.example.com/',
  'http://10.0.0.1/',
  'http://127.0.0.1.example.com/',
  'http://localhost.example.com/',
  'http://user:pw@127.0.0.1/',
  'http://127.0.0.1/#x',
  'https://169.254.169.254/latest/meta-data/',
  'http://169.254.169.254/',
  'https://2852039166/',
  'https://0xa9fea9fe/',
  'https://[::ffff:169.254.169.254]/',
  'https://[fd00:ec2::254]/',
  'https://[fe80::1]/',
  'ftp://example.com/',
  'file:///etc/passwd',
  'nonsense',
])
  test(`${to} is refused as it is written`, async () => {
    expect(() => outboundUrl(to)).toThrow(expect.objectContaining({ code: 'config_invalid', hint: expect.any(String) }))
    await expect(get(to)).rejects.toMatchObject({ code: 'config_invalid' })
  })

test('https anywhere, and http to this machine, can be written', () => {
  for (const to of [
    'https://hooks.example.com/x?y=z',
    'https://10.0.0.1/',
    'http://localhost/',
    'http://127.9.9.9/',
    'http://[::1]:8/',
  ])
    expect(outboundUrl(to).href).toContain('://')
})

test('a header that would split the request is refused before anything is sent', async () => {
  await expect(get(url, { headers: { authorization: 'a\r\nx: y' } })).rejects.toMatchObject({ code: 'config_invalid' })
  expect(seen).toEqual([])
})

test('a name that leads to the metadata service, or here, reaches nobody; here only when that is allowed', async () => {
  const certificate = selfSigned(of('hooks.example.com'))
  const tls = createTlsServer({ cert: certificate.cert, key: certificate.key }, (incoming, response) => {
    seen.push(incoming.headers.host ?? '')
    response.end('ok')
  }).listen(0, '127.0.0.1')
  await once(tls, 'listening')
  const { port } = tls.address() as AddressInfo
  const to = `https://hooks.example.com:${port}/`
  const leadsTo = (...addresses: string[]): Partial<OutboundRequest> => ({
    ca: certificate.ca,
    resolve: (_, done) => {
      done(
        null,
        addresses.map((address) => ({ address, family: 4 })),
      )
    },
  })
  for (const address of ['169.254.169.254', '127.0.0.1', '0.0.0.0'])
    await expect(get(to, leadsTo(address))).rejects.toMatchObject({ code: 'unreachable' })
  expect(seen).toEqual([])
  expect((await get(to, { ...leadsTo('169.254.169.254', '127.0.0.1'), allow: 'loopback' })).status).toBe(200)
  expect(seen).toEqual([`hooks.example.com:${port}`])
  tls.close()
})

test('a name is asked for once: what was checked is what is dialled', async () => {
  let questions = 0
  // The second answer would be this machine, where a server listens.
  const resolve: OutboundRequest['resolve'] = (_, done) => {
    questions++
    done(null, [{ address: questions === 1 ? '169.254.169.254' : '127.0.0.1', family: 4 }])
  }
  await expect(get(url.replace('http://127.0.0.1', 'https://hooks.example.com'), { resolve })).rejects.toMatchObject({
    code: 'unreachable',
  })
  expect([questions, seen]).toEqual([1, []])
})

test('a name that is never resolved is an error when its time is over', async () => {
  const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>()
  const waiting = expect(get('https://hooks.example.com/', { resolve: () => onAsked() })).rejects.toMatchObject({
    code: 'unreachable',
  })
  await asked
  clock.advance(5_000)
  await waiting
})

test('plain HTTP to localhost goes to this machine, whatever localhost is said to be', async () => {
  const to = url.replace('127.0.0.1', 'localhost')
  const leadsTo = (address: string): Partial<OutboundRequest> => ({
    resolve: (_, done) => done(null, [{ address, family: 4 }]),
  })
  for (const address of ['198.51.100.7', '10.0.0.1', '169.254.169.254'])
    await expect(get(to, leadsTo(address))).rejects.toMatchObject({ code: 'unreachable' })
  expect((await get(to, leadsTo('127.0.0.1'))).status).toBe(200)
})

test('a certificate of nobody known, or of another name, is no receiver', async () => {
  const certificate = selfSigned(of('localhost'))
  const tls = createTlsServer({ cert: certificate.cert, key: certificate.key }, (_, response) => response.end('ok'))
  tls.listen(0, '127.0.0.1')
  await once(tls, 'listening')
  const { port } = tls.address() as AddressInfo
  await expect(get(`https://localhost:${port}/`)).rejects.toMatchObject({ code: 'unreachable' })
  const { ca } = certificate
  const resolve: OutboundRequest['resolve'] = (_, done) => done(null, [{ address: '127.0.0.1', family: 4 }])
  await expect(get(`https://other.example.com:${port}/`, { ca, resolve, allow: 'loopback' })).rejects.toMatchObject({
    code: 'unreachable',
  })
  expect((await get(`https://localhost:${port}/`, { ca, resolve })).status).toBe(200)
  tls.close()
})
