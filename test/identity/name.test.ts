import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
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

test('every command that is spoken is a name nobody else has', () => {
  const folder = join(import.meta.dirname, '../../src/cli')
  const spoken = readdirSync(folder)
    .filter((file) => file.endsWith('-commands.ts') || file.endsWith('-command.ts'))
    .flatMap((file) => [...readFileSync(join(folder, file), 'utf8').matchAll(/\broot\s*\.command\('([a-z-]+)'/g)])
    .map(([, name]) => name)
  expect(spoken.length).toBeGreaterThan(20)
  expect(spoken.filter((name) => !commandNames.includes(name ?? ''))).toEqual([])
})

test('command names are themselves names, each once', () => {
  expect(commandNames.filter((name) => nameProblem(name) !== undefined)).toEqual([])
  expect(new Set(commandNames).size).toBe(commandNames.length)
})
