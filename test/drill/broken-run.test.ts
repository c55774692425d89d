import { rmSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { House, startTargets, type Targets } from '../scenario/house.ts'
import { has } from '../support/clients.ts'

let targets: Targets

beforeAll(async () => {
  if (has('postgres')) targets = await startTargets()
})
afterAll(() => targets?.stop())

describe.runIf(has('postgres'))('a rehearsal that breaks off by a fault of its own', () => {
  test('is closed as failed and told, and the next one may begin', { timeout: 60_000 }, async () => {
    const house = await House.start(targets)
    try {
      const { bastion } = house
      rmSync(bastion.installation.publicKeyFile)
      const { id, finished } = await bastion.drills.start('alert', 'adam')
      const report = await finished
      expect(report.cut).toMatch(/^it broke off/)
      expect(report.passed).toBe(0)
      expect((await bastion.drills.report(id)).run.outcome).toBe('failed')
      expect(await bastion.state.events({ types: ['drill-finished'], limit: 5 })).toMatchObject([
        { event: { drill: id, passed: 0, failed: 1 } },
      ])
      expect(await bastion.state.alerts({ type: 'drill.failed', limit: 5 })).not.toEqual([])
      expect(await bastion.state.grants({ states: ['requested', 'active', 'awaiting-review'] })).toEqual([])
      await (
        await bastion.drills.start('alert', 'adam')
      ).finished
    } finally {
      await house.close()
    }
  })
})
