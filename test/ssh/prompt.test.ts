import { expect, test } from 'vitest'
import { breakGlassPrompts } from '../../src/ssh/prompt.ts'
import { policyOf } from '../procedure/world.ts'

const decision = {
  kind: 'incomplete',
  rule: 'emergency/approval[1]+overdue-review',
  policy: policyOf(),
  account: 'deploy',
  durationMs: 30 * 60_000,
  required: 1,
  missing: ['reason'],
  message: 'a reason is missing',
} as const

test('why it is stricter than usual stands in the prompt itself, between what it means and what is asked', () => {
  const note = 'The review of your grant g7f3 is overdue; rita can review it. A delay, not a wall.'
  const [first, ...more] = breakGlassPrompts(decision, 'web-1', { note })
  expect(more).toEqual([])
  const lines = first?.prompt.split('\n') ?? []
  expect(lines).toHaveLength(3)
  expect(lines[0]).toContain('Needs 1 approval')
  expect(lines.slice(1)).toEqual([note, 'Reason: '])
})

test('what was wrong with the last answers comes first, and nothing in it moves the terminal', () => {
  const say = { complaint: 'no \u001b[2J good', note: 'gr\u00fcn \u202e' }
  const [first] = breakGlassPrompts(decision, 'web-1', say)
  expect(first?.prompt).toMatch(/^no \?\[2J good\n/)
  expect(first?.prompt).toMatch(/^[\x20-\x7e\n]*$/)
})
