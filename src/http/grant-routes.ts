// Grants that open doors right now, and taking them away.

import { z } from 'zod'
import { isLive, type Grant } from '../access/grant.ts'
import { HalliganError } from '../errors.ts'
import type { User } from '../identity/user.ts'
import type { AlertView, GrantList, LedgerView } from './api.ts'
import {
  parse,
  reasonSchema,
  requireStepUp,
  visibleGrant,
  type Call,
  type Caller,
  type House,
  type Route,
} from './route.ts'
import { seesAll } from './visibility.ts'

const endSchema = z.object({ reason: reasonSchema })

/** Live grants at once: people times targets in one emergency, with much room. */
const GRANTS_MAX = 500
const ALERTS_MAX = 50

async function list(house: House, _call: Call, { identity }: Caller): Promise<GrantList> {
  const { state, clock } = house.ports
  const own = seesAll(identity.user) ? {} : { user: identity.user.name }
  const [active, open] = await Promise.all([
    state.grants({ ...own, states: ['active'], limit: GRANTS_MAX }),
    state.sessions({ ...own, states: ['open'], limit: GRANTS_MAX }),
  ])
  const now = clock.now()
  return {
    now,
    grants: active
      .filter((grant) => isLive(grant, now))
      .map((grant) => ({
        ...grant,
        may: { end: mayEnd(identity.user, grant) },
        liveSessions: open.filter((session) => session.grant === grant.id).length,
      })),
  }
}

function mayEnd(user: User, grant: Grant): boolean {
  return user.name === grant.user || user.roles.includes('admin')
}

/** Ends a grant with everything under it: given back by its owner, revoked by an admin. */
async function revoke(house: House, call: Call, caller: Caller): Promise<{ ended: true }> {
  const grant = await visibleGrant(house, call, caller)
  const { user } = caller.identity
  if (!mayEnd(user, grant))
    throw new HalliganError('denied', 'only its owner or an admin may end a grant', { hint: 'call an admin' })
  requireStepUp(house, caller)
  const { reason } = parse(endSchema, call.body)
  if (!isLive(grant, house.ports.clock.now()))
    throw new HalliganError('conflict', `grant ${grant.id} has ended already`)
  await house.ports.grants.end(grant.id, user.name === grant.user ? 'returned' : 'revoked', user.name, reason)
  return { ended: true }
}

async function alerts(house: House): Promise<{ now: number; alerts: readonly AlertView[] }> {
  const rows = await house.ports.state.alerts({ limit: ALERTS_MAX })
  return {
    now: house.ports.clock.now(),
    alerts: rows.map(({ id, channel, type, at, attempts, acceptedAt, receipt, lastError, payload }) => ({
      id,
      channel,
      type,
      at,
      attempts,
      acceptedAt,
      receipt,
      lastError,
      payload,
    })),
  }
}

async function ledgerHead(house: House): Promise<LedgerView> {
  const { size, root } = await house.ports.state.ledgerHead()
  return { installation: house.installation, size, root }
}

export const grantRoutes: readonly Route[] = [
  { kind: 'read', path: '/api/grants', access: 'signed-in', handle: list },
  { kind: 'act', path: '/api/grants/:id/revoke', access: 'signed-in', handle: revoke },
  { kind: 'read', path: '/api/alerts', access: ['reviewer', 'admin'], handle: alerts },
  { kind: 'read', path: '/api/ledger/head', access: 'signed-in', handle: ledgerHead },
]
