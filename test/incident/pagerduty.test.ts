// The service plays PagerDuty's documented REST API v2: its paths, parameters, pages and errors, with state of its own.

import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { pagerDutyCheck, type PagerDutyOptions } from '../../src/incident/pagerduty.ts'
import type { CheckAnswer, CheckQuestion } from '../../src/procedure/check.ts'
import { FakeClock } from '../support/clock.ts'
import { type Asked, Service } from './service.ts'

interface Incident {
  readonly id: string
  readonly incident_number: number
  readonly status: 'triggered' | 'acknowledged' | 'resolved'
  readonly service: { readonly id: string } | null
}

let service: Service
let incidents: Incident[]
/** Who is on call where. */
let onCall: { readonly email: string; readonly schedule: string | null; readonly policy: string }[]

beforeEach(async () => {
  service = await Service.start()
  service.answer = playPagerDuty
  incidents = [
    { id: 'PT4KHLK', incident_number: 1234, status: 'acknowledged', service: { id: 'PIJ90N7' } },
    { id: 'POLD111', incident_number: 7, status: 'resolved', service: { id: 'PIJ90N7' } },
    { id: 'POTHER1', incident_number: 8, status: 'triggered', service: { id: 'PXX90N7' } },
  ]
  onCall = [{ email: 'alice@example.com', schedule: 'PI7DH85', policy: 'PT20YPA' }]
})
afterEach(() => service[Symbol.asyncDispose]())

function playPagerDuty(response: ServerResponse, { url, headers }: Asked): void {
  const say = (status: number, value: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  }
  const fail = (status: number, message: string, code: number) => say(status, { error: { message, code, errors: [] } })
  if (headers.authorization !== 'Token token=y_NbAkKc66ryYTWUXYEu') return void response.writeHead(401).end()
  if (headers.accept !== 'application/vnd.pagerduty+json;version=2') return fail(400, 'Invalid Accept', 2001)
  const all = (name: string) => url.searchParams.getAll(name)
  const page = (name: string, items: readonly unknown[]) => {
    const limit = Math.min(Number(url.searchParams.get('limit') ?? 25), 100)
    const offset = Number(url.searchParams.get('offset') ?? 0)
    say(200, {
      [name]: items.slice(offset, offset + limit),
      limit,
      offset,
      more: items.length > offset + limit,
      total: null,
    })
  }
  if (url.pathname === '/incidents') {
    const isAsked = (one: Incident) =>
      (all('statuses[]').length === 0 || all('statuses[]').includes(one.status)) &&
      (all('service_ids[]').length === 0 || all('service_ids[]').includes(one.service?.id ?? ''))
    return page('incidents', url.searchParams.get('date_range') === 'all' ? incidents.filter(isAsked) : [])
  }
  const [, named] = /^\/incidents\/([^/]+)$/.exec(url.pathname) ?? []
  if (named !== undefined) {
    const incident = incidents.find((one) => one.id === named || String(one.incident_number) === named)
    return incident === undefined ? fail(404, 'Not Found', 2100) : say(200, { incident })
  }
  if (url.pathname === '/oncalls') {
    const withUsers = all('include[]').includes('users')
    const entries = onCall
      .filter(({ schedule }) => all('schedule_ids[]').length === 0 || all('schedule_ids[]').includes(schedule ?? ''))
      .filter(
        ({ policy }) => all('escalation_policy_ids[]').length === 0 || all('escalation_policy_ids[]').includes(policy),
      )
      .map(({ email, schedule, policy }) => ({
        user: withUsers ? { id: 'PT23IWX', type: 'user', email } : { id: 'PT23IWX', type: 'user_reference' },
        schedule: schedule === null ? null : { id: schedule, type: 'schedule_reference' },
        escalation_policy: { id: policy, type: 'escalation_policy_reference' },
        escalation_level: 1,
        start: null,
        end: null,
      }))
    return page('oncalls', entries)
  }
  return fail(404, 'Not Found', 2100)
}

const question: CheckQuestion = {
  user: 'alice',
  target: 'web-1',
  account: 'deploy',
  trigger: 'customer-impact',
  incident: null,
}
const never = new AbortController().signal

function ask(
  asks: PagerDutyOptions['asks'],
  about: Partial<CheckQuestion> = {},
  key = 'y_NbAkKc66ryYTWUXYEu',
): Promise<CheckAnswer> {
  return pagerDutyCheck({
    name: 'pd',
    origin: service.origin,
    apiKey: () => key,
    asks,
    email: '{user}@example.com',
    timeoutMs: 5_000,
    clock: new FakeClock(),
  }).ask({ ...question, ...about }, never)
}

const ofMail = { kind: 'open-incident', services: ['PIJ90N7'] } as const
const schedule = { kind: 'schedule', id: 'PI7DH85' } as const

test('an open incident of a service is found, however old', async () => {
  expect(await ask(ofMail)).toMatchObject({ outcome: 'met', detail: expect.stringContaining('PT4KHLK') })
  expect(service.asked[0]?.url.searchParams.getAll('statuses[]')).toEqual(['triggered', 'acknowledged'])
})

