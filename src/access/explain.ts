// Why? For one request, each policy clause by clause, which one answers and why not another. It decides nothing: the
// answer is `decide`'s own, and the clauses are the very predicates that it asks.

import type { ApprovalNeed } from './approval.ts'
import { accountOf, checksFor, leastAccount, strictestFirst, weigh, type Weighed } from './candidate.ts'
import { type AccessRequest, decide, type Decision } from './decide.ts'
import { formatDuration } from './duration.ts'
import { admitsFrom } from './network.ts'
import type { ApprovalRule, Policy } from './policy.ts'
import { accountsOn, coversTarget, coversUser } from './scope.ts'
import { describeInstant, describeWindow, isWithinWindows, opensAt } from './window.ts'

/** `open`: nothing against it yet; it is still to be stated, asked outside, or agreed to. */
export type ClauseOutcome = 'passed' | 'failed' | 'open'

export interface Clause {
  readonly clause:
    | 'name'
    | 'who'
    | 'targets'
    | 'accounts'
    | 'from'
    | 'windows'
    | 'triggers'
    | 'reason'
    | 'onCall'
    | 'approval'
  readonly outcome: ClauseOutcome
  /** One line, for people. */
  readonly detail: string
}

export interface PolicyExplanation {
  readonly policy: string
  readonly hash: string
  /** What it would give; null where it gives none on this target. */
  readonly account: string | null
  readonly clauses: readonly Clause[]
  readonly isChosen: boolean
  /** Why it is the answer, or why, with no clause against it, it is not; null where a clause is. */
  readonly because: string | null
}

export interface Explanation {
  readonly user: string
  readonly target: string
  readonly account: string | null
  readonly address: string
  /** Ms. */
  readonly at: number
  readonly outcome: Decision['kind']
  readonly rule: string
  /** What was decided, in one sentence. */
  readonly message: string
  readonly hint: string | null
  /** Name of the policy that answers; null when it is refused. */
  readonly chosen: string | null
  readonly durationMs: number | null
  readonly policies: readonly PolicyExplanation[]
}

/** Explains what `decide` answers to the request at `now` (ms). Pure and total; policies in their order. */
export function explain(policies: readonly Policy[], request: AccessRequest, now: number): Explanation {
  const decision = decide(policies, request, now)
  const chosen = decision.kind === 'deny' ? null : decision.policy.name
  const standing = policies.flatMap((policy) => candidateOf(policy, request, now) ?? [])
  return {
    user: request.user.name,
    target: request.target.name,
    account: decision.kind === 'deny' ? (request.account ?? null) : decision.account,
    address: request.address,
    at: now,
    outcome: decision.kind,
    rule: decision.rule,
    message: sentence(decision),
    hint: decision.kind === 'deny' ? (decision.hint ?? null) : null,
    chosen,
    durationMs: decision.kind === 'deny' ? null : decision.durationMs,
    policies: policies.map((policy) => ({
      policy: policy.name,
      hash: policy.hash,
      account: accountOf(policy, request.target, request.account) ?? null,
      clauses: clausesOf(policy, request, now),
      isChosen: policy.name === chosen,
      because: because(policy, request, chosen, standing),
    })),
  }
}

/** What the policy weighs, where no clause of it refuses. */
function candidateOf(policy: Policy, request: AccessRequest, now: number): Weighed | undefined {
  const { user, target, address } = request
  const account = accountOf(policy, target, request.account)
  const isOut =
    account === undefined ||
    !coversUser(policy, user) ||
    !coversTarget(policy, target) ||
    (request.policy !== undefined && request.policy !== policy.name) ||
    !admitsFrom(policy.from, address) ||
    !isWithinWindows(policy.windows, now)
  return isOut ? undefined : weigh({ policy, account }, request, now)
}

function clausesOf(policy: Policy, request: AccessRequest, now: number): Clause[] {
  const { user, target, address } = request
  const account = accountOf(policy, target, request.account)
  const clause = (clause: Clause['clause'], isPassed: boolean, detail: string): Clause => ({
    clause,
    outcome: isPassed ? 'passed' : 'failed',
    detail,
  })
  return [
    ...(request.policy === undefined
      ? []
      : [clause('name', request.policy === policy.name, `the request names ${JSON.stringify(request.policy)}`)]),
    clause(
      'who',
      coversUser(policy, user),
      `${whoText(policy)}; ${user.name} is in ${listed(user.groups, 'no group')}`,
    ),
    clause('targets', coversTarget(policy, target), targetsText(policy)),
    clause('accounts', account !== undefined, accountsText(policy, request, account)),
    clause('from', admitsFrom(policy.from, address), `from ${listed(policy.from, 'anywhere')}; it is ${address}`),
    clause('windows', isWithinWindows(policy.windows, now), windowsText(policy, now)),
    ...(account === undefined ? [] : statedClauses(policy, account, request, now)),
  ]
}

