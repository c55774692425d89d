// What I would get, before I confirm: everything a request would become, on one screen. The decision is the very one the
// request will meet; here the people and channels behind it get their names.

import { approvalNeed, isAmong } from '../access/approval.ts'
import { checksFor } from '../access/candidate.ts'
import type { Decision, Denial } from '../access/decide.ts'
import { formatDuration } from '../access/duration.ts'
import type { CheckRule, Policy, Scope } from '../access/policy.ts'
import type { Clock } from '../clock.ts'
import type { Directory, Identity } from '../identity/user.ts'
import type { Locks } from '../session/locks.ts'
import type { Access } from './access.ts'
import { channelsOf } from './alert.ts'
import type { GrantAsk } from './contract.ts'

export interface OfferPorts {
  readonly clock: Clock
  readonly access: Pick<Access, 'offer' | 'standingNote'>
  readonly directory: Pick<Directory, 'all'>
  readonly locks: Pick<Locks, 'on'>
  /** Every configured channel, for policies that name none. */
  readonly channels: readonly string[]
}

const DENIED_NOTE = 'it was denied to you lately: until an approver lifts that you cannot go ahead alone'

/** `kind: open`: it may be asked for; `missing` is what the request must still state. */
export type Offer =
  | { readonly kind: 'deny'; readonly rule: string; readonly message: string; readonly hint: string | undefined }
  | {
      readonly kind: 'open'
      readonly target: string
      readonly account: string
      readonly policy: string
      readonly rule: string
      readonly scope: Scope
      readonly durationMs: number
      readonly maxMs: number
      /** 0: self-activation, and everyone is told at once. */
      readonly required: number
      /** Who would be asked, by name. */
      readonly approvers: readonly string[]
      /** Ms after which the person may go ahead alone; null: never. */
      readonly overrideAfterMs: number | null
      /** The channels that are told, whatever happens. */
      readonly told: readonly string[]
      /** What is asked outside before it is given. */
      readonly checks: readonly CheckRule[]
      readonly triggers: readonly string[]
      readonly reasonMinLength: number
      readonly factors: Policy['mfa']['methods']
      readonly reviewWithinMs: number
      readonly missing: readonly ('trigger' | 'reason' | 'incident')[]
      /** What is missing, in words; empty: nothing is. */
      readonly message: string
      /** Why it is stricter than usual; null: it is not. */
      readonly note: string | null
    }

/** What this person would get now; writes nothing. */
export async function offerFor(ports: OfferPorts, identity: Identity, ask: GrantAsk): Promise<Offer> {
  const decision = await ports.access.offer(identity, ask)
  return decision.kind === 'deny' ? denied(decision) : opened(ports, identity, ask, decision)
}

function denied({ rule, message, hint }: Denial): Offer {
  return { kind: 'deny', rule, message, hint }
}

function opened(
  { clock, access, directory, locks, channels }: OfferPorts,
  identity: Identity,
  ask: GrantAsk,
  decision: Exclude<Decision, Denial>,
): Offer {
  const { policy, account, rule } = decision
  const need = approvalNeed(policy, account, ask.trigger ?? null, standingIn(rule, clock.now()), clock.now())
  const required = decision.kind === 'allow' ? 0 : decision.required
  const approvers = directory
    .all()
    .filter((user) => user.name !== identity.user.name && need !== undefined && isAmong(need.from, user))
    .filter((user) => locks.on(user.name) === undefined)
    .map(({ name }) => name)
  return {
    kind: 'open',
    target: ask.target,
    account,
    policy: policy.name,
    rule,
    scope: policy.scope,
    durationMs: decision.durationMs,
    maxMs: policy.duration.maxMs,
    required,
    approvers: required === 0 ? [] : approvers,
    overrideAfterMs: required === 0 ? null : (need?.override?.afterMs ?? null),
    told: channelsOf(policy, channels),
    checks: decision.kind === 'incomplete' ? checksFor(policy, ask.trigger ?? null) : decision.checks,
    triggers: policy.triggers.map(({ name }) => name),
    reasonMinLength: policy.reason.minLength,
    factors: policy.mfa.methods,
    reviewWithinMs: policy.review.withinMs,
    missing: decision.kind === 'incomplete' ? decision.missing : [],
    message: decision.kind === 'incomplete' ? decision.message : '',
    note: access.standingNote(identity, decision) ?? (rule.endsWith('+denied') ? DENIED_NOTE : null),
  }
}

/** What made the rule stricter, read back from its name. */
function standingIn(rule: string, now: number): Parameters<typeof approvalNeed>[3] {
  return {
    deniedAt: rule.endsWith('+denied') ? now : null,
    overdueReviews: rule.endsWith('+overdue-review') ? 1 : 0,
  }
}

/** The screen in plain lines, without the question itself. */
export function offerLines(offer: Offer): string[] {
  if (offer.kind === 'deny') return [`${offer.message} (${offer.rule})`]
  const { policy, rule, durationMs, maxMs, approvers, required, overrideAfterMs, told, checks, reviewWithinMs } = offer
  const alone = overrideAfterMs === null ? 'no going ahead alone' : `alone after ${formatDuration(overrideAfterMs)}`
  return [
    `policy: ${policy} (${rule}), ${formatDuration(durationMs)} of at most ${formatDuration(maxMs)}`,
    `opens: ${scopeWords(offer.scope)}`,
    required === 0
      ? 'approval: none, SELF-ACTIVATION'
      : `approval: ${required} of ${approvers.join(', ') || 'nobody who could give it now'}; ${alone}`,
    ...checks.map(
      ({ check, onError }) => `asks: ${check}${onError === 'allow' ? ', and goes on when it cannot be asked' : ''}`,
    ),
    `tells: ${told.join(', ') || 'nobody is configured'}; everything is recorded, review within ${formatDuration(reviewWithinMs)}`,
  ]
}

function scopeWords({ databases, schemas, commands, files }: Scope): string {
  const parts = [
    ...(databases.length === 0 ? [] : [`databases ${databases.join(', ')}`]),
    ...(schemas.length === 0 ? [] : [`schemas ${schemas.join(', ')}`]),
    ...(commands.length === 0 ? [] : [`only ${commands.map((command) => JSON.stringify(command)).join(', ')}`]),
    ...(commands.length > 0 && files ? ['sftp'] : []),
  ]
  return parts.length === 0 ? 'all of it' : parts.join('; ')
}
