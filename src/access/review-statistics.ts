// What the reviews of a time amount to: how many, in time or late, how long they took, and what they found.

import type { Grant, Review, Verdict } from './grant.ts'
import { reviewStanding } from './review.ts'

export interface ReviewFigures {
  /** Verdicts passed, those that were taken back later included. */
  readonly reviewed: number
  readonly onTime: number
  /** From the end of the grant, or from its re-opening, to the verdict (ms); null: none was passed. */
  readonly medianMs: number | null
  readonly byVerdict: Readonly<Record<Verdict, number>>
}

export interface ReviewStatistics extends ReviewFigures {
  readonly waiting: number
  readonly overdue: number
  readonly reopened: number
  /** By name, those with most verdicts first. */
  readonly perPolicy: readonly ({ readonly policy: string } & ReviewFigures)[]
  readonly perReviewer: readonly ({ readonly reviewer: string } & ReviewFigures)[]
}

interface Passed {
  readonly policy: string
  readonly review: Review
  readonly tookMs: number
}

/** Adds up `grants` at `now` (ms). Rehearsals do not count. */
export function reviewStatistics(grants: readonly Grant[], now: number): ReviewStatistics {
  const real = grants.filter((grant) => !grant.drill)
  const passed = real.flatMap(passedOn)
  const standings = real.map((grant) => reviewStanding(grant, now).kind)
  return {
    ...figures(passed),
    waiting: standings.filter((kind) => kind === 'due' || kind === 'overdue').length,
    overdue: standings.filter((kind) => kind === 'overdue').length,
    reopened: real.reduce((sum, grant) => sum + grant.earlierReviews.length, 0),
    perPolicy: grouped(passed, ({ policy }) => policy).map(([policy, part]) => ({ policy, ...figures(part) })),
    perReviewer: grouped(passed, ({ review }) => review.by).map(([reviewer, part]) => ({ reviewer, ...figures(part) })),
  }
}

/** Each verdict on a grant, with the time since it could be passed. */
function passedOn({ policy, endedAt, earlierReviews, review }: Grant): Passed[] {
  const starts = [endedAt ?? 0, ...earlierReviews.map(({ reopened }) => reopened.at)]
  return [...earlierReviews, ...(review === null ? [] : [review])].map((each, index) => ({
    policy,
    review: each,
    tookMs: Math.max(0, each.at - (starts[index] ?? each.at)),
  }))
}

function figures(passed: readonly Passed[]): ReviewFigures {
  const count = (verdict: Verdict) => passed.filter(({ review }) => review.verdict === verdict).length
  return {
    reviewed: passed.length,
    onTime: passed.filter(({ review }) => review.at <= review.dueAt).length,
    medianMs: median(passed.map(({ tookMs }) => tookMs)),
    byVerdict: { emergency: count('emergency'), mistake: count('mistake'), misuse: count('misuse') },
  }
}

function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.slice(Math.floor((sorted.length - 1) / 2), Math.floor(sorted.length / 2) + 1)
  return middle.length === 0 ? null : middle.reduce((sum, value) => sum + value, 0) / middle.length
}

function grouped(passed: readonly Passed[], nameOf: (each: Passed) => string): [string, Passed[]][] {
  const groups = Map.groupBy(passed, nameOf)
  return [...groups].sort(([left, a], [right, b]) => b.length - a.length || (left < right ? -1 : 1))
}
