// What pages and commands know of drills: their reports, and who may start one. The rehearsal itself is `drill/`; here is
// also how its grants are closed, so that no person's queue fills with them.

import { applyGrantEvent, type Grant } from '../access/grant.ts'
import { DEFAULT_CHECKLIST, reviewOf } from '../access/review.ts'
import type { AuditEvent } from '../audit.ts'
import { HalliganError } from '../errors.ts'
import { sessionLog } from '../log.ts'
import type { DrillRun, State } from '../session/state.ts'
import { endGrant, type EndPorts } from './end.ts'
import type { Readiness } from './readiness.ts'

/** One step of a story as it went. */
export interface DrillStep {
  readonly line: number
  readonly text: string
  readonly expected: string
  readonly actual: string
  readonly outcome: 'as-expected' | 'not-as-expected' | 'not-reached'
  readonly ms: number
}

export interface DrillStory {
  /** File name without `.txt`. */
  readonly name: string
  readonly title: string
  readonly proves: readonly string[]
  /** `left-out`: this installation has nothing to play it on, and `why` says what is missing. */
  readonly outcome: 'passed' | 'failed' | 'left-out'
  readonly why: string | null
  readonly steps: readonly DrillStep[]
}

/** The slowest of each (ms); null: nothing was measured. */
export interface DrillFigures {
  readonly accessMs: number | null
  readonly alertMs: number | null
  readonly killMs: number | null
}

/** What is kept of a run; its SHA-256 is in the ledger. */
export interface DrillReport {
  readonly version: 1
  readonly drill: string
  readonly name: string
  readonly by: string
  readonly startedAt: number
  readonly endedAt: number
  readonly passed: number
  readonly failed: number
  readonly leftOut: number
  /** Why the run ended before its end; null: it did not. */
  readonly cut: string | null
  readonly figures: DrillFigures
  readonly stories: readonly DrillStory[]
  readonly readiness: Readiness
}

/** One run in a list. */
export interface DrillSummary {
  readonly id: string
  readonly name: string
  readonly by: string
  readonly startedAt: number
  readonly endedAt: number | null
  readonly passed: number
  readonly failed: number
  readonly outcome: 'running' | 'passed' | 'failed'
}

/** A drill of the configuration, and how it stands with its schedule. */
export interface DrillSchedule {
  readonly name: string
  readonly everyMs: number
  readonly dueAt: number
  readonly isMissed: boolean
}

export interface DrillOverview {
  readonly runs: readonly DrillSummary[]
  readonly schedule: readonly DrillSchedule[]
  /** Stories that can be played here, and those that cannot with the reason. */
  readonly stories: readonly {
    readonly name: string
    readonly title: string
    readonly proves: readonly string[]
    readonly why: string | null
  }[]
  readonly readiness: Readiness
}

/** Drills as their callers see them. */
export interface DrillContract {
  /**
   * Starts a run of a configured drill, of one story, or (undefined) of every story that can be played. The caller has
   * checked who `by` is. Throws `not_found`, `conflict` while another runs, `unavailable` where nothing can be played.
   */
  start(name: string | undefined, by: string): Promise<{ readonly id: string; readonly finished: Promise<DrillReport> }>
  overview(limit: number): Promise<DrillOverview>
  /** The report; undefined while it runs. Throws `not_found`. */
  report(id: string): Promise<{ readonly run: DrillSummary; readonly report: DrillReport | undefined }>
  readiness(): Promise<Readiness>
}

/** A run as it is listed. */
export function summaryOf({ id, name, by, startedAt, endedAt, passed, failed }: DrillRun): DrillSummary {
  const outcome = endedAt === null ? 'running' : failed === 0 && passed > 0 ? 'passed' : 'failed'
  return { id, name, by, startedAt, endedAt, passed, failed, outcome }
}

/** Drill grants of one run, and of runs that were cut: far more than a run makes. */
const MOST_GRANTS = 500

export interface ClosePorts extends EndPorts {
  readonly state: EndPorts['state'] & Pick<State, 'sessions'>
}

/**
 * Ends and reviews every grant of a drill that is not closed, as the drill's own reviewer: its findings say so, and no
 * person is asked to. Gives how many there were. One that cannot be closed is left for the next time.
 */
export async function closeDrillGrants(ports: ClosePorts, reviewer: string, drill: string): Promise<number> {
  const open = await ports.state.grants({ states: ['requested', 'active', 'awaiting-review'], limit: MOST_GRANTS })
  const own = open.filter((grant) => grant.drill)
  for (const grant of own) {
    try {
      await close(ports, grant, reviewer, drill)
    } catch (error) {
      sessionLog.error('drill.grant-not-closed', { grant: grant.id, error })
    }
  }
  return own.length
}

async function close(ports: ClosePorts, grant: Grant, reviewer: string, drill: string): Promise<void> {
  if (grant.state === 'requested') return lapse(ports, grant)
  const ended =
    grant.state === 'active' ? await endGrant(ports, grant.id, 'revoked', reviewer, 'the drill is over') : grant
  const sessions = await ports.state.sessions({ grant: grant.id })
  const at = ports.clock.now()
  const evidence = sessions.map(({ id, seal }) => ({
    session: id,
    root: seal?.root ?? null,
    share: 0,
    damage: seal?.state === 'damaged' ? 'damaged' : null,
  }))
  const findings = `drill ${drill}: a rehearsal on a canary target, judged by its report`
  const checklist = DEFAULT_CHECKLIST.map((question) => ({ question, answer: 'n/a' as const }))
  const judgement = { verdict: 'emergency' as const, findings, followUps: [], checklist }
  const review = reviewOf(ended, reviewer, at, judgement, evidence)
  await ports.state.commit({
    at,
    writes: [
      { kind: 'grant', grant: applyGrantEvent(ended, { kind: 'review', review }), expectVersion: ended.version },
    ],
    leaves: [
      {
        type: 'grant-reviewed',
        grant: ended.id,
        by: reviewer,
        verdict: review.verdict,
        findings,
        roots: evidence.map(({ root }) => root ?? ''),
        followUps: [],
        shares: evidence.map(({ share }) => share),
        damage: evidence.map(({ damage }) => damage),
        checklist,
        statement: review.statement,
        attestedBy: review.attestedBy,
      },
    ],
  })
}

async function lapse(ports: ClosePorts, grant: Grant): Promise<void> {
  const at = ports.clock.now()
  const leaf: AuditEvent = {
    type: 'grant-ended',
    grant: grant.id,
    how: 'lapsed',
    by: 'clock',
    reason: 'the drill is over',
  }
  await ports.state.commit({
    at,
    writes: [{ kind: 'grant', grant: applyGrantEvent(grant, { kind: 'lapse', at }), expectVersion: grant.version }],
    leaves: [leaf],
  })
}

/** Refuses those who see only what is their own. Throws `denied`. */
export function mustSeeDrills(user: { readonly name: string; readonly roles: readonly string[] }): void {
  if (overseers.some((role) => user.roles.includes(role))) return
  throw new HalliganError('denied', `${user.name} has none of the roles ${overseers.join(', ')}`)
}

/** Roles that read reports of drills. */
const overseers = ['approver', 'reviewer', 'admin', 'auditor'] as const

/** Refuses everybody but an admin: a rehearsal breaks the glass. Throws `denied`. */
export function mustStartDrills(user: { readonly name: string; readonly roles: readonly string[] }): void {
  if (user.roles.includes('admin')) return
  throw new HalliganError('denied', `${user.name} may not start a drill`, { hint: 'ask an admin' })
}
