import { HalliganError } from '../../src/errors.ts'
import type { DrillContract, DrillReport, DrillSummary } from '../../src/procedure/drill.ts'

/** Rehearsals as the page sees them: one that ran, and a note of each that was started. */
export class MemoryDrills implements DrillContract {
  readonly started: { readonly name: string | undefined; readonly by: string }[] = []
  readonly #run: DrillSummary = {
    id: 'd7f3a',
    name: 'everything',
    by: 'adam',
    startedAt: 1000,
    endedAt: 2000,
    passed: 3,
    failed: 0,
    outcome: 'passed',
  }

  async start(name: string | undefined, by: string): ReturnType<DrillContract['start']> {
    if (this.started.length > 0) throw new HalliganError('conflict', 'drill d7f3b is running')
    this.started.push({ name, by })
    return { id: 'd7f3b', finished: new Promise(() => undefined) }
  }

  async overview(): ReturnType<DrillContract['overview']> {
    return {
      runs: [...this.#startedRuns(), this.#run],
      schedule: [{ name: 'weekly', everyMs: 7 * 86_400_000, dueAt: 1000, isMissed: true }],
      stories: [
        { name: 'alert', title: 'Whoever breaks the glass is heard', proves: ['P7'], why: null },
        {
          name: 'approval',
          title: 'Two people agree',
          proves: ['P4'],
          why: 'the guarded account: no target is marked canary',
        },
      ],
      readiness: await this.readiness(),
    }
  }

  async report(id: string): ReturnType<DrillContract['report']> {
    const run = [...this.#startedRuns(), this.#run].find((one) => one.id === id)
    if (run === undefined) throw new HalliganError('not_found', `no drill ${id}`)
    return { run, report: run.endedAt === null ? undefined : await this.#report() }
  }

  async readiness(): ReturnType<DrillContract['readiness']> {
    return {
      now: 0,
      ready: 1,
      people: [
        { user: 'alice', isReady: true, missing: [], targets: ['web-1'], lastUsedAt: null, isStale: true },
        {
          user: 'erin',
          isReady: false,
          missing: ['second factor'],
          targets: ['web-1'],
          lastUsedAt: null,
          isStale: false,
        },
      ],
    }
  }

  #startedRuns(): DrillSummary[] {
    return this.started.map(({ name, by }) => ({
      id: 'd7f3b',
      name: name ?? 'everything',
      by,
      startedAt: 3000,
      endedAt: null,
      passed: 0,
      failed: 0,
      outcome: 'running',
    }))
  }

  async #report(): Promise<DrillReport> {
    const step = { line: 4, expected: 'done', outcome: 'as-expected', ms: 12 } as const
    return {
      version: 1,
      drill: this.#run.id,
      name: this.#run.name,
      by: this.#run.by,
      startedAt: 1000,
      endedAt: 2000,
      passed: 1,
      failed: 1,
      leftOut: 0,
      cut: null,
      figures: { accessMs: 210, alertMs: 7, killMs: 240 },
      stories: [
        {
          name: 'alert',
          title: 'Whoever breaks the glass is heard',
          proves: ['P7'],
          outcome: 'passed',
          why: null,
          steps: [{ ...step, text: 'alice breaks the glass on the host because "a drill"', actual: 'done' }],
        },
        {
          name: 'recorder',
          title: 'What cannot be recorded is not relayed',
          proves: ['P2'],
          outcome: 'failed',
          why: null,
          steps: [
            {
              ...step,
              text: 'every session ends within 1s',
              expected: 'so',
              actual: 'still running 2000 ms later \u001b[31m<b>\u202e',
              outcome: 'not-as-expected',
            },
            { ...step, text: 'the ledger says recorder-failed', actual: '', outcome: 'not-reached' },
          ],
        },
      ],
      readiness: await this.readiness(),
    }
  }
}
