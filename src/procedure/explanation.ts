// Asking the policies instead of using them: why a request would be answered as it would, and who could get what at a
// moment. About oneself for everybody; about others for those who oversee or approve. It writes nothing.

import { decide, denyTarget, type Denial, offersFor } from '../access/decide.ts'
import { explain, type Explanation } from '../access/explain.ts'
import type { Policy } from '../access/policy.ts'
import { coversTarget, coversUser } from '../access/scope.ts'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { parseAddress } from '../identity/address.ts'
import type { Directory, Identity, Role, User } from '../identity/user.ts'
import type { State } from '../session/state.ts'
import type { Target } from '../target.ts'
import type { ReviewDebts } from './review-debt.ts'
import { standingOf } from './standing.ts'

export interface ExplanationPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'grants' | 'events'>
  readonly directory: Pick<Directory, 'byName' | 'all'>
  readonly debts: Pick<ReviewDebts, 'refresh' | 'overdue'>
  readonly policies: readonly Policy[]
  readonly targets: readonly Target[]
  /** The file in force, and the newest one that was not taken up. */
  readonly configuration: {
    readonly sha256: string
    readonly refused: { readonly at: number; readonly sha256: string; readonly problem: string } | null
  }
}

export interface ExplanationAsk {
  /** Absent: oneself. */
  readonly user?: string | undefined
  readonly target: string
  readonly account?: string | undefined
  readonly policy?: string | undefined
  readonly trigger?: string | undefined
  /** Ms; absent: now. */
  readonly at?: number | undefined
  /** An address; absent: the one asked from. */
  readonly from?: string | undefined
}

export interface SimulationAsk {
  /** Absent: everybody one may ask about. */
  readonly user?: string | undefined
  readonly target?: string | undefined
  readonly at?: number | undefined
  readonly from?: string | undefined
}

/** Who could get what. Earlier denials and overdue reviews are left out: it is about the policies. */
export interface Simulation {
  readonly at: number
  readonly address: string
  readonly rows: readonly SimulatedOffer[]
  /** True when there is more than fits: ask about one person or one target. */
  readonly isCut: boolean
}

export interface SimulatedOffer {
  readonly user: string
  readonly target: string
  readonly account: string
  readonly policy: string
  readonly rule: string
  /** 0: by self-activation. */
  readonly required: number
  readonly durationMs: number
}

/** Roles that may ask about others. */
const asksAboutOthers: readonly Role[] = ['admin', 'auditor', 'approver']

/** A terminal's worth many times over. */
const MAX_ROWS = 2000
/** Pairs of a person and a target that are decided in one answer: it is computed at once, and others wait meanwhile. */
const MAX_PAIRS = 4000

/** True for people who may see every policy, and ask about others. */
export function mayAskAboutOthers(user: User): boolean {
  return asksAboutOthers.some((role) => user.roles.includes(role))
}

/**
 * Why the request would be answered as it would. A person without a role learns nothing of policies that are not about
 * them, and of a target that no policy gives them what `request` would say. Throws `denied`, `not_found`, `usage`.
 */
export async function explainAccess(ports: ExplanationPorts, by: Identity, ask: ExplanationAsk): Promise<Explanation> {
  const user = personOf(ports, by, ask.user)
  const address = addressOf(by, ask.from)
  const at = ask.at ?? ports.clock.now()
  const oversees = mayAskAboutOthers(by.user)
  const target = ports.targets.find(({ name }) => name === ask.target)
  const policies = oversees
    ? ports.policies
    : ports.policies.filter(
        (policy) => coversUser(policy, user) && target !== undefined && coversTarget(policy, target),
      )
  if (target === undefined || (policies.length === 0 && !oversees)) {
    if (oversees) throw new HalliganError('not_found', `there is no target ${JSON.stringify(ask.target.slice(0, 64))}`)
    return refused(user, ask, address, at, denyTarget(ask.target))
  }
  const request = {
    user,
    target,
    account: ask.account,
    policy: ask.policy,
    trigger: ask.trigger,
    address,
  }
  const decision = decide(policies, request, at)
  await ports.debts.refresh(user.name)
  const standing =
    decision.kind === 'deny' ? {} : await standingOf(ports.state, user.name, target.name, decision.account)
  const overdueReviews = ports.debts.overdue(user.name).length
  return explain(policies, { ...request, standing: { ...standing, overdueReviews } }, at)
}

/** Everything that could be asked for at a moment. Throws `denied`, `not_found`, `usage`. */
export function simulateAccess(ports: ExplanationPorts, by: Identity, ask: SimulationAsk): Simulation {
  const at = ask.at ?? ports.clock.now()
  const address = addressOf(by, ask.from)
  const isAboutAll = ask.user === undefined && mayAskAboutOthers(by.user)
  const users = isAboutAll ? ports.directory.all() : [personOf(ports, by, ask.user)]
  const targets = ask.target === undefined ? ports.targets : ports.targets.filter(({ name }) => name === ask.target)
  const rows: SimulatedOffer[] = []
  let pairs = 0
  for (const user of users) {
    const policies = ports.policies.filter((policy) => coversUser(policy, user))
    for (const target of targets) {
      if (!policies.some((policy) => coversTarget(policy, target))) continue
      pairs++
      if (pairs > MAX_PAIRS || rows.length >= MAX_ROWS) return { at, address, rows, isCut: true }
      for (const { account, decision } of offersFor(policies, [target], { user, address }, at))
        rows.push({
          user: user.name,
          target: target.name,
          account,
          policy: decision.policy.name,
          rule: decision.rule,
          required: decision.kind === 'allow' ? 0 : decision.required,
          durationMs: decision.durationMs,
        })
    }
  }
  return { at, address, rows, isCut: false }
}

/** The policies that a person may read: all, or those that are about them. */
export function policiesFor({ policies }: ExplanationPorts, user: User): readonly Policy[] {
  return mayAskAboutOthers(user) ? policies : policies.filter((policy) => coversUser(policy, user))
}

/** The targets that a person may know of: all, or those that a policy could open to them. */
export function targetsFor(ports: ExplanationPorts, user: User): readonly Target[] {
  if (mayAskAboutOthers(user)) return ports.targets
  const own = policiesFor(ports, user)
  return ports.targets.filter((target) => own.some((policy) => coversTarget(policy, target)))
}

function personOf({ directory }: ExplanationPorts, by: Identity, name: string | undefined): User {
  if (name === undefined || name === by.user.name) return by.user
  // The same for a name that is nobody's: who is a user here is not for everyone to find out.
  if (!mayAskAboutOthers(by.user))
    throw new HalliganError('denied', 'what others could get is for approvers, auditors and admins to ask', {
      hint: 'leave the user out: it is then about you',
    })
  const user = directory.byName(name)
  if (user === undefined) throw new HalliganError('not_found', `there is no user ${JSON.stringify(name.slice(0, 64))}`)
  return user
}

function addressOf(by: Identity, from: string | undefined): string {
  if (from === undefined) return by.address
  if (parseAddress(from) === undefined) throw new HalliganError('usage', `"${from.slice(0, 64)}" is no address`)
  return from
}

function refused(user: User, ask: ExplanationAsk, address: string, at: number, denial: Denial): Explanation {
  return {
    user: user.name,
    target: ask.target.slice(0, 64),
    account: ask.account ?? null,
    address,
    at,
    outcome: 'deny',
    rule: denial.rule,
    message: `refused: ${denial.message}`,
    hint: denial.hint ?? null,
    chosen: null,
    durationMs: null,
    policies: [],
  }
}
