// What a month of broken glass amounts to: figures per policy and over all, each with the grants, ledger leaves and alerts it
// was counted from. Pure: it counts what it is given and asks for nothing.

import type { Grant } from '../access/grant.ts'
import { reviewStanding } from '../access/review.ts'
import type { DrillRun } from '../session/state.ts'
import { figures, type Evidence, type Figure, type FigureName } from './figure.ts'

/** What is kept of a leaf: enough to point at it. */
export interface LeafFact {
  readonly index: number
  readonly at: number
  readonly type: LeafFactType
  /** The grant, or for drills the run or its name. */
  readonly subject: string
}

/** The leaves that the figures of grants and drills point at. */
export const leafFactTypes = [
  'grant-requested',
  'grant-denied',
  'grant-activated',
  'grant-overridden',
  'grant-extended',
  'grant-ended',
  'grant-reviewed',
  'review-reopened',
  'session-unannounced',
  'drill-finished',
  'drill-missed',
] as const

export type LeafFactType = (typeof leafFactTypes)[number]

/** What is kept of an alert that told of an activation. */
export interface AlertFact {
  readonly id: string
  readonly grant: string
  readonly at: number
  readonly acceptedAt: number | null
  readonly deadAt: number | null
}

export interface ReportFacts {
  /** ms, inclusive. */
  readonly since: number
  /** ms, exclusive. */
  readonly before: number
  /** When it is counted (ms): what is running or waiting counts up to here. */
  readonly now: number
  /** Everything requested or activated in that time, each once. */
  readonly grants: readonly Grant[]
  readonly leaves: readonly LeafFact[]
  readonly alerts: readonly AlertFact[]
  readonly drillRuns: readonly DrillRun[]
}

/** Figures of one policy, or of all of them and of the drills. */
export interface Section {
  /** Null: over all policies. */
  readonly policy: string | null
  readonly figures: readonly Figure[]
}

/** Over all first, then each policy that was asked, by name. A use counts in the month of its activation. */
export function reportSections(facts: ReportFacts): Section[] {
  const real = facts.grants.filter(({ drill }) => !drill)
  const point = pointers(facts)
  const byPolicy = [...Map.groupBy(real, ({ policy }) => policy)].sort(([a], [b]) => (a < b ? -1 : 1))
  return [
    { policy: null, figures: [...policyFigures(facts, real, point), ...drillFigures(facts, point)] },
    ...byPolicy
      .map(([policy, grants]) => ({ policy, figures: policyFigures(facts, grants, point) }))
      .filter((section) => section.figures.some(({ value, unit }) => unit === 'count' && (value ?? 0) > 0)),
  ]
}

/** Where rows and ledger tell different stories, one line each; none is how it should be. */
export function contradictions({ grants, leaves, since, before }: ReportFacts): string[] {
  const activations = new Map<string, number>()
  for (const leaf of leaves) if (leaf.type === 'grant-activated') activations.set(leaf.subject, leaf.at)
  const known = new Map(grants.map((grant) => [grant.id, grant]))
  const found: string[] = []
  for (const { id, activatedAt } of grants) {
    if (activatedAt === null || activatedAt < since || activatedAt >= before) continue
    const at = activations.get(id)
    if (at === undefined) found.push(`grant ${id} is active in the state, and the ledger has no activation of it`)
    else if (at !== activatedAt)
      found.push(`grant ${id} was activated at ${iso(activatedAt)} by the state, at ${iso(at)} by the ledger`)
  }
  for (const [id, at] of activations)
    if (at >= since && at < before && (known.get(id)?.activatedAt ?? null) === null)
      found.push(`the ledger has an activation of grant ${id} at ${iso(at)}, and the state does not`)
  return found
}

function iso(at: number): string {
  return new Date(at).toISOString()
}

interface Pointers {
  leaves(type: LeafFactType, of: readonly { readonly id: string }[]): number[]
  all(type: LeafFactType): number[]
  alerts(grants: readonly Grant[]): AlertFact[]
}

