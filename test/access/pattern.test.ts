import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { isBoundedFor, patternProblem } from '../../src/access/pattern.ts'
import { MAX_INCIDENT_LENGTH, MAX_REASON_LENGTH } from '../../src/access/statement.ts'

const usable = [
  String.raw`^INC-\d+$`,
  String.raw`INC-\d+`,
  '^(INC|SEC|OPS)-[0-9]{4,8}$',
  String.raw`[A-Z]+-\d+`,
  String.raw`^[A-Z]+-\d+(-\d+)?$`,
  String.raw`^(?:PD-)?[A-Z0-9]{14}$`,
  String.raw`^(?<queue>[a-z]+)#\d{1,7}$`,
  String.raw`[[\]|(*]x`,
]
for (const pattern of usable)
  test(`${pattern} may be used`, () => expect(patternProblem(pattern, MAX_INCIDENT_LENGTH)).toBeUndefined())

const refused = [
  '(a+)+$',
  '^(a|a)*$',
  '^(a|aa)+$',
  '(.*a){12}',
  String.raw`(\d+)*x`,
  '((a*)*)*b',
  '(?:a+){2,}b',
  'a*a*a*a*b',
  `${'a*'.repeat(90)}b`,
  `${'a?'.repeat(60)}b`,
  `${'(a|a)?'.repeat(30)}b`,
  `${'(a|b|ab)'.repeat(20)}c`,
  'a{0,99}a{0,99}a{0,99}a{0,99}b',
  'a{1,}a{1,}a{1,}b',
  '^a+?a+?a+?a+?$',
  '(?=a+)b',
  '(?<!a+)b',
  String.raw`(a+)\1b`,
  String.raw`(?<x>a+)\k<x>b`,
  'a||b',
  '',
  '(',
]
for (const pattern of refused)
  test(`${pattern.slice(0, 30)} is refused`, () =>
    expect(patternProblem(pattern, MAX_INCIDENT_LENGTH)).toEqual(expect.any(String)))

test('what may be tried on a word is not tried on a whole reason where that could take long', () => {
  const pattern = String.raw`[A-Z]+-\d+`
  expect(isBoundedFor(pattern, MAX_INCIDENT_LENGTH)).toBe(true)
  expect(isBoundedFor(pattern, MAX_REASON_LENGTH)).toBe(false)
})

const atom = fc.constantFrom('a', 'b', '[ab]', String.raw`\w`, '.', 'ab')
const quantifier = fc.constantFrom('', '', '*', '+', '?', '{1,3}', '{2,}', '+?', '{2}')
const piece = fc.tuple(atom, quantifier).map((parts) => parts.join(''))
const group = fc
  .tuple(fc.array(piece, { minLength: 1, maxLength: 3 }), fc.constantFrom('', '|', '|b'), fc.constantFrom('', '?', '*'))
  .map(([pieces, or, after]) => `(${pieces.join('')}${or})${after}`)
const anyPattern = fc.array(fc.oneof(piece, piece, group), { minLength: 1, maxLength: 8 }).map((all) => all.join(''))
const hostile = fc.constantFrom('a'.repeat(100), 'ab'.repeat(50), `${'a'.repeat(99)}!`, `${'ba'.repeat(49)}c`)

/** Generous: a machine under load. What is not bounded takes longer than the universe has been there. */
const LONGEST_MS = 3000

test('whatever is let through ends soon on the most hostile text', () => {
  fc.assert(
    fc.property(anyPattern, hostile, (pattern, text) => {
      const whole = `${pattern}!!$`
      if (patternProblem(whole, MAX_INCIDENT_LENGTH) !== undefined) return
      const startedAt = performance.now()
      new RegExp(whole, 'u').test(text)
      expect(performance.now() - startedAt).toBeLessThan(LONGEST_MS)
    }),
    { numRuns: 1500 },
  )
}, 60_000)

test('any text is a pattern that may be used or a problem, never an error', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), (text) => {
      const problem = patternProblem(text, MAX_INCIDENT_LENGTH)
      if (problem === undefined) expect(() => new RegExp(text, 'u')).not.toThrow()
    }),
    { numRuns: 3000 },
  )
})
