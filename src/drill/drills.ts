// Rehearsals on the living system: one at a time, bounded in time, each reported to the ledger. A run makes its people
// story by story, and closes what it opened, whatever happens in between.

import { createHash, randomInt } from 'node:crypto'
import type { Policy } from '../access/policy.ts'
import type { Clock } from '../clock.ts'
import { HalliganError, safeError } from '../errors.ts'
import { mainLog } from '../log.ts'
import { alertsTo } from '../procedure/alert.ts'
import {
  type ClosePorts,
  closeDrillGrants,
  type DrillContract,
  type DrillOverview,
  type DrillReport,
  type DrillStory,
  type DrillSummary,
  summaryOf,
} from '../procedure/drill.ts'
import { readiness, type Readiness, type ReadinessPorts } from '../procedure/readiness.ts'
import type { Alert, DrillRun, State } from '../session/state.ts'
import type { Target } from '../target.ts'
import { type CastPorts, Cast } from './cast.ts'
import { ownClients } from './clients.ts'
import type { EvidencePorts } from './evidence.ts'
import type { RecorderFaults } from './fault.ts'
import type { PostgresPlace } from './psql-client.ts'
import { type Listed, placesOf, repertoire } from './repertoire.ts'
import { reportOf } from './report.ts'
import { runStory, type StoryResult } from './runner.ts'
import { cannotPlay, findScenes, type Scenes } from './scenes.ts'
import { Schedule, type ScheduledDrill } from './schedule.ts'
import type { SshPlace } from './ssh-client.ts'
import { Stage } from './stage.ts'
import type { Story } from './step.ts'

export interface DrillPorts extends CastPorts {
  readonly clock: Clock
  readonly state: State
  readonly faults: RecorderFaults
  readonly end: ClosePorts
  readonly readiness: ReadinessPorts
  /** What is in force, read each time. */
  readonly current: {
    readonly policies: readonly Policy[]
    readonly targets: readonly Target[]
    readonly channels: readonly string[]
    readonly drills: readonly ScheduledDrill[]
  }
  /** Absolute: where the stories lie. */
  readonly stories: string
  readonly recordings: string
  readonly key: () => EvidencePorts['key']
  readonly nudge: () => void
}

/** Where the bastion's own listeners are, over loopback. */
export interface DrillPlaces {
  readonly ssh: SshPlace
  readonly postgres: PostgresPlace
}

/** A run that has not ended by then is cut: a rehearsal must not become an incident. */
const LONGEST_RUN_MS = 10 * 60_000

/** Sessions of a story end with it; its recordings are sealed a moment later. */
const ID_ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789'

/** Runs looked through for one that is listed or scheduled. */
const MOST_RUNS = 200

export class Drills implements DrillContract {
  readonly #ports: DrillPorts
  readonly #schedule: Schedule
  #places: DrillPlaces | undefined
  #isClosed = false
  /** Set from the first moment of a run to its last; changed only by `start`. */
  #running: { readonly id: string; readonly cut: AbortController; readonly finished: Promise<DrillReport> } | undefined

