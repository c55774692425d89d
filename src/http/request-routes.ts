// Requests and their decisions. GET changes nothing, whoever follows which link; deciding is a POST of somebody signed in,
// who could be asked for it, with a fresh code. What is allowed is decided below this, at that very moment.

import { z } from 'zod'
import type { Grant } from '../access/grant.ts'
import { HalliganError } from '../errors.ts'
import { approve, deny, override } from '../procedure/approve.ts'
import type { GrantAsk } from '../procedure/contract.ts'
import { liftable, liftDenial } from '../procedure/lift.ts'
import { offerFor } from '../procedure/offer.ts'
import { denialOf, isPartyTo, requestView } from '../procedure/request-view.ts'
import type { RequestDetail, RequestList, RequestOffer, RequestOutcome } from './api.ts'
import { parse, requireFreshCode, type Call, type Caller, type House, type Route } from './route.ts'
import { seesAll } from './visibility.ts'

/** Waiting requests looked at, and rows of the history. */
const WAITING_MAX = 200
const HISTORY_ROWS = 20
const TOLD_ROWS = 100

const name = z.string().min(1).max(64)
/** Lengths and characters are judged with the rest (access/statement.ts, access/comment.ts). */
const prose = z.string().max(10_000)

const askSchema = z.strictObject({
  target: name,
  account: name.optional(),
  policy: name.optional(),
  trigger: name.optional(),
  incident: z.string().max(200).optional(),
  durationMs: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
})
const requestSchema = askSchema.extend({ reason: prose.optional(), code: z.string().max(64).optional() })
const commentSchema = z.strictObject({ comment: prose.default('') })
const overrideSchema = z.strictObject({ reason: prose })
const liftSchema = z.strictObject({ user: name, target: name, account: name.optional(), comment: prose.default('') })

async function list(house: House, _call: Call, { identity }: Caller): Promise<RequestList> {
  const { state, clock, requests } = house.ports
  const { user } = identity
  const [waiting, history, denials] = await Promise.all([
    state.grants({ states: ['requested'], limit: WAITING_MAX }),
    state.grants({ ...(seesAll(user) ? {} : { user: user.name }), limit: HISTORY_ROWS }),
    liftable(requests.decisions, user),
  ])
  const views = await Promise.all(waiting.map((grant) => requestView(requests.decisions, grant, user)))
  return {
    now: clock.now(),
    pending: views.filter(({ may }) => may.decide),
    mine: views.filter(({ grant }) => grant.user === user.name),
    history: history.filter(({ state: at }) => at !== 'requested'),
    denials: denials.map(({ id, user: of, target, account, endedAt }) => ({
      id,
      user: of,
      target,
      account,
      at: endedAt ?? 0,
    })),
    targets: requests.access
      .targets()
      .flatMap((target) =>
        target.accounts.flatMap((account) =>
          requests.access.preview(identity, { target: target.name, account }).kind === 'deny'
            ? []
            : [{ target: target.name, kind: target.kind, account }],
        ),
      ),
  }
}

async function preview(house: House, call: Call, { identity }: Caller): Promise<RequestOffer> {
  const ask = parse(askSchema, call.query)
  return { now: house.ports.clock.now(), offer: await offerFor(house.ports.requests.offers, identity, ask) }
}

/** Breaks the glass from the page. A code given with it counts for what the policy takes, a voucher's code included. */
async function request(house: House, call: Call, caller: Caller): Promise<RequestOutcome> {
  const { code, ...ask } = parse(requestSchema, call.body)
  if (code === undefined) requireFreshCode(house, caller)
  else await giveCode(house, caller, ask, code)
  return outcome(house, caller, await house.ports.requests.access.request(caller.identity, ask))
}

