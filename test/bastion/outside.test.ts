// The configuration's checks and channels as the bastion makes them: what a file says is what is asked and marked.

import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { configurationOf } from '../../src/bastion/channel-mark.ts'
import { channelsOf } from '../../src/bastion/channels.ts'
import { checkOf } from '../../src/bastion/checks.ts'
import { Current } from '../../src/bastion/current.ts'
import type { Config } from '../../src/config/config.ts'
import { parseConfig } from '../../src/config/parse.ts'
import { channelSecrets, Secrets } from '../../src/config/secrets.ts'
import { isSameChannel, marked } from '../../src/procedure/announcement.ts'
import type { CheckQuestion } from '../../src/procedure/check.ts'
import type { Alert } from '../../src/session/state.ts'
import { Service } from '../incident/service.ts'
import { FakeClock } from '../support/clock.ts'

const example = readFileSync(join(import.meta.dirname, '../../config/halligan.example.yaml'), 'utf8')
const key = randomBytes(32)
const webhookSecret = `whsec_${randomBytes(32).toString('base64')}`

function config(over: Readonly<Record<string, unknown>>): Config {
  const whole = parse(example) as Record<string, unknown>
  return parseConfig(stringify({ ...whole, ...over }), '/etc/halligan.yaml')
}

const secretsOf = (values: Readonly<Record<string, string>>) => new Secrets(new Map(Object.entries(values)), key)

let service: Service
beforeEach(async () => {
  service = await Service.start()
})
afterEach(() => service[Symbol.asyncDispose]())

const question: CheckQuestion = {
  user: 'alice',
  target: 'web-1',
  account: 'deploy',
  trigger: 'security-incident',
  incident: 'PX1',
}
const never = new AbortController().signal

test('a check is asked as the file says, with its secrets; one that is not configured is none', async () => {
  const { checks } = parse(example) as { readonly checks: readonly Record<string, unknown>[] }
  const written = [
    ...checks,
    {
      kind: 'http-json',
      name: 'ticket-desk',
      url: `${service.origin}/tickets/{incident}?who={user}&as={account}`,
      headers: { Authorization: 'desk-token' },
      path: 'ticket.states[0]',
      equals: 'open',
    },
    {
      kind: 'pagerduty',
      name: 'rota-here',
      secret: 'pd',
      url: service.origin,
      schedule: 'PI7DH85',
      email: '{user}@example.com',
    },
  ]
  const secrets = secretsOf({ 'desk-token': 'Bearer t0ken-of-the-desk\n', pd: 'pd-key\n' })
  const current = new Current(config({ checks: written }), secrets)
  const clock = new FakeClock()
  service.gives({ ticket: { states: ['open'] } })
  expect(await checkOf(current, clock, 'ticket-desk')?.ask(question, never)).toMatchObject({ outcome: 'met' })
  service.gives({ oncalls: [{ user: { email: 'alice@example.com' }, schedule: { id: 'PI7DH85' } }] })
  expect(await checkOf(current, clock, 'rota-here')?.ask(question, never)).toMatchObject({ outcome: 'met' })
  expect(service.asked.map(({ url, headers }) => [url.pathname + url.search, headers.authorization])).toEqual([
    ['/tickets/PX1?who=alice&as=deploy', 'Bearer t0ken-of-the-desk'],
    [expect.stringContaining('/oncalls?schedule_ids'), 'Token token=pd-key'],
  ])
  expect(checkOf(current, clock, 'no-such-check')).toBeUndefined()
  // A secret that is gone is an error of the check, not of the bastion.
  current.replace(config({ checks: written }), secretsOf({}))
  expect(await checkOf(current, clock, 'ticket-desk')?.ask(question, never)).toMatchObject({ outcome: 'error' })
})

const alert: Alert = { id: 'a1', channel: 'desk', type: 'grant.activated', at: 0, payload: { grant: 'g1' } }

test('a channel is the same one until something changes where its alerts go', () => {
  const desk = {
    kind: 'webhook',
    name: 'desk',
    outside: true,
    url: 'https://a.example/x',
    secret: 'sign',
    ca: null,
  } as const
  const secrets = secretsOf({ sign: webhookSecret })
  const mark = configurationOf(desk, secrets)
  const { kind, name, ...rest } = desk
  expect(configurationOf({ ...rest, name, kind }, secrets)).toBe(mark)
  expect(mark).toMatch(/^[0-9a-f]{24}$/)
  const others = [
    configurationOf({ ...desk, url: 'https://b.example/x' }, secrets),
    configurationOf({ ...desk, outside: false }, secrets),
    configurationOf(desk, secretsOf({ sign: `${webhookSecret}x` })),
    configurationOf({ ...desk, url: { secret: 'sign' } }, secrets),
    configurationOf(desk, new Secrets(new Map([['sign', webhookSecret]]), randomBytes(32))),
  ]
  for (const other of others) expect(other).not.toBe(mark)
  const written = marked(alert, { outside: true, configuration: mark })
  expect(isSameChannel(written, { outside: true, configuration: mark })).toBe(true)
  for (const configuration of others) expect(isSameChannel(written, { outside: true, configuration })).toBe(false)
  // One that nobody configured any more is nobody's.
  expect(isSameChannel(alert, { outside: true, configuration: '' })).toBe(false)
})

test('every channel of a configuration carries its mark', () => {
  const whole = config({})
  const values = whole.channels.flatMap((channel) => {
    const value =
      channel.kind === 'webhook'
        ? webhookSecret
        : channel.kind === 'slack'
          ? 'https://hooks.example.com/x'
          : 'k'.repeat(32)
    return channelSecrets(channel).map((name) => [name, value] as const)
  })
  const made = channelsOf(whole, new Secrets(new Map(values), key), new FakeClock())
  expect(made.length).toBeGreaterThan(2)
  for (const { configuration } of made) expect(configuration).toMatch(/^[0-9a-f]{24}$/)
})
