// What the outbox tells, and to which channels. A payload carries ids and facts, never authority and never a secret.

import { randomUUID } from 'node:crypto'
import type { Grant } from '../access/grant.ts'
import type { Policy } from '../access/policy.ts'
import type { Session } from '../session/session.ts'
import type { Alert } from '../session/state.ts'

/** One alert per channel of the policy (every configured channel when it names none). */
export function grantAlerts(
  type: string,
  grant: Grant,
  channels: readonly string[],
  at: number,
  more: Readonly<Record<string, unknown>> = {},
): Alert[] {
  const payload = {
    grant: grant.id,
    user: grant.user,
    target: grant.target,
    account: grant.account,
    policy: grant.policy,
    trigger: grant.trigger,
    reason: grant.reason,
    incident: grant.incident,
    rule: grant.rule,
    expiresAt: grant.expiresAt === null ? null : new Date(grant.expiresAt).toISOString(),
    address: grant.requestedFrom,
    // What no reader may overlook: channels put these in front (notify/message.ts).
    ...(grant.drill ? { drill: true } : {}),
    ...(grant.unannouncedAt === null ? {} : { unannounced: true }),
    ...(grant.vouchedBy === null ? {} : { vouchedBy: grant.vouchedBy }),
    ...more,
  }
  return alertsTo(channels, type, payload, at)
}

/** An alert of one session: its grant's facts, and its own. */
export function sessionAlerts(
  type: string,
  session: Session,
  grant: Grant,
  channels: readonly string[],
  at: number,
  more: Readonly<Record<string, unknown>> = {},
): Alert[] {
  const { id, protocol, address, fingerprint, what } = session
  return grantAlerts(type, grant, channels, at, {
    session: id,
    protocol,
    address,
    fingerprint,
    what: what.kind,
    ...more,
  })
}

/** The same alert for each of `channels`, each with an id of its own so that it is delivered on its own. */
export function alertsTo(
  channels: readonly string[],
  type: string,
  payload: Readonly<Record<string, unknown>>,
  at: number,
): Alert[] {
  return channels.map((channel) => ({ id: `a-${randomUUID()}`, channel, type, at, payload }))
}

/** The channels a policy's alerts go to. */
export function channelsOf(policy: Policy | undefined, all: readonly string[]): readonly string[] {
  return policy === undefined || policy.alerts.channels.length === 0 ? all : policy.alerts.channels
}
