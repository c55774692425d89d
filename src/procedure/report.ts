// The report of a month: reads what it is about, a page at a time so that nobody waits for it, and counts. One is made at a
// time; whoever asks for the same meanwhile gets the same.

import type { AuditEvent } from '../audit.ts'
import type { Grant } from '../access/grant.ts'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { AlertRecord, DrillRun, State } from '../session/state.ts'
import { controls, type Control } from './control-map.ts'
import {
  contradictions,
  leafFactTypes,
  reportSections,
  type AlertFact,
  type LeafFact,
  type Section,
} from './report-figures.ts'

export interface Report {
  /** `2026-11`. */
  readonly month: string
  /** ms, inclusive. */
  readonly since: number
  /** ms, exclusive. */
  readonly before: number
  readonly asOf: number
  /** False: the month is not over yet. */
  readonly isOver: boolean
  /** What was left out because there was too much of it; empty: nothing. */
  readonly cut: readonly string[]
  /** Where rows and ledger disagree; empty: nowhere. */
  readonly contradictions: readonly string[]
  readonly sections: readonly Section[]
  readonly controls: readonly Control[]
}

export interface ReportPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'grants' | 'alerts' | 'events' | 'drillRuns'>
}

export interface ReportLimits {
  /** Grants of one month: one a minute, day and night. */
  readonly grants: number
  /** Leaves about grants and drills. */
  readonly leaves: number
  /** Alerts of activations: some channels for each grant. */
  readonly alerts: number
  readonly drillRuns: number
  readonly contradictions: number
}

const usualLimits: ReportLimits = {
  grants: 45_000,
  leaves: 250_000,
  alerts: 150_000,
  drillRuns: 1_000,
  contradictions: 100,
}

const DAY_MS = 24 * 3_600_000
/** A request waits minutes, or as long as an override does; a review comes within days. */
const MARGIN_MS = 31 * DAY_MS
/** Entries of one answer: reading and counting them takes the loop about a millisecond. */
const PAGE = 500
/** Different months that wait for their turn. */
const MOST_WAITING = 4
/** Nothing was recorded before. */
const FIRST_YEAR = 2020

/** Alerts that tell of an activation. */
const activationAlerts = ['grant.activated', 'grant.approved', 'grant.overridden'] as const

export class Reports {
  readonly #ports: ReportPorts
  readonly #limits: ReportLimits
  /** Those being made or waiting, by month; changed only by `of`. */
  readonly #underWay = new Map<string, Promise<Report>>()
  #turn: Promise<unknown> = Promise.resolve()

  constructor(ports: ReportPorts, limits: ReportLimits = usualLimits) {
    this.#ports = ports
    this.#limits = limits
  }

  /**
   * The report of a month such as `2026-11` (UTC); of this month without one. Throws `usage` for what is no month or has
   * not begun, `unavailable` when too many are wanted at once, `store_failed`.
   */
  async of(month?: string): Promise<Report> {
    const now = this.#ports.clock.now()
    const span = monthOf(month ?? new Date(now).toISOString().slice(0, 7), now)
    const same = this.#underWay.get(span.month)
    if (same !== undefined) return same
    if (this.#underWay.size >= MOST_WAITING)
      throw new HalliganError('unavailable', `${this.#underWay.size} reports are being made`, {
        hint: 'try again in a moment',
      })
    const made = this.#turn.then(() => this.#make(span))
    this.#underWay.set(span.month, made)
    this.#turn = made.then(
      () => this.#underWay.delete(span.month),
      () => this.#underWay.delete(span.month),
    )
    return made
  }

