import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { parseStory } from '../../src/drill/story.ts'
import { verbs } from '../../src/drill/verb.ts'

const head = 'story: A title\nproves: P4\n'

function stepsOf(text: string) {
  const parsed = parseStory(head + text, 'test')
  if (parsed.kind === 'error') throw new Error(`line ${parsed.line}: ${parsed.message}`)
  return parsed.story.steps
}

test('a story has a title, what it proves, and steps with their lines', () => {
  const parsed = parseStory(
    '# why\nstory: Nobody gets in\nproves: P4, P7\n\nalice connects to the host with no code\n  expect refused: no code\n',
    'drill',
  )
  expect(parsed).toEqual({
    kind: 'story',
    story: {
      title: 'Nobody gets in',
      proves: ['P4', 'P7'],
      steps: [
        {
          line: 5,
          text: 'alice connects to the host with no code; expect refused: no code',
          action: { kind: 'connect', who: 'alice', place: 'the host', with: 'no code' },
          expected: { kind: 'refused', why: 'no code' },
        },
      ],
    },
  })
})

test('durations, texts and patterns are read as what they are', () => {
  expect(stepsOf('alice breaks the glass on the database for 1h30m because "it is down"')[0]?.action).toEqual({
    kind: 'break-glass',
    who: 'alice',
    place: 'the database',
    forMs: 5_400_000,
    reason: 'it is down',
  })
  expect(stepsOf('ssh runs "id" and prints /uid=\\d+/')[0]?.action).toEqual({
    kind: 'run',
    client: 'ssh',
    command: 'id',
    prints: /uid=\d+/,
  })
})

describe('mistakes are found at their line', () => {
  for (const { name, text, line } of [
    { name: 'no title', text: 'alice approves', line: 1 },
    { name: 'nothing at all', text: '', line: 1 },
    { name: 'a promise that is none', text: 'story: x\nproves: everything\nbob approves', line: 2 },
    { name: 'no step', text: head, line: 2 },
    { name: 'a verb that is none', text: `${head}bob approves of everything`, line: 3 },
    { name: 'a person who is none', text: `${head}\nmallory approves`, line: 4 },
    { name: 'a place that is none', text: `${head}alice connects to the moon`, line: 3 },
    { name: 'an open quote', text: `${head}ssh runs "id`, line: 3 },
    { name: 'a quote inside a word', text: `${head}ssh runs i"d"`, line: 3 },
    { name: 'a pattern that could search for ever', text: `${head}ssh runs "id" and prints /(a+)+b/`, line: 3 },
    { name: 'a duration that is none', text: `${head}time passes soon`, line: 3 },
    { name: 'no time at all', text: `${head}time passes 0s`, line: 3 },
    { name: 'an expectation of nothing', text: `${head}expect refused: no grant`, line: 3 },
    { name: 'an expectation of what just happens', text: `${head}time passes 1m\nexpect refused: no grant`, line: 4 },
    { name: 'two expectations', text: `${head}bob approves\nexpect refused: locked\nexpect refused: locked`, line: 5 },
    { name: 'an unknown refusal', text: `${head}bob approves\nexpect refused: bad luck`, line: 4 },
    { name: 'a hidden character', text: `${head}bob\u202e approves`, line: 3 },
    { name: 'a line without end', text: `${head}ssh runs "${'x'.repeat(500)}"`, line: 3 },
    { name: 'a book', text: `${head}${'\n'.repeat(300)}`, line: 201 },
    { name: 'too many steps', text: `${head}${'bob approves\n'.repeat(61)}`, line: 63 },
  ]) {
    test(name, () => {
      expect(parseStory(text, 'test')).toMatchObject({ kind: 'error', line })
    })
  }
})

describe('what only tests have is refused in a drill, at its line', () => {
  for (const text of [
    'time passes 31m',
    'the disk is full',
    'alice locks everything because "I can"',
    'the alert channel is silent',
    'adam revokes the grant',
    'carol approves',
    'bob vouches for alice because "her phone is gone"',
    "bob approves by the alert's link",
    'the configuration sends alerts to "https://169.254.169.254/"',
    'alice is taken out of the configuration',
    'the store fails',
    'the clock is set back by 1h',
  ]) {
    test(text, () => {
      expect(parseStory(head + text, 'test')).toMatchObject({ kind: 'story' })
      expect(parseStory(head + text, 'drill')).toMatchObject({ kind: 'error', line: 3 })
    })
  }
})

const word = fc.oneof(
  fc.constantFrom(...verbs.flatMap(({ usage }) => usage.split(' '))),
  fc.constantFrom('alice', 'the', 'host', '"x"', '/x/', '5s', 'expect', 'refused:', '\t', '"', '#'),
  fc.string(),
)

property.prop([
  fc.array(fc.array(word, { maxLength: 12 }), { maxLength: 12 }),
  fc.constantFrom('test' as const, 'drill' as const),
])('any text gives a story or an error with a line of that text', (lines, world) => {
  const text = (lines.length % 2 === 0 ? head : '') + lines.map((words) => words.join(' ')).join('\n')
  const parsed = parseStory(text, world)
  if (parsed.kind === 'story') expect(parsed.story.steps.length).toBeGreaterThan(0)
  else {
    expect(parsed.line).toBeGreaterThanOrEqual(1)
    expect(parsed.line).toBeLessThanOrEqual(text.split('\n').length)
    expect(parsed.message).not.toBe('')
  }
})

const folder = resolve(import.meta.dirname, '../scenario')

test('every story of the folder can be read', () => {
  const files = readdirSync(folder).filter((file) => file.endsWith('.txt'))
  const broken = files.flatMap((file) => {
    const parsed = parseStory(readFileSync(join(folder, file), 'utf8'), 'test')
    return parsed.kind === 'error' ? [`${file}:${parsed.line}: ${parsed.message}`] : []
  })
  expect(broken).toEqual([])
})
