import { expect, test } from 'vitest'
import { MAX_NAME_LENGTH, commandNames, nameProblem } from '../../src/identity/name.ts'

for (const name of ['alice', 'web-1', 'app_readonly', 'db.example', 'X', '_apt', 'a'.repeat(MAX_NAME_LENGTH)]) {
  test(`${name} is a name`, () => {
    expect(nameProblem(name)).toBeUndefined()
  })
}

const refused = [
  '',
  'a+b',
  'a@b',
  'a:b',
  'a#b',
  'a/b',
  'a b',
  'a\nb',
  'a\u0000',
  'é',
  '\u202Eevil',
  '-rf',
  '__proto__',
  '__proto__',
  '.',
  '..',
  'a\u{1F600}',
]
for (const name of [...refused, 'a'.repeat(MAX_NAME_LENGTH + 1)]) {
  test(`${JSON.stringify(name).slice(0, 20)} is no name, and the problem is said in ASCII`, () => {
    expect(nameProblem(name)).toMatch(/^[\x20-\x7e]+$/)
  })
}

test('command names are themselves names, each once', () => {
  expect(commandNames.filter((name) => nameProblem(name) !== undefined)).toEqual([])
  expect(new Set(commandNames).size).toBe(commandNames.length)
})