test('no open incident of these services is a no, though others burn', async () => {
  incidents = incidents.filter(({ id }) => id !== 'PT4KHLK')
  expect((await ask(ofMail)).outcome).toBe('not-met')
})

for (const [named, want] of [
  ['PT4KHLK', 'met'],
  ['pt4khlk', 'met'],
  ['1234', 'met'],
  ['#1234', 'met'],
  ['POLD111', 'not-met'],
  ['POTHER1', 'not-met'],
  ['PNONE00', 'not-met'],
  ['INC-42', 'not-met'],
  ['../oncalls', 'not-met'],
  ['..', 'not-met'],
  ['PT4KHLK?x', 'not-met'],
  ['x'.repeat(500), 'not-met'],
] as const)
  test(`incident ${named.slice(0, 20)} is ${want}`, async () => {
    expect((await ask(ofMail, { incident: named })).outcome).toBe(want)
    for (const { url } of service.asked) expect(url.pathname).toMatch(/^\/incidents\/[A-Z0-9]+$/)
  })

test('an incident without a service is none of the named ones', async () => {
  incidents = [{ id: 'PT4KHLK', incident_number: 1, status: 'triggered', service: null }]
  expect((await ask(ofMail, { incident: 'PT4KHLK' })).outcome).toBe('not-met')
  expect((await ask({ kind: 'open-incident', services: [] }, { incident: 'PT4KHLK' })).outcome).toBe('met')
})

test('on call now is met by the address, in any case of letters', async () => {
  expect((await ask(schedule)).outcome).toBe('met')
  onCall = [{ email: 'Alice@Example.COM', schedule: 'PI7DH85', policy: 'PT20YPA' }]
  expect((await ask(schedule)).outcome).toBe('met')
  expect((await ask({ kind: 'escalation-policy', id: 'PT20YPA' })).outcome).toBe('met')
})

test('another person, another schedule, nobody: each is a no', async () => {
  expect((await ask(schedule, { user: 'bob' })).outcome).toBe('not-met')
  expect((await ask({ kind: 'schedule', id: 'POTHER0' })).outcome).toBe('not-met')
  onCall = []
  expect((await ask(schedule)).outcome).toBe('not-met')
})

test('a person on the third page is found, and a list without end is an error', async () => {
  const crowd = (count: number) =>
    Array.from({ length: count }, (_, n) => ({ email: `u${n}@example.com`, schedule: 'PI7DH85', policy: 'PT20YPA' }))
  onCall = [...crowd(250), { email: 'alice@example.com', schedule: 'PI7DH85', policy: 'PT20YPA' }]
  expect((await ask(schedule)).outcome).toBe('met')
  expect(service.asked).toHaveLength(3)
  onCall = crowd(1_000)
  expect((await ask(schedule)).outcome).toBe('error')
  expect(service.asked.length).toBeLessThan(10)
})

test('a wrong key is an error, and the key is in no line', async () => {
  const answer = await ask(schedule, {}, 'wrong-api-key')
  expect(answer.outcome).toBe('error')
  expect(answer.detail).not.toContain('wrong-api-key')
})

const lies: readonly (readonly [string, unknown])[] = [
  ['another incident', { incident: { id: 'PANOTHER', status: 'triggered', service: { id: 'PIJ90N7' } } }],
  ['a status that is no text', { incident: { id: 'PT4KHLK', status: true, service: { id: 'PIJ90N7' } } }],
  ['no incident', {}],
  ['a list', []],
  ['null', null],
  ['an open one in a list', { incidents: [{ id: 'PT4KHLK', status: 'triggered' }] }],
]
for (const [name, value] of lies)
  test(`${name} for the incident that was named is an error`, async () => {
    service.gives(value)
    expect((await ask(ofMail, { incident: 'PT4KHLK' })).outcome).toBe('error')
  })

test('answers that do not fit the question are errors', async () => {
  service.gives({ incidents: [{ id: 'PX', status: 'triggered', service: { id: 'PELSE' } }] })
  expect((await ask(ofMail)).outcome).toBe('error')
  service.gives({ oncalls: [{ user: { email: 'alice@example.com' }, schedule: { id: 'PELSE' } }] })
  expect((await ask(schedule)).outcome).toBe('error')
  service.gives({
    oncalls: [{ user: { email: 'alice@example.com' }, schedule: null, escalation_policy: { id: 'PI7DH85' } }],
  })
  expect((await ask(schedule)).outcome).toBe('error')
  service.gives({ oncalls: 'alice@example.com' })
  expect((await ask(schedule)).outcome).toBe('error')
})

for (const status of [400, 401, 403, 429, 500, 503])
  test(`status ${status} is an error`, async () => {
    service.gives({ incidents: [{ id: 'PT4KHLK', status: 'triggered', service: { id: 'PIJ90N7' } }] }, status)
    expect((await ask(ofMail)).outcome).toBe('error')
    expect((await ask(ofMail, { incident: 'PT4KHLK' })).outcome).toBe('error')
  })

test('a 404 that is not PagerDuty speaking is an error', async () => {
  service.answer = (response) => response.writeHead(404).end('<html>nginx</html>')
  expect((await ask(ofMail, { incident: 'PT4KHLK' })).outcome).toBe('error')
})
