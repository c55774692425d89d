// Rehearsals: what was run, what is due, starting one; and the page everyone lands on.

import { z } from 'zod'
import { isLive } from '../access/grant.ts'
import { HalliganError } from '../errors.ts'
import { mustStartDrills } from '../procedure/drill.ts'
import type { DrillDetail, DrillList, OverviewView } from './api.ts'
import { parse, requireFreshCode, type Call, type Caller, type House, type Route } from './route.ts'
import { seesAll } from './visibility.ts'

/** Runs of one list. */
const LISTED = 50

/** Counted on the overview: beyond it the number is no news. */
const COUNTED = 500

const startSchema = z.object({
  name: z
    .string()
    .regex(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/, 'is no name of a drill or story')
    .optional(),
})

async function overview(house: House, _call: Call, { identity }: Caller): Promise<OverviewView> {
  const { state, clock, drills } = house.ports
  const { user } = identity
  const own = seesAll(user) ? {} : { user: user.name }
  const now = clock.now()
  const [open, active, waiting, toReview] = await Promise.all([
    state.sessions({ ...own, states: ['open'], limit: COUNTED }),
    state.grants({ ...own, states: ['active'], limit: COUNTED }),
    state.grants({ ...(seesWaiting(user.roles) ? {} : own), states: ['requested'], limit: COUNTED }),
    state.grants({ ...own, states: ['awaiting-review'], limit: COUNTED }),
  ])
  const due = toReview.filter(({ drill }) => !drill)
  return {
    now,
    liveSessions: open.length,
    liveGrants: active.filter((grant) => isLive(grant, now)).length,
    waitingRequests: waiting.filter(({ drill }) => !drill).length,
    reviews: {
      due: due.length,
      overdue: due.filter(({ reviewDueAt }) => (reviewDueAt ?? now) < now).length,
    },
    seesAll: seesAll(user),
    locks: await state.locks(),
    ...(seesAll(user) ? await forOverseers(house) : { alerts: null, drill: null, readiness: null }),
    may: { drill: drills !== null && user.roles.includes('admin') },
  }
}

function seesWaiting(roles: readonly string[]): boolean {
  return ['approver', 'reviewer', 'admin', 'auditor'].some((role) => roles.includes(role))
}

async function forOverseers(house: House): Promise<Pick<OverviewView, 'alerts' | 'drill' | 'readiness'>> {
  const { state, drills } = house.ports
  const [recent, dead] = await Promise.all([
    state.alerts({ limit: COUNTED }),
    state.alerts({ limit: COUNTED, isDead: true }),
  ])
  const undelivered = recent.filter(
    ({ acceptedAt, deadAt, attempts }) => acceptedAt === null && deadAt === null && attempts > 0,
  )
  const alerts = { undelivered: undelivered.length, dead: dead.length }
  if (drills === null) return { alerts, drill: null, readiness: null }
  const { runs, schedule, readiness } = await drills.overview(1)
  return { alerts, drill: { last: runs[0] ?? null, missed: schedule.filter(({ isMissed }) => isMissed) }, readiness }
}

function drillsOf({ ports: { drills } }: House): NonNullable<House['ports']['drills']> {
  if (drills === null) throw new HalliganError('unavailable', 'nothing is rehearsed here')
  return drills
}

async function list(house: House): Promise<DrillList> {
  return { now: house.ports.clock.now(), ...(await drillsOf(house).overview(LISTED)) }
}

async function report(house: House, call: Call): Promise<DrillDetail> {
  const id = call.params['run'] ?? ''
  if (!/^[a-z0-9]{2,16}$/.test(id)) throw new HalliganError('not_found', 'no such drill')
  const { run, report: found } = await drillsOf(house).report(id)
  return { now: house.ports.clock.now(), run, report: found ?? null }
}

/** Breaks the glass on canaries: an admin, with a code given lately. The run goes on by itself. */
async function start(house: House, call: Call, caller: Caller): Promise<{ readonly id: string }> {
  mustStartDrills(caller.identity.user)
  requireFreshCode(house, caller)
  const { name } = parse(startSchema, call.body)
  const { id } = await drillsOf(house).start(name, caller.identity.user.name)
  return { id }
}

export const drillRoutes: readonly Route[] = [
  { kind: 'read', path: '/api/overview', access: 'signed-in', handle: overview },
  { kind: 'read', path: '/api/drills', access: ['approver', 'reviewer', 'admin', 'auditor'], handle: list },
  { kind: 'read', path: '/api/drills/:run', access: ['approver', 'reviewer', 'admin', 'auditor'], handle: report },
  { kind: 'act', path: '/api/drills', access: ['admin'], handle: start },
]
