// The check of a whole set of policies: is there a way around a strict one, and is there always somebody left to approve
// and to review? Pure; `config/` puts a line number to each finding.

import type { User } from '../identity/user.ts'
import type { Target } from '../target.ts'
import { isAmong, ruleFor } from './approval.ts'
import { checksFor } from './candidate.ts'
import { networksMeet } from './network.ts'
import type { Policy } from './policy.ts'
import { accountsOn, coversTarget, coversUser } from './scope.ts'

export interface PolicyFinding {
  readonly code: 'looser' | 'no-approval-rule' | 'nobody-approves' | 'nobody-reviews'
  /** Index of the policy in the list, and where in it. */
  readonly policy: number
  readonly path: readonly (string | number)[]
  readonly message: string
  readonly hint: string
}

/** Everything wrong with the set as a whole, by policy. Empty: it may be used. */
export function checkPolicies(
  policies: readonly Policy[],
  users: readonly User[],
  targets: readonly Target[],
): PolicyFinding[] {
  const covered = policies.map((policy) => ({
    policy,
    users: new Set(users.filter((user) => coversUser(policy, user))),
    targets: new Set(targets.filter((target) => coversTarget(policy, target))),
  }))
  return covered.flatMap((one, index) => [
    ...covered.flatMap((other) => (other === one ? [] : looserThan(index, one, other))),
    ...missingRules(index, one.policy),
    ...missingPeople(index, one, users),
  ])
}

interface Covered {
  readonly policy: Policy
  readonly users: ReadonlySet<User>
  readonly targets: ReadonlySet<Target>
}

/** A policy that gives the same person the same account with less asks to be named: it is the way around the other. */
function looserThan(index: number, looser: Covered, stricter: Covered): PolicyFinding[] {
  if (looser.policy.overlaps.includes(stricter.policy.name)) return []
  const who = sharedPerson(looser, stricter)
  const what = sharedAccount(looser, stricter)
  if (who === undefined || what === undefined || !networksMeet(looser.policy.from, stricter.policy.from)) return []
  const place = `${what.account}@${what.target}`
  return [
    {
      code: 'looser',
      policy: index,
      path: ['name'],
      message: `policy "${looser.policy.name}" gives ${who} ${place} with ${what.how} than "${stricter.policy.name}"`,
      hint: `narrow one of them, or add \`overlaps: [${stricter.policy.name}]\` here if that is meant`,
    },
  ]
}

function sharedPerson(one: Covered, other: Covered): string | undefined {
  for (const user of one.users) if (other.users.has(user)) return `user "${user.name}"`
  // A group both name counts even while nobody is in it: people join groups without this check being run.
  const group = one.policy.who.groups.find((name) => other.policy.who.groups.includes(name))
  return group === undefined ? undefined : `group "${group}"`
}

function sharedAccount(
  looser: Covered,
  stricter: Covered,
): { account: string; target: string; how: string } | undefined {
  for (const target of looser.targets) {
    if (!stricter.targets.has(target)) continue
    const theirs = accountsOn(stricter.policy, target)
    for (const account of accountsOn(looser.policy, target)) {
      const how = theirs.includes(account) ? looseness(looser.policy, stricter.policy, account) : undefined
      if (how !== undefined) return { account, target: target.name, how }
    }
  }
  return undefined
}

/** How `one` is looser than `other` for an account, by the order in which `decide` picks its default. */
function looseness(one: Policy, other: Policy, account: string): string | undefined {
  const theirs = other.triggers.map(({ name }) => ({ name, required: required(other, account, name) }))
  const least = Math.min(...theirs.map((trigger) => trigger.required))
  const isFewer = one.triggers.some(({ name }) => {
    const same = theirs.find((trigger) => trigger.name === name)
    return required(one, account, name) < (same?.required ?? least)
  })
  if (isFewer) return 'fewer approvals'
  const isEqual = one.triggers.some(({ name }) => {
    const same = theirs.find((trigger) => trigger.name === name)
    return required(one, account, name) === (same?.required ?? least)
  })
  if (isEqual && one.duration.maxMs > other.duration.maxMs) return 'a longer maximum'
  return isEqual ? uncheckedBy(one, other, account) : undefined
}

/** The check that only `other` makes, for a trigger on which both need as many approvals. */
function uncheckedBy(one: Policy, other: Policy, account: string): string | undefined {
  for (const { name } of one.triggers) {
    if (!other.triggers.some((trigger) => trigger.name === name)) continue
    if (required(one, account, name) !== required(other, account, name)) continue
    const made = new Set(checksFor(one, name).map(({ check }) => check))
    const missing = checksFor(other, name).find(({ check }) => !made.has(check))
    if (missing !== undefined) return `one check ("${missing.check}") less`
  }
  return undefined
}

/** A trigger without a rule is refused: nothing is stricter. */
function required(policy: Policy, account: string, trigger: string): number {
  const index = ruleFor(policy, account, trigger)
  return index === undefined ? Infinity : (policy.approval[index]?.required ?? Infinity)
}

function missingRules(index: number, policy: Policy): PolicyFinding[] {
  return policy.accounts.flatMap((account) => {
    const bare = policy.triggers.find(({ name }) => ruleFor(policy, account, name) === undefined)
    if (bare === undefined) return []
    return {
      code: 'no-approval-rule' as const,
      policy: index,
      path: ['approval'],
      message: `no approval rule of policy "${policy.name}" matches account "${account}" with trigger "${bare.name}"`,
      hint: 'requests that no rule matches are refused; end the list with a rule that has no `when`',
    }
  })
}

/** For each person who may ask: are there approvers besides them, and a reviewer whoever of those approves? */
function missingPeople(index: number, { policy, users: askers }: Covered, users: readonly User[]): PolicyFinding[] {
  const reviewers = new Set(users.filter((user) => isAmong(policy.review.by, user)))
  const panels = policy.approval.map((rule) => {
    const approvers = new Set(users.filter((user) => isAmong(rule.from, user)))
    return { required: rule.required, approvers, both: approvers.intersection(reviewers) }
  })
  const findings = panels.flatMap(({ required, approvers }, ruleIndex): PolicyFinding[] => {
    const alone = [...askers].find((asker) => besides(approvers, asker) < required)
    if (alone === undefined) return []
    return [
      {
        code: 'nobody-approves',
        policy: index,
        path: ['approval', ruleIndex],
        message: `a request of "${alone.name}" under policy "${policy.name}" needs ${required} approvals, but ${besides(
          approvers,
          alone,
        )} people may give one`,
        hint: 'nobody approves their own request: name a group or role with more people in `from`',
      },
    ]
  })
  const unseen = [...askers].find((asker) => {
    const able = besides(reviewers, asker)
    // The worst case: those who approve are, as far as there are enough of them, the reviewers.
    return able === 0 || panels.some(({ required, both }) => able <= Math.min(required, besides(both, asker)))
  })
  if (unseen === undefined) return findings
  return [
    ...findings,
    {
      code: 'nobody-reviews',
      policy: index,
      path: ['review', 'by'],
      message: `a grant of "${unseen.name}" under policy "${policy.name}" could end with nobody left to review it`,
      hint: 'whoever asked or approved may not review: name a reviewer who does neither',
    },
  ]
}

function besides(people: ReadonlySet<User>, asker: User): number {
  return people.size - (people.has(asker) ? 1 : 0)
}
