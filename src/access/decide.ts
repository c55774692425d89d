// The one answer to "may this person have this, now?", with the rule that gave it. "Why?", "what could I get?" and the
// simulation at another time are this same function.

import type { User } from '../identity/user.ts'
import type { Target } from '../target.ts'
import { type ApprovalNeed, approvalNeed, type Standing } from './approval.ts'
import { admitsFrom } from './network.ts'
import type { Policy } from './policy.ts'
import { accountsOn, coversTarget, coversUser } from './scope.ts'
import { type Statement, statementOf } from './statement.ts'

export interface AccessRequest {
  readonly user: User
  readonly target: Target
  /** Undefined: the policy's least account. */
  readonly account?: string | undefined
  /** Undefined: the default among the policies that match. */
  readonly policy?: string | undefined
  readonly trigger?: string | undefined
  readonly reason?: string | undefined
  readonly incident?: string | undefined
  /** Undefined: the policy's default. */
  readonly durationMs?: number | undefined
  readonly address: string
  /** What makes the request stricter than its policy: overdue reviews, an earlier denial. Absent: nothing. */
  readonly standing?: Standing | undefined
}

/** `rule` names policy and clause, such as `web-emergency/approval[0]`, and is stored with the grant. */
export type Decision =
  | {
      readonly kind: 'allow'
      readonly rule: string
      readonly policy: Policy
      readonly account: string
      readonly durationMs: number
    }
  | {
      readonly kind: 'needs-approval'
      readonly rule: string
      readonly policy: Policy
      readonly account: string
      readonly durationMs: number
      readonly required: number
      readonly overrideAfterMs: number | null
    }
  /** Allowed in principle, but the request lacks something it must state (shown as prompts). */
  | {
      readonly kind: 'incomplete'
      readonly rule: string
      readonly policy: Policy
      readonly account: string
      readonly durationMs: number
      readonly required: number
      readonly missing: readonly ('trigger' | 'reason' | 'incident')[]
      readonly message: string
    }
  | { readonly kind: 'deny'; readonly rule: string; readonly message: string; readonly hint: string | undefined }

export type Denial = Extract<Decision, { readonly kind: 'deny' }>

/** Decides a request at `now` (ms). Pure and total: every input gives a decision, and the rule that made it. */
export function decide(policies: readonly Policy[], request: AccessRequest, now: number): Decision {
  const { user, target, account, address } = request
  // Before any policy is read, so that none can say otherwise (design §10).
  if (user.isDrill === true && target.canary !== true) return denyDrill(target.name)
  if (user.isDisabled === true) return denyDisabled(user.name)
  const open = policies.filter((policy) => coversUser(policy, user) && coversTarget(policy, target))
  if (open.length === 0) return denyTarget(target.name)
  const named = open.filter(({ name }) => request.policy === undefined || name === request.policy)
  if (named.length === 0) return denyPolicy(request.policy ?? '', target.name, open)
  const offered = named.flatMap((policy) => offerOf(policy, target, account))
  if (offered.length === 0) return denyAccount(account, target, named)
  const near = offered.filter(({ policy }) => admitsFrom(policy.from, address))
  if (near.length === 0) return denyAddress(address, offered)
  const asked = request.durationMs
  // NaN and what is below a millisecond is no duration; Infinity is one that the policy's maximum cuts.
  if (asked !== undefined && !(asked >= 1)) return denyDuration(near)
  const weighed = near.map((offer) => weigh(offer, request, now)).filter((offer) => offer !== undefined)
  const [chosen] = leastAccount(weighed, target).sort(strictestFirst)
  return chosen === undefined ? denyWithoutRule(near) : answer(chosen, asked)
}

/**
 * The refusal that says nothing about whether the target exists: what `decide` gives for one that no policy opens, and
 * what a caller gives for a name it does not know.
 */
export function denyTarget(name: string): Denial {
  return {
    kind: 'deny',
    rule: 'no-policy',
    message: `no policy gives you ${quoted(name)}`,
    hint: 'the command `targets` lists what you may ask for',
  }
}

function denyDrill(target: string): Denial {
  return {
    kind: 'deny',
    rule: 'drill/canary',
    message: `a rehearsal opens nothing but canary targets, and ${quoted(target)} is none`,
    hint: 'mark a target that holds nothing of value with `canary: true`',
  }
}

function denyDisabled(user: string): Denial {
  return {
    kind: 'deny',
    rule: 'user/disabled',
    message: `${quoted(user)} is disabled, or has left the configuration`,
    hint: "ask Halligan's administrator",
  }
}

/** One thing a person could get now. */
export interface Offer {
  readonly target: string
  readonly account: string
  readonly decision: Exclude<Decision, Denial>
}

