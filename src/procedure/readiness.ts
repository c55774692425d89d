// Who could break the glass tonight: people whom a policy opens something now, with a key, an enrolled second factor and
// no lock on them. Whoever is missing something is named with it, and so is a factor that nobody has tried for long.

import { offersFor } from '../access/decide.ts'
import type { Policy } from '../access/policy.ts'
import type { Clock } from '../clock.ts'
import { LOOPBACK } from '../identity/address.ts'
import { STEP_MS } from '../identity/totp.ts'
import type { Directory, User } from '../identity/user.ts'
import type { State } from '../session/state.ts'
import type { Target } from '../target.ts'

/** A factor that was not used for a quarter may be on a phone that is gone. */
export const STALE_MS: number = 90 * 86_400_000

export interface Readiness {
  readonly now: number
  readonly people: readonly PersonReadiness[]
  /** How many of them could break the glass now. */
  readonly ready: number
}

/** One person whom some policy concerns. */
export interface PersonReadiness {
  readonly user: string
  readonly isReady: boolean
  /** What keeps them out, one phrase each; empty: nothing does. */
  readonly missing: readonly ('key' | 'second factor' | 'target now' | 'lock')[]
  /** Targets they would get now. */
  readonly targets: readonly string[]
  /** When their second factor was last used (ms); null: never. */
  readonly lastUsedAt: number | null
  /** Enrolled, and never used or not for 90 days. */
  readonly isStale: boolean
}

export interface ReadinessPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'totp' | 'locks'>
  readonly directory: Directory
  /** Read each time. */
  readonly policies: readonly Policy[]
  readonly targets: readonly Target[]
}

/** Looks at everybody whom a policy names. */
export async function readiness(ports: ReadinessPorts): Promise<Readiness> {
  const now = ports.clock.now()
  const locked = new Set((await ports.state.locks()).map(({ scope }) => scope))
  const people: PersonReadiness[] = []
  for (const user of ports.directory.all()) {
    if (!isNamed(ports.policies, user)) continue
    people.push(await personReadiness(ports, user, locked, now))
  }
  return { now, people, ready: people.filter(({ isReady }) => isReady).length }
}

function isNamed(policies: readonly Policy[], user: User): boolean {
  return policies.some(
    ({ who }) => who.users.includes(user.name) || who.groups.some((group) => user.groups.includes(group)),
  )
}

async function personReadiness(
  ports: ReadinessPorts,
  user: User,
  locked: ReadonlySet<string>,
  now: number,
): Promise<PersonReadiness> {
  // Where somebody will sit tonight nobody knows: networks are left aside, everything else counts.
  const anywhere = ports.policies.map((policy) => ({ ...policy, from: [] }))
  const offers = offersFor(anywhere, ports.targets, { user, address: LOOPBACK }, now)
  const targets = [...new Set(offers.map(({ target }) => target))].filter((target) => !locked.has(`target:${target}`))
  const enrolled = await ports.state.totp(user.name)
  const isLocked = locked.has('all') || locked.has(`user:${user.name}`)
  const missing: PersonReadiness['missing'] = [
    ...(user.keys.length === 0 ? (['key'] as const) : []),
    ...(enrolled === undefined ? (['second factor'] as const) : []),
    ...(targets.length === 0 ? (['target now'] as const) : []),
    ...(isLocked ? (['lock'] as const) : []),
  ]
  const lastUsedAt = enrolled === undefined || enrolled.lastStep === 0 ? null : enrolled.lastStep * STEP_MS
  const isStale = enrolled !== undefined && (lastUsedAt === null || now - lastUsedAt > STALE_MS)
  return { user: user.name, isReady: missing.length === 0, missing, targets, lastUsedAt, isStale }
}
