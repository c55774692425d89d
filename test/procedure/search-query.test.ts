import { fc, test } from '@fast-check/vitest'
import { describe, expect } from 'vitest'
import { longestSearch, mostPhrases, parseSearch } from '../../src/procedure/search-query.ts'

const now = Date.parse('2026-11-21T12:00:00Z')
const nothing = { phrases: [], users: [], targets: [], grants: [], since: null, until: null }

describe('what people type is read as', () => {
  for (const { text, want } of [
    { text: 'drop table', want: { phrases: ['drop', 'table'] } },
    { text: '"drop table" orders', want: { phrases: ['drop table', 'orders'] } },
    { text: '"permission denied', want: { phrases: ['permission denied'] } },
    { text: 'rm -rf /', want: { phrases: ['rm', '-rf'] } },
    { text: 'user:alice USER:bob', want: { users: ['alice', 'bob'] } },
    { text: 'target:"web-1" grant:g7f3 ls', want: { targets: ['web-1'], grants: ['g7f3'], phrases: ['ls'] } },
    { text: 'user:', want: { phrases: ['user:'] } },
    { text: 'since:2h', want: { since: now - 2 * 3_600_000 } },
    { text: 'until:2026-11-20', want: { until: Date.parse('2026-11-21') } },
    { text: 'since:2026-11-20T10:30', want: { since: Date.parse('2026-11-20T10:30Z') } },
    { text: 'since:banana', want: { phrases: ['since:banana'] } },
    { text: 'http://example.org', want: { phrases: ['http://example.org'] } },
    { text: 'a AND b NOT c* ^d NEAR(e f)', want: { phrases: ['a', 'AND', 'b', 'NOT', 'c*', '^d', 'NEAR(e', 'f)'] } },
    { text: 'a\u0000b\u001b[31m', want: { phrases: ['a', 'b', '[31m'] } },
  ])
    test(JSON.stringify(text), () => {
      expect(parseSearch(text, now)).toEqual({ ...nothing, ...want })
    })
})

for (const text of [
  '',
  '   ',
  '"',
  '""',
  '!!! | / ;',
  'user:""',
  '\ud800',
  'x'.repeat(longestSearch + 1),
  'a '.repeat(mostPhrases + 1),
])
  test(`${JSON.stringify(text.slice(0, 12))} asks for nothing`, () => {
    expect(parseSearch(text, now)).toBeUndefined()
  })

const typed = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc
    .array(
      fc.constantFrom(
        'user:',
        'since:',
        'until:',
        '"',
        ' ',
        'AND',
        '*',
        '-',
        '(',
        'a',
        '2h',
        '2026-11-21',
        'ä',
        '\0',
        ':',
      ),
      { maxLength: 30 },
    )
    .map((parts) => parts.join('')),
)

test.prop([typed])('anything typed is read, within bounds, as words that are there', (text) => {
  const query = parseSearch(text, now)
  if (query === undefined) return
  for (const phrase of query.phrases) {
    expect(phrase).toMatch(/[\p{L}\p{N}]/u)
    expect(phrase).not.toMatch(/[\p{Cc}"]/u)
    expect(phrase.isWellFormed()).toBe(true)
  }
  for (const at of [query.since, query.until]) expect(at === null || Number.isFinite(at)).toBe(true)
  expect(query.phrases.length).toBeLessThanOrEqual(mostPhrases)
})

const word = fc.stringMatching(/^[a-z0-9äß]{1,8}$/)
test.prop([fc.array(fc.array(word, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 6 })])(
  'phrases that are quoted come back as they are',
  (phrases) => {
    const text = phrases.map((words) => `"${words.join(' ')}"`).join(' ')
    expect(parseSearch(text, now)?.phrases).toEqual(phrases.map((words) => words.join(' ')))
  },
)

test('a megabyte is refused at once', () => {
  const before = performance.now()
  for (const text of ['"'.repeat(1 << 20), 'user:'.repeat(1 << 18)]) expect(parseSearch(text, now)).toBeUndefined()
  expect(performance.now() - before).toBeLessThan(1000)
})
