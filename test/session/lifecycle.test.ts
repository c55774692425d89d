import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { advance, lifecycle, type SessionState, type SessionStep } from '../../src/session/lifecycle.ts'

const states: SessionState[] = ['opening', 'open', 'ending', 'ended', 'sealed']
const steps: SessionStep[] = ['opened', 'end', 'recorded', 'sealed']

const cases = states.flatMap((state) => steps.map((step) => ({ state, step, want: lifecycle[state][step] })))

for (const { state, step, want } of cases) {
  test(`a session that is ${state} ${want === undefined ? 'refuses' : 'takes'} the step ${step}`, () => {
    if (want === undefined)
      expect(() => advance(state, step)).toThrowError(expect.objectContaining({ code: 'conflict' }))
    else expect(advance(state, step)).toBe(want)
  })
}

test('every state can be reached and every state but the last can be left', () => {
  const reached = new Set(['opening', ...states.flatMap((state) => Object.values(lifecycle[state]))])
  expect([...reached].sort()).toEqual([...states].sort())
  for (const state of states) expect(Object.keys(lifecycle[state]).length > 0).toBe(state !== 'sealed')
})

test('the diagram in ARCHITECTURE.md is printed from the table', () => {
  const rows = states.flatMap((state) =>
    steps.flatMap((step) => {
      const next = lifecycle[state][step]
      return next === undefined ? [] : [`${state.padEnd(9)}${`--${step}-->`.padEnd(15)}${next}`]
    }),
  )
  const text = readFileSync(new URL('../../ARCHITECTURE.md', import.meta.url), 'utf8')
  const diagram = /<!-- lifecycle -->\n```\n([\s\S]*?)\n```\n<!-- \/lifecycle -->/.exec(text)?.[1]
  expect(diagram?.split('\n')).toEqual(rows)
})
