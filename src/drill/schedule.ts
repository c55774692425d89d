// When drills are due, and what is told once when one was left undone. Known since when, and told of what, are settings in
// the state: a restart neither forgets a schedule nor alarms twice.

import type { Clock } from '../clock.ts'
import type { DrillSchedule } from '../procedure/drill.ts'
import type { Alert, State } from '../session/state.ts'

/** A drill of the configuration. */
export interface ScheduledDrill {
  readonly name: string
  readonly everyMs: number
  /** Empty: all there are. */
  readonly stories: readonly string[]
}

export interface SchedulePorts {
  readonly clock: Clock
  readonly state: Pick<State, 'drillRuns' | 'setting' | 'commit'>
  readonly drills: () => readonly ScheduledDrill[]
  readonly alerts: (type: string, payload: Readonly<Record<string, unknown>>) => readonly Alert[]
  readonly nudge: () => void
}

/** Due for this long and still not run: it was left undone. A run takes ten minutes at most, and one may run before it. */
const GRACE_MS = 30 * 60_000

/** The newest run of a drill is among its last ones; those that were cut do not count. */
const RUNS_LOOKED_AT = 20

export class Schedule {
  readonly #ports: SchedulePorts

  constructor(ports: SchedulePorts) {
    this.#ports = ports
  }

  /** The drill to be started now, the longest due first; undefined: none. Tells of those left undone, once each. */
  async tick(): Promise<string | undefined> {
    const now = this.#ports.clock.now()
    const standing = [...(await this.standing())].sort((a, b) => a.dueAt - b.dueAt)
    for (const drill of standing) if (drill.isMissed) await this.#tellMissed(drill)
    return standing.find(({ dueAt }) => dueAt <= now)?.name
  }

  async standing(): Promise<readonly DrillSchedule[]> {
    const now = this.#ports.clock.now()
    const standing: DrillSchedule[] = []
    for (const { name, everyMs } of this.#ports.drills()) {
      const dueAt = (await this.#since(name)) + everyMs
      standing.push({ name, everyMs, dueAt, isMissed: now >= dueAt + GRACE_MS })
    }
    return standing
  }

  /** When it was last begun and brought to its end; without such a run, when it was first heard of. */
  async #since(name: string): Promise<number> {
    const { state } = this.#ports
    const runs = [
      ...(await state.drillRuns({ name, limit: RUNS_LOOKED_AT })),
      ...(await state.drillRuns({ name: 'everything', limit: RUNS_LOOKED_AT })),
    ]
    const times = runs.filter(({ report }) => report !== null && report['cut'] === null).map((run) => run.startedAt)
    return times.length > 0 ? Math.max(...times) : this.#knownSince(name)
  }

  async #knownSince(name: string): Promise<number> {
    const { state, clock } = this.#ports
    const setting = `drill-known:${name}`
    const known = Number((await state.setting(setting)) ?? Number.NaN)
    if (Number.isFinite(known)) return known
    const at = clock.now()
    await state.commit({ at, writes: [{ kind: 'setting', name: setting, value: String(at) }], leaves: [] })
    return at
  }

  async #tellMissed({ name, dueAt }: DrillSchedule): Promise<void> {
    const { state, clock, alerts, nudge } = this.#ports
    const setting = `drill-missed:${name}`
    if ((await state.setting(setting)) === String(dueAt)) return
    await state.commit({
      at: clock.now(),
      writes: [{ kind: 'setting', name: setting, value: String(dueAt) }],
      leaves: [{ type: 'drill-missed', name, dueAt }],
      alerts: alerts('drill.missed', { name, dueAt: new Date(dueAt).toISOString() }),
    })
    nudge()
  }
}
