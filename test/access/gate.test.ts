import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { gateStep } from '../../src/access/gate.ts'
import type { AlertGate } from '../../src/access/policy.ts'

const gate = (over: Partial<AlertGate> = {}): AlertGate => ({
  accepted: 1,
  withinMs: 15_000,
  otherwise: 'hold',
  holdMaxMs: 120_000,
  afterHold: 'allow',
  ...over,
})

const cases: readonly {
  readonly name: string
  readonly gate: AlertGate
  readonly accepted: number
  readonly waitedMs: number
  readonly want: ReturnType<typeof gateStep>
}[] = [
  { name: 'told', gate: gate(), accepted: 1, waitedMs: 0, want: { kind: 'open' } },
  { name: 'told at the last moment', gate: gate(), accepted: 1, waitedMs: 1e9, want: { kind: 'open' } },
  {
    name: 'one of two told',
    gate: gate({ accepted: 2 }),
    accepted: 1,
    waitedMs: 0,
    want: { kind: 'wait', untilMs: 15_000 },
  },
  {
    name: 'allow, too early',
    gate: gate({ otherwise: 'allow' }),
    accepted: 0,
    waitedMs: 14_999,
    want: { kind: 'wait', untilMs: 15_000 },
  },
  { name: 'allow', gate: gate({ otherwise: 'allow' }), accepted: 0, waitedMs: 15_000, want: { kind: 'unannounced' } },
  { name: 'deny', gate: gate({ otherwise: 'deny' }), accepted: 0, waitedMs: 15_000, want: { kind: 'refuse' } },
  { name: 'hold', gate: gate(), accepted: 0, waitedMs: 15_000, want: { kind: 'wait', untilMs: 135_000 } },
  { name: 'held, then allow', gate: gate(), accepted: 0, waitedMs: 135_000, want: { kind: 'unannounced' } },
  {
    name: 'held, then deny',
    gate: gate({ afterHold: 'deny' }),
    accepted: 0,
    waitedMs: 135_000,
    want: { kind: 'refuse' },
  },
  {
    name: 'no number',
    gate: gate({ otherwise: 'allow' }),
    accepted: 0,
    waitedMs: Number.NaN,
    want: { kind: 'wait', untilMs: 15_000 },
  },
]
for (const { name, gate, accepted, waitedMs, want } of cases)
  test(`${name}: ${want.kind}`, () => {
    expect(gateStep(gate, accepted, waitedMs)).toEqual(want)
  })

test('it opens exactly when enough were told; it waits for a moment still to come; a refusal is never early', () => {
  const gates = fc.record({
    accepted: fc.integer({ min: 1, max: 5 }),
    withinMs: fc.nat(60_000),
    otherwise: fc.constantFrom('allow', 'deny', 'hold'),
    holdMaxMs: fc.nat(600_000),
    afterHold: fc.constantFrom('allow', 'deny'),
  } as const)
  fc.assert(
    fc.property(gates, fc.nat(6), fc.nat(1_000_000), (gate, accepted, waitedMs) => {
      const step = gateStep(gate, accepted, waitedMs)
      expect(step.kind === 'open').toBe(accepted >= gate.accepted)
      if (step.kind === 'wait') expect(step.untilMs).toBeGreaterThan(waitedMs)
      if (step.kind === 'refuse' || step.kind === 'unannounced') expect(waitedMs).toBeGreaterThanOrEqual(gate.withinMs)
      if (step.kind === 'unannounced') expect(gate.otherwise === 'deny').toBe(false)
    }),
  )
})
