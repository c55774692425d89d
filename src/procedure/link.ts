// The link in an alert. It holds an id and no authority: whoever follows it signs in first, and deciding asks for a code.
// What is about one moment of a session leads to that session, everything else to the request it belongs to.

import type { Alert } from '../session/state.ts'

/** The alert with the address of the page about it; as it is where it has one, is about none, or no page is known. */
export function linked(alert: Alert, page: string | null): Alert {
  const { grant, session, url } = alert.payload
  if (page === null || url !== undefined || typeof grant !== 'string') return alert
  const path =
    alert.type === 'session.risky' && typeof session === 'string'
      ? `/sessions/${encodeURIComponent(session)}`
      : `/requests/${encodeURIComponent(grant)}`
  return { ...alert, payload: { ...alert.payload, url: new URL(path, page).href } }
}
