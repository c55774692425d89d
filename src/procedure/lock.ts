// The red button and its smaller ones: a person, a target or everything is locked. Sockets close first, from memory; then
// the lock is written and told, then every grant under it ends as revoked, so that it is reviewed. A crash in between is
// carried on at the next start: a written lock ends what it covers, a grant that was revoked stays so.

import type { Grant } from '../access/grant.ts'
import { HalliganError } from '../errors.ts'
import { isUnder, type LockScope } from '../session/locks.ts'
import type { Lock, State } from '../session/state.ts'
import { alertsTo } from './alert.ts'
import { revokeAll, type EndPorts } from './end.ts'

export interface LockPorts extends EndPorts {
  readonly state: EndPorts['state'] & Pick<State, 'locks'>
  /** Whether such a person or target exists: a typing error must not look like a lock. */
  readonly knows: (scope: LockScope) => boolean
}

/** Why something is locked goes to terminals, alerts and the ledger. */
const MAX_REASON = 500

/** What is shown to people who press the button. */
export interface Locked {
  readonly lock: Lock
  /** Sessions that ran and were ended. */
  readonly sessions: number
  /** Grants that were revoked. */
  readonly grants: number
}

/** Reads `user alice`, `target web-1` or `all` as given apart. Throws `usage`. */
export function scopeOf(kind: string, name: string | undefined): LockScope {
  if (kind === 'all' && name === undefined) return 'all'
  if ((kind === 'user' || kind === 'target') && name !== undefined && name !== '') return `${kind}:${name}`
  throw new HalliganError('usage', 'say what: user NAME, target NAME, or everything (--all)')
}

/** Reads a scope as it is written, `user:alice`. Throws `usage`. */
export function checkedScope(text: string): LockScope {
  const [kind = '', name] = text.split(':')
  return scopeOf(kind, name)
}

/**
 * Locks `scope`. The caller has checked who `by` is. Sockets are closed and web sessions ended before the first await;
 * when the store fails the lock holds in memory all the same, and the error says so. Throws `not_found`, `usage`.
 */
export async function lock(ports: LockPorts, scope: LockScope, by: string, reason: string): Promise<Locked> {
  if (!ports.knows(scope)) throw new HalliganError('not_found', `there is no ${scope.replace(':', ' ')}`)
  const why = checkedLockReason(reason)
  const at = ports.clock.now()
  const taken: Lock = { scope, by, at, reason: why }
  const sessions = ports.registry.lock(taken, {
    reason: 'revoked',
    code: 'killed',
    message: `${scope === 'all' ? 'everything' : scope.replace(':', ' ')} was locked by ${by}: ${why}`,
  })
  await ports.registry.locks.inTurn(() => writeLock(ports, taken, sessions))
  const grants = await revokeUnder(ports, taken)
  return { lock: taken, sessions, grants }
}

async function writeLock(ports: LockPorts, taken: Lock, sessions: number): Promise<void> {
  const { scope, by, at, reason } = taken
  try {
    await ports.state.commit({
      at,
      writes: [{ kind: 'lock', lock: taken }],
      leaves: [{ type: 'locked', scope, by, reason }],
      alerts: alertsTo(ports.channels, 'access.locked', { scope, by, reason, sessions }, at),
    })
  } catch (error) {
    throw new HalliganError('store_failed', `${scope} is locked until halligan stops, but that could not be written`, {
      hint: 'its sessions have ended and nobody passes; lock again once the store answers',
      cause: error,
    })
  }
  ports.nudge()
}

/** Ends the grants that fall under a lock. */
export async function revokeUnder(ports: EndPorts, { scope, by, reason }: Lock): Promise<number> {
  const falls = ({ user, target }: Grant): boolean => isUnder(scope, user, target)
  return revokeAll(ports, falls, by, `${scope.replace(':', ' ')} locked: ${reason}`)
}

/** Lets people in again: written first. Ended grants stay ended. The caller has checked who `by` is. Throws `conflict` when it is not locked. */
export async function unlock(ports: LockPorts, scope: LockScope, by: string, reason: string): Promise<void> {
  const why = checkedLockReason(reason)
  const { locks } = ports.registry
  const standing = locks.of(scope)
  await locks.inTurn(async () => {
    if (standing === undefined || locks.of(scope) !== standing)
      throw new HalliganError('conflict', `${scope.replace(':', ' ')} is not locked, or was locked again just now`)
    const at = ports.clock.now()
    const isWritten = (await ports.state.locks()).some((one) => one.scope === scope)
    await ports.state.commit({
      at,
      // A lock that the store never took holds in memory alone.
      writes: isWritten ? [{ kind: 'unlock', scope }] : [],
      leaves: [{ type: 'unlocked', scope, by, reason: why }],
      alerts: alertsTo(ports.channels, 'access.unlocked', { scope, by, reason: why }, at),
    })
    // A lock of this very moment took its place: that one stands, and is written next.
    if (locks.of(scope) === standing) locks.remove(scope)
  })
  ports.nudge()
}

/** At start, before anyone is let in: what was locked is locked, and no grant outlives its lock. */
export async function resumeLocks(ports: LockPorts): Promise<void> {
  for (const taken of await ports.state.locks()) {
    ports.registry.locks.add(taken)
    await revokeUnder(ports, taken)
  }
}

/** One printable line. Throws `usage`. */
export function checkedLockReason(reason: string): string {
  const text = reason.trim()
  if (text.length < 3 || text.length > MAX_REASON)
    throw new HalliganError('usage', `say why, in 3 to ${MAX_REASON} characters`)
  if (/[\p{C}\u2028\u2029]/u.test(text))
    throw new HalliganError('usage', 'say why in one line, without control characters')
  return text
}
