// Breaking the glass: what may this person have, and giving it. The decision is `decide`; here it becomes a grant, its
// leaves and its alerts in one transaction, and then a door that the registry keeps.

import { randomBytes } from 'node:crypto'
import { decide, type Decision } from '../access/decide.ts'
import { grantDefaults, type Grant } from '../access/grant.ts'
import type { Policy } from '../access/policy.ts'
import { statementOf } from '../access/statement.ts'
import type { AuditEvent } from '../audit.ts'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { Identity } from '../identity/user.ts'
import type { Registry } from '../session/registry.ts'
import type { State } from '../session/state.ts'
import type { Target } from '../target.ts'
import { channelsOf, grantAlerts } from './alert.ts'
import type { AccessContract, GrantAsk } from './contract.ts'
import type { Mfa } from './mfa.ts'
import { lastDenialAt } from './standing.ts'

/** What a ceremony counts for when no policy says (an unknown target must not read differently). */
const DEFAULT_REMEMBER_MS = 10 * 60_000

export interface AccessPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'commit' | 'grants' | 'grant'>
  readonly registry: Registry
  readonly mfa: Mfa
  readonly policies: readonly Policy[]
  readonly targets: readonly Target[]
  /** A policy that is in force no more, by its hash: what running grants were made under. */
  readonly retiredPolicy?: (hash: string) => Policy | undefined
  /** Every configured channel, for policies that name none. */
  readonly channels: readonly string[]
  /** Told after each commit that left something in the outbox. */
  readonly nudge: () => void
}

