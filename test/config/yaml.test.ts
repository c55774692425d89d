import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkConfig } from '../../src/config/parse.ts'
import { MAX_CONFIG_BYTES, parseYaml } from '../../src/config/yaml.ts'
import { example } from './example.ts'

function valueOf(text: string): unknown {
  const result = parseYaml(text)
  expect(result).toMatchObject({ kind: 'ok' })
  return result.kind === 'ok' ? result.tree.value : undefined
}

test('YAML 1.2: yes, no and 22:30 are text', () => {
  expect({ ...(valueOf('a: yes\nb: no\nc: 22:30\nd: 0o17\ne: true\nf: 1.5') as object) }).toEqual({
    a: 'yes',
    b: 'no',
    c: '22:30',
    d: 15,
    e: true,
    f: 1.5,
  })
})

test('an alias stands for its anchor', () => {
  expect(JSON.stringify(valueOf('a: &x [1, 2]\nb: *x'))).toBe('{"a":[1,2],"b":[1,2]}')
})

test('places are those of the file, of keys and of values', () => {
  const result = parseYaml('a:\n  - b: 1\n    c: two\n')
  if (result.kind === 'bad') throw new Error('not parsed')
  expect(result.tree.place(['a', 0, 'c'])).toEqual({ line: 3, column: 8, length: 3 })
  expect(result.tree.place(['a', 0, 'c'], 'key')).toEqual({ line: 3, column: 5, length: 1 })
  expect(result.tree.place(['a', 7, 'zzz'])).toEqual({ line: 1, column: 1, length: 1 })
})

const bomb = ['b0: &b0 [x, x, x, x, x, x, x, x]']
for (let level = 1; level < 9; level++)
  bomb.push(`b${level}: &b${level} [${Array.from({ length: 8 }, () => `*b${level - 1}`).join(', ')}]`)

const refused: readonly { name: string; text: string; line: number }[] = [
  { name: 'a tab as indentation', text: 'a:\n\tb: 1', line: 2 },
  { name: 'a key twice', text: 'a: 1\nb: 2\na: 3', line: 3 },
  { name: 'a list never closed', text: 'a: 1\nb: [1, 2', line: 2 },
  { name: 'a quote never closed', text: 'a: "x\nb: 1', line: 2 },
  { name: 'a second document', text: 'a: 1\n---\nb: 2', line: 2 },
  { name: 'a tag', text: 'a: 1\nb: !!binary aGk=', line: 2 },
  { name: 'a tag of somebody', text: 'a: !!js/function "x"', line: 1 },
  { name: 'an older YAML', text: '%YAML 1.1\n---\na: yes', line: 1 },
  { name: 'a key that is a list', text: '? [a]\n: 1', line: 1 },
  { name: 'a key that is a number', text: 'a: 1\n1: a', line: 2 },
  { name: 'an alias of nothing', text: 'a: 1\nb: *nothing', line: 2 },
  { name: 'an alias of itself', text: 'a: &a [*a]', line: 1 },
  { name: 'a bomb of aliases', text: bomb.join('\n'), line: 2 },
  { name: 'a NUL byte', text: 'a: 1\nb: x\0y', line: 2 },
  { name: 'an escaped NUL', text: 'a: 1\nb: "\\0"', line: 2 },
  { name: 'a terminal escape', text: 'a: "\\e[2J"', line: 1 },
  { name: 'deep nesting', text: `a: ${'['.repeat(60)}${']'.repeat(60)}`, line: 1 },
  { name: 'a hundred thousand deep', text: '['.repeat(100_000), line: 0 },
  { name: 'more than a megabyte', text: '#'.repeat(MAX_CONFIG_BYTES + 1), line: 0 },
  {
    name: 'too many values',
    text: Array.from({ length: 110_000 }, (_, index) => `k${index}:`).join('\n'),
    line: 100_000,
  },
  { name: 'nothing', text: '', line: 0 },
  { name: 'only a comment', text: '# nothing here', line: 0 },
]
for (const { name, text, line } of refused) {
  test(`${name} is refused at its line`, () => {
    const result = parseYaml(text)
    expect(result.kind).toBe('bad')
    if (result.kind === 'bad') expect(result.problems[0]?.line).toBe(line)
  })
}

test('a text that is no configuration at all is refused with few words', () => {
  for (const text of ['hello', '- a', '42', 'null', '{}', '"x"'])
    expect(checkConfig(text, 'x.yaml').length).toBeGreaterThan(0)
})

test('any text gives a value or problems, never an exception', () => {
  const hostile = fc.string({ unit: fc.constantFrom(...'ab:-[]{}&*!|>%@`"\'#?,\n \t\\\0é'.split('')), maxLength: 200 })
  fc.assert(
    fc.property(fc.oneof(hostile, fc.string({ unit: 'binary' })), (text) => {
      expect(checkConfig(text, 'x.yaml').length).toBeGreaterThan(0)
    }),
    { numRuns: 1000 },
  )
})

test('the example with any piece cut out or doubled gives a configuration or problems within the file', () => {
  const lines = example.split('\n')
  const cut = fc.record({ from: fc.nat(example.length), length: fc.nat(60), twice: fc.boolean() })
  fc.assert(
    fc.property(cut, ({ from, length, twice }) => {
      const piece = example.slice(from, from + length)
      const text = example.slice(0, from) + (twice ? piece + piece : '') + example.slice(from + length)
      for (const { line, column } of checkConfig(text, 'x.yaml')) {
        expect(line).toBeLessThanOrEqual(lines.length + 60)
        expect(column).toBeGreaterThanOrEqual(line === 0 ? 0 : 1)
      }
    }),
    { numRuns: 150 },
  )
})
