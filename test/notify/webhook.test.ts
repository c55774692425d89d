import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import * as fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { webhookBody, webhookChannel, webhookHeaders, type WebhookOptions } from '../../src/notify/webhook.ts'
import type { Alert } from '../../src/session/state.ts'
import { FakeClock } from '../support/clock.ts'
import { Receiver } from './receiver.ts'

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const noon = Date.UTC(2026, 10, 21, 12)
const alert: Alert = {
  id: 'alert-1',
  channel: 'sec-slack',
  type: 'grant.activated',
  at: noon - 5000,
  payload: { grant: 'g7f3', reason: 'Zahlungen hängen 🔥' },
}

let receiver: Receiver
let url: string
beforeEach(async () => {
  receiver = new Receiver()
  url = await receiver.start()
})
afterEach(() => receiver.stop())

const never = new AbortController().signal
const channelTo = (over: Partial<WebhookOptions> = {}) =>
  webhookChannel({ name: 'sec-slack', url, secret, outside: true, clock: new FakeClock(noon), ...over })

test('the signature is that of the published example', () => {
  // Standard Webhooks, the example of its specification and reference libraries.
  const key = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64')
  expect(webhookHeaders('msg_p5jXN8AQM9LWM0D4loKWxJek', 1614265330_999, '{"test": 2432232314}', key)).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  })
})

test('a receiver that recomputes the signature over the bytes it got finds it right', async () => {
  await channelTo().deliver(alert, never)
  const [got] = receiver.received
  expect(got?.method).toBe('POST')
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature } = got?.headers ?? {}
  const signed = Buffer.concat([Buffer.from(`${String(id)}.${String(timestamp)}.`), got?.body ?? Buffer.alloc(0)])
  const expected = createHmac('sha256', Buffer.from(secret.slice(6), 'base64'))
    .update(signed)
    .digest('base64')
  expect(signature).toBe(`v1,${expected}`)
  expect(id).toBe('alert-1')
  expect(timestamp).toBe(String(noon / 1000))
  expect(got?.headers['content-type']).toBe('application/json')
  expect(JSON.parse(String(got?.body))).toEqual({
    type: 'grant.activated',
    timestamp: '2026-11-21T11:59:55.000Z',
    data: alert.payload,
  })
})

test('a later attempt has the same id and body and a new time', async () => {
  const clock = new FakeClock(noon)
  const channel = channelTo({ clock })
  await channel.deliver(alert, never)
  clock.advance(90_000)
  await channel.deliver(alert, never)
  const [first, second] = receiver.received
  expect(second?.body.equals(first?.body ?? Buffer.alloc(0))).toBe(true)
  expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id'])
  expect(Number(second?.headers['webhook-timestamp']) - Number(first?.headers['webhook-timestamp'])).toBe(90)
})

test('the receipt is one printable line, whatever the receiver says', async () => {
  receiver.answer((response) => response.writeHead(202).end('\u001b[2Jqueued\r\nas 17 \u00e4' + 'x'.repeat(9000)))
  const { receipt } = await channelTo().deliver(alert, never)
  expect(receipt).toMatch(/^HTTP 202 \[2Jqueued as 17 x{70,}$/)
  expect(receipt.length).toBeLessThan(120)
  receiver.answer((response) => response.writeHead(204).end())
  expect(await channelTo().deliver(alert, never)).toEqual({ receipt: 'HTTP 204' })
})

for (const status of [300, 301, 302, 307, 308, 400, 401, 410, 429, 500, 503])
  test(`status ${status} is no acceptance`, async () => {
    receiver.answer((response, nth) => response.writeHead(nth === 1 ? status : 200, { location: url }).end('no'))
    await expect(channelTo().deliver(alert, never)).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining(String(status)),
    })
    // A redirect was not followed.
    expect(receiver.received).toHaveLength(1)
  })

