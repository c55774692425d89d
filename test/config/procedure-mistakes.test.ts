// Mistakes in what a break-glass procedure says: each found at its place, and nothing read and then ignored.

import { expect, test } from 'vitest'
import { parseConfig } from '../../src/config/parse.ts'
import { example, exampleFile, problemsOf, spoiled } from './example.ts'

const windowLine = "windows: [{ days: [mon, tue, wed, thu, fri], from: '07:00', to: '22:00', zone: Europe/Berlin }]"
const gateLine = 'gate: { accepted: 1, within: 15s, otherwise: hold, holdMax: 2m, then: allow }'
const onCallLine = 'onCall: { check: on-call-now, onError: deny }'
const triggerLine = '{ name: customer-impact, require: open-incident, onError: allow }'
const commandLine = 'scope: { commands: [sudo systemctl restart web, sudo systemctl status web], files: false }'
const checkUrl = 'https://status.example.com/api/incidents/{incident}'

const mistakes: readonly { name: string; piece: string; by: string; at: string | readonly string[] | undefined }[] = [
  { name: 'a day that is none', piece: 'days: [mon,', by: 'days: [monday,', at: 'monday' },
  { name: 'a day twice', piece: 'days: [mon, tue,', by: 'days: [mon, mon,', at: '[mon, mon, wed, thu, fri]' },
  { name: 'no day', piece: 'days: [mon, tue, wed, thu, fri]', by: 'days: []', at: '[]' },
  { name: 'no window', piece: windowLine, by: 'windows: []', at: '[]' },
  { name: 'a time without quotes that YAML keeps as text', piece: "from: '07:00'", by: 'from: 7am', at: '7am' },
  { name: 'a time as a number', piece: "from: '07:00'", by: 'from: 700', at: '700' },
  { name: 'a minute that is none', piece: "to: '22:00'", by: "to: '22:60'", at: "'22:60'" },
  { name: 'a beginning at the end of the day', piece: "from: '07:00'", by: "from: '24:00'", at: "'24:00'" },
  { name: 'a zone that is none', piece: 'zone: Europe/Berlin', by: 'zone: Europe/Berln', at: 'Europe/Berln' },
  { name: 'an offset for a zone', piece: 'zone: Europe/Berlin', by: "zone: '+01:00'", at: "'+01:00'" },
  {
    name: 'no zone',
    piece: ', zone: Europe/Berlin',
    by: '',
    at: "{ days: [mon, tue, wed, thu, fri], from: '07:00', to: '22:00' }",
  },
  { name: 'an unknown field of a window', piece: "from: '07:00',", by: "from: '07:00', until: x,", at: 'until' },
  { name: 'on call by an unknown check', piece: 'check: on-call-now', by: 'check: on-call', at: 'on-call' },
  {
    name: 'on call by a check that does not ask who',
    piece: 'check: on-call-now',
    by: 'check: open-incident',
    at: 'open-incident',
  },
  {
    name: 'on call without saying what counts on error',
    piece: onCallLine,
    by: 'onCall: { check: on-call-now }',
    at: 'onCall',
  },
  {
    name: 'a trigger that requires an unknown check',
    piece: 'require: open-incident',
    by: 'require: closed',
    at: 'closed',
  },
  {
    name: 'a trigger that requires without onError',
    piece: ', onError: allow }',
    by: ' }',
    at: '{ name: customer-impact, require: open-incident }',
  },
  {
    name: 'onError of nothing',
    piece: ' require: open-incident,',
    by: '',
    at: '{ name: customer-impact, onError: allow }',
  },
  { name: 'onError that is neither', piece: 'onError: allow', by: 'onError: maybe', at: 'maybe' },
  {
    name: 'a check about the incident where none is asked for',
    piece: ", incident: { pattern: '^INC-\\d+$', required: true } }",
    by: ' }',
    at: 'open-incident',
  },
  { name: 'hold without how long', piece: ', holdMax: 2m', by: '', at: 'hold' },
  { name: 'hold without what then', piece: ', then: allow', by: '', at: 'hold' },
  { name: 'then without hold', piece: 'otherwise: hold, holdMax: 2m,', by: 'otherwise: deny,', at: 'allow' },
  { name: 'a hold that nobody waits for', piece: 'holdMax: 2m', by: 'holdMax: 2h', at: '2h' },
  { name: 'a gate of nobody', piece: 'gate: { accepted: 1', by: 'gate: { accepted: 0', at: '0' },
  { name: 'a gate of more than are outside', piece: 'gate: { accepted: 1', by: 'gate: { accepted: 2', at: '2' },
  { name: 'a gate without a time', piece: ' within: 15s,', by: '', at: 'gate' },
  {
    name: 'a gate with an unknown field',
    piece: gateLine,
    by: gateLine.replace('within', 'withn'),
    at: ['gate', 'withn'],
  },
  { name: 'extensions without end', piece: 'count: 1, self', by: 'count: 99, self', at: '99' },
  { name: 'extensions less than none', piece: 'count: 1, self', by: 'count: -1, self', at: '-1' },
  { name: 'a command with space around it', piece: '[sudo systemctl restart web,', by: "[' sudo x',", at: "' sudo x'" },
  { name: 'a command of two lines', piece: '[sudo systemctl restart web,', by: '["sudo x\\ny",', at: '"sudo x\\ny"' },
  {
    name: 'a command twice',
    piece: '[sudo systemctl restart web, sudo systemctl status web]',
    by: '[x, x]',
    at: '[x, x]',
  },
  { name: 'no files and a shell', piece: commandLine, by: 'scope: { files: false }', at: 'false' },
  {
    name: 'commands where none are seen',
    piece: 'targets: { names: [canary-1] }\n    accounts: [deploy]',
    by: 'targets: { names: [rescue-console] }\n    accounts: [operator]',
    at: ['production-host-emergency', '[sudo systemctl restart web, sudo systemctl status web]'],
  },
  {
    name: 'a question twice',
    piece: '- Did the session stay within what the reason says?',
    by: '- Was the trigger real?',
    at: undefined,
  },
  {
    name: 'escalation to an unknown channel',
    piece: 'escalate: { after: 16h, channels: [security-desk] }',
    by: 'escalate: { after: 16h, channels: [boss] }',
    at: 'boss',
  },
  {
    name: 'escalation to nobody',
    piece: 'escalate: { after: 16h, channels: [security-desk] }',
    by: 'escalate: { after: 16h, channels: [] }',
    at: '[]',
  },
  {
    name: 'a placeholder that is none',
    piece: checkUrl,
    by: 'https://status.example.com/{person}',
    at: 'https://status.example.com/{person}',
  },
  {
    name: 'a host that somebody types',
    piece: checkUrl,
    by: "'https://{incident}.example.com/'",
    at: "'https://{incident}.example.com/'",
  },
  {
    name: 'a host ended by what somebody types',
    piece: checkUrl,
    by: "'https://status.example.com{incident}/x'",
    at: "'https://status.example.com{incident}/x'",
  },
  {
    name: 'a port that somebody types',
    piece: checkUrl,
    by: "'https://status.example.com:{incident}/x'",
    at: "'https://status.example.com:{incident}/x'",
  },
  {
    name: 'a password in a URL',
    piece: checkUrl,
    by: "'https://a:b@status.example.com/{incident}'",
    at: "'https://a:b@status.example.com/{incident}'",
  },
  {
    name: 'a check in the clear',
    piece: checkUrl,
    by: "'http://status.example.com/{incident}'",
    at: "'http://status.example.com/{incident}'",
  },
  { name: 'a check that asks a file', piece: checkUrl, by: "'file:///etc/{incident}'", at: "'file:///etc/{incident}'" },
  { name: 'a check that expects nothing', piece: '    equals: open', by: '    # equals: open', at: 'incident.status' },
  {
    name: 'a check that expects two things',
    piece: '    equals: open',
    by: '    exists: true\n    equals: open',
    at: 'incident.status',
  },
  { name: 'a path that is none', piece: 'path: incident.status', by: 'path: incident..status', at: 'incident..status' },
  { name: 'a header that is none', piece: 'headers: { Authorization:', by: "headers: { 'X: y':", at: "'X: y'" },
  { name: 'a check that takes too long', piece: 'timeout: 5s', by: 'timeout: 5m', at: '5m' },
  {
    name: 'two checks of one name',
    piece: '- name: on-call-now',
    by: '- name: open-incident',
    at: ['open-incident', 'on-call-now'],
  },
  { name: 'a kind of check that is none', piece: 'kind: pagerduty', by: 'kind: opsgenie', at: 'opsgenie' },
  {
    name: 'a schedule and services',
    piece: 'schedule: PABC123',
    by: 'schedule: PABC123\n    services: [P1]',
    at: 'on-call-now',
  },
  {
    name: 'a person PagerDuty cannot know',
    piece: "email: '{user}@example.com'",
    by: 'email: a@example.com',
    at: 'a@example.com',
  },
  { name: 'a drill for ever', piece: 'every: 30d', by: 'every: 999d', at: '999d' },
  { name: 'a drill that would pass for every drill', piece: 'name: monthly', by: 'name: everything', at: 'everything' },
  { name: 'drills without a canary', piece: 'canary: true', by: 'canary: false', at: undefined },
]
for (const { name, piece, by, at } of mistakes) {
  test(`${name} is found where it stands`, () => {
    const places = problemsOf(spoiled(piece, by)).map((problem) => problem.at)
    if (at === undefined) expect(places).not.toEqual([])
    else expect(places).toEqual(typeof at === 'string' ? [at] : at)
  })
}

