// What the queue of revocations can do, by kind: the place where procedure's queue meets postgres' maintenance.

import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { type AccountBackend, terminateBackends } from '../postgres/maintenance.ts'
import type { BackendsLeft } from '../procedure/revocation.ts'
import { maintain } from '../session/maintenance.ts'
import type { Registry } from '../session/registry.ts'
import type { Revocation, State } from '../session/state.ts'
import type { Target } from '../target.ts'

/** The two clocks and the way between them: a backend is there a moment before or after its session's row says so. */
const SLACK_MS = 10_000

export interface RevokerPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'commit' | 'session'>
  readonly registry: Registry
  readonly target: (name: string) => Target | undefined
  readonly password: (credential: string) => string | undefined
}

/** Does one revocation and says what was done. Throws `unreachable` when something is left or the target is gone. */
export async function revoke(ports: RevokerPorts, revocation: Revocation): Promise<string> {
  const { clock, state, password } = ports
  const target = ports.target(revocation.target)
  if (target?.kind !== 'postgres' || revocation.what.kind !== 'postgres-backends')
    throw new HalliganError(
      'unreachable',
      `${revocation.target} is no PostgreSQL target of this configuration any more`,
      {
        hint: 'put it back, or end the backends by hand',
      },
    )
  const what = revocation.what as unknown as BackendsLeft
  const minted = { operation: 'terminate-backends', target, account: what.account } as const
  return maintain({ clock, state }, minted, async (maintenance) => {
    const ended = await terminateBackends({ clock, password }, maintenance, (backend) =>
      isLeft(ports, revocation, what, backend),
    )
    return ended === 0 ? 'no backend was left' : `${ended} backend${ended === 1 ? ' was' : 's were'} at work and ended`
  })
}

/**
 * True for a backend of the ended grant: by the session in its application name, or, when a statement has changed that,
 * by its process number and age. What serves a session that is inside now is never one.
 */
async function isLeft(
  { state, registry, clock }: RevokerPorts,
  { grant, target, queuedAt }: Revocation,
  { backends }: BackendsLeft,
  { pid, session, ageMs }: AccountBackend,
): Promise<boolean> {
  if (registry.backendsInside(target).has(pid)) return false
  if (session !== undefined && (await state.session(session))?.grant === grant) return true
  const now = clock.now()
  return backends.some(
    (one) =>
      one.pid === pid && ageMs >= now - queuedAt - SLACK_MS && ageMs <= Math.max(0, now - one.openedAt) + SLACK_MS,
  )
}