/** "What could I get?": every target and account that `decide` would not refuse, in the order of the targets. */
export function offersFor(
  policies: readonly Policy[],
  targets: readonly Target[],
  who: Pick<AccessRequest, 'user' | 'address' | 'standing'>,
  now: number,
): Offer[] {
  return targets.flatMap((target) =>
    target.accounts.flatMap((account) => {
      const decision = decide(policies, { ...who, target, account }, now)
      return decision.kind === 'deny' ? [] : [{ target: target.name, account, decision }]
    }),
  )
}

interface Candidate {
  readonly policy: Policy
  readonly account: string
}

interface Weighed extends Candidate {
  readonly statement: Statement
  readonly need: ApprovalNeed
}

function offerOf(policy: Policy, target: Target, account: string | undefined): Candidate[] {
  const accounts = accountsOn(policy, target)
  const given = account ?? accounts[0]
  return given !== undefined && accounts.includes(given) ? [{ policy, account: given }] : []
}

function weigh(candidate: Candidate, request: AccessRequest, now: number): Weighed | undefined {
  const { policy, account } = candidate
  const statement = statementOf(policy, request)
  const need = approvalNeed(policy, account, statement.trigger, request.standing ?? {}, now)
  return need === undefined ? undefined : { ...candidate, statement, need }
}

/** Where no account was named and policies differ on their least one, the one the target lists first. */
function leastAccount(offers: readonly Weighed[], target: Target): Weighed[] {
  const least = target.accounts.find((account) => offers.some((offer) => offer.account === account))
  return offers.filter(({ account }) => account === least)
}

/** Design §4: most approvals, then the shortest maximum; the name last, so that no order in a file decides. */
function strictestFirst(left: Weighed, right: Weighed): number {
  return (
    right.need.required - left.need.required ||
    left.policy.duration.maxMs - right.policy.duration.maxMs ||
    (left.policy.name < right.policy.name ? -1 : 1)
  )
}

function answer({ policy, account, statement, need }: Weighed, asked: number | undefined): Decision {
  const durationMs = Math.floor(Math.min(asked ?? policy.duration.defaultMs, policy.duration.maxMs))
  const base = { rule: need.rule, policy, account, durationMs }
  if (statement.missing.length > 0)
    return {
      kind: 'incomplete',
      ...base,
      required: need.required,
      missing: statement.missing,
      message: statement.message,
    }
  if (need.required === 0) return { kind: 'allow', ...base }
  return {
    kind: 'needs-approval',
    ...base,
    required: need.required,
    overrideAfterMs: need.override?.afterMs ?? null,
  }
}

function denyPolicy(named: string, target: string, open: readonly Policy[]): Denial {
  return {
    kind: 'deny',
    rule: 'no-policy',
    message: `no policy ${quoted(named)} gives you ${quoted(target)}`,
    hint: `leave the policy out, or name one of ${namesOf(open)}`,
  }
}

function denyAccount(account: string | undefined, target: Target, policies: readonly Policy[]): Denial {
  const open = [...new Set(policies.flatMap((policy) => accountsOn(policy, target)))]
  return {
    kind: 'deny',
    rule: `${namesOf(policies)}/accounts`,
    message: `no policy gives you the account ${quoted(account ?? '')} on ${quoted(target.name)}`,
    hint: open.length === 0 ? undefined : `accounts you may ask for: ${open.join(', ')}`,
  }
}

function denyAddress(address: string, offers: readonly Candidate[]): Denial {
  return {
    kind: 'deny',
    rule: `${namesOf(offers.map(({ policy }) => policy))}/from`,
    message: `not from your address ${quoted(address)}`,
    hint: `connect from ${[...new Set(offers.flatMap(({ policy }) => policy.from))].join(', ')}`,
  }
}

function denyDuration(offers: readonly Candidate[]): Denial {
  return {
    kind: 'deny',
    rule: `${namesOf(offers.map(({ policy }) => policy))}/duration`,
    message: 'the duration must be longer than nothing',
    hint: 'give one such as 30m, or leave it out',
  }
}

function denyWithoutRule(offers: readonly Candidate[]): Denial {
  return {
    kind: 'deny',
    rule: `${namesOf(offers.map(({ policy }) => policy))}/approval`,
    message: 'no approval rule of the policy matches this account and trigger',
    hint: "tell Halligan's administrator: the policy has a gap",
  }
}

function namesOf(policies: readonly Policy[]): string {
  return policies.map(({ name }) => name).join(',')
}

/** Names that came from a client are shown in quotes, cut, and with control characters made visible. */
function quoted(name: string): string {
  const shown = name.length > 64 ? `${name.slice(0, 64)}…` : name
  return JSON.stringify(shown)
}
