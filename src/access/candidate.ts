// One policy as the answer to one request: the account it would give, what is stated, who must agree. And the order in
// which one of several is the answer. `decide` gives it, `explain` says why.

import type { Target } from '../target.ts'
import { type ApprovalNeed, approvalNeed, type Standing } from './approval.ts'
import type { CheckRule, Policy } from './policy.ts'
import { accountsOn } from './scope.ts'
import { type Stated, type Statement, statementOf } from './statement.ts'

export interface Candidate {
  readonly policy: Policy
  readonly account: string
}

export interface Weighed extends Candidate {
  readonly statement: Statement
  readonly need: ApprovalNeed
}

/** The account that the policy would give on this target; undefined when it has not the one asked for, or none. */
export function accountOf(policy: Policy, target: Target, asked: string | undefined): string | undefined {
  const accounts = accountsOn(policy, target)
  const given = asked ?? accounts[0]
  return given !== undefined && accounts.includes(given) ? given : undefined
}

/** What the request states and needs under the policy; undefined when no approval rule matches. */
export function weigh(
  { policy, account }: Candidate,
  request: Stated & { readonly standing?: Standing | undefined },
  now: number,
): Weighed | undefined {
  const statement = statementOf(policy, request)
  const need = approvalNeed(policy, account, statement.trigger, request.standing ?? {}, now)
  return need === undefined ? undefined : { policy, account, statement, need }
}

/** Where no account was named and policies differ on their least one, the one the target lists first. */
export function leastAccount(offers: readonly Weighed[], target: Target): Weighed[] {
  const least = target.accounts.find((account) => offers.some((offer) => offer.account === account))
  return offers.filter(({ account }) => account === least)
}

/** Design §4: most approvals, then the shortest maximum; the name last, so that no order in a file decides. */
export function strictestFirst(left: Weighed, right: Weighed): number {
  return (
    right.need.required - left.need.required ||
    left.policy.duration.maxMs - right.policy.duration.maxMs ||
    (left.policy.name < right.policy.name ? -1 : 1)
  )
}

/**
 * What must be asked outside before a request under the policy is granted: on call, then the trigger's own check. Each
 * once; where two clauses name one check, the one that refuses when it does not answer counts.
 */
export function checksFor(policy: Policy, trigger: string | null): CheckRule[] {
  const required = policy.triggers.find(({ name }) => name === trigger)?.require
  const rules = [policy.onCall, required].filter((rule) => rule !== null && rule !== undefined)
  const byName = new Map<string, CheckRule>()
  for (const rule of rules) if (byName.get(rule.check)?.onError !== 'deny') byName.set(rule.check, rule)
  return [...byName.values()]
}
