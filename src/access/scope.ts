// Whom and what a policy covers. Small predicates, shared by the decision and by the check of the whole set.

import type { User } from '../identity/user.ts'
import type { Target } from '../target.ts'
import type { Policy } from './policy.ts'

/** True when the policy names the user or a group of theirs. A policy that names nobody covers nobody. */
export function coversUser(policy: Policy, user: User): boolean {
  return policy.who.users.includes(user.name) || policy.who.groups.some((group) => user.groups.includes(group))
}

/**
 * True when the policy names the target, or names labels and the target carries all of them. `kind` counts as a label.
 * A policy that names neither covers nothing.
 */
export function coversTarget(policy: Policy, target: Target): boolean {
  if (policy.targets.names.includes(target.name)) return true
  const labels = Object.entries(policy.targets.labels)
  return labels.length > 0 && labels.every(([label, value]) => labelOf(target, label) === value)
}

/** The accounts that the policy opens on this target, least first. */
export function accountsOn(policy: Policy, target: Target): string[] {
  return policy.accounts.filter((account) => target.accounts.includes(account))
}

function labelOf(target: Target, label: string): string | undefined {
  if (label === 'kind') return target.kind
  return Object.hasOwn(target.labels, label) ? target.labels[label] : undefined
}
