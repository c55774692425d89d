import { HalliganError } from '../../src/errors.ts'
import type { DrillContract, DrillSummary } from '../../src/procedure/drill.ts'

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
    return { runs: [this.#run], schedule: [], stories: [], readiness: await this.readiness() }
  }

  async report(id: string): ReturnType<DrillContract['report']> {
    if (id !== this.#run.id) throw new HalliganError('not_found', `no drill ${id}`)
    return { run: this.#run, report: undefined }
  }

  async readiness(): ReturnType<DrillContract['readiness']> {
    return { now: 0, people: [], ready: 0 }
  }
}
