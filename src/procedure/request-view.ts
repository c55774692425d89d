// Requests as people see them: who may look at one, how it stands, and how it was decided. An id is no authority: what a
// person may not see reads like what does not exist.

import { approvalNeed } from '../access/approval.ts'
import type { Grant } from '../access/grant.ts'
import type { User } from '../identity/user.ts'
import { mayDecide, waitingOn, type DecisionPorts } from './waiting.ts'

/** How far back the ledger is read for who denied a request; older ones show that it was denied, not by whom. */
const LEAVES_LOOKED_AT = 500

/** How a waiting request stands, for the page: names alone, never a key. */
export interface WaitingView {
  readonly rule: string
  readonly missing: number
  /** Who may decide and has not. */
  readonly asked: readonly string[]
  readonly announcedAt: number | null
  /** The requester may go ahead alone in so many ms (0: now); null: never. */
  readonly overrideInMs: number | null
  readonly overrideReasonLength: number | null
  readonly lapsesInMs: number
}

export interface RequestView {
  readonly grant: Grant
  /** Null: it waits no more, or its policy is in force no more. */
  readonly waiting: WaitingView | null
  readonly may: { readonly decide: boolean; readonly override: boolean }
}

/** Who denied a request, and why. */
export interface DenialView {
  readonly by: string
  readonly comment: string
  readonly at: number
}

/** True when this person could decide on it, did, or vouched: they may look at it, whatever has become of it. */
export function isPartyTo(ports: DecisionPorts, grant: Grant, user: User): boolean {
  if (grant.user === user.name || grant.vouchedBy === user.name) return true
  if (grant.approvals.some(({ by }) => by === user.name)) return true
  const policy = ports.policy(grant)
  const isDenied = grant.rule.endsWith('+denied')
  const need =
    policy === undefined
      ? undefined
      : approvalNeed(
          policy,
          grant.account,
          grant.trigger,
          isDenied
            ? { deniedAt: grant.requestedAt }
            : grant.rule.endsWith('+overdue-review')
              ? { overdueReviews: 1 }
              : {},
          grant.requestedAt,
        )
  return need !== undefined && need.required > 0 && mayDecide(need, grant, user)
}

/** The request as `user` sees it, and what they may do with it now. */
export async function requestView(ports: DecisionPorts, grant: Grant, user: User): Promise<RequestView> {
  const isInForce = ports.policy(grant.policy)?.hash === grant.policyHash
  if (grant.state !== 'requested' || !isInForce)
    return { grant, waiting: null, may: { decide: false, override: false } }
  const { need, progress, asked, announcedAt, overrideInMs, overrideReasonLength, lapsesInMs } = await waitingOn(
    ports,
    grant,
  )
  if (progress.kind === 'lapsed') return { grant, waiting: null, may: { decide: false, override: false } }
  const hasDecided = grant.approvals.some(({ by }) => by === user.name)
  return {
    grant,
    waiting: {
      rule: need.rule,
      missing: progress.kind === 'waiting' ? progress.missing : 0,
      asked,
      announcedAt,
      overrideInMs,
      overrideReasonLength,
      lapsesInMs,
    },
    may: {
      decide: mayDecide(need, grant, user) && !hasDecided,
      override: grant.user === user.name && overrideInMs === 0,
    },
  }
}

/** Who denied it and why; null when nobody did, or too long ago. */
export async function denialOf(ports: DecisionPorts, grant: Grant): Promise<DenialView | null> {
  if (grant.state !== 'denied') return null
  const leaves = await ports.events({ types: ['grant-denied'], limit: LEAVES_LOOKED_AT })
  for (const { at, event } of leaves)
    if (event.type === 'grant-denied' && event.grant === grant.id) return { by: event.by, comment: event.comment, at }
  return null
}
