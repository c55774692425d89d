// Where a story can be played on this installation: canary targets, and policies that open them to a group. What is found
// here is what `decide` says for a person who is in that one group, so a drill needs nothing that the policies do not give.

import { approvalNeed } from '../access/approval.ts'
import { decide, type Decision } from '../access/decide.ts'
import type { Policy } from '../access/policy.ts'
import { accountsOn, coversTarget } from '../access/scope.ts'
import { LOOPBACK } from '../identity/address.ts'
import type { Role, User } from '../identity/user.ts'
import type { Target } from '../target.ts'
import type { Scene } from './stage.ts'
import type { Place, Player } from './step.ts'

/** What a person of a drill needs to be. */
export interface Part {
  readonly groups: readonly string[]
  readonly roles: readonly Role[]
}

export interface Scenes {
  readonly places: ReadonlyMap<Place, Scene>
  readonly parts: Readonly<Record<'alice' | 'bob' | 'rita', Part>>
  /** Why a place is not here, for stories that are left out. */
  readonly missing: ReadonlyMap<Place, string>
}

interface Found {
  readonly scene: Scene
  readonly group: string
  readonly policy: Policy
  readonly required: number
  readonly target: Target
}

/** A reason that is long enough for every policy. */
const LONG_REASON = 'x'.repeat(1000)

/** Names that no configuration holds: a name has no such beginning. */
const NOWHERE = 'drill.nowhere'

/** Finds the places among what is configured. Pure. */
export function findScenes(policies: readonly Policy[], targets: readonly Target[], now: number): Scenes {
  const canaries = targets.filter(({ canary }) => canary === true)
  const found = canaries.flatMap((target) => policies.flatMap((policy) => waysInto(policies, policy, target, now)))
  const host = found.find(({ scene, required }) => scene.kind === 'host' && required === 0)
  const database = found.find(({ scene, required }) => scene.kind === 'database' && required === 0)
  const guarded = found.find(({ required }) => required === 1)
  const gated = found.find(({ scene, required, policy }) => {
    return scene.kind === 'host' && required === 0 && policy.alerts.gate !== null
  })
  const places = new Map<Place, Scene>()
  if (host !== undefined) {
    places.set('the host', host.scene)
    places.set('another account', { ...host.scene, policy: null, account: accountNotOpened(policies, host.target) })
    places.set('another target', { ...host.scene, policy: null, target: targetNotOpened(targets) })
  }
  if (database !== undefined) {
    places.set('the database', database.scene)
    places.set('another database', { ...database.scene, database: databaseNotCovered(database) })
  }
  if (guarded !== undefined) places.set('the guarded account', guarded.scene)
  if (gated !== undefined) places.set('the gated account', gated.scene)
  const groups = [...new Set([host, database, guarded, gated].flatMap((one) => (one === undefined ? [] : [one.group])))]
  return {
    places,
    parts: { alice: { groups, roles: ['engineer'] }, bob: approver(guarded), rita: reviewer(host ?? database) },
    missing: missingPlaces(canaries.length > 0, { host, database, guarded, gated }),
  }
}

function waysInto(policies: readonly Policy[], policy: Policy, target: Target, now: number): Found[] {
  const [group] = policy.who.groups
  // A trigger that something outside must confirm cannot be rehearsed: nothing outside is wrong.
  const trigger = policy.triggers.find(({ require }) => require === undefined)?.name
  if (group === undefined || trigger === undefined || policy.onCall !== null) return []
  if (!coversTarget(policy, target) || policy.scope.commands.length > 0) return []
  return accountsOn(policy, target).flatMap((account): Found[] => {
    const user: User = { name: NOWHERE, isDrill: true, groups: [group], roles: ['engineer'], keys: [] }
    const asked = { user, target, account, policy: policy.name, trigger, reason: LONG_REASON, address: LOOPBACK }
    const incident = incidents.find((one) => isOpen(decide(policies, { ...asked, ...named(one) }, now)))
    if (incident === undefined) return []
    const decision = decide(policies, { ...asked, ...named(incident) }, now)
    const kind = target.kind === 'postgres' ? 'database' : 'host'
    const scene: Scene = { kind, target: target.name, account, policy: policy.name, trigger, incident, database: null }
    const required = decision.kind === 'needs-approval' ? decision.required : 0
    return [{ scene, group, policy, required, target }]
  })
}

/** References as trackers number them: the first that the policy's pattern takes is named where it wants one. */
const incidents: readonly (string | null)[] = [null, 'DRILL-0', 'INC-0', 'INC-0000', 'INC0000000', '#0', '0', '000000']

function named(incident: string | null): { readonly incident?: string } {
  return incident === null ? {} : { incident }
}

function isOpen({ kind }: Decision): boolean {
  return kind === 'allow' || kind === 'needs-approval'
}

/** One that no policy opens on this target; where every one is opened by some policy, a made-up one. */
function accountNotOpened(policies: readonly Policy[], target: Target): string {
  const covering = policies.filter((policy) => coversTarget(policy, target))
  return target.accounts.find((account) => !covering.some(({ accounts }) => accounts.includes(account))) ?? NOWHERE
}

function targetNotOpened(targets: readonly Target[]): string {
  return targets.find(({ canary }) => canary !== true)?.name ?? NOWHERE
}

function databaseNotCovered({ target, policy }: Found): string {
  const known = target.kind === 'postgres' ? target.databases : []
  const { databases } = policy.scope
  return known.find((name) => databases.length > 0 && !databases.includes(name)) ?? 'drill_nowhere'
}

/** In the group or role that the guarded account's rule names, and an approver by role. */
function approver(guarded: Found | undefined): Part {
  if (guarded === undefined) return { groups: [], roles: ['approver'] }
  const { policy, scene } = guarded
  const from = approvalNeed(policy, scene.account, scene.trigger, {}, 0)?.from
  const roles = new Set<Role>(['approver', ...(from?.groups.length === 0 ? from.roles.slice(0, 1) : [])])
  return { groups: from?.groups.slice(0, 1) ?? [], roles: [...roles] }
}

function reviewer(found: Found | undefined): Part {
  const by = found?.policy.review.by
  const [role] = by?.roles ?? []
  return { groups: by?.groups.slice(0, 1) ?? [], roles: role === undefined ? ['reviewer'] : [role] }
}

function missingPlaces(
  hasCanary: boolean,
  found: Readonly<Record<'host' | 'database' | 'guarded' | 'gated', Found | undefined>>,
): Map<Place, string> {
  const missing = new Map<Place, string>()
  const note = (way: Found | undefined, what: string, ...places: readonly Place[]): void => {
    if (way !== undefined) return
    const why = hasCanary
      ? `no policy opens a canary ${what} to a group, from this machine and without checks`
      : 'no target is marked canary'
    for (const place of places) missing.set(place, why)
  }
  note(found.host, 'host at once', 'the host', 'another account', 'another target')
  note(found.database, 'database at once', 'the database', 'another database')
  note(found.guarded, 'account after one approval', 'the guarded account')
  note(found.gated, 'host behind an alert gate', 'the gated account')
  note(undefined, 'host whose gate lets go', 'the held account')
  return missing
}

/** Why a story that is played at these places by these people cannot be; undefined: it can. */
export function cannotPlay({ missing }: Scenes, needed: readonly Place[]): string | undefined {
  const place = needed.find((one) => missing.has(one))
  return place === undefined ? undefined : `${place}: ${missing.get(place)}`
}

/** The part of a player in a drill. */
export function partOf({ parts }: Scenes, player: Player): Part | undefined {
  return player === 'alice' || player === 'bob' || player === 'rita' ? parts[player] : undefined
}
