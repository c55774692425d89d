// The link in an alert. It holds an id and no authority: whoever follows it signs in first, and deciding asks for a code.

import type { Alert } from '../session/state.ts'

/** The alert with the address of the page about its grant; as it is where it has one, is about none, or no page is known. */
export function linked(alert: Alert, page: string | null): Alert {
  const { grant, url } = alert.payload
  if (page === null || url !== undefined || typeof grant !== 'string') return alert
  return { ...alert, payload: { ...alert.payload, url: new URL(`/requests/${encodeURIComponent(grant)}`, page).href } }
}