  constructor(ports: DrillPorts) {
    this.#ports = ports
    this.#schedule = new Schedule({
      clock: ports.clock,
      state: ports.state,
      drills: () => ports.current.drills,
      alerts: (type, payload) => this.#alerts(type, payload),
      nudge: ports.nudge,
    })
  }

  /** The listeners are open: drills may run. */
  open(places: DrillPlaces): void {
    this.#places = places
  }

  async start(
    name: string | undefined,
    by: string,
  ): Promise<{ readonly id: string; readonly finished: Promise<DrillReport> }> {
    const places = this.#places
    if (places === undefined || this.#isClosed)
      throw new HalliganError('unavailable', 'drills run while the listeners are open')
    if (this.#running !== undefined)
      throw new HalliganError('conflict', `drill ${this.#running.id} is running`, { hint: 'wait until it has ended' })
    const cut = new AbortController()
    const id = `d${Array.from({ length: 4 }, () => ID_ALPHABET[randomInt(ID_ALPHABET.length)]).join('')}`
    const { promise: finished, resolve, reject } = Promise.withResolvers<DrillReport>()
    // Claimed before the first await: of two starts at once one wins.
    this.#running = { id, cut, finished }
    finished.catch((error: unknown) => mainLog.error('drill.failed', { drill: id, error }))
    try {
      const chosen = await this.#chosen(name)
      const run = await this.#begin(id, name ?? 'everything', by)
      void this.#run(run, chosen, places, cut)
        .finally(() => (this.#running = undefined))
        .then(resolve, reject)
    } catch (error) {
      this.#running = undefined
      reject(error)
      throw error
    }
    return { id, finished }
  }

  /** At start: runs that a crash cut are closed as failed, and what they left open is closed. */
  async recover(): Promise<void> {
    const { state, end, clock } = this.#ports
    const cutRuns = (await state.drillRuns({ limit: MOST_RUNS })).filter(({ endedAt }) => endedAt === null)
    await closeDrillGrants(end, `drill-${cutRuns[0]?.id ?? 'recovery'}-reviewer`, cutRuns[0]?.id ?? 'before this start')
    for (const run of cutRuns) {
      const ready = await this.readiness()
      await this.#finish(run, reportOf(run, [], ready, clock.now(), 'halligan stopped while it ran'))
    }
  }

  /** What is due by the clock: starts what the schedule says, and tells of what was left undone. */
  async tick(): Promise<void> {
    const due = await this.#schedule.tick()
    if (due === undefined || this.#running !== undefined || this.#places === undefined || this.#isClosed) return
    await this.start(due, 'schedule')
  }

  /** Cuts a run that is under way and waits for its end; none begins any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#running?.cut.abort()
    await this.#running?.finished.catch(() => {
      // It has been logged, and the next start closes the run.
    })
  }

  readiness(): Promise<Readiness> {
    return readiness(this.#ports.readiness)
  }

  async overview(limit: number): Promise<DrillOverview> {
    const { state, stories } = this.#ports
    const runs = await state.drillRuns({ limit: Math.min(limit, MOST_RUNS) })
    const scenes = this.#scenes()
    const listed = await repertoire(stories)
    return {
      runs: runs.map(summaryOf),
      schedule: await this.#schedule.standing(),
      stories: listed.flatMap(({ name, parsed }) =>
        parsed.kind === 'error'
          ? []
          : [
              {
                name,
                title: parsed.story.title,
                proves: parsed.story.proves,
                why: whyNot(scenes, parsed.story) ?? null,
              },
            ],
      ),
      readiness: await this.readiness(),
    }
  }

  async report(id: string): Promise<{ readonly run: DrillSummary; readonly report: DrillReport | undefined }> {
    const runs = await this.#ports.state.drillRuns({ limit: MOST_RUNS })
    const run = runs.find((one) => one.id === id)
    if (run === undefined) throw new HalliganError('not_found', `no drill ${id}`, { hint: 'see: drill list' })
    return { run: summaryOf(run), report: (run.report ?? undefined) as DrillReport | undefined }
  }

  #scenes(): Scenes {
    const { policies, targets } = this.#ports.current
    return findScenes(policies, targets, this.#ports.clock.now())
  }

  /** The stories of a run. Throws `not_found`, `unavailable`. */
  async #chosen(name: string | undefined): Promise<readonly Listed[]> {
    const listed = await repertoire(this.#ports.stories)
    const playable = listed.filter(({ parsed }) => parsed.kind === 'story')
    if (playable.length === 0)
      throw new HalliganError('unavailable', `there are no stories for drills in ${this.#ports.stories}`)
    if (name === undefined) return playable
    const configured = this.#ports.current.drills.find((drill) => drill.name === name)
    if (configured !== undefined && configured.stories.length === 0) return playable
    const wanted = configured?.stories ?? [name]
    return wanted.map((one) => {
      const found = listed.find((each) => each.name === one)
      if (found === undefined)
        throw new HalliganError('not_found', `there is no drill or story "${one}"`, { hint: 'see: drill list' })
      if (found.parsed.kind === 'error')
        throw new HalliganError('usage', `${one}.txt line ${found.parsed.line}: ${found.parsed.message}`, {
          hint: found.parsed.hint,
        })
      return found
    })
  }

  async #begin(id: string, name: string, by: string): Promise<DrillRun> {
    const { clock, state, nudge } = this.#ports
    const startedAt = clock.now()
    const run: DrillRun = { id, name, by, startedAt, endedAt: null, passed: 0, failed: 0, report: null }
    await state.commit({
      at: startedAt,
      writes: [{ kind: 'drill-run', run }],
      leaves: [{ type: 'drill-started', drill: id, name, by }],
      alerts: this.#alerts('drill.started', { id, name, by }),
    })
    nudge()
    return run
  }

  async #run(
    run: DrillRun,
    chosen: readonly Listed[],
    places: DrillPlaces,
    cut: AbortController,
  ): Promise<DrillReport> {
    const { clock, end, faults } = this.#ports
    const timer = clock.after(LONGEST_RUN_MS, () => cut.abort())
    const played: DrillStory[] = []
    const figures: StoryResult['figures'][] = []
    const scenes = this.#scenes()
    let broken: string | null = null
    const breakOff = (error: unknown): void => {
      mainLog.error('drill.broken', { drill: run.id, error })
      broken ??= `it broke off: ${safeError(error).message}`
    }
    try {
      for (const [index, { name, parsed }] of chosen.entries()) {
        if (parsed.kind === 'error') continue
        const why = whyNot(scenes, parsed.story)
        if (why !== undefined) {
          const { title, proves } = parsed.story
          played.push({ name, title, proves, outcome: 'left-out', why, steps: [] })
          continue
        }
        const { passed, ...result } = await this.#play(run, index + 1, parsed.story, scenes, places, cut.signal)
        figures.push(result.figures)
        const { title, proves, steps } = result
        played.push({ name, title, proves, outcome: passed ? 'passed' : 'failed', why: null, steps })
      }
    } catch (error) {
      // A run that nobody hears of again would stand in for one that passed.
      breakOff(error)
    } finally {
      timer.cancel()
      faults.forget()
      await closeDrillGrants(end, `drill-${run.id}-reviewer`, run.id).catch(breakOff)
    }
    const late = cut.signal.aborted ? `it was ended after ${Math.round((clock.now() - run.startedAt) / 1000)} s` : null
    const why = late ?? broken
    const report = reportOf(run, played, await this.readiness(), clock.now(), why, figures.flat())
    await this.#finish(run, report)
    return report
  }

  async #play(
    run: DrillRun,
    number: number,
    story: Story,
    scenes: Scenes,
    places: DrillPlaces,
    signal: AbortSignal,
  ): Promise<StoryResult> {
    const { clock, state, recordings, key, faults } = this.#ports
    const cast = Cast.enter(this.#ports, `drill-${run.id}-${number}`, scenes)
    try {
      const stage = new Stage({
        clock,
        state,
        recordings,
        key: key(),
        ...places,
        clients: ownClients,
        actor: (player) => cast.actor(player),
        scene: (place) => {
          const scene = scenes.places.get(place)
          if (scene === undefined) throw new HalliganError('not_found', `${place}: ${scenes.missing.get(place)}`)
          return scene
        },
        failRecorder: (session) => faults.fail(session),
        until: async (at) => {
          while (clock.now() < at && !signal.aborted)
            await new Promise<void>((resolve) => clock.after(Math.min(500, at - clock.now()), resolve))
        },
        beyond: ({ kind }) => Promise.reject(new HalliganError('internal', `a drill has no ${kind}`)),
      })
      return await runStory(story, stage, clock, signal)
    } finally {
      cast.leave()
    }
  }

  async #finish(run: DrillRun, report: DrillReport): Promise<void> {
    const { clock, state, nudge } = this.#ports
    const { passed, failed, endedAt, cut } = report
    const text = JSON.stringify(report)
    const sha256 = createHash('sha256').update(text).digest('hex')
    const kept: DrillRun = { ...run, endedAt, passed, failed, report: JSON.parse(text) as Record<string, unknown> }
    const isGreen = failed === 0 && passed > 0
    await state.commit({
      at: clock.now(),
      writes: [{ kind: 'drill-run', run: kept }],
      leaves: [{ type: 'drill-finished', drill: run.id, name: run.name, passed, failed, report: sha256 }],
      alerts: this.#alerts(isGreen ? 'drill.finished' : 'drill.failed', {
        id: run.id,
        name: run.name,
        by: run.by,
        passed,
        failed,
        ...(cut === null ? {} : { cut }),
        stories: report.stories.filter(({ outcome }) => outcome === 'failed').map(({ title }) => title),
      }),
    })
    nudge()
  }

  #alerts(type: string, payload: Readonly<Record<string, unknown>>): Alert[] {
    const { clock, current } = this.#ports
    return alertsTo(current.channels, type, { ...payload, drill: true }, clock.now())
  }
}

function whyNot(scenes: Scenes, story: Story): string | undefined {
  return cannotPlay(scenes, placesOf(story))
}
