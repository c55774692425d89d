// Reviews: what waits, everything there is to judge by, the verdict, and taking it back. Who may do what is decided below
// this, by roles and policies as they are at that moment; here it is read, and the second factor asked for.

import { z } from 'zod'
import type { ReviewStatistics } from '../access/review-statistics.ts'
import { countReviews, reopenReview, review, reviewCase, reviewQueue } from '../procedure/review.ts'
import type { ReviewDetail, ReviewList } from './api.ts'
import { parse, reasonSchema, requireFreshCode, type Call, type Caller, type House, type Route } from './route.ts'
import { overseers } from './visibility.ts'

const DAY_MS = 24 * 3_600_000

const listSchema = z.strictObject({ all: z.enum(['0', '1']).default('0') })
const countSchema = z.strictObject({ days: z.coerce.number().int().min(1).max(3_650).default(90) })
const idSchema = z.string().regex(/^[a-z0-9]{1,16}$/, 'is no grant')

/** Lengths are judged with the rest (access/review.ts); what a body may hold at all bounds them here. */
const judgementSchema = z.strictObject({
  verdict: z.enum(['emergency', 'mistake', 'misuse']),
  findings: z.string().default(''),
  followUps: z.array(z.string()).max(50).default([]),
  checklist: z
    .array(z.strictObject({ question: z.string(), answer: z.enum(['yes', 'no', 'n/a']) }))
    .max(100)
    .default([]),
})
const reopenSchema = z.strictObject({ reason: reasonSchema })

async function list(house: House, call: Call, { identity }: Caller): Promise<ReviewList> {
  const { all } = parse(listSchema, call.query)
  const reviews = await reviewQueue(house.ports.reviews, identity.user, { all: all === '1' })
  return { now: house.ports.clock.now(), reviews }
}

async function detail(house: House, call: Call, { identity }: Caller): Promise<ReviewDetail> {
  // What was sent a moment ago counts.
  await house.views.settled()
  const found = await reviewCase(house.ports.reviews, identity.user, idOf(call))
  return { now: house.ports.clock.now(), review: found }
}

async function decide(house: House, call: Call, caller: Caller): Promise<{ reviewed: true }> {
  requireFreshCode(house, caller)
  const judgement = parse(judgementSchema, call.body)
  await house.views.settled()
  await review(house.ports.reviews, caller.identity.user, idOf(call), judgement)
  return { reviewed: true }
}

async function reopen(house: House, call: Call, caller: Caller): Promise<{ reopened: true }> {
  requireFreshCode(house, caller)
  const { reason } = parse(reopenSchema, call.body)
  await reopenReview(house.ports.reviews, caller.identity.user, idOf(call), reason)
  return { reopened: true }
}

async function statistics(house: House, call: Call): Promise<ReviewStatistics & { readonly days: number }> {
  const { days } = parse(countSchema, call.query)
  const since = house.ports.clock.now() - days * DAY_MS
  return { days, ...(await countReviews(house.ports.reviews, since)) }
}

function idOf(call: Call): string {
  return parse(idSchema, call.params['grant'])
}

export const reviewRoutes: readonly Route[] = [
  { kind: 'read', path: '/api/reviews', access: 'signed-in', handle: list },
  { kind: 'read', path: '/api/reviews/statistics', access: overseers, handle: statistics },
  { kind: 'read', path: '/api/reviews/:grant', access: 'signed-in', handle: detail },
  { kind: 'act', path: '/api/reviews/:grant', access: 'signed-in', handle: decide },
  { kind: 'act', path: '/api/reviews/:grant/reopen', access: 'signed-in', handle: reopen },
]
