// Who has been told. An alert carries a mark of its channel as it was configured when the alert was written; a channel
// that was edited afterwards still delivers, and opens nothing.

import type { Grant } from '../access/grant.ts'
import type { Alert, AlertRecord, State } from '../session/state.ts'

/** A channel as it is configured: what an alert's mark remembers of it. */
export interface ChannelMark {
  readonly outside: boolean
  /** The same for the same configuration and secrets, another for any other. Says nothing about either. */
  readonly configuration: string
}

/** What a receipt begins with when the channel was another one by the time it accepted. */
export const RECONFIGURED = 'by a reconfigured channel: '

/** More channels than anyone configures, each with a few such alerts of one grant. */
const MAX_ALERTS = 500

/** The alert that told of the grant's activation; the approvers' alert is another. */
function activationOf({ override, approvals }: Grant): string {
  if (override !== null) return 'grant.overridden'
  return approvals.length > 0 ? 'grant.approved' : 'grant.activated'
}

/** The alert with the mark of its channel; without one when there is no such channel. */
export function marked(alert: Alert, channel: ChannelMark | undefined): Alert {
  const { outside, configuration } = channel ?? { outside: false, configuration: '' }
  return { ...alert, payload: { ...alert.payload, via: { outside, configuration } } }
}

/** True when the channel is still the one that the alert was written for. An alert without a mark was for none. */
export function isSameChannel(alert: Alert, channel: ChannelMark): boolean {
  return viaOf(alert)?.configuration === channel.configuration
}

/** The distinct outside channels that accepted word of the grant's activation, as they were when it was written. */
export async function acceptedOutside(state: Pick<State, 'alerts'>, grant: Grant): Promise<readonly string[]> {
  // Of that type alone: a grant's sessions are told of for hours, and must not hide what was told first.
  const alerts = await state.alerts({ grant: grant.id, type: activationOf(grant), limit: MAX_ALERTS })
  return [...new Set(alerts.filter(isOutsideAcceptance).map(({ channel }) => channel))]
}

/**
 * When a channel first accepted the approvers' alert of a request (ms); null: none has. From then on the override's time
 * runs; until then it runs from the request, and the record says that nobody was reached (design §4).
 */
export async function announcedAt(state: Pick<State, 'alerts'>, grant: Grant): Promise<number | null> {
  const alerts = await state.alerts({ grant: grant.id, type: 'grant.requested', limit: MAX_ALERTS })
  const times = alerts.map((alert) => alert.acceptedAt).filter((at) => at !== null)
  return times.length === 0 ? null : Math.min(...times)
}

function isOutsideAcceptance(alert: AlertRecord): boolean {
  return (
    // The first of two approvals tells of nothing that is open yet.
    typeof alert.payload['expiresAt'] === 'string' &&
    alert.acceptedAt !== null &&
    viaOf(alert)?.outside === true &&
    alert.receipt?.startsWith(RECONFIGURED) !== true
  )
}

function viaOf({ payload }: Alert): ChannelMark | undefined {
  const { via } = payload
  if (typeof via !== 'object' || via === null || !('outside' in via) || !('configuration' in via)) return undefined
  const { outside, configuration } = via
  return typeof outside === 'boolean' && typeof configuration === 'string' ? { outside, configuration } : undefined
}