async function giveCode(house: House, { identity, session }: Caller, ask: GrantAsk, code: string): Promise<void> {
  const offer = await offerFor(house.ports.requests.offers, identity, ask)
  // What is refused is refused without a code; what lacks words is asked again, and keeps its code.
  if (offer.kind === 'deny') return
  const decision = await house.ports.requests.access.offer(identity, ask)
  if (decision.kind === 'incomplete') throw new HalliganError('usage', decision.message)
  const outcome = await house.ports.mfa.verify(identity, code, { kind: 'grant', methods: offer.factors })
  if (outcome.kind === 'refused') throw outcome.error
  // Nobody vouches for what needs a fresh factor of one's own.
  if (outcome.method !== 'vouched') house.sessions.stepUp(session)
}

async function detail(house: House, call: Call, caller: Caller): Promise<RequestDetail> {
  const grant = await visibleRequest(house, call, caller)
  const { decisions } = house.ports.requests
  const alerts = await house.ports.state.alerts({ grant: grant.id, limit: TOLD_ROWS })
  return {
    now: house.ports.clock.now(),
    request: await requestView(decisions, grant, caller.identity.user),
    denial: await denialOf(decisions, grant),
    told: alerts.map(({ channel, type, at, acceptedAt }) => ({ channel, type, at, acceptedAt })),
  }
}

async function approveOne(house: House, call: Call, caller: Caller): Promise<RequestOutcome> {
  const { id } = await visibleRequest(house, call, caller)
  requireFreshCode(house, caller)
  const { comment } = parse(commentSchema, call.body)
  return outcome(house, caller, await approve(house.ports.requests.decisions, caller.identity, id, comment))
}

async function denyOne(house: House, call: Call, caller: Caller): Promise<RequestOutcome> {
  const { id } = await visibleRequest(house, call, caller)
  requireFreshCode(house, caller)
  const { comment } = parse(commentSchema, call.body)
  return outcome(house, caller, await deny(house.ports.requests.decisions, caller.identity, id, comment))
}

async function overrideOne(house: House, call: Call, caller: Caller): Promise<RequestOutcome> {
  const { id } = await visibleRequest(house, call, caller)
  requireFreshCode(house, caller)
  const { reason } = parse(overrideSchema, call.body)
  return outcome(house, caller, await override(house.ports.requests.decisions, caller.identity, id, reason))
}

async function lift(house: House, call: Call, caller: Caller): Promise<{ lifted: true }> {
  requireFreshCode(house, caller)
  const { comment, ...what } = parse(liftSchema, call.body)
  await liftDenial(house.ports.requests.decisions, caller.identity, what, comment)
  return { lifted: true }
}

async function outcome(house: House, { identity }: Caller, grant: Grant): Promise<RequestOutcome> {
  const { clock, requests } = house.ports
  return { now: clock.now(), request: await requestView(requests.decisions, grant, identity.user) }
}

/** The request of a path, if `caller` asked for it, could decide on it or oversees. Anything else does not exist. */
async function visibleRequest(house: House, call: Call, { identity }: Caller): Promise<Grant> {
  const id = call.params['request'] ?? ''
  const { state, requests } = house.ports
  const grant = /^[a-z0-9]{1,16}$/.test(id) ? await state.grant(id) : undefined
  const mayLook = grant !== undefined && (seesAll(identity.user) || isPartyTo(requests.decisions, grant, identity.user))
  if (grant === undefined || !mayLook) throw new HalliganError('not_found', 'no such request')
  return grant
}

export const requestRoutes: readonly Route[] = [
  { kind: 'read', path: '/api/requests', access: 'signed-in', handle: list },
  { kind: 'read', path: '/api/requests/preview', access: 'signed-in', handle: preview },
  { kind: 'act', path: '/api/requests', access: 'signed-in', handle: request },
  { kind: 'read', path: '/api/requests/:request', access: 'signed-in', handle: detail },
  { kind: 'act', path: '/api/requests/:request/approve', access: 'signed-in', handle: approveOne },
  { kind: 'act', path: '/api/requests/:request/deny', access: 'signed-in', handle: denyOne },
  { kind: 'act', path: '/api/requests/:request/override', access: 'signed-in', handle: overrideOne },
  { kind: 'act', path: '/api/denials/lift', access: 'signed-in', handle: lift },
]
