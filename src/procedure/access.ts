// Breaking the glass: what may this person have, and giving it. The decision is `decide`; here it becomes a grant, its
// leaves and its alerts in one transaction, and then a door that the registry keeps.

import type { Standing } from '../access/approval.ts'
import { decide, type Decision } from '../access/decide.ts'
import type { Grant } from '../access/grant.ts'
import type { Policy } from '../access/policy.ts'
import { statementOf } from '../access/statement.ts'
import type { AuditEvent } from '../audit.ts'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { Identity } from '../identity/user.ts'
import { lockedError } from '../session/locks.ts'
import type { Registry } from '../session/registry.ts'
import type { State, Write } from '../session/state.ts'
import type { Target } from '../target.ts'
import { channelsOf, grantAlerts } from './alert.ts'
import { type Check, checkFacts, checkLeaf, type CheckResult, describeCheck, makeChecks } from './check.ts'
import type { AccessContract, GrantAsk } from './contract.ts'
import { factorHint, type Mfa, type Opener } from './mfa.ts'
import { type Granted, newGrant, requestedLeaf } from './new-grant.ts'
import type { ReviewDebts } from './review-debt.ts'
import { standingOf } from './standing.ts'

/** What a ceremony counts for when no policy says (an unknown target must not read differently). */
const DEFAULT_REMEMBER_MS = 10 * 60_000
const ANY_METHOD: Policy['mfa']['methods'] = ['totp', 'fido2', 'recovery']

export interface AccessPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'commit' | 'grants' | 'grant' | 'events'>
  readonly registry: Registry
  readonly mfa: Mfa
  readonly policies: readonly Policy[]
  readonly targets: readonly Target[]
  /** A policy that is in force no more, by its hash: what running grants were made under. */
  readonly retiredPolicy?: (hash: string) => Policy | undefined
  /** Reviews that are overdue: they take self-activation away. */
  readonly debts: ReviewDebts
  /** A configured check by its name. */
  readonly check: (name: string) => Check | undefined
  /** Every configured channel, for policies that name none. */
  readonly channels: readonly string[]
  /** Told after each commit that left something in the outbox. */
  readonly nudge: () => void
}

export class Access implements AccessContract {
  readonly #ports: AccessPorts
  /** Requests under way, by what they are for; changed only by `#once`. */
  readonly #requesting = new Map<string, Promise<Grant>>()

  constructor(ports: AccessPorts) {
    this.#ports = ports
  }

  target(name: string): Target | undefined {
    return this.#ports.targets.find((target) => target.name === name)
  }

  targets(): readonly Target[] {
    return this.#ports.targets
  }

  /** By name the policy in force; by grant the one it was made under, which may be in force no more. */
  policy(of: string | Pick<Grant, 'policy' | 'policyHash'>): Policy | undefined {
    const name = typeof of === 'string' ? of : of.policy
    const inForce = this.#ports.policies.find((policy) => policy.name === name)
    if (typeof of === 'string' || inForce?.hash === of.policyHash) return inForce
    return this.#ports.retiredPolicy?.(of.policyHash)
  }

  lockOn(identity: Identity, target?: string): HalliganError | undefined {
    const lock = this.#ports.registry.locks.on(identity.user.name, target)
    if (lock === undefined) return undefined
    // A target that is nothing to this person reads like one that does not exist, locked or not.
    const isTheirs =
      !lock.scope.startsWith('target:') || this.#decideUnlocked(identity, { target: target ?? '' }, {}).kind !== 'deny'
    return isTheirs ? lockedError(lock) : undefined
  }

  rememberMs(identity: Identity, target: string, account?: string): number {
    const live = this.#live(identity, target, account)
    if (live !== undefined) return this.policy(live)?.mfa.rememberMs ?? DEFAULT_REMEMBER_MS
    const decision = this.preview(identity, { target, account })
    return decision.kind === 'deny' ? DEFAULT_REMEMBER_MS : decision.policy.mfa.rememberMs
  }

