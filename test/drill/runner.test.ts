import { expect, test } from 'vitest'
import { HalliganError } from '../../src/errors.ts'
import { runStory, type StoryResult } from '../../src/drill/runner.ts'
import { parseStory } from '../../src/drill/story.ts'
import type { Story } from '../../src/drill/step.ts'
import type { Outcome, World } from '../../src/drill/world.ts'
import { FakeClock } from '../support/clock.ts'

function storyOf(steps: string): Story {
  const parsed = parseStory(`story: x\nproves: P4\n${steps}`, 'test')
  if (parsed.kind === 'error') throw new Error(parsed.message)
  return parsed.story
}

/** Plays against a world that answers as it is told. */
async function play(
  steps: string,
  answers: readonly (Outcome | Error)[],
  options: { readonly close?: () => Promise<void>; readonly signal?: AbortSignal } = {},
): Promise<StoryResult & { readonly asked: number }> {
  let asked = 0
  const world: World = {
    perform: async () => {
      const answer = answers[asked++]
      if (answer instanceof Error || answer === undefined) throw answer ?? new Error('nothing was said')
      return answer
    },
    close: options.close ?? (async () => undefined),
  }
  const result = await runStory(storyOf(steps), world, new FakeClock(), options.signal ?? new AbortController().signal)
  return { ...result, asked }
}

const done: Outcome = { kind: 'attempted', attempted: { kind: 'done' }, detail: '' }
const refused: Outcome = { kind: 'attempted', attempted: { kind: 'refused', why: 'no grant' }, detail: 'status 77' }
const so: Outcome = { kind: 'so', detail: '2 ended', figure: { what: 'kill', ms: 12 } }

test('a story passes when every step is as it says, refusals included', async () => {
  const { passed, steps, figures } = await play(
    'alice connects to the host\nexpect refused: no grant\nbob approves\nevery session ends within 1s',
    [refused, done, so],
  )
  expect(passed).toBe(true)
  expect(steps.map(({ outcome }) => outcome)).toEqual(['as-expected', 'as-expected', 'as-expected'])
  expect(steps[0]).toMatchObject({ expected: 'refused: no grant', actual: 'refused: no grant (status 77)' })
  expect(figures).toEqual([{ what: 'kill', ms: 12 }])
})

for (const { name, steps, answers } of [
  { name: 'done where it must be refused', steps: 'bob approves\nexpect refused: not allowed', answers: [done] },
  { name: 'refused where it must be done', steps: 'bob approves', answers: [refused] },
  { name: 'refused for another reason', steps: 'bob approves\nexpect refused: not allowed', answers: [refused] },
  { name: 'not so', steps: 'every session goes on', answers: [{ kind: 'not-so', detail: 'one ended' } as const] },
  { name: 'a world that breaks', steps: 'bob approves', answers: [new HalliganError('unreachable', 'no port')] },
  {
    name: 'refused for no reason that has a name',
    steps: 'bob approves\nexpect refused: not allowed',
    answers: [{ kind: 'attempted', attempted: { kind: 'unexpected' }, detail: 'status 70' } as const],
  },
])
  test(`${name} fails the story, and nothing after it is tried`, async () => {
    const result = await play(`${steps}\nbob denies`, [...answers, done])
    expect(result.passed).toBe(false)
    expect(result.asked).toBe(1)
    expect(result.steps.map(({ outcome }) => outcome)).toEqual(['not-as-expected', 'not-reached'])
  })

test('a run that is cut fails where it stands', async () => {
  const result = await play('bob approves\nbob denies', [done], { signal: AbortSignal.abort() })
  expect(result.asked).toBe(0)
  expect(result.passed).toBe(false)
})

test('a stage that cannot be cleared fails the story', async () => {
  const result = await play('bob approves', [done], { close: () => Promise.reject(new Error('still open')) })
  expect(result.passed).toBe(false)
  expect(result.steps.at(-1)).toMatchObject({ outcome: 'not-as-expected', actual: 'still open' })
})