const sound: readonly { name: string; piece: string; by: string; want: object }[] = [
  {
    name: 'a night, on every day',
    piece: windowLine,
    by: "windows: [{ from: '22:00', to: '06:00', zone: UTC }]",
    want: { windows: [{ days: [1, 2, 3, 4, 5, 6, 7], fromMinute: 1320, toMinute: 360, zone: 'UTC' }] },
  },
  {
    name: 'a gate that opens anyhow',
    piece: gateLine,
    by: 'gate: { accepted: 1, within: 15s }',
    want: { alerts: { gate: { otherwise: 'allow', holdMaxMs: 0 } } },
  },
  { name: 'commands alone', piece: ', files: false }', by: ' }', want: { scope: { files: false } } },
  { name: 'commands and files', piece: ', files: false }', by: ', files: true }', want: { scope: { files: true } } },
  {
    name: 'a name alone',
    piece: triggerLine,
    by: 'customer-impact',
    want: { triggers: [{}, { name: 'customer-impact' }] },
  },
]
for (const { name, piece, by, want } of sound) {
  test(`${name} is taken as it is meant`, () => {
    const { policies } = parseConfig(spoiled(piece, by), exampleFile)
    expect(policies.some((policy) => matches(policy, want))).toBe(true)
  })
}

function matches(value: unknown, want: unknown): boolean {
  if (typeof want !== 'object' || want === null) return Object.is(value, want)
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(want).every(([key, held]) => matches((value as Record<string, unknown>)[key], held))
}

test('the example is what these tests spoil', () => {
  expect(problemsOf(example)).toEqual([])
})
