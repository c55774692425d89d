import { afterEach, beforeEach, expect, test } from 'vitest'
import { pagerDutyChannel, pagerDutyEvents } from '../../src/notify/pagerduty.ts'
import { FakeClock } from '../support/clock.ts'
import { alertOf, hostile, hostileAlert, never, noon } from './alerts.ts'
import { Receiver } from './receiver.ts'

const routingKey = 'e93facc04764012d7bfb002500d5d1a6'
const hostname = 'bastion.example.com'
const accepted = JSON.stringify({ status: 'success', message: 'Event processed', dedup_key: 'x' })

let receiver: Receiver
let url: string
beforeEach(async () => {
  receiver = new Receiver()
  receiver.answer((response) => response.writeHead(202).end(accepted))
  url = await receiver.start()
})
afterEach(() => receiver.stop())

const channel = () =>
  pagerDutyChannel({ name: 'duty', routingKey, url, outside: true, hostname, clock: new FakeClock(noon) })
const bodies = () => receiver.received.map(({ body }) => JSON.parse(String(body)) as Record<string, unknown>)

test('an activation triggers under the id of its grant, and settles the request before it', async () => {
  const { receipt } = await channel().deliver(alertOf(), never)
  expect(receipt).toMatch(/^resolve HTTP 202 .*; trigger HTTP 202 /)
  expect(bodies()).toMatchObject([
    { routing_key: routingKey, event_action: 'resolve', dedup_key: `${hostname}/g7f3/request` },
    {
      routing_key: routingKey,
      event_action: 'trigger',
      dedup_key: `${hostname}/g7f3`,
      payload: {
        summary: 'alice broke the glass: deploy@web-1',
        source: hostname,
        severity: 'critical',
        timestamp: '2026-11-21T11:59:55.000Z',
        class: 'grant.activated',
        custom_details: { why: 'payments are stuck', alert: 'a-5b2c' },
      },
      links: [{ href: 'https://halligan.example.com/grants/g7f3' }],
    },
  ])
})

const life: readonly { type: string; payload?: Record<string, unknown>; does: readonly string[] }[] = [
  { type: 'grant.requested', does: ['trigger /request'] },
  { type: 'grant.approved', payload: { expiresAt: null }, does: ['trigger /request'] },
  { type: 'grant.approved', does: ['resolve /request', 'trigger '] },
  { type: 'grant.denied', does: ['resolve /request'] },
  { type: 'grant.lapsed', does: ['resolve /request'] },
  { type: 'grant.overridden', does: ['resolve /request', 'trigger '] },
  { type: 'session.opened', does: ['trigger '] },
  { type: 'grant.extended', does: ['trigger '] },
  { type: 'grant.ended', does: ['resolve /request', 'resolve '] },
  { type: 'review.due', does: ['trigger /review'] },
  { type: 'review.done', does: ['resolve /review'] },
]
for (const { type, payload = {}, does } of life)
  test(`${type}${payload['expiresAt'] === null ? ', one approval of several' : ''}: ${does.join(', ')}`, () => {
    const events = pagerDutyEvents(alertOf(payload, type), hostname)
    expect(events.map((event) => `${event.event_action} ${event.dedup_key.replace(`${hostname}/g7f3`, '')}`)).toEqual(
      does,
    )
  })

for (const type of ['recorder.failed', 'session.risky', 'session.unannounced', 'review.overdue', 'something.new'])
  test(`${type} wakes somebody by itself, although its grant has an alert open`, () => {
    expect(pagerDutyEvents(alertOf({}, type), hostname)).toMatchObject([
      { event_action: 'trigger', dedup_key: 'a-5b2c' },
    ])
  })

test('a test message closes what it opened', () => {
  const events = pagerDutyEvents({ ...alertOf({}, 'halligan.test'), payload: {} }, hostname)
  expect(events.map(({ event_action, dedup_key }) => `${event_action} ${dedup_key}`)).toEqual([
    'trigger a-5b2c',
    'resolve a-5b2c',
  ])
})

test('severities are PagerDuty’s own, and a drill is info and marked', () => {
  const severityOf = (type: string, payload = {}) => pagerDutyEvents(alertOf(payload, type), hostname).at(-1)?.payload
  expect(severityOf('review.overdue')).toMatchObject({ severity: 'error' })
  expect(severityOf('review.due')).toMatchObject({ severity: 'info' })
  expect(severityOf('something.new')).toMatchObject({ severity: 'warning' })
  expect(severityOf('grant.activated', { drill: true })).toMatchObject({
    severity: 'info',
    summary: expect.stringMatching(/^\[DRILL\]/),
  })
})

for (const { name, text } of hostile)
  test(`${name} in every field: a plain summary within the limits, details that are lines`, () => {
    const events = pagerDutyEvents({ ...hostileAlert(text), type: text }, hostname)
    const payload = events.at(-1)?.payload ?? {}
    expect(String(payload['summary']).length).toBeLessThanOrEqual(1024)
    expect(JSON.stringify(payload)).not.toMatch(/https?:\/\//)
    for (const [key, value] of Object.entries(payload['custom_details'] ?? {}))
      expect(`${key}${String(value)}`).not.toMatch(/\p{Cc}/u)
    expect(events.every(({ dedup_key }) => dedup_key.length <= 255)).toBe(true)
    expect(Buffer.byteLength(JSON.stringify(events))).toBeLessThan(100_000)
  })

for (const { name, status, body } of [
  { name: '202 with garbage', status: 202, body: '<html>' },
  { name: '202 with another status', status: 202, body: '{"status":"invalid event"}' },
  { name: '200', status: 200, body: accepted },
  { name: '400', status: 400, body: '{"status":"invalid event","message":"Event object is invalid"}' },
  { name: '429 without a time', status: 429, body: '' },
  { name: '500', status: 500, body: '{"status":"error"}' },
])
  test(`${name} is no acceptance, and the key is not told`, async () => {
    receiver.answer((response) => response.writeHead(status).end(body))
    await expect(channel().deliver(alertOf(), never)).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.not.stringContaining(routingKey),
    })
  })

test('a key that is none is refused when it is configured, and not told', () => {
  for (const bad of ['', 'short-key', `${routingKey}\n`])
    expect(() =>
      pagerDutyChannel({ name: 'duty', routingKey: bad, url, outside: true, hostname, clock: new FakeClock(noon) }),
    ).toThrow(expect.objectContaining({ code: 'config_invalid', message: expect.not.stringContaining('short-key') }))
})