/** What depends on the account: what is to be stated, asked and agreed to. */
function statedClauses(policy: Policy, account: string, request: AccessRequest, now: number): Clause[] {
  const weighed = weigh({ policy, account }, request, now)
  if (weighed === undefined)
    return [{ clause: 'approval', outcome: 'failed', detail: `no rule matches ${account} with this trigger` }]
  const { statement, need } = weighed
  const isMissing = (...what: string[]) => statement.missing.some((one) => what.includes(one))
  const checks = checksFor(policy, statement.trigger)
  return [
    {
      clause: 'triggers',
      outcome: isMissing('trigger') ? 'open' : 'passed',
      detail: statement.trigger ?? `one of ${policy.triggers.map(({ name }) => name).join(', ')}, to be stated`,
    },
    {
      clause: 'reason',
      outcome: isMissing('reason', 'incident') ? 'open' : 'passed',
      detail: reasonText(policy),
    },
    ...checks.map(({ check, onError }): Clause => ({
      clause: check === policy.onCall?.check ? 'onCall' : 'triggers',
      outcome: 'open',
      detail: `the check "${check}" is asked then; without an answer: ${onError}`,
    })),
    { clause: 'approval', outcome: need.required === 0 ? 'passed' : 'open', detail: approvalText(need) },
  ]
}

function because(
  policy: Policy,
  request: AccessRequest,
  chosen: string | null,
  standing: readonly Weighed[],
): string | null {
  const own = standing.find((one) => one.policy.name === policy.name)
  if (own === undefined || chosen === null) return null
  const rivals = leastAccount(standing, request.target).sort(strictestFirst)
  const [first, second] = rivals
  if (policy.name === chosen) {
    if (request.policy !== undefined) return 'it was named'
    return second === undefined ? whyAlone(standing, own) : whyBefore(own, second)
  }
  if (first === undefined) return null
  return rivals.includes(own)
    ? `"${first.policy.name}" comes first: ${whyBefore(first, own)}`
    : `no account was named, and "${first.policy.name}" gives ${first.account}, which is less`
}

function whyAlone(standing: readonly Weighed[], own: Weighed): string {
  return standing.length === 1 ? 'no other policy covers it' : `it gives ${own.account}, the least account`
}

/** Why `first` is asked before `second`: design §4. */
function whyBefore(first: Weighed, second: Weighed): string {
  if (first.need.required !== second.need.required)
    return `it needs more approvals (${first.need.required} before ${second.need.required})`
  const [one, other] = [first.policy.duration.maxMs, second.policy.duration.maxMs]
  if (one !== other) return `its maximum is shorter (${formatDuration(one)} before ${formatDuration(other)})`
  return 'they are equally strict, and its name comes first'
}

function sentence(decision: Decision): string {
  switch (decision.kind) {
    case 'deny':
      return `refused: ${decision.message}`
    case 'incomplete':
      return `${decision.account} for ${formatDuration(decision.durationMs)}, ${howText(decision.required)}, once it is complete: ${decision.message}`
    case 'allow':
      return `${decision.account} for ${formatDuration(decision.durationMs)}, ${howText(0)}`
    case 'needs-approval':
      return `${decision.account} for ${formatDuration(decision.durationMs)}, ${howText(decision.required)}`
  }
}

function howText(required: number): string {
  return required === 0 ? 'by self-activation' : `with ${required} ${required === 1 ? 'approval' : 'approvals'}`
}

function whoText({ who }: Policy): string {
  const parts = [
    ...(who.groups.length === 0 ? [] : [`groups ${who.groups.join(', ')}`]),
    ...(who.users.length === 0 ? [] : [`users ${who.users.join(', ')}`]),
  ]
  return parts.length === 0 ? 'nobody' : parts.join(' and ')
}

function targetsText({ targets }: Policy): string {
  const labels = Object.entries(targets.labels).map(([label, value]) => `${label}=${value}`)
  const parts = [...targets.names, ...(labels.length === 0 ? [] : [`all with ${labels.join(' ')}`])]
  return parts.length === 0 ? 'none' : parts.join(', ')
}

function accountsText(policy: Policy, { target, account }: AccessRequest, given: string | undefined): string {
  const open = accountsOn(policy, target)
  if (account !== undefined) return `${listed(open, 'none')} here; ${JSON.stringify(account)} is asked for`
  return given === undefined
    ? `none of ${policy.accounts.join(', ')} is here`
    : `${open.join(', ')}; the least is ${given}`
}

function windowsText({ windows }: Policy, now: number): string {
  if (windows.length === 0) return 'at any time'
  const at = isWithinWindows(windows, now) ? null : opensAt(windows, now)
  const next = at === null ? '' : `; opens ${describeInstant(at, windows[0]?.zone ?? 'UTC')}`
  return `${windows.map(describeWindow).join('; ')}${next}`
}

function reasonText({ reason }: Policy): string {
  const { minLength, incident } = reason
  const said = `at least ${minLength} characters`
  if (incident === null) return said
  return `${said}, ${incident.required ? 'with' : 'perhaps with'} an incident (${incident.pattern})`
}

function approvalText({ rule, required, from, override }: ApprovalNeed): string {
  if (required === 0) return `${rule}: none needed`
  const alone = override === null ? 'no override' : `override after ${formatDuration(override.afterMs)}`
  return `${rule}: ${required} of ${peopleText(from)}; ${alone}`
}

function peopleText({ groups, roles }: ApprovalRule['from']): string {
  return [...groups, ...roles.map((role) => `role ${role}`)].join(', ')
}

function listed(names: readonly string[], none: string): string {
  return names.length === 0 ? none : names.join(', ')
}
