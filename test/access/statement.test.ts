import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { MAX_REASON_LENGTH, statementOf } from '../../src/access/statement.ts'
import { policy } from './examples.ts'

const withIncident = (required: boolean, pattern = '^INC-\\d+$') =>
  policy({ reason: { minLength: 10, incident: { pattern, required } } })

const cases = [
  { name: 'a word of the reason', reason: 'payments stuck INC-42', incident: 'INC-42' },
  { name: 'a word in brackets', reason: 'payments are stuck (INC-42).', incident: 'INC-42' },
  { name: 'the first of two', reason: 'INC-41 and again INC-42', incident: 'INC-41' },
  { name: 'part of a longer word is not it', reason: 'payments stuck XINC-42', incident: null },
  {
    name: 'an unanchored pattern finds it in a link',
    reason: 'see https://x/INC-42 now',
    incident: 'INC-42',
    pattern: 'INC-\\d+',
  },
  { name: 'an id with a space', reason: 'this is about case 42 again', incident: 'case 42', pattern: 'case \\d+' },
]
for (const { name, reason, incident, pattern } of cases) {
  test(`an incident in the reason counts: ${name}`, () => {
    const statement = statementOf(withIncident(true, pattern), { reason })
    expect(statement.incident).toBe(incident)
    expect(statement.missing).toEqual(incident === null ? ['incident'] : [])
  })
}

test('an incident that is named must be of the pattern, required or not', () => {
  for (const required of [true, false]) {
    const policy = withIncident(required)
    expect(statementOf(policy, { reason: 'payments stuck', incident: 'INC-42' }).incident).toBe('INC-42')
    expect(statementOf(policy, { reason: 'payments stuck', incident: 'TODO' }).missing).toEqual(['incident'])
  }
  expect(statementOf(withIncident(false), { reason: 'payments stuck' })).toMatchObject({ incident: null, missing: [] })
})

test('a policy without a pattern keeps the incident that was named', () => {
  expect(statementOf(policy(), { reason: 'payments stuck', incident: 'ABC' })).toMatchObject({
    incident: 'ABC',
    missing: [],
  })
})

const reasons = [
  { name: 'none', reason: undefined },
  { name: 'empty', reason: '' },
  { name: 'too short', reason: 'stuck' },
  { name: 'padded with spaces', reason: `  a${' '.repeat(40)}` },
  { name: 'too long', reason: 'x'.repeat(MAX_REASON_LENGTH + 1) },
  { name: 'more than a line', reason: 'payments are\nstuck again' },
  { name: 'moving the cursor', reason: 'payments \u001b[2J are stuck' },
  { name: 'read from right to left', reason: 'payments \u202e are stuck' },
  { name: 'not what is seen', reason: 'pay\u200bments are stuck' },
]
for (const { name, reason } of reasons) {
  test(`a reason is refused when it is ${name}`, () => {
    expect(statementOf(policy(), { reason }).missing).toEqual(['reason'])
  })
}

test('silence is never a reason, whatever the policy asks', () => {
  const silent = policy({ reason: { minLength: 0, incident: null } })
  expect(statementOf(silent, { reason: '   ' }).missing).toEqual(['reason'])
})

test('with one trigger it need not be named; with several it must, and only of those', () => {
  const several = policy({ triggers: [{ name: 'outage' }, { name: 'breach' }] })
  expect(statementOf(policy(), { reason: 'payments stuck' }).trigger).toBe('customer-impact')
  expect(statementOf(several, { reason: 'payments stuck' })).toMatchObject({ trigger: null, missing: ['trigger'] })
  expect(statementOf(several, { reason: 'payments stuck', trigger: 'breach' }).trigger).toBe('breach')
  expect(statementOf(several, { reason: 'payments stuck', trigger: 'fun' }).missing).toEqual(['trigger'])
  expect(statementOf(policy(), { reason: 'payments stuck', trigger: 'fun' }).missing).toEqual(['trigger'])
})

test('everything that is missing is said at once, in the order of the prompts', () => {
  const strict = policy({ triggers: [{ name: 'a' }, { name: 'b' }], reason: withIncident(true).reason })
  expect(statementOf(strict, {}).missing).toEqual(['trigger', 'reason', 'incident'])
})

test('any text gives a statement, and what is accepted is bounded and of the pattern', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 2000 }),
      fc.option(fc.string(), { nil: undefined }),
      (reason, incident) => {
        const statement = statementOf(withIncident(true), { reason, incident })
        if (statement.missing.length > 0) return
        expect(statement.reason.length).toBeLessThanOrEqual(MAX_REASON_LENGTH)
        expect(statement.incident).toMatch(/^INC-\d+$/)
      },
    ),
  )
})

for (const hidden of ['INC\u001b[2J', 'INC\u202e24', 'IN\u200bC-4', 'INC\n42', 'IN\u2028C']) {
  test(`an incident shows what it says: ${JSON.stringify(hidden)} is refused, with a pattern or without`, () => {
    const stated = { reason: 'payments are stuck', incident: hidden }
    expect(statementOf(policy(), stated).missing).toEqual(['incident'])
    expect(statementOf(withIncident(true, '[^]+'), stated).missing).toEqual(['incident'])
  })
}
