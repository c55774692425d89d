import * as fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { httpJsonCheck, type HttpJsonOptions } from '../../src/incident/http-json.ts'
import { lookUp } from '../../src/incident/json-path.ts'
import type { CheckAnswer, CheckQuestion } from '../../src/procedure/check.ts'
import { FakeClock } from '../support/clock.ts'
import { Service } from './service.ts'

let service: Service
let clock: FakeClock
beforeEach(async () => {
  service = await Service.start()
  clock = new FakeClock()
})
afterEach(() => service[Symbol.asyncDispose]())

const never = new AbortController().signal
const question: CheckQuestion = {
  user: 'alice',
  target: 'web-1',
  account: 'deploy',
  trigger: 'customer-impact',
  incident: 'INC-42',
}

function ask(over: Partial<HttpJsonOptions> = {}, about: Partial<CheckQuestion> = {}): Promise<CheckAnswer> {
  const options: HttpJsonOptions = {
    name: 'desk',
    url: `${service.origin}/incidents/{incident}?user={user}`,
    path: ['incident', 'status'],
    expect: { kind: 'equals', value: 'open' },
    headers: () => ({ authorization: 'Bearer s3cret-token' }),
    timeoutMs: 5_000,
    clock,
    ...over,
  }
  return httpJsonCheck(options).ask({ ...question, ...about }, never)
}

test('the one value that was expected is a yes', async () => {
  service.gives({ incident: { status: 'open' } })
  expect(await ask()).toMatchObject({ outcome: 'met' })
  const [asked] = service.asked
  expect([asked?.method, asked?.url.pathname, asked?.url.search]).toEqual(['GET', '/incidents/INC-42', '?user=alice'])
  expect(asked?.headers).toMatchObject({ authorization: 'Bearer s3cret-token', accept: 'application/json' })
})

const cases: readonly {
  readonly name: string
  readonly answer: unknown
  readonly over?: Partial<HttpJsonOptions>
  readonly want: CheckAnswer['outcome']
}[] = [
  { name: 'another value', answer: { incident: { status: 'resolved' } }, want: 'not-met' },
  { name: 'another case', answer: { incident: { status: 'Open' } }, want: 'not-met' },
  { name: 'a missing key', answer: { incident: {} }, want: 'not-met' },
  { name: 'a null on the way', answer: { incident: null }, want: 'not-met' },
  { name: 'a null there', answer: { incident: { status: null } }, want: 'not-met' },
  { name: 'another type there', answer: { incident: { status: 1 } }, want: 'error' },
  { name: 'a list there', answer: { incident: { status: ['open'] } }, want: 'error' },
  { name: 'a text on the way', answer: { incident: 'open' }, want: 'error' },
  { name: 'a list on the way', answer: { incident: [{ status: 'open' }] }, want: 'error' },
  { name: 'a bare text', answer: 'open', want: 'error' },
  {
    name: 'a true for "true"',
    answer: true,
    over: { path: [], expect: { kind: 'equals', value: 'true' } },
    want: 'error',
  },
  { name: 'the root itself', answer: true, over: { path: [], expect: { kind: 'equals', value: true } }, want: 'met' },
  { name: 'a number', answer: [{ n: 3 }], over: { path: [0, 'n'], expect: { kind: 'equals', value: 3 } }, want: 'met' },
  { name: 'an empty list', answer: [], over: { path: [0], expect: { kind: 'exists' } }, want: 'not-met' },
  {
    name: 'a key that is inherited',
    answer: {},
    over: { path: ['constructor', 'name'], expect: { kind: 'exists' } },
    want: 'not-met',
  },
  { name: 'the length of a list', answer: [1], over: { path: ['length'], expect: { kind: 'exists' } }, want: 'error' },
  {
    name: 'a person of the same name',
    answer: 'alice',
    over: { path: [], expect: { kind: 'equals', value: '{user}' } },
    want: 'met',
  },
  {
    name: 'another person',
    answer: 'bob',
    over: { path: [], expect: { kind: 'equals', value: '{user}' } },
    want: 'not-met',
  },
  ...[0, 'x', true, [0], { a: 1 }].map((there) => ({
    name: `that ${JSON.stringify(there)} exists`,
    answer: { there },
    over: { path: ['there'], expect: { kind: 'exists' as const } },
    want: 'met' as const,
  })),
  ...[null, false, '', [], {}].map((there) => ({
    name: `that ${JSON.stringify(there)} exists`,
    answer: { there },
    over: { path: ['there'], expect: { kind: 'exists' as const } },
    want: 'not-met' as const,
  })),
]
for (const { name, answer, over, want } of cases)
  test(`${name} is ${want}`, async () => {
    service.gives(answer)
    const { outcome, detail } = await ask(over)
    expect(outcome).toBe(want)
    expect(detail).toMatch(/^[^\p{Cc}]{3,250}$/u)
  })