function pointers({ leaves, alerts, since, before }: ReportFacts): Pointers {
  const byGrant = new Map<string, number[]>()
  for (const { type, subject, index } of leaves) {
    const key = `${type} ${subject}`
    const indexes = byGrant.get(key)
    if (indexes === undefined) byGrant.set(key, [index])
    else indexes.push(index)
  }
  const alertsOf = Map.groupBy(alerts, ({ grant }) => grant)
  const ascending = (indexes: number[]) => indexes.sort((a, b) => a - b)
  return {
    leaves: (type, of) => ascending(of.flatMap(({ id }) => byGrant.get(`${type} ${id}`) ?? [])),
    all: (type) =>
      ascending(
        leaves.filter((leaf) => leaf.type === type && leaf.at >= since && leaf.at < before).map(({ index }) => index),
      ),
    alerts: (grants) => grants.flatMap(({ id }) => alertsOf.get(id) ?? []),
  }
}

function policyFigures(facts: ReportFacts, grants: readonly Grant[], point: Pointers): Figure[] {
  const within = (at: number | null) => at !== null && at >= facts.since && at < facts.before
  const asked = grants.filter(({ requestedAt }) => within(requestedAt))
  const uses = grants.filter(({ activatedAt }) => within(activatedAt))
  const byTrigger = [...Map.groupBy(uses, ({ trigger }) => trigger)].sort(([a], [b]) => (a < b ? -1 : 1))
  const counted = (name: FigureName, of: readonly Grant[], type: LeafFactType, label: string | null = null): Figure =>
    figure(name, of.length, { grants: ids(of), leaves: point.leaves(type, of) }, label)
  const overridden = uses.filter(({ override }) => override !== null)
  const approved = uses.filter(({ override, approvals }) => override === null && approvals.length > 0)
  const alone = uses.filter(({ override, approvals }) => override === null && approvals.length === 0)
  const extended = uses.filter(({ extensions }) => extensions.length > 0)
  return [
    counted('requests', asked, 'grant-requested'),
    counted(
      'denied',
      asked.filter(({ state }) => state === 'denied'),
      'grant-denied',
    ),
    counted(
      'lapsed',
      asked.filter(({ state }) => state === 'lapsed'),
      'grant-ended',
    ),
    counted('uses', uses, 'grant-activated'),
    ...byTrigger.map(([trigger, of]) => counted('uses-by-trigger', of, 'grant-activated', trigger)),
    counted('self-activated', alone, 'grant-activated'),
    counted('approved', approved, 'grant-activated'),
    counted('overrides', overridden, 'grant-overridden'),
    ...percentiles('time-to-access', uses, ({ requestedAt, activatedAt }) => (activatedAt ?? 0) - requestedAt),
    ...percentiles('duration', uses, (grant) => openMs(grant, facts.now)),
    figure(
      'duration-total',
      uses.length === 0 ? null : uses.reduce((sum, grant) => sum + openMs(grant, facts.now), 0),
      { grants: ids(uses) },
    ),
    figure(
      'extensions',
      extended.reduce((sum, { extensions }) => sum + extensions.length, 0),
      { grants: ids(extended), leaves: point.leaves('grant-extended', extended) },
    ),
    ...alertFigures(point.alerts(uses)),
    ...reviewFigures(uses, facts.now, counted),
    counted(
      'unannounced',
      uses.filter(({ unannouncedAt }) => unannouncedAt !== null),
      'session-unannounced',
    ),
    counted(
      'bypasses',
      uses.filter(({ vouchedBy }) => vouchedBy !== null),
      'grant-activated',
    ),
  ]
}

