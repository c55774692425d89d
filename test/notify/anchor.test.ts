import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { SMTPServer } from 'smtp-server'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openCheckpoint, signCheckpoint } from '../../src/ledger/checkpoint.ts'
import { noteSigner } from '../../src/ledger/note-key.ts'
import { emailAnchor } from '../../src/notify/anchor-email.ts'
import { checkpointId, webhookAnchor } from '../../src/notify/anchor-webhook.ts'
import { FakeClock } from '../support/clock.ts'
import { certificate, never, noon } from './alerts.ts'
import { Receiver } from './receiver.ts'

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const signer = noteSigner('halligan/a1b2c3d4', Buffer.alloc(32, 7))
const checkpoint = signCheckpoint({ size: 17, root: Buffer.alloc(32, 9) }, signer)

let receiver: Receiver
let url: string
beforeEach(async () => {
  receiver = new Receiver()
  url = await receiver.start()
})
afterEach(() => receiver.stop())

const anchorTo = (readBack = false) =>
  webhookAnchor({ name: 'desk', outside: true, readBack, url, secret, clock: new FakeClock(noon) })

test('a webhook gets the checkpoint as it was signed', async () => {
  expect(await anchorTo().publish(checkpoint, never)).toEqual({ receipt: 'HTTP 200 ok' })
  const body = JSON.parse(String(receiver.received[0]?.body)) as { type: string; data: { checkpoint: string } }
  expect(body).toMatchObject({ type: 'ledger.checkpoint', data: { origin: 'halligan/a1b2c3d4', size: 17 } })
  expect(openCheckpoint(body.data.checkpoint, signer)).toMatchObject({ kind: 'signed', checkpoint: { size: 17 } })
})

test('two trees of one size have two ids: a receiver that drops what it has never drops a fork', () => {
  const fork = signCheckpoint({ size: 17, root: Buffer.alloc(32, 8) }, signer)
  expect(checkpointId(fork)).not.toBe(checkpointId(checkpoint))
  expect(checkpointId(checkpoint)).toMatch(/^[a-z0-9-]{1,80}$/)
})

test('only what can be read back has something to read', async () => {
  expect(anchorTo().read).toBeUndefined()
  receiver.answer((response) => response.end(checkpoint))
  expect(await anchorTo(true).read?.(never)).toBe(checkpoint)
  expect(receiver.received[0]?.headers['webhook-signature']).toMatch(/^v1,/)
  receiver.answer((response) => response.writeHead(404).end('none yet'))
  expect(await anchorTo(true).read?.(never)).toBeUndefined()
})

for (const { name, answer } of [
  { name: 'refuses', answer: (response: import('node:http').ServerResponse) => response.writeHead(500).end() },
  { name: 'redirects', answer: (response: import('node:http').ServerResponse) => response.writeHead(302).end() },
  { name: 'hangs up', answer: (response: import('node:http').ServerResponse) => response.destroy() },
  {
    name: 'answers without end',
    answer: (response: import('node:http').ServerResponse) => response.end('x'.repeat(1_000_000)),
  },
])
  test(`a place that ${name} has given nothing back`, async () => {
    receiver.answer(answer)
    await expect(anchorTo(true).read?.(never)).rejects.toMatchObject({ code: 'unreachable' })
  })

test('a refusal is no acknowledgement', async () => {
  receiver.answer((response) => response.writeHead(500).end())
  await expect(anchorTo().publish(checkpoint, never)).rejects.toMatchObject({ code: 'unreachable' })
})

test('a mail carries the checkpoint as a file that verifies, byte for byte', async () => {
  const { ca, cert, key } = certificate()
  const raws: string[] = []
  const server = new SMTPServer({
    authOptional: true,
    key,
    cert,
    closeTimeout: 100,
    onData: (stream, _session, done) => {
      void text(stream).then((raw) => {
        raws.push(raw)
        done(null, 'queued as 18')
      })
    },
  })
  server.on('error', () => {})
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  try {
    const anchor = emailAnchor({
      name: 'leads',
      outside: true,
      host: 'localhost',
      port: (server.server.address() as AddressInfo).port,
      security: 'starttls',
      ca,
      from: 'halligan@example.com',
      to: ['leads@example.com'],
      login: null,
      hostname: 'bastion.example.com',
      clock: new FakeClock(noon),
    })
    const { receipt } = await anchor.publish(checkpoint, never)
    expect(receipt).toContain('queued as 18')
    const [raw = ''] = raws
    expect(raw).toContain('checkpoint-17.txt')
    const [, encoded = ''] =
      /filename=checkpoint-17\.txt\r\n(?:[^\r\n]+\r\n)*\r\n([A-Za-z0-9+/=\r\n]+?)\r\n--/.exec(raw) ?? []
    expect(Buffer.from(encoded, 'base64').toString('utf8')).toBe(checkpoint)
    expect(anchor.read).toBeUndefined()
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
})
