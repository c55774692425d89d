// More time for a running grant: a reason, a code, and everyone is told. The record comes first, then the deadline moves.

import { extensionOf } from '../access/extension.ts'
import { applyGrantEvent, type Grant } from '../access/grant.ts'
import { MAX_REASON_LENGTH } from '../access/statement.ts'
import { HalliganError } from '../errors.ts'
import type { Identity } from '../identity/user.ts'
import { lockedError } from '../session/locks.ts'
import { channelsOf, grantAlerts } from './alert.ts'
import type { EndPorts } from './end.ts'

/**
 * Extends a live grant by `durationMs` (the policy's default when left out), within its policy. The caller has checked
 * that `by` gave a code in the last five minutes. Of two at once one wins; a grant that ends meanwhile stays ended. Throws
 * `not_found`, `denied`, `usage`, `conflict`.
 */
export async function extend(
  ports: EndPorts,
  by: Identity,
  grantId: string,
  reason: string,
  durationMs?: number,
): Promise<Grant> {
  const grant = await ports.state.grant(grantId)
  if (grant === undefined) throw new HalliganError('not_found', `no grant ${grantId}`)
  const lock = ports.registry.locks.on(by.user.name) ?? ports.registry.locks.on(grant.user, grant.target)
  if (lock !== undefined) throw lockedError(lock)
  const policy = ports.policy(grant.policy)
  // Longer by the rule it was given under or not at all: a changed one may be looser, an old one may have been too loose.
  if (policy === undefined || policy.hash !== grant.policyHash)
    throw new HalliganError('denied', `policy ${grant.policy} has changed since grant ${grantId} was given`, {
      hint: 'request a new grant when this one has ended',
    })
  const at = ports.clock.now()
  const { expiresAt, latest } = extensionOf(policy, grant, by.user, durationMs, at)
  const why = checkedReason(reason, policy.reason.minLength)
  // Ended in memory is ended, whatever the row still says.
  if (ports.registry.live(grantId) === undefined)
    throw new HalliganError('conflict', `grant ${grantId} has ended`, { hint: 'request a new grant' })
  const extended = applyGrantEvent(grant, { kind: 'extend', at, by: by.user.name, reason: why, expiresAt, latest })
  await ports.state.commit({
    at,
    writes: [{ kind: 'grant', grant: extended, expectVersion: grant.version }],
    leaves: [{ type: 'grant-extended', grant: grantId, by: by.user.name, reason: why, expiresAt }],
    alerts: grantAlerts('grant.extended', extended, channelsOf(policy, ports.channels), at, {
      by: by.user.name,
      extendReason: why,
    }),
  })
  ports.nudge()
  ports.registry.extend(extended)
  return extended
}

/** As long as the policy wants it for breaking the glass, and fit for prompts, alerts and recordings. */
function checkedReason(reason: string, minLength: number): string {
  const text = reason.trim()
  const least = Math.max(1, minLength)
  if (text.length < least || text.length > MAX_REASON_LENGTH)
    throw new HalliganError('usage', `say why, in ${least} to ${MAX_REASON_LENGTH} characters`)
  if (/[\p{C}\u2028\u2029]/u.test(text))
    throw new HalliganError('usage', 'say why in one line, without control characters')
  return text
}
