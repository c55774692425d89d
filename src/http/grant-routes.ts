// Grants that open doors right now, and taking them away.

import { z } from 'zod'
import { parseDurationMs } from '../access/duration.ts'
import { isLive, type Grant } from '../access/grant.ts'
import { HalliganError } from '../errors.ts'
import type { User } from '../identity/user.ts'
import type { GrantList, LedgerView } from './api.ts'
import {
  parse,
  reasonSchema,
  requireFreshCode,
  requireStepUp,
  type Call,
  type Caller,
  type House,
  type Route,
} from './route.ts'
import { maySee } from './visibility.ts'

const endSchema = z.object({ reason: reasonSchema })
const extendSchema = z.object({ reason: reasonSchema, for: z.string().max(20).optional() })

/** Live grants at once: people times targets in one emergency, with much room. */
const GRANTS_MAX = 500

async function list(house: House, _call: Call, { identity }: Caller): Promise<GrantList> {
  const { state, clock } = house.ports
  const { user } = identity
  const [active, open] = await Promise.all([
    state.grants({ states: ['active'], limit: GRANTS_MAX }),
    state.sessions({ states: ['open'], limit: GRANTS_MAX }),
  ])
  const now = clock.now()
  return {
    now,
    grants: active
      .filter((grant) => isLive(grant, now) && mayLook(house, user, grant))
      .map((grant) => ({
        ...grant,
        may: { end: mayEnd(house, user, grant), extend: house.ports.grants.mayExtend(user, grant) },
        liveSessions: open.filter((session) => session.grant === grant.id).length,
      })),
  }
}

function mayEnd({ ports }: House, user: User, grant: Grant): boolean {
  return user.name === grant.user || ports.grants.mayRevoke(user, grant)
}

/** One's own, everyone's for those who oversee, and what an approver may end. */
function mayLook(house: House, user: User, grant: Grant): boolean {
  return maySee(user, grant.user) || mayEnd(house, user, grant)
}

/** The live grant of a path that `caller` may look at. What they may not reads like what does not exist. */
async function reachableGrant(house: House, call: Call, caller: Caller): Promise<Grant> {
  const id = call.params['id'] ?? ''
  const grant = /^[a-z0-9]{1,16}$/.test(id) ? await house.ports.state.grant(id) : undefined
  if (grant === undefined || !mayLook(house, caller.identity.user, grant))
    throw new HalliganError('not_found', 'no such grant')
  return grant
}

/** Gives a running grant more time. What runs under it keeps its connection. */
async function extend(house: House, call: Call, caller: Caller): Promise<{ expiresAt: number | null }> {
  const grant = await reachableGrant(house, call, caller)
  const { grants } = house.ports
  if (!grants.mayExtend(caller.identity.user, grant))
    throw new HalliganError('denied', `${caller.identity.user.name} may not extend grant ${grant.id}`)
  requireFreshCode(house, caller)
  const { reason, for: asked } = parse(extendSchema, call.body)
  const durationMs = asked === undefined ? undefined : parseDurationMs(asked)
  if (asked !== undefined && durationMs === undefined) throw new HalliganError('usage', `for: write 45m, 2h or 1h30m`)
  const { expiresAt } = await grants.extend(grant.id, caller.identity, reason, durationMs)
  return { expiresAt }
}

/** Ends a grant with everything under it: given back by its owner, revoked by an approver of its policy or an admin. */
async function revoke(house: House, call: Call, caller: Caller): Promise<{ ended: true }> {
  const grant = await reachableGrant(house, call, caller)
  const { user } = caller.identity
  if (!mayEnd(house, user, grant))
    throw new HalliganError('denied', 'only its owner, an approver of its policy or an admin may end a grant', {
      hint: 'call an admin',
    })
  requireStepUp(house, caller)
  const { reason } = parse(endSchema, call.body)
  if (!isLive(grant, house.ports.clock.now()))
    throw new HalliganError('conflict', `grant ${grant.id} has ended already`)
  await house.ports.grants.end(grant.id, user.name === grant.user ? 'returned' : 'revoked', user.name, reason)
  return { ended: true }
}

async function ledgerHead(house: House): Promise<LedgerView> {
  const { size, root } = await house.ports.state.ledgerHead()
  return { installation: house.installation, size, root, anchored: house.ports.anchors.status() }
}

export const grantRoutes: readonly Route[] = [
  { kind: 'read', path: '/api/grants', access: 'signed-in', handle: list },
  { kind: 'act', path: '/api/grants/:id/extend', access: 'signed-in', handle: extend },
  { kind: 'act', path: '/api/grants/:id/revoke', access: 'signed-in', handle: revoke },
  { kind: 'read', path: '/api/ledger/head', access: 'signed-in', handle: ledgerHead },
]
