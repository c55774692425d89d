import { afterEach, beforeEach, expect, test } from 'vitest'
import { Busy } from '../../src/notify/channel.ts'
import { slackChannel, slackMessage } from '../../src/notify/slack.ts'
import { FakeClock } from '../support/clock.ts'
import { alertOf, hostile, hostileAlert, never, noon } from './alerts.ts'
import { Receiver } from './receiver.ts'

let receiver: Receiver
let url: string
beforeEach(async () => {
  receiver = new Receiver()
  url = await receiver.start()
})
afterEach(() => receiver.stop())

const channel = () => slackChannel({ name: 'sec-slack', url, outside: true, clock: new FakeClock(noon) })
const texts = (message: Readonly<Record<string, unknown>>) =>
  [...JSON.stringify(message).matchAll(/"text":"((?:[^"\\]|\\.)*)"/g)].map(
    ([, text = '']) => JSON.parse(`"${text}"`) as string,
  )

test('the post is what Slack documents: blocks, and a text for notifications', async () => {
  expect(await channel().deliver(alertOf(), never)).toEqual({ receipt: 'HTTP 200 ok' })
  const [got] = receiver.received
  expect(got?.headers['content-type']).toBe('application/json; charset=utf-8')
  const body = JSON.parse(String(got?.body)) as Record<string, unknown>
  expect(body).toEqual(slackMessage(alertOf()))
  expect(body).toMatchObject({
    text: expect.stringContaining('alice broke the glass: deploy@web-1'),
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: 'alice broke the glass: deploy@web-1' } },
      { type: 'section', text: { type: 'plain_text', text: expect.stringContaining('why: payments are stuck') } },
      {
        type: 'section',
        text: { type: 'mrkdwn', text: '<https://halligan.example.com/grants/g7f3|Look at it in Halligan>' },
      },
      { type: 'context' },
    ],
  })
})

for (const { name, text } of hostile)
  test(`${name} in every field: no mention, no link, no markup, within Slack's limits`, () => {
    const message = slackMessage(hostileAlert(text))
    for (const written of texts(message)) {
      expect(written).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)/)
      expect(written).not.toMatch(/https?:\/\//)
      expect(written.length).toBeGreaterThan(0)
    }
    const { blocks } = message as { blocks: { type: string; text?: { type: string; text: string } }[] }
    expect(blocks.length).toBeLessThanOrEqual(50)
    for (const { type, text: block } of blocks) {
      expect(block?.type ?? 'plain_text').toBe('plain_text')
      expect((block?.text ?? '').length).toBeLessThanOrEqual(type === 'header' ? 900 : 3000)
    }
    expect(message).toMatchObject({ mrkdwn: false, link_names: false, parse: 'none', unfurl_links: false })
  })

test('a drill is marked as one', () => {
  expect(slackMessage(alertOf({ drill: true }))).toMatchObject({ text: expect.stringMatching(/^\[DRILL\] /) })
})

for (const { name, status, body } of [
  { name: '200 with a sign-in page', status: 200, body: '<html>sign in</html>' },
  { name: '200 with nothing', status: 200, body: '' },
  { name: '200 with an error', status: 200, body: 'invalid_token' },
  { name: '204', status: 204, body: '' },
  { name: '400 invalid_payload', status: 400, body: 'invalid_payload' },
  { name: '404 no_service', status: 404, body: 'no_service' },
  { name: '410', status: 410, body: 'channel_is_archived' },
  { name: '302 to itself', status: 302, body: '' },
  { name: '500', status: 500, body: 'rollup_error' },
  { name: '429 without a time', status: 429, body: 'rate_limited' },
])
  test(`${name} is no acceptance`, async () => {
    receiver.answer((response) => response.writeHead(status, { location: url }).end(body))
    await expect(channel().deliver(alertOf(), never)).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.not.stringContaining(url),
    })
    expect(receiver.received).toHaveLength(1)
  })

test('429 says when to come back, in seconds or as a date', async () => {
  receiver.answer((response) => response.writeHead(429, { 'retry-after': '30' }).end())
  const busy = await channel()
    .deliver(alertOf(), never)
    .catch((error: unknown) => error)
  expect(busy).toBeInstanceOf(Busy)
  expect(busy).toMatchObject({ retryAfterMs: 30_000 })
  receiver.answer((response) => response.writeHead(429, { 'retry-after': new Date(noon + 60_000).toUTCString() }).end())
  await expect(channel().deliver(alertOf(), never)).rejects.toMatchObject({ retryAfterMs: 60_000 })
})

test('an answer without end is cut, and is not ok', async () => {
  receiver.answer((response) => {
    const more = () => {
      while (!response.destroyed && response.write('ok'.repeat(32_768)));
    }
    response.on('drain', more)
    more()
  })
  await expect(channel().deliver(alertOf(), never)).rejects.toMatchObject({ code: 'unreachable' })
})

test('a receiver that hangs is given up with the attempt', async () => {
  receiver.answer(() => {})
  const patience = new AbortController()
  const waiting = channel().deliver(alertOf(), patience.signal)
  const refused = expect(waiting).rejects.toMatchObject({ code: 'unreachable' })
  await receiver.got(1)
  patience.abort()
  await refused
})

test('a URL off this machine must be https, and none is told in the error', () => {
  for (const bad of [
    'http://hooks.slack.com/services/T0/B0/token',
    'https://169.254.169.254/token',
    'ftp://x/token',
    'token',
  ])
    expect(() => slackChannel({ name: 'sec-slack', url: bad, outside: true, clock: new FakeClock(noon) })).toThrow(
      expect.objectContaining({ code: 'config_invalid', message: expect.not.stringContaining('token') }),
    )
})
