import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { grantDefaults } from '../../src/access/grant.ts'
import { loginOf } from '../../src/drill/credential.ts'
import { runSsh } from '../../src/drill/ssh-client.ts'
import type { DrillReport } from '../../src/procedure/drill.ts'
import type { HouseOptions } from '../scenario/configuration.ts'
import { House, startTargets, type Targets } from '../scenario/house.ts'
import { has } from '../support/clients.ts'
import { grantOf } from '../support/grant.ts'

let targets: Targets

beforeAll(async () => {
  if (has('postgres')) targets = await startTargets()
})
afterAll(() => targets?.stop())

async function inHouse(run: (house: House) => Promise<void>, options?: HouseOptions): Promise<void> {
  const house = await House.start(targets, options)
  try {
    await run(house)
  } finally {
    await house.close()
  }
}

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

describe.runIf(has('postgres'))('drills on a running bastion', () => {
  test('every story that drills can play passes, and nothing of it is left', { timeout: 200_000 }, async () => {
    await inHouse(async ({ bastion, bell }) => {
      const { id, finished } = await bastion.drills.start(undefined, 'adam')
      // One at a time, whoever asks.
      await expect(bastion.drills.start('alert', 'adam')).rejects.toMatchObject({ code: 'conflict' })
      const report = await finished
      expect(failures(report)).toEqual([])
      expect(report.figures.accessMs).toBeGreaterThan(0)
      expect(report.figures.alertMs).toBeGreaterThanOrEqual(0)
      expect(report.figures.killMs).toBeLessThan(1000)

      const { state } = bastion
      const [run] = await state.drillRuns({ limit: 1 })
      const [finishedLeaf] = await state.events({ types: ['drill-finished'], limit: 1 })
      const sha256 = createHash('sha256').update(JSON.stringify(run?.report)).digest('hex')
      expect(finishedLeaf?.event).toMatchObject({ drill: id, failed: 0, report: sha256 })

      const grants = await state.grants({})
      expect(grants.length).toBeGreaterThan(10)
      expect(grants.filter(({ drill }) => !drill)).toEqual([])
      expect(grants.filter(({ state: is }) => !['reviewed', 'denied', 'lapsed'].includes(is))).toEqual([])
      for (const grant of grants.filter(({ review }) => review !== null))
        expect(grant.review).toMatchObject({ by: `drill-${id}-reviewer`, findings: expect.stringContaining(id) })

      // Whoever reads the alerts sees at once that it is a rehearsal.
      const told = bell.received.map(({ body }) => JSON.parse(body.toString()) as { type: string; data: object })
      expect(told.length).toBeGreaterThan(10)
      expect(told.filter(({ data }) => !('drill' in data)).map(({ type }) => type)).toEqual([])
      for (const user of new Set(grants.map((grant) => grant.user))) expect(await state.totp(user)).toBeUndefined()
    })
  })

  test('without a canary every story is left out, and that is not green', { timeout: 60_000 }, async () => {
    await inHouse(
      async ({ bastion, actor }) => {
        const { finished } = await bastion.drills.start(undefined, 'adam')
        const report = await finished
        expect(report).toMatchObject({ passed: 0, failed: 0 })
        expect(report.stories.every(({ outcome }) => outcome === 'left-out')).toBe(true)
        expect(await bastion.state.grants({})).toEqual([])
        expect(await bastion.state.alerts({ type: 'drill.failed', limit: 5 })).toHaveLength(1)
        expect((await bastion.drills.overview(5)).runs[0]?.outcome).toBe('failed')
        const ssh = { ...bastion.ssh, hostKey: bastion.installation.sshHostPublicKey }
        const said = await runSsh(ssh, loginOf(actor('adam'), 'adam', 'its code'), 'drill run')
        expect(said.stdout).toContain('RED: 0 passed, 0 failed')
        expect(said.status).toBe(1)
      },
      { canaries: [] },
    )
  })

  test('a channel that takes nothing makes it red, with the step that broke', { timeout: 60_000 }, async () => {
    await inHouse(async ({ bastion, bell }) => {
      bell.answer((response) => {
        response.statusCode = 503
        response.end()
      })
      const { id, finished } = await bastion.drills.start('alert', 'adam')
      const report = await finished
      expect(report).toMatchObject({ passed: 0, failed: 1 })
      const broken = report.stories[0]?.steps.filter(({ outcome }) => outcome === 'not-as-expected')
      expect(broken).toEqual([expect.objectContaining({ text: 'the alert grant.activated is accepted within 10s' })])
      expect((await bastion.drills.report(id)).run.outcome).toBe('failed')
      expect(await bastion.state.alerts({ type: 'drill.failed', limit: 5 })).toHaveLength(1)
    })
  })

  test('what is no drill and no story here is refused before anything happens', { timeout: 60_000 }, async () => {
    await inHouse(async ({ bastion }) => {
      for (const { name, code } of [
        { name: 'nothing-of-that-name', code: 'not_found' },
        { name: '../../etc/passwd', code: 'not_found' },
        // A story that moves the clock: the living system has no such verb.
        { name: 'review-debt', code: 'usage' },
        { name: 'lock-all', code: 'usage' },
        { name: 'disk-full', code: 'usage' },
      ])
        await expect(bastion.drills.start(name, 'adam')).rejects.toMatchObject({ code })
      expect(await bastion.state.drillRuns({ limit: 5 })).toEqual([])
      // The refused starts hold up none that is right.
      const { finished } = await bastion.drills.start('alert', 'adam')
      expect((await finished).passed).toBe(1)
    })
  })

  test('a run that is cut by a stop is closed as failed, with all that it opened', { timeout: 60_000 }, async () => {
    await inHouse(async (house) => {
      const { id, finished } = await house.bastion.drills.start('query-expiry', 'adam')
      await house.stop()
      const report = await finished
      expect(report.cut).not.toBeNull()
      expect(report.failed).toBeGreaterThan(0)
      await house.boot()
      const { run } = await house.bastion.drills.report(id)
      expect(run.outcome).toBe('failed')
      expect(await house.bastion.state.grants({ states: ['requested', 'active', 'awaiting-review'] })).toEqual([])
    })
  })

  test('a run that a crash left is closed as failed at the next start', { timeout: 60_000 }, async () => {
    await inHouse(async (house) => {
      const { state, clock } = { state: house.bastion.state, clock: house.clock }
      const at = clock.now()
      const left = (grantId: string, over: object) =>
        grantOf(at, {
          ...grantDefaults,
          id: grantId,
          user: 'drill-dcrsh-1-engineer',
          policy: 'hosts',
          drill: true,
          ...over,
        })
      const requested = { state: 'requested', activatedAt: null, expiresAt: null } as const
      const persons = grantOf(at, { id: 'galice', policy: 'hosts' })
      await state.commit({
        at,
        writes: [
          {
            kind: 'drill-run',
            run: {
              id: 'dcrsh',
              name: 'everything',
              by: 'adam',
              startedAt: at,
              endedAt: null,
              passed: 0,
              failed: 0,
              report: null,
            },
          },
          { kind: 'grant', grant: left('gactive', {}), expectVersion: null },
          { kind: 'grant', grant: left('gasked', requested), expectVersion: null },
          { kind: 'grant', grant: persons, expectVersion: null },
        ],
        leaves: [{ type: 'drill-started', drill: 'dcrsh', name: 'everything', by: 'adam' }],
      })
      await house.stop()
      await house.boot()
      const { run, report } = await house.bastion.drills.report('dcrsh')
      expect(run).toMatchObject({ outcome: 'failed', failed: 1 })
      expect(report?.cut).toBe('halligan stopped while it ran')
      const [leaf] = await house.bastion.state.events({ types: ['drill-finished'], limit: 5 })
      expect(leaf?.event).toMatchObject({ drill: 'dcrsh', failed: 1 })
      expect((await house.bastion.state.grant('gactive'))?.state).toBe('reviewed')
      expect((await house.bastion.state.grant('gasked'))?.state).toBe('lapsed')
      // A person's grant is none of its business.
      expect((await house.bastion.state.grant('galice'))?.state).toBe('active')
    })
  })

  test('the schedule begins a drill by itself when it is due', { timeout: 60_000 }, async () => {
    await inHouse(
      async ({ bastion, clock }) => {
        const settled = async () => {
          await new Promise((resolve) => setTimeout(resolve, 200))
          return bastion.state.drillRuns({ limit: 5 })
        }
        clock.advance(61_000)
        expect(await settled()).toEqual([])
        clock.advance(3_600_000)
        for (let minute = 0; minute < 5 && (await settled()).length === 0; minute++) clock.advance(61_000)
        for (let round = 0; round < 100; round++) {
          const [run] = await settled()
          if (run?.endedAt !== null && run !== undefined) break
        }
        const [run] = await settled()
        expect(run).toMatchObject({ name: 'hourly', by: 'schedule', passed: 1, failed: 0 })
      },
      { drills: [{ name: 'hourly', every: '1h', stories: ['alert'] }] },
    )
  })
})