function reviewFigures(
  uses: readonly Grant[],
  now: number,
  counted: (name: FigureName, of: readonly Grant[], type: LeafFactType) => Figure,
): Figure[] {
  const standing = (grant: Grant) => reviewStanding(grant, now).kind
  const isInTime = ({ review }: Grant) => review !== null && review.at <= review.dueAt
  const judged = uses.filter(({ review }) => review !== null)
  const found = (verdict: string) => judged.filter(({ review }) => review?.verdict === verdict)
  return [
    counted('reviews-on-time', judged.filter(isInTime), 'grant-reviewed'),
    counted(
      'reviews-late',
      judged.filter((grant) => !isInTime(grant)),
      'grant-reviewed',
    ),
    counted(
      'reviews-waiting',
      uses.filter((grant) => standing(grant) === 'due'),
      'grant-ended',
    ),
    counted(
      'reviews-overdue',
      uses.filter((grant) => standing(grant) === 'overdue'),
      'grant-ended',
    ),
    counted(
      'reviews-reopened',
      uses.filter(({ earlierReviews }) => earlierReviews.length > 0),
      'review-reopened',
    ),
    counted('emergencies', found('emergency'), 'grant-reviewed'),
    counted('mistakes', found('mistake'), 'grant-reviewed'),
    counted('misuse', found('misuse'), 'grant-reviewed'),
  ]
}

function alertFigures(alerts: readonly AlertFact[]): Figure[] {
  const accepted = alerts.filter(({ acceptedAt }) => acceptedAt !== null)
  const dead = alerts.filter(({ acceptedAt, deadAt }) => acceptedAt === null && deadAt !== null)
  const waiting = alerts.filter(({ acceptedAt, deadAt }) => acceptedAt === null && deadAt === null)
  const counted = (name: FigureName, of: readonly AlertFact[]) => figure(name, of.length, { alerts: ids(of) })
  const latencyMs = ({ at, acceptedAt }: AlertFact) => Math.max(0, (acceptedAt ?? at) - at)
  const at = (name: FigureName, share: number) => {
    const one = percentile(accepted, latencyMs, share)
    return figure(name, one === undefined ? null : latencyMs(one), { alerts: one === undefined ? [] : [one.id] })
  }
  return [
    counted('alerts-sent', alerts),
    counted('alerts-waiting', waiting),
    counted('alerts-dead', dead),
    at('alert-latency-p50', 0.5),
    at('alert-latency-p95', 0.95),
  ]
}

function drillFigures({ grants, drillRuns }: ReportFacts, point: Pointers): Figure[] {
  const drills = grants.filter(({ drill, activatedAt }) => drill && activatedAt !== null)
  const ended = drillRuns.filter(({ endedAt }) => endedAt !== null)
  const failed = ended.filter((run) => run.failed > 0)
  const missed = point.all('drill-missed')
  return [
    figure('drills-run', ended.length, { leaves: point.all('drill-finished') }),
    figure('drills-failed', failed.length, { leaves: point.leaves('drill-finished', failed) }),
    figure('drills-missed', missed.length, { leaves: missed }),
    figure('drill-grants', drills.length, { grants: ids(drills), leaves: point.leaves('grant-activated', drills) }),
  ]
}

/** From activation to its end; to the deadline or `now` while it runs. A clock that stepped back makes no negative time. */
function openMs({ activatedAt, endedAt, expiresAt }: Grant, now: number): number {
  const until = endedAt ?? Math.min(now, expiresAt ?? now)
  return Math.max(0, until - (activatedAt ?? until))
}

function percentiles(
  name: 'time-to-access' | 'duration',
  uses: readonly Grant[],
  msOf: (grant: Grant) => number,
): Figure[] {
  const from0 = (grant: Grant) => Math.max(0, msOf(grant))
  const at = (share: number, suffix: 'p50' | 'p95') => {
    const one = percentile(uses, from0, share)
    return figure(`${name}-${suffix}`, one === undefined ? null : from0(one), {
      grants: one === undefined ? [] : [one.id],
    })
  }
  return [at(0.5, 'p50'), at(0.95, 'p95')]
}

/** Nearest rank: the smallest of which at least `share` of all are no larger, so that it is always one that happened. */
export function percentile<T>(all: readonly T[], valueOf: (each: T) => number, share: number): T | undefined {
  const sorted = [...all].sort((a, b) => valueOf(a) - valueOf(b))
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
}

function figure(name: FigureName, value: number | null, from: Partial<Evidence>, of: string | null = null): Figure {
  const evidence = { grants: [], leaves: [], alerts: [], ...from }
  return { name, of, value, unit: figures[name].unit, evidence }
}

function ids(of: readonly { readonly id: string }[]): string[] {
  return of.map(({ id }) => id)
}
