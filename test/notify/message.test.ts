import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { messageOf } from '../../src/notify/message.ts'
import { oneLine, plainText } from '../../src/notify/plain-text.ts'
import { grantAlerts } from '../../src/procedure/alert.ts'
import { grantOf } from '../support/grant.ts'
import { alertOf, hostile, hostileAlert } from './alerts.ts'

const joiner = '\u2060'

test('an activation says who, what, where, why, until when, and where to look', () => {
  expect(messageOf(alertOf())).toEqual({
    title: 'alice broke the glass: deploy@web-1',
    marks: [],
    facts: [
      { name: 'who', value: 'alice' },
      { name: 'access', value: 'deploy@web-1' },
      { name: 'trigger', value: 'customer-impact' },
      { name: 'why', value: 'payments are stuck' },
      { name: 'incident', value: 'INC-42' },
      { name: 'until', value: '2026-11-21 12:30 UTC' },
      { name: 'from', value: '10.1.2.3' },
      { name: 'grant', value: 'g7f3' },
      { name: 'policy', value: 'production-host-emergency' },
    ],
    link: 'https://halligan.example.com/grants/g7f3',
    severity: 'critical',
    isDrill: false,
  })
})

for (const { name, payload, type, marks } of [
  { name: 'a rehearsal', payload: { drill: true }, type: 'grant.activated', marks: ['DRILL'] },
  { name: 'a drill of its own', payload: {}, type: 'drill.finished', marks: ['DRILL'] },
  { name: 'nobody told', payload: { unannounced: true }, type: 'session.opened', marks: ['UNANNOUNCED'] },
  { name: 'vouched for', payload: { vouchedBy: 'bob' }, type: 'grant.activated', marks: ['VOUCHED FOR BY bob'] },
  {
    name: 'all of them',
    payload: { drill: true, unannounced: true, vouchedBy: 'bob' },
    type: 'grant.activated',
    marks: ['DRILL', 'UNANNOUNCED', 'VOUCHED FOR BY bob'],
  },
])
  test(`${name} is marked, in front of the title`, () => {
    const message = messageOf(alertOf(payload, type))
    expect(message.marks).toEqual(marks)
    expect(message.title.startsWith(marks.map((mark) => `[${mark}]`).join(' '))).toBe(true)
  })

test('a rehearsal is not urgent, whatever it rehearses; one that found something is', () => {
  expect(messageOf(alertOf({ drill: true }, 'recorder.failed')).severity).toBe('info')
  expect(messageOf(alertOf({ drill: true }, 'drill.failed')).severity).toBe('error')
  expect(messageOf(alertOf({}, 'recorder.failed')).severity).toBe('critical')
})

/** Every event of the procedures, with a word that its title must say. */
const events: readonly (readonly [type: string, said: RegExp])[] = [
  ['grant.requested', /alice asks for access: deploy@web-1/],
  ['grant.activated', /broke the glass/],
  ['grant.approved', /approved/],
  ['grant.denied', /denied/],
  ['grant.overridden', /without approval/],
  ['grant.extended', /lasts longer/],
  ['grant.expiring', /ends soon/],
  ['grant.ended', /has ended/],
  ['grant.lapsed', /nobody decided/],
  ['session.opened', /inside/],
  ['session.risky', /risky/],
  ['review.due', /review is due/],
  ['review.overdue', /overdue/],
  ['review.escalated', /still not done/],
  ['recorder.failed', /not be recorded/],
  ['recording.full', /more than is kept/],
  ['space.scarce', /little room/],
  ['anchor.failed', /anchored/],
  ['user.locked-out', /stolen/],
  ['access.locked', /locked/],
  ['configuration.changed', /configuration was changed/],
  ['configuration.refused', /refused/],
  ['drill.finished', /rehearsal/],
]
test.each(events)('%s reads as a sentence', (type, said) => {
  expect(messageOf(alertOf({ by: 'bob' }, type)).title).toMatch(said)
})

test('a type nobody wrote a sentence for still reads well', () => {
  const message = messageOf(alertOf({ tapeLeftMs: 90_000, endsAt: 1_795_262_400_000 }, 'tape.running-out'))
  expect(message.title).toBe('tape: running out (alice): deploy@web-1')
  expect(message.severity).toBe('warning')
  expect(message.facts).toContainEqual({ name: 'tape left ms', value: '90 s' })
  expect(message.facts).toContainEqual({ name: 'ends at', value: '2026-11-21 12:00 UTC' })
})

test('an alert without a word in it is still an alert', () => {
  expect(messageOf({ id: 'a', channel: 'c', type: '', at: 0, payload: {} })).toMatchObject({ facts: [], link: null })
  expect(messageOf(alertOf({ user: null, target: undefined, account: '' })).title).toBe('someone broke the glass')
})

for (const { name, text } of hostile)
  test(`${name} in every field: one line each, nothing invisible, no live address, bounded`, () => {
    const message = messageOf(hostileAlert(text))
    const lines = [message.title, ...message.marks, ...message.facts.flatMap((fact) => [fact.name, fact.value])]
    for (const line of lines) {
      expect(line).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u)
      // Word joiners are ours.
      expect(line.replaceAll(joiner, '')).not.toMatch(/\p{Cf}/u)
      expect(line).not.toMatch(/:\/\/|www\.|\{\{/)
      expect(line.isWellFormed()).toBe(true)
    }
    expect(lines.join('').length).toBeLessThan(8000)
    expect(message.link).toBeNull()
  })

test('a text cut short says so, and no character is cut in two', () => {
  expect(oneLine('🔥'.repeat(10), 5)).toBe('🔥🔥🔥🔥…')
  expect(oneLine('x', 5)).toBe('x')
  expect(oneLine(`a${'\n'.repeat(1000)}b`, 5)).toMatch(/^a ?…$/)
})

test('only an http link is a link, and nothing in it can end one', () => {
  const link = (url: unknown) => messageOf(alertOf({ url })).link
  for (const bad of [
    'javascript:alert(1)',
    'file:///etc/passwd',
    'nothing',
    7,
    null,
    `https://a/${'x'.repeat(2000)}`,
    'https://u:p@a/',
  ])
    expect(link(bad)).toBeNull()
  expect(link('http://localhost:8080/#/grants/g7f3')).toBe('http://localhost:8080/#/grants/g7f3')
  expect(link('https://a/x|y>z"w\\ v')).not.toMatch(/[|<>"\\\s]/)
})

test('any payload gives a message', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), (payload, type) => {
      const message = messageOf({ ...alertOf(), type, payload })
      expect(message.facts.length).toBeLessThanOrEqual(24)
      expect(message.title).not.toMatch(/\n/)
    }),
  )
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 50 }), (text, most) => {
      expect(Array.from(oneLine(text, most)).length).toBeLessThanOrEqual(most)
      expect(plainText(text, most)).not.toMatch(/[\n\r]|:\/\//)
    }),
  )
})

test('every alert of a grant says whether it is a rehearsal, unannounced, or vouched for', () => {
  const grant = grantOf(0, { drill: true, unannouncedAt: 1, vouchedBy: 'bob' })
  const [alert] = grantAlerts('session.opened', grant, ['desk'], 0)
  expect(alert === undefined ? [] : messageOf(alert).marks).toEqual(['DRILL', 'UNANNOUNCED', 'VOUCHED FOR BY bob'])
  const [plain] = grantAlerts('session.opened', grantOf(0), ['desk'], 0)
  expect(plain === undefined ? ['none'] : messageOf(plain).marks).toEqual([])
})