test('an answer without end is cut and still an acceptance', async () => {
  receiver.answer((response) => {
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    }
    response.on('drain', more)
    more()
  })
  expect((await channelTo().deliver(alert, never)).receipt).toMatch(/^HTTP 200 x+$/)
})

test('an answer that stops after its status is an acceptance', async () => {
  const clock = new FakeClock(noon)
  const flushed = new Promise<void>((resolve) => {
    receiver.answer((response) => {
      response.writeHead(200)
      response.write('o', () => resolve())
    })
  })
  const delivered = channelTo({ clock }).deliver(alert, never)
  let isDone = false
  const marked = delivered.finally(() => (isDone = true))
  await flushed
  // The timer for the rest starts when the status has arrived here: time goes on until then.
  while (!isDone) {
    clock.advance(1000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect((await marked).receipt).toMatch(/^HTTP 200/)
})

test('an answer broken off after its status is an acceptance', async () => {
  receiver.answer((response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('half', () => response.destroy())
  })
  expect((await channelTo().deliver(alert, never)).receipt).toMatch(/^HTTP 200/)
})

test('nobody there, a garbled answer, no answer in time: each is an error without the URL', async () => {
  const closed = new Receiver()
  const closedUrl = await closed.start()
  await closed.stop()
  const garbling = createServer((socket) => socket.end('\u0000\u0001 not http\r\n\r\n')).listen(0, '127.0.0.1')
  await once(garbling, 'listening')
  const { port } = garbling.address() as { port: number }
  for (const to of [closedUrl, `http://127.0.0.1:${port}/token-in-path`])
    await expect(channelTo({ url: to }).deliver(alert, never)).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.not.stringMatching(/127\.0\.0\.1|token/),
    })
  garbling.close()
  receiver.answer(() => {})
  const patience = new AbortController()
  const waiting = channelTo().deliver(alert, patience.signal)
  const refused = expect(waiting).rejects.toMatchObject({ code: 'unreachable' })
  await receiver.got(1)
  patience.abort()
  await refused
})

const badOptions: readonly { readonly name: string; readonly over: Partial<WebhookOptions> }[] = [
  { name: 'http to another machine', over: { url: 'http://hooks.example.com/x' } },
  { name: 'http to a name that only looks like this machine', over: { url: 'http://127.0.0.1.example.com/x' } },
  { name: 'http to localhost below another name', over: { url: 'http://localhost.example.com/x' } },
  { name: 'another scheme', over: { url: 'ftp://hooks.example.com/x' } },
  { name: 'a file', over: { url: 'file:///etc/passwd' } },
  { name: 'a password in it', over: { url: 'https://user:pw@hooks.example.com/x' } },
  { name: 'no URL', over: { url: 'hooks' } },
  { name: 'a secret without prefix', over: { secret: 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' } },
  { name: 'a short secret', over: { secret: 'whsec_QUJD' } },
  { name: 'a secret that is not base64', over: { secret: `whsec_${'!'.repeat(40)}` } },
]
for (const { name, over } of badOptions)
  test(`a webhook with ${name} is refused when it is configured`, () => {
    expect(() => channelTo(over)).toThrow(
      expect.objectContaining({
        code: 'config_invalid',
        hint: expect.any(String),
        message: expect.stringContaining('sec-slack'),
      }),
    )
  })

test('http to this machine and https anywhere can be configured', () => {
  for (const to of ['http://localhost:8080/x', 'http://[::1]/x', 'http://127.9.9.9/x', 'https://hooks.example.com/x'])
    expect(channelTo({ url: to, clock: systemClock() }).name).toBe('sec-slack')
})

test('the body is the same at every attempt and JSON for any payload', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), (payload, type) => {
      const body = webhookBody({ ...alert, type, payload })
      expect(webhookBody({ ...alert, type, payload })).toBe(body)
      expect(JSON.parse(body)).toEqual(
        JSON.parse(JSON.stringify({ type, timestamp: '2026-11-21T11:59:55.000Z', data: payload })),
      )
    }),
  )
})
