import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DrillReport } from '../../src/procedure/drill.ts'
import { House, startTargets, type Targets } from '../scenario/house.ts'
import { has } from '../support/clients.ts'

let targets: Targets
let house: House

beforeAll(async () => {
  if (!has('postgres')) return
  targets = await startTargets()
  house = await House.start(targets)
})

afterAll(async () => {
  await house?.close()
  await targets?.stop()
})

function failures(report: DrillReport): string[] {
  return report.stories.flatMap(({ name, outcome, why, steps }) =>
    outcome === 'passed'
      ? []
      : [
          `${name}: ${why ?? ''}`,
          ...steps.map((step) => `  ${step.line} ${step.outcome} ${step.text}: ${step.expected} / ${step.actual}`),
        ],
  )
}

test.runIf(has('postgres'))('every story passes as a drill on a running bastion', { timeout: 200_000 }, async () => {
  const { finished } = await house.bastion.drills.start(undefined, 'adam')
  const report = await finished
  expect(failures(report)).toEqual([])
  expect(report.failed).toBe(0)
  expect(report.figures.accessMs).toBeGreaterThan(0)
})
