// What a decided request becomes: a grant and its leaf. Pure but for the id.

import { randomBytes } from 'node:crypto'
import type { Decision } from '../access/decide.ts'
import { grantDefaults, type Grant } from '../access/grant.ts'
import { statementOf } from '../access/statement.ts'
import type { AuditEvent } from '../audit.ts'
import type { Identity } from '../identity/user.ts'
import type { GrantAsk } from './contract.ts'

/** A decision that gives something: at once, or after approval. */
export type Granted = Extract<Decision, { kind: 'allow' | 'needs-approval' }>

/** The grant of a request that was decided at `at` (ms): active, or waiting for approval. */
export function newGrant(identity: Identity, ask: GrantAsk, decision: Granted, at: number): Grant {
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

/** Its leaf. */
export function requestedLeaf(grant: Grant): AuditEvent {
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
    ...(grant.vouchedBy === null ? {} : { vouchedBy: grant.vouchedBy }),
  }
}
