// The one answer to "may this person have this, now?", with the rule that gave it. "Why?", "what could I get?" and the
// simulation at another time are this same function.

import type { User } from '../identity/user.ts'
import type { Target } from '../target.ts'
import type { Standing } from './approval.ts'
import { accountOf, type Candidate, checksFor, leastAccount, strictestFirst, weigh, type Weighed } from './candidate.ts'
import { formatDuration } from './duration.ts'
import { admitsFrom } from './network.ts'
import type { CheckRule, Policy } from './policy.ts'
import { accountsOn, coversTarget, coversUser } from './scope.ts'
import { describeInstant, describeWindow, isWithinWindows, opensAt } from './window.ts'

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
      /** What must be asked outside before it is given, in this order. */
      readonly checks: readonly CheckRule[]
    }
  | {
      readonly kind: 'needs-approval'
      readonly rule: string
      readonly policy: Policy
      readonly account: string
      readonly durationMs: number
      /** As with `allow`: before anyone is asked to agree. */
      readonly checks: readonly CheckRule[]
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
  if (!Number.isFinite(now)) return denyClock()
  const open = policies.filter((policy) => coversUser(policy, user) && coversTarget(policy, target))
  if (open.length === 0) return denyTarget(target.name)
  const named = open.filter(({ name }) => request.policy === undefined || name === request.policy)
  if (named.length === 0) return denyPolicy(request.policy ?? '', target.name, open)
  const offered = named.flatMap((policy): Candidate[] => {
    const given = accountOf(policy, target, account)
    return given === undefined ? [] : [{ policy, account: given }]
  })
  if (offered.length === 0) return denyAccount(account, target, named)
  const near = offered.filter(({ policy }) => admitsFrom(policy.from, address))
  if (near.length === 0) return denyAddress(address, offered)
  const timely = near.filter(({ policy }) => isWithinWindows(policy.windows, now))
  if (timely.length === 0) return denyTime(near, now)
  const asked = request.durationMs
  // NaN and what is below a millisecond is no duration; Infinity is one that the policy's maximum cuts.
  if (asked !== undefined && !(asked >= 1)) return denyDuration(timely)
  const weighed = timely.map((offer) => weigh(offer, request, now)).filter((offer) => offer !== undefined)
  const [chosen] = leastAccount(weighed, target).sort(strictestFirst)
  return chosen === undefined ? denyWithoutRule(timely) : answer(chosen, asked)
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
  const checks = checksFor(policy, statement.trigger)
  if (need.required === 0) return { kind: 'allow', ...base, checks }
  return {
    kind: 'needs-approval',
    ...base,
    checks,
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

function denyTime(offers: readonly Candidate[], now: number): Denial {
  const windows = offers.flatMap(({ policy }) => policy.windows)
  const at = opensAt(windows, now)
  const [first] = windows.filter((window) => at !== null && isWithinWindows([window], at))
  return {
    kind: 'deny',
    rule: `${namesOf(offers.map(({ policy }) => policy))}/windows`,
    message: `not at this time: it is for ${windows.map(describeWindow).slice(0, MAX_WINDOWS_SHOWN).join('; ')}`,
    hint:
      at === null || first === undefined
        ? undefined
        : `it opens ${describeInstant(at, first.zone)}, in ${formatDuration(wholeMinutes(at - now))}`,
  }
}

/** More than that says less. */
const MAX_WINDOWS_SHOWN = 4

function wholeMinutes(ms: number): number {
  return Math.ceil(ms / 60_000) * 60_000
}

function denyClock(): Denial {
  return {
    kind: 'deny',
    rule: 'clock',
    message: 'there is no usable time, so nothing can be given until a time',
    hint: "tell Halligan's operator: the machine's clock is broken",
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