for (const status of [300, 301, 302, 307, 308])
  test(`a redirect (${status}) is an error and is not followed`, async () => {
    service.answer = (response) =>
      response.writeHead(status, { location: '/elsewhere' }).end('{"incident":{"status":"open"}}')
    expect((await ask()).outcome).toBe('error')
    expect(service.asked).toHaveLength(1)
  })

for (const status of [401, 403, 407, 408, 429, 500, 502, 503])
  test(`status ${status} is an error, whatever the body says`, async () => {
    service.gives({ incident: { status: 'open' } }, status)
    expect((await ask()).outcome).toBe('error')
  })

test('an incident that the service does not know is a no: naming one is no way in under onError', async () => {
  for (const status of [400, 404, 410, 422]) {
    service.gives({}, status)
    expect((await ask()).outcome).toBe('not-met')
    // Where nothing that a person typed is asked, the same status is the service's own trouble.
    expect((await ask({ url: `${service.origin}/on-call?user={user}` })).outcome).toBe('error')
  }
})

for (const incident of [null, '', '..', 'x'.repeat(300), '\ud800'])
  test(`an incident ${JSON.stringify(incident)?.slice(0, 12)} is a no, and nobody is asked`, async () => {
    service.gives({ incident: { status: 'open' } })
    expect((await ask({}, { incident })).outcome).toBe('not-met')
    expect(service.asked).toEqual([])
  })

const bodies: readonly (readonly [string, string | Buffer])[] = [
  ['nothing', ''],
  ['HTML', '<html>open</html>'],
  ['half a value', '{"incident":{"status":"open"}'],
  ['two values', '{"incident":{"status":"open"}} {}'],
  ['not UTF-8', Buffer.from([0x22, 0xff, 0x22])],
  ['a nest of 400,000 lists', '['.repeat(400_000)],
  ['more than a megabyte', JSON.stringify({ incident: { status: 'open' }, pad: 'x'.repeat(1 << 20) })],
]
for (const [name, body] of bodies)
  test(`${name} is an error`, async () => {
    service.answer = (response) => response.end(body)
    expect((await ask()).outcome).toBe('error')
  })

test('a body that comes byte by byte is an error when its time is over', async () => {
  const { promise: isAsked, resolve } = Promise.withResolvers<void>()
  service.answer = (response) => {
    response.write('{')
    resolve()
  }
  const asking = ask()
  await isAsked
  clock.advance(5_000)
  expect((await asking).outcome).toBe('error')
})

test('nobody there is an error', async () => {
  const gone = await Service.start()
  const url = `${gone.origin}/{incident}`
  await gone[Symbol.asyncDispose]()
  expect((await ask({ url })).outcome).toBe('error')
})

test('a header that cannot be sent, or a secret that is gone, is an error', async () => {
  expect((await ask({ headers: () => ({ authorization: 'a\nb' }) })).outcome).toBe('error')
  const gone = () => {
    throw new Error('/etc/secret: no such file')
  }
  const answer = await ask({ headers: gone })
  expect(answer.outcome).toBe('error')
  expect(answer.detail).not.toContain('/etc')
})

test('a service that says the token back does not get it into the ledger', async () => {
  service.answer = (response, { headers }) =>
    response.end(JSON.stringify({ incident: { status: headers.authorization } }))
  const { outcome, detail } = await ask()
  expect(outcome).toBe('not-met')
  expect(detail).not.toContain('s3cret')
})

test('a name that leads to the metadata service or to this machine is not asked', async () => {
  for (const address of ['169.254.169.254', '127.0.0.1']) {
    const url = `${service.origin.replace('http://127.0.0.1', 'https://desk.example.com')}/{incident}`
    const reach = {
      resolve: (_: string, done: (error: null, addresses: { address: string; family: number }[]) => void) =>
        done(null, [{ address, family: 4 }]),
    }
    expect((await ask({ url, reach })).outcome).toBe('error')
  }
  expect(service.asked).toEqual([])
})

test('any JSON and any path give a value, nothing, or say that the shape is another', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.array(fc.oneof(fc.string(), fc.nat(5))), (root, path) => {
      expect(['value', 'nothing', 'misshapen']).toContain(lookUp(root, path).kind)
    }),
  )
})
