// The fingerprint of a policy, in every grant made under it: which text was in force can be proven years later.

import { createHash } from 'node:crypto'
import type { Policy } from './policy.ts'

/** JSON with the keys of every object sorted: one text per value (RFC 8785 for the values that policies hold). */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, held: unknown) => {
    if (typeof held !== 'object' || held === null || Array.isArray(held)) return held
    return Object.fromEntries(Object.entries(held).sort(([left], [right]) => (left < right ? -1 : 1)))
  })
}

/** SHA-256 (hex) of the policy's canonical JSON without `hash`. */
export function policyHash(policy: Omit<Policy, 'hash'> & { readonly hash?: string }): string {
  const { hash: _hash, ...text } = policy
  return createHash('sha256').update(canonicalJson(text)).digest('hex')
}

/** The text of all policies as the ledger keeps it. */
export function canonicalPolicies(policies: readonly Policy[]): string {
  return canonicalJson(policies)
}