type Granted = Extract<Decision, { kind: 'allow' | 'needs-approval' }>

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

  rememberMs(identity: Identity, target: string, account?: string): number {
    const live = this.#live(identity, target, account)
    if (live !== undefined) return this.policy(live)?.mfa.rememberMs ?? DEFAULT_REMEMBER_MS
    const decision = this.preview(identity, { target, account })
    return decision.kind === 'deny' ? DEFAULT_REMEMBER_MS : decision.policy.mfa.rememberMs
  }

  /** The method of the ceremony that counts under `grant`, or undefined: the admission check's second factor. */
  ceremony(identity: Identity, grant: Grant): string | undefined {
    const rememberMs = this.policy(grant)?.mfa.rememberMs ?? 0
    return this.#ports.mfa.ceremonyFor(identity, grant, rememberMs)
  }

  async liveGrant(identity: Identity, target: string, account?: string): Promise<Grant | undefined> {
    return this.#live(identity, target, account)
  }

  preview(identity: Identity, ask: GrantAsk): Decision {
    return this.#decide(identity, ask, null)
  }

  async request(identity: Identity, ask: GrantAsk): Promise<Grant> {
    const first = this.preview(identity, ask)
    const deniedAt =
      first.kind === 'deny'
        ? null
        : await lastDenialAt(this.#ports.state, identity.user.name, ask.target, first.account)
    const decision = this.#decide(identity, ask, deniedAt)
    if (decision.kind === 'deny') return this.#refuse(identity, ask, decision)
    if (decision.kind === 'incomplete')
      throw new HalliganError('usage', decision.message, {
        hint: `give ${decision.missing.map((name) => `--${name}`).join(' and ')}`,
      })
    if (!this.#ports.mfa.counts(identity, decision.policy.mfa.rememberMs))
      throw new HalliganError('mfa_required', 'breaking the glass needs your second factor', {
        hint: 'connect from a terminal and type your code',
      })
    return this.#once(`${identity.user.name} ${ask.target} ${decision.account} ${decision.policy.name}`, async () => {
      return (await this.#same(identity, decision, ask)) ?? (await this.#grant(identity, ask, decision))
    })
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
  async #same(identity: Identity, decision: Granted, ask: GrantAsk): Promise<Grant | undefined> {
    const live = this.#live(identity, ask.target, decision.account)
    if (live !== undefined) return live
    const waiting = await this.#ports.state.grants({ user: identity.user.name, states: ['requested'], limit: 100 })
    return waiting.find(
      (grant) =>
        grant.target === ask.target && grant.account === decision.account && grant.policy === decision.policy.name,
    )
  }

  async #grant(identity: Identity, ask: GrantAsk, decision: Granted): Promise<Grant> {
    const { clock, state, registry, channels, nudge } = this.#ports
    const at = clock.now()
    const grant = newGrant(identity, ask, decision, at)
    const type = grant.state === 'active' ? 'grant.activated' : 'grant.requested'
    await state.commit({
      at,
      writes: [{ kind: 'grant', grant, expectVersion: null }],
      leaves: [requestedLeaf(grant), ...(grant.state === 'active' ? [activatedLeaf(grant)] : [])],
      alerts: grantAlerts(type, grant, channelsOf(decision.policy, channels), at),
    })
    nudge()
    if (grant.state === 'active') {
      registry.track(grant)
      this.#ports.mfa.ceremonyFor(identity, grant, decision.policy.mfa.rememberMs)
    }
    return grant
  }

  async #refuse(identity: Identity, ask: GrantAsk, decision: Extract<Decision, { kind: 'deny' }>): Promise<never> {
    const { clock, state } = this.#ports
    await state.commit({
      at: clock.now(),
      writes: [],
      leaves: [
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

  #decide(identity: Identity, ask: GrantAsk, deniedAt: number | null): Decision {
    const target = this.target(ask.target)
    const { user, address } = identity
    const now = this.#ports.clock.now()
    // No policy covers an unknown name, so that it takes the very path, and gets the very words, of a refused one.
    if (target === undefined) return decide([], { user, address, ...ask, target: unknownTarget(ask.target) }, now)
    return decide(this.#ports.policies, { user, address, ...ask, target, standing: { deniedAt } }, now)
  }
}

function unknownTarget(name: string): Target {
  return { kind: 'command', name, labels: {}, accounts: [], argv: [], runAs: 'demo-self', cwd: '/', env: {} }
}

function newGrant(identity: Identity, ask: GrantAsk, decision: Granted, at: number): Grant {
  const active = decision.kind === 'allow'
  const { trigger, reason, incident } = statementOf(decision.policy, ask)
  return {
    id: newGrantId(),
    state: active ? 'active' : 'requested',
    version: 1,
    user: identity.user.name,
    policy: decision.policy.name,
    policyHash: decision.policy.hash,
    target: ask.target,
    account: decision.account,
    databases: decision.policy.scope.databases,
    trigger: trigger ?? '',
    reason,
    incident,
    rule: decision.rule,
    durationMs: decision.durationMs,
    requestedAt: at,
    requestedFrom: identity.address,
    activatedAt: active ? at : null,
    expiresAt: active ? at + decision.durationMs : null,
    endedAt: null,
    end: null,
    approvals: [],
    override: null,
    reviewDueAt: null,
    review: null,
    ...grantDefaults,
    commands: decision.policy.scope.commands,
    files: decision.policy.scope.files,
    drill: identity.user.isDrill === true,
  }
}

const ID_ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789'

/** Short enough to say on the phone; a collision loses the insert's compare-and-set and is asked again. */
function newGrantId(): string {
  return `g${[...randomBytes(5)].map((byte) => ID_ALPHABET[byte % 32]).join('')}`
}

function requestedLeaf(grant: Grant): AuditEvent {
  const { id, user, policy, policyHash, target, account, trigger, reason, incident, durationMs, rule, requestedFrom } =
    grant
  return {
    type: 'grant-requested',
    grant: id,
    user,
    policy,
    policyHash,
    target,
    account,
    trigger,
    reason,
    ...(incident === null ? {} : { incident }),
    durationMs,
    rule,
    address: requestedFrom,
  }
}

/** The leaf of a grant that has just become active. */
export function activatedLeaf(grant: Grant): AuditEvent {
  const { id, user, target, account, rule, expiresAt } = grant
  return { type: 'grant-activated', grant: id, user, target, account, rule, expiresAt: expiresAt ?? 0 }
}
