import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { fillText, fillUrl } from '../../src/incident/template.ts'
import type { CheckQuestion } from '../../src/procedure/check.ts'

const question: CheckQuestion = {
  user: 'alice',
  target: 'web-1',
  account: 'deploy',
  trigger: 'customer-impact',
  incident: 'INC-42',
}

test('placeholders behind the host are filled, percent-encoded', () => {
  const template = 'https://desk.example.com/v1/{incident}/of/{user}?t={target}&a={account}&why={trigger}'
  expect(fillUrl(template, { ...question, incident: 'INC 42/ä?#&' })).toEqual({
    kind: 'filled',
    text: 'https://desk.example.com/v1/INC%2042%2F%C3%A4%3F%23%26/of/alice?t=web-1&a=deploy&why=customer-impact',
  })
})

test('what a person types never changes host, path structure or query structure', () => {
  const template = 'https://desk.example.com/v1/{incident}/open?of={incident}&x=y'
  const typed = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.stringMatching(/^[./\\%2eE:@?#&=[\]]{1,9}$/))
  fc.assert(
    fc.property(typed, (incident) => {
      const filled = fillUrl(template, { ...question, incident })
      if (filled.kind === 'unfit') return
      const url = new URL(filled.text)
      expect(url.host).toBe('desk.example.com')
      expect(url.username + url.password + url.hash).toBe('')
      const segments = url.pathname.split('/')
      expect([segments.length, segments[1], segments[3]]).toEqual([4, 'v1', 'open'])
      expect(decodeURIComponent(segments[2] ?? '')).toBe(incident)
      expect([...url.searchParams]).toEqual([
        ['of', incident],
        ['x', 'y'],
      ])
    }),
    { numRuns: 2_000 },
  )
})

for (const incident of [null, '', '.', '..', '%2e', '%2E.', 'x'.repeat(201), '\ud800'])
  test(`an incident ${JSON.stringify(incident)?.slice(0, 20)} cannot be asked for, and no URL is made of it`, () => {
    const filled = fillUrl('https://desk.example.com/{incident}', { ...question, incident })
    // A percent sign is encoded once more, and is then a name like others.
    if (incident?.startsWith('%') === true)
      expect(new URL(filled.kind === 'filled' ? filled.text : '').pathname).toContain('%25')
    else expect(filled.kind).toBe('unfit')
  })

test('a name with a dot behind or before a placeholder is a name', () => {
  expect(fillUrl('https://desk.example.com/{user}.json', question).kind).toBe('filled')
  expect(fillUrl('https://desk.example.com/.{incident}', { ...question, incident: '.' }).kind).toBe('unfit')
})

test('a value that looks like a placeholder is a value', () => {
  expect(fillUrl('https://desk.example.com/{incident}', { ...question, incident: '{user}' })).toEqual({
    kind: 'filled',
    text: 'https://desk.example.com/%7Buser%7D',
  })
  expect(fillText('{incident} $& $1', { ...question, incident: "$' {user}" })).toEqual({
    kind: 'filled',
    text: "$' {user} $& $1",
  })
})