  /** The method of the ceremony that counts under `grant`, or undefined: the admission check's second factor. */
  ceremony(identity: Identity, grant: Grant): string | undefined {
    const { rememberMs, methods } = this.policy(grant)?.mfa ?? { rememberMs: 0, methods: [] }
    return this.#ports.mfa.ceremonyFor(identity, grant, rememberMs, methods)
  }

  methods(identity: Identity, target: string, account?: string): Policy['mfa']['methods'] {
    const live = this.#live(identity, target, account)
    if (live !== undefined) return this.policy(live)?.mfa.methods ?? ANY_METHOD
    const decision = this.preview(identity, { target, account })
    return decision.kind === 'deny' ? ANY_METHOD : decision.policy.mfa.methods
  }

  async liveGrant(identity: Identity, target: string, account?: string): Promise<Grant | undefined> {
    return this.#live(identity, target, account)
  }

  preview(identity: Identity, ask: GrantAsk): Decision {
    return this.#decide(identity, ask, { overdueReviews: this.#overdue(identity) })
  }

  /** What a request would get now, with what has happened before; writes nothing. */
  async offer(identity: Identity, ask: GrantAsk): Promise<Decision> {
    const first = this.preview(identity, ask)
    if (first.kind === 'deny') return first
    const { state, debts } = this.#ports
    const user = identity.user.name
    await debts.refresh(user)
    const standing = await standingOf(state, user, ask.target, first.account)
    return this.#decide(identity, ask, { ...standing, overdueReviews: this.#overdue(identity) })
  }

  /** Why this is not at once, where reviews that are overdue are the reason: plain sentences for a prompt. */
  standingNote(identity: Identity, decision: Decision): string | undefined {
    return isForDebt(decision.rule) ? this.#ports.debts.explain(identity.user.name) : undefined
  }