  async #make({ month, since, before }: Span): Promise<Report> {
    const cut: string[] = []
    const grants = await this.#grants(since, before, cut)
    const leaves = await this.#leaves(since, before, cut)
    const alerts = await this.#alerts(since, before, cut)
    const drillRuns = await this.#drillRuns(since, before, cut)
    const now = this.#ports.clock.now()
    const facts = { since, before, now, grants, leaves, alerts, drillRuns }
    // What was cut would only look like a contradiction.
    const disagreements = cut.length === 0 ? contradictions(facts) : []
    if (disagreements.length > this.#limits.contradictions)
      cut.push(`${disagreements.length - this.#limits.contradictions} more contradictions`)
    return {
      month,
      since,
      before,
      asOf: now,
      isOver: now >= before,
      cut,
      contradictions: disagreements.slice(0, this.#limits.contradictions),
      sections: reportSections(facts),
      controls,
    }
  }

  /** Asked for or activated in the month, oldest first; day by day, for a day's worth is read at once. */
  async #grants(since: number, before: number, cut: string[]): Promise<Grant[]> {
    const found: Grant[] = []
    for (let day = since - MARGIN_MS; day < before; day += DAY_MS) {
      const left = this.#limits.grants - found.length
      const some = await this.#ports.state.grants({
        since: day,
        before: Math.min(day + DAY_MS, before),
        limit: left + 1,
      })
      if (some.length > left) {
        cut.push(`grants beyond ${this.#limits.grants}`)
        return found
      }
      found.push(
        ...some
          .toReversed()
          .filter(({ requestedAt, activatedAt }) => requestedAt >= since || (activatedAt ?? 0) >= since),
      )
    }
    return found
  }

  async #leaves(since: number, before: number, cut: string[]): Promise<LeafFact[]> {
    const found: LeafFact[] = []
    for (let below: number | undefined; ;) {
      const page = await this.#ports.state.events({
        types: leafFactTypes,
        since: since - MARGIN_MS,
        before: before + MARGIN_MS,
        ...(below === undefined ? {} : { below }),
        limit: PAGE,
      })
      for (const { index, at, event } of page) {
        const fact = factOf(event)
        if (fact !== undefined) found.push({ index, at, ...fact })
      }
      below = page.at(-1)?.index
      if (below === undefined) return found
      if (found.length > this.#limits.leaves) {
        cut.push(`ledger leaves beyond ${this.#limits.leaves}`)
        return found
      }
    }
  }

  async #alerts(since: number, before: number, cut: string[]): Promise<AlertFact[]> {
    const found: AlertFact[] = []
    for (const type of activationAlerts)
      for (let day = since; day < before; day += DAY_MS) {
        const left = this.#limits.alerts - found.length
        const some = await this.#ports.state.alerts({
          type,
          since: day,
          before: Math.min(day + DAY_MS, before),
          limit: left + 1,
        })
        if (some.length > left) {
          cut.push(`alerts beyond ${this.#limits.alerts}`)
          return found
        }
        found.push(...some.toReversed().flatMap(alertFact))
      }
    return found
  }

  async #drillRuns(since: number, before: number, cut: string[]): Promise<DrillRun[]> {
    const limit = this.#limits.drillRuns
    const runs = await this.#ports.state.drillRuns({ since, limit: limit + 1 })
    if (runs.length > limit) cut.push(`drills before the last ${limit}`)
    return runs.slice(0, limit).filter(({ startedAt }) => startedAt < before)
  }
}

interface Span {
  readonly month: string
  readonly since: number
  readonly before: number
}

/** Reads `2026-11`. Throws `usage`. */
function monthOf(text: string, now: number): Span {
  const [, year, number] = /^(\d{4})-(0[1-9]|1[0-2])$/.exec(text) ?? []
  const since = Date.UTC(Number(year), Number(number) - 1)
  if (year === undefined || Number(year) < FIRST_YEAR)
    throw new HalliganError('usage', 'a month is given as year and month, such as 2026-11')
  if (since > now) throw new HalliganError('usage', `${text} has not begun: there is nothing to report`)
  return { month: text, since, before: Date.UTC(Number(year), Number(number)) }
}

function factOf(event: AuditEvent): Pick<LeafFact, 'type' | 'subject'> | undefined {
  switch (event.type) {
    case 'grant-requested':
    case 'grant-denied':
    case 'grant-activated':
    case 'grant-overridden':
    case 'grant-extended':
    case 'grant-ended':
    case 'grant-reviewed':
    case 'review-reopened':
    case 'session-unannounced':
      return { type: event.type, subject: event.grant }
    case 'drill-finished':
      return { type: event.type, subject: event.drill }
    case 'drill-missed':
      return { type: event.type, subject: event.name }
    default:
      return undefined
  }
}

/** An approval that did not activate yet is told of as well: it is no activation. */
function alertFact({ id, type, payload, at, acceptedAt, deadAt }: AlertRecord): AlertFact[] {
  const { grant, missing } = payload
  if (typeof grant !== 'string' || (type === 'grant.approved' && missing !== 0)) return []
  return [{ id, grant, at, acceptedAt, deadAt }]
}
