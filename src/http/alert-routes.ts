// Alerts: who has been told, what no channel has taken, and sending again what was given up.

import { owedAlerts, retryAlert, retryDeadAlerts } from '../procedure/retry-alerts.ts'
import type { AlertRecord } from '../session/state.ts'
import type { AlertPage, AlertView } from './api.ts'
import { requireStepUp, type Call, type Caller, type House, type Route } from './route.ts'

/** Newest ones, delivered or not. */
const ALERTS_MAX = 50

async function list(house: House, _call: Call, { identity }: Caller): Promise<AlertPage> {
  const [newest, owed] = await Promise.all([
    house.ports.state.alerts({ limit: ALERTS_MAX }),
    owedAlerts(house.ports.alerts),
  ])
  return {
    now: house.ports.clock.now(),
    alerts: newest.map(viewOf),
    owed: owed.map(viewOf),
    may: { retry: identity.user.roles.includes('admin') },
  }
}

async function retryOne(house: House, call: Call, caller: Caller): Promise<{ retried: number }> {
  requireStepUp(house, caller)
  await retryAlert(house.ports.alerts, call.params['id'] ?? '', caller.identity.user.name)
  return { retried: 1 }
}

async function retryAll(house: House, _call: Call, caller: Caller): Promise<{ retried: number }> {
  requireStepUp(house, caller)
  return { retried: await retryDeadAlerts(house.ports.alerts, caller.identity.user.name) }
}

function viewOf(row: AlertRecord): AlertView {
  const { id, channel, type, at, attempts, nextAt, acceptedAt, deadAt, receipt, lastError } = row
  // The mark of the channel is between Halligan's own parts.
  const { via: _via, ...payload } = row.payload
  return { id, channel, type, at, attempts, nextAt, acceptedAt, deadAt, receipt, lastError, payload }
}

export const alertRoutes: readonly Route[] = [
  { kind: 'read', path: '/api/alerts', access: ['reviewer', 'admin', 'auditor'], handle: list },
  { kind: 'act', path: '/api/alerts/:id/retry', access: ['admin'], handle: retryOne },
  { kind: 'act', path: '/api/alerts/retry', access: ['admin'], handle: retryAll },
]
