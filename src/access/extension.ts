// More time for a grant that runs: who may give it, how often, and until when at the latest.

import { HalliganError } from '../errors.ts'
import type { User } from '../identity/user.ts'
import { isAmong } from './approval.ts'
import { formatDuration } from './duration.ts'
import { type Grant, isLive } from './grant.ts'
import type { Policy } from './policy.ts'

/** Less than this is a press of a key too many, not an extension. */
const SHORTEST_MS = 60_000

/** A new end, and the latest the policy would give (both ms). */
export interface Extension {
  readonly expiresAt: number
  readonly latest: number
}

/**
 * What an extension by `by` at `now` gives: `durationMs` more (the policy's default when undefined), cut at activation +
 * the policy's maximum. Throws `conflict` when the grant is over or lasts as long as it may, `denied` when this person
 * may not, `usage` for an impossible duration.
 */
export function extensionOf(
  policy: Policy,
  grant: Grant,
  by: User,
  durationMs: number | undefined,
  now: number,
): Extension {
  const { count, self } = policy.duration.extensions
  if (!isLive(grant, now) || grant.activatedAt === null || grant.expiresAt === null)
    throw new HalliganError('conflict', `grant ${grant.id} has ended`, { hint: 'request a new grant' })
  if (!mayExtend(policy, grant, by)) throw notYours(grant, by, self)
  if (grant.extensions.length >= count)
    throw new HalliganError('denied', `grant ${grant.id} ${refusal(count)}`, {
      hint: 'request a new grant when this one has ended',
    })
  const asked = durationMs ?? policy.duration.defaultMs
  // NaN is no duration either.
  if (!(asked >= SHORTEST_MS)) throw new HalliganError('usage', 'an extension is at least one minute')
  const latest = grant.activatedAt + policy.duration.maxMs
  const expiresAt = Math.min(grant.expiresAt + asked, latest)
  if (expiresAt <= grant.expiresAt)
    throw new HalliganError('conflict', `grant ${grant.id} already lasts ${formatDuration(policy.duration.maxMs)}`, {
      hint: 'its policy gives no more: request a new grant when this one has ended',
    })
  return { expiresAt, latest }
}

/** True when `by` is one whom the policy lets extend this grant: its owner (`self: true`), or else one of its approvers. */
export function mayExtend(policy: Policy, grant: Grant, by: User): boolean {
  if (by.isDrill === true && !grant.drill) return false
  if (policy.duration.extensions.self && by.name === grant.user) return true
  return isApproverOf(policy, grant, by)
}

/** True when `by` may end somebody else's grant: an approver of its policy, or an admin. Its owner gives it back. */
export function mayRevoke(policy: Policy | undefined, grant: Grant, by: User): boolean {
  if (by.isDrill === true && !grant.drill) return false
  return by.roles.includes('admin') || (policy !== undefined && isApproverOf(policy, grant, by))
}

/** An approver of any rule of the policy that could have applied; where no rule names one, whoever has the role. */
function isApproverOf(policy: Policy, grant: Grant, by: User): boolean {
  if (by.name === grant.user) return false
  const rules = policy.approval.filter(({ when }) => when.account === undefined || when.account === grant.account)
  const named = rules.filter(({ from }) => from.groups.length + from.roles.length > 0)
  return named.length === 0 ? by.roles.includes('approver') : named.some(({ from }) => isAmong(from, by))
}

function notYours(grant: Grant, by: User, self: boolean): HalliganError {
  if (by.name === grant.user && !self)
    return new HalliganError('denied', `grant ${grant.id} is extended by an approver of its policy, not by you`, {
      hint: `ask one to run: extend ${grant.id}`,
    })
  return new HalliganError('denied', `${by.name} may not extend grant ${grant.id}`)
}

function refusal(count: number): string {
  if (count === 0) return 'cannot be extended: its policy allows no extension'
  return `was extended ${count} time${count === 1 ? '' : 's'} already: its policy allows no more`
}
