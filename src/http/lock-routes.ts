// What is locked, locking and unlocking; and whose page stays open under a lock.

import { z } from 'zod'
import { HalliganError } from '../errors.ts'
import type { User } from '../identity/user.ts'
import { lockedError, type Locks } from '../session/locks.ts'
import { scopeOf } from '../procedure/lock.ts'
import type { LockList } from './api.ts'
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

const scopeSchema = z.object({
  kind: z.enum(['user', 'target', 'all']),
  name: z.string().min(1).max(64).optional(),
  reason: reasonSchema,
})

/** What an admin may still do on the page while everything is locked. */
const STILL_ALLOWED: ReadonlySet<string> = new Set(['/api/locks/release', '/api/step-up', '/api/sign-out'])

/**
 * Why this person's page is closed, or, with `path`, why they may not do this there; undefined: no lock is in their way.
 * Under a lock of everything admins still see what happens, and may do nothing but unlock.
 */
export function pageRefusal(locks: Locks, user: User, path?: string): HalliganError | undefined {
  const own = locks.of(`user:${user.name}`)
  if (own !== undefined) return lockedError(own)
  const all = locks.of('all')
  if (all === undefined) return undefined
  if (user.roles.includes('admin') && (path === undefined || STILL_ALLOWED.has(path))) return undefined
  return lockedError(all)
}

async function list({ ports }: House, _call: Call, { identity: { user } }: Caller): Promise<LockList> {
  return {
    now: ports.clock.now(),
    locks: ports.locks.held.all(),
    may: { lock: user.roles.includes('admin') },
  }
}

async function lockScope(house: House, call: Call, caller: Caller): Promise<{ sessions: number; grants: number }> {
  requireStepUp(house, caller)
  const { kind, name, reason } = parse(scopeSchema, call.body)
  const { sessions, grants } = await house.ports.locks.lock(scopeOf(kind, name), caller.identity.user.name, reason)
  return { sessions, grants }
}

async function release(house: House, call: Call, caller: Caller): Promise<{ unlocked: true }> {
  requireFreshCode(house, caller)
  const { kind, name, reason } = parse(scopeSchema, call.body)
  await house.ports.locks.unlock(scopeOf(kind, name), caller.identity.user.name, reason)
  return { unlocked: true }
}

export const lockRoutes: readonly Route[] = [
  { kind: 'read', path: '/api/locks', access: 'signed-in', handle: list },
  { kind: 'act', path: '/api/locks', access: ['admin'], handle: lockScope },
  { kind: 'act', path: '/api/locks/release', access: ['admin'], handle: release },
]