  #overdue(identity: Identity): number {
    return this.#ports.debts.overdue(identity.user.name).length
  }

  async request(identity: Identity, ask: GrantAsk): Promise<Grant> {
    const decision = await this.offer(identity, ask)
    if (decision.kind === 'deny') return this.#refuse(identity, ask, decision)
    if (decision.kind === 'incomplete')
      throw new HalliganError('usage', decision.message, {
        hint: `give ${decision.missing.map((name) => `--${name}`).join(' and ')}`,
      })
    const opener = await this.#ports.mfa.opener(identity, decision.policy.mfa)
    if (opener === undefined)
      throw new HalliganError('mfa_required', 'breaking the glass needs your second factor', {
        hint: factorHint(decision.policy.mfa.methods),
      })
    return this.#once(`${identity.user.name} ${ask.target} ${decision.account} ${decision.policy.name}`, async () => {
      const same = await this.#same(identity, decision, ask, opener)
      return same ?? (await this.#checked(identity, ask, decision, opener))
    })
  }

  /** Asks outside what the decision names, then decides again: time has passed, and the policy may have changed. */
  async #checked(identity: Identity, ask: GrantAsk, decision: Granted, opener: Opener): Promise<Grant> {
    if (decision.checks.length === 0) return this.#grant(identity, ask, decision, opener, [])
    const { policy, account } = decision
    const { trigger, incident } = statementOf(policy, ask)
    const subject = { user: identity.user.name, target: ask.target, account, trigger: trigger ?? '', incident }
    const results = await makeChecks(this.#ports, decision.checks, subject)
    const failed = results.filter(({ passed }) => !passed)
    if (failed.length > 0) return this.#refuseChecked(identity, ask, decision, results)
    const again = await this.offer(identity, ask)
    if (again.kind === 'deny') return this.#refuse(identity, ask, again)
    // Nothing is given under rules that the answers were not asked for.
    if (again.kind === 'incomplete' || again.policy.hash !== policy.hash || again.account !== account)
      throw policyChanged(policy)
    return this.#grant(identity, ask, again, opener, results)
  }

  /**
   * The last look before a grant is written, when nothing more is waited for: a lock, a departure or a changed
   * configuration may have come since the decision, and a voucher's code is dead once its voucher may not vouch.
   */
  async #mustStillStand(
    identity: Identity,
    ask: GrantAsk,
    { policy }: Granted,
    opener: Opener,
    results: readonly CheckResult[],
  ): Promise<void> {
    const now = this.#decide(identity, ask, {})
    if (now.kind === 'deny') await this.#refuse(identity, ask, now, this.#checkLeaves(identity, ask, policy, results))
    if (this.policy(policy.name)?.hash !== policy.hash) throw policyChanged(policy)
    if (!this.#ports.mfa.stillOpens(identity, opener))
      throw new HalliganError('mfa_required', 'the code that was given for you counts no more', {
        hint: 'ask another approver or admin for a new one: ssh BOB@BASTION bypass YOU',
      })
  }

  async #refuseChecked(
    identity: Identity,
    ask: GrantAsk,
    { policy }: Granted,
    results: readonly CheckResult[],
  ): Promise<never> {
    const said = results.filter(({ passed }) => !passed).map(({ record }) => describeCheck(record))
    const denial = {
      kind: 'deny',
      rule: `${policy.name}/check`,
      message: `not under policy ${policy.name}: ${said.join('; ')}`,
      hint: 'state the incident it is about, or ask whoever is on call to go in',
    } as const
    return this.#refuse(identity, ask, denial, this.#checkLeaves(identity, ask, policy, results))
  }

  #checkLeaves(
    { user }: Identity,
    { target }: GrantAsk,
    policy: Policy,
    results: readonly CheckResult[],
  ): readonly AuditEvent[] {
    return results.map((result) => checkLeaf(result, { user: user.name, target, policy: policy.name }))
  }

  /** Equal requests of one moment are one: the second waits for the first and gets its grant. */
  async #once(key: string, grant: () => Promise<Grant>): Promise<Grant> {
    const first = this.#requesting.get(key)
    if (first !== undefined) return first
    const running = grant()
    this.#requesting.set(key, running)
    try {
      return await running
    } finally {
      this.#requesting.delete(key)
    }
  }

  /** An equal live or waiting grant: asking twice is asking once. */
  async #same(identity: Identity, decision: Granted, ask: GrantAsk, opener: Opener): Promise<Grant | undefined> {
    const { mfa, state } = this.#ports
    const waiting = await state.grants({ user: identity.user.name, states: ['requested'], limit: 100 })
    const same =
      this.#live(identity, ask.target, decision.account) ??
      waiting.find(
        (grant) =>
          grant.target === ask.target &&
          grant.account === decision.account &&
          grant.policy === decision.policy.name &&
          // Its review was done meanwhile: nobody waits for an approval that is not needed any more.
          !(decision.kind === 'allow' && isForDebt(grant.rule)),
      )
    // A voucher's code opens one new grant, marked as such: it is no key to what the person opened by themselves.
    if (same !== undefined && opener.method === 'vouched' && mfa.ceremonyFor(identity, same, 0) === undefined)
      throw new HalliganError('conflict', `grant ${same.id} was asked for with your own second factor`, {
        hint: `give it back (ssh ${identity.user.name}@BASTION end ${same.id}) or let it lapse, then ask anew`,
      })
    return same
  }

  async #grant(
    identity: Identity,
    ask: GrantAsk,
    decision: Granted,
    opener: Opener,
    results: readonly CheckResult[],
  ): Promise<Grant> {
    const { clock, state, registry, channels, nudge, mfa } = this.#ports
    await this.#mustStillStand(identity, ask, decision, opener, results)
    const at = clock.now()
    const vouchedBy = opener.method === 'vouched' ? opener.by : null
    const checks = results.map(({ record }) => record)
    const grant = { ...newGrant(identity, ask, decision, at), vouchedBy, checks }
    const type = grant.state === 'active' ? 'grant.activated' : 'grant.requested'
    await state.commit({
      at,
      // The code is spent by the very transaction that opens its one grant: of two that try, one gets it.
      writes: [...spent(opener, at), { kind: 'grant', grant, expectVersion: null }],
      leaves: [
        ...usedLeaf(identity, opener),
        ...this.#checkLeaves(identity, ask, decision.policy, results),
        requestedLeaf(grant),
        ...(grant.state === 'active' ? [activatedLeaf(grant)] : []),
      ],
      alerts: grantAlerts(type, grant, channelsOf(decision.policy, channels), at, checkFacts(checks)),
    })
    nudge()
    mfa.opened(identity, grant, opener)
    if (grant.state === 'active') {
      registry.track(grant)
      mfa.ceremonyFor(identity, grant, decision.policy.mfa.rememberMs, decision.policy.mfa.methods)
    }
    return grant
  }

  async #refuse(
    identity: Identity,
    ask: GrantAsk,
    decision: Extract<Decision, { kind: 'deny' }>,
    before: readonly AuditEvent[] = [],
  ): Promise<never> {
    const { clock, state } = this.#ports
    await state.commit({
      at: clock.now(),
      writes: [],
      leaves: [
        ...before,
        {
          type: 'admission-refused',
          user: identity.user.name,
          target: ask.target.slice(0, 64),
          account: (ask.account ?? '').slice(0, 64),
          address: identity.address,
          code: 'denied',
        },
      ],
    })
    throw new HalliganError('denied', decision.message, { hint: decision.hint })
  }

  #live(identity: Identity, target: string, account: string | undefined): Grant | undefined {
    const accounts = this.target(target)?.accounts ?? []
    return this.#ports.registry
      .liveGrants()
      .filter((grant) => grant.user === identity.user.name && grant.target === target)
      .filter((grant) => account === undefined || grant.account === account)
      .sort((a, b) => accounts.indexOf(a.account) - accounts.indexOf(b.account))[0]
  }

  #decide(identity: Identity, ask: GrantAsk, standing: Standing): Decision {
    const locked = this.lockOn(identity, ask.target)
    if (locked !== undefined) return { kind: 'deny', rule: 'locked', message: locked.message, hint: locked.hint }
    return this.#decideUnlocked(identity, ask, standing)
  }

  #decideUnlocked(identity: Identity, ask: GrantAsk, standing: Standing): Decision {
    const target = this.target(ask.target)
    const { user, address } = identity
    const now = this.#ports.clock.now()
    // No policy covers an unknown name, so that it takes the very path, and gets the very words, of a refused one.
    if (target === undefined) return decide([], { user, address, ...ask, target: unknownTarget(ask.target) }, now)
    return decide(this.#ports.policies, { user, address, ...ask, target, standing }, now)
  }
}

function policyChanged({ name }: Policy): HalliganError {
  return new HalliganError('conflict', `policy ${name} changed while it was asked for`, { hint: 'ask again' })
}

/** True for what waits only because a review is overdue (access/approval.ts). */
function isForDebt(rule: string): boolean {
  return rule.endsWith('+overdue-review')
}

function unknownTarget(name: string): Target {
  return { kind: 'command', name, labels: {}, accounts: [], argv: [], runAs: 'demo-self', cwd: '/', env: {} }
}

function spent(opener: Opener, at: number): Write[] {
  return opener.method === 'vouched' ? [{ kind: 'code-used', id: opener.code, at }] : []
}

function usedLeaf({ user, address }: Identity, opener: Opener): AuditEvent[] {
  if (opener.method !== 'vouched') return []
  return [{ type: 'code-used', code: opener.code, purpose: 'bypass', user: user.name, address }]
}

/** The leaf of a grant that has just become active. */
export function activatedLeaf(grant: Grant): AuditEvent {
  const { id, user, target, account, rule, expiresAt } = grant
  return { type: 'grant-activated', grant: id, user, target, account, rule, expiresAt: expiresAt ?? 0 }
}
