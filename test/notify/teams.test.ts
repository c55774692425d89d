import { afterEach, beforeEach, expect, test } from 'vitest'
import { teamsChannel, teamsMessage } from '../../src/notify/teams.ts'
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

const channel = () => teamsChannel({ name: 'ops', url, outside: true, clock: new FakeClock(noon) })

/** Everything below a value, itself included. */
function parts(value: unknown): Record<string, unknown>[] {
  if (typeof value !== 'object' || value === null) return []
  return [value as Record<string, unknown>, ...Object.values(value).flatMap(parts)]
}

test('the post is a message with one Adaptive Card, as a workflow takes it', async () => {
  receiver.answer((response) => response.writeHead(202).end())
  expect(await channel().deliver(alertOf(), never)).toEqual({ receipt: 'HTTP 202' })
  const body = JSON.parse(String(receiver.received[0]?.body)) as Record<string, unknown>
  expect(body).toMatchObject({
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        content: {
          type: 'AdaptiveCard',
          fallbackText: 'alice broke the glass: deploy@web-1',
          actions: [{ type: 'Action.OpenUrl', url: 'https://halligan.example.com/grants/g7f3' }],
        },
      },
    ],
  })
  expect(parts(body).map(({ text }) => text)).toContain('payments are stuck')
})

for (const { name, text } of hostile)
  test(`${name} in every field: only runs without markdown, no mention, within 28 KB`, () => {
    const message = teamsMessage(hostileAlert(text))
    const all = parts(message)
    expect(all.some(({ type }) => type === 'TextBlock')).toBe(false)
    expect(all.some((part) => 'entities' in part || 'actions' in part)).toBe(false)
    for (const part of all) if ('text' in part) expect(part['type']).toBe('TextRun')
    expect(JSON.stringify(message)).not.toMatch(/\{\{|https?:\/\/(?!adaptivecards\.io)/)
    expect(Buffer.byteLength(JSON.stringify(message))).toBeLessThan(28 * 1024)
  })

test('a drill is marked as one', () => {
  expect(teamsMessage(alertOf({ drill: true }))).toMatchObject({ summary: expect.stringMatching(/^\[DRILL\] /) })
})

for (const { status, body, isAccepted } of [
  { status: 202, body: '', isAccepted: true },
  { status: 200, body: '1', isAccepted: true },
  { status: 200, body: '', isAccepted: true },
  {
    status: 200,
    body: 'Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429',
    isAccepted: false,
  },
  { status: 200, body: '<html>sign in</html>', isAccepted: false },
  { status: 204, body: '', isAccepted: false },
  { status: 307, body: '', isAccepted: false },
  { status: 400, body: '{"error":{"code":"InvalidRequestContent"}}', isAccepted: false },
  { status: 404, body: 'WorkflowNotFound', isAccepted: false },
  { status: 413, body: 'too large', isAccepted: false },
  { status: 500, body: '', isAccepted: false },
])
  test(`${status} ${body.slice(0, 20)}: ${isAccepted ? 'taken' : 'no acceptance'}`, async () => {
    receiver.answer((response) => response.writeHead(status, { location: url }).end(body))
    const delivered = channel().deliver(alertOf(), never)
    if (isAccepted) expect((await delivered).receipt).toMatch(`HTTP ${status}`)
    else await expect(delivered).rejects.toMatchObject({ code: 'unreachable' })
    expect(receiver.received).toHaveLength(1)
  })

test('429 with a time says when to come back', async () => {
  receiver.answer((response) => response.writeHead(429, { 'retry-after': '7' }).end())
  await expect(channel().deliver(alertOf(), never)).rejects.toMatchObject({ retryAfterMs: 7000 })
})
