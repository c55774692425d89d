// People, keys and targets that left the configuration: what they had ends. The doors close first, then it is written.

import { applyGrantEvent, type Grant } from '../access/grant.ts'
import type { Identity } from '../identity/user.ts'
import { HalliganError } from '../errors.ts'
import { revokeAll, type EndPorts } from './end.ts'

/** Who ends it, in the record. */
const BY = 'configuration'
const GONE = 'the person or the target has left the configuration'

/** More requests than ever wait at once. */
const MOST_REQUESTS = 1000

export interface DeparturePorts extends EndPorts {
  /** Whether this person, with this key, may still be here. */
  readonly isKnown: (identity: {
    readonly user: string
    readonly fingerprint: Identity['fingerprint'] | null
  }) => boolean
  readonly isTarget: (name: string) => boolean
}

/**
 * Ends every grant, session and request of whoever or whatever is known no more. At start, and after each change of the
 * configuration; a rehearsal's people are in no configuration and are left alone. Throws the first failure to write.
 */
export async function endDeparted(ports: DeparturePorts): Promise<void> {
  const { registry, isKnown, isTarget } = ports
  const isGone = (grant: Grant): boolean =>
    !grant.drill && (!isKnown({ user: grant.user, fingerprint: null }) || !isTarget(grant.target))
  const rehearsals = new Set(registry.liveGrants().flatMap((grant) => (grant.drill ? [grant.id] : [])))
  for (const session of registry.sessions())
    if (!rehearsals.has(session.grant) && !isKnown(session))
      registry.endSession(session.id, {
        reason: 'revoked',
        code: 'killed',
        message: `${session.user} may no longer be here with this key: the configuration has changed`,
      })
  await revokeAll(ports, isGone, BY, GONE)
  let isDecided = false
  for (const request of await ports.state.grants({ states: ['requested'], limit: MOST_REQUESTS }))
    if (isGone(request) && !(await drop(ports, request))) isDecided = true
  if (isDecided) await revokeAll(ports, isGone, BY, GONE)
}

/** A request of somebody who is gone waits for nobody. False when it was decided on at this very moment. */
async function drop({ clock, state }: EndPorts, request: Grant): Promise<boolean> {
  const at = clock.now()
  try {
    await state.commit({
      at,
      writes: [
        { kind: 'grant', grant: applyGrantEvent(request, { kind: 'lapse', at }), expectVersion: request.version },
      ],
      leaves: [{ type: 'grant-ended', grant: request.id, how: 'lapsed', by: BY, reason: GONE }],
    })
    return true
  } catch (error) {
    if (!(error instanceof HalliganError) || error.code !== 'conflict') throw error
    return false
  }
}
