// That a session could not be recorded, or not beyond its limit. It is told from memory, without a grant in hand: the disk may be what failed.

import type { Directory } from '../identity/user.ts'
import { alertsTo } from '../procedure/alert.ts'
import type { Session } from '../session/session.ts'
import type { Alert } from '../session/state.ts'

/** One alert for each of `channels`, marked where it is a rehearsal's. */
export function recorderAlerts(
  { id, user, target, account, grant }: Session,
  error: Error,
  why: 'failed' | 'full' | 'no-room',
  channels: readonly string[],
  at: number,
  directory: Directory,
): Alert[] {
  // That room is scarce was told when it became so.
  if (why === 'no-room') return []
  const mark = directory.byName(user)?.isDrill === true ? { drill: true } : {}
  const facts = { session: id, user, target, account, grant, error: error.message, ...mark }
  return alertsTo(channels, why === 'full' ? 'recording.full' : 'recorder.failed', facts, at)
}
