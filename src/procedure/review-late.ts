// What time does to reviews that wait: a reminder before one is due, word when it is overdue, more people when it stays
// so. Each is told once: the step is in the grant, written with its alerts by compare-and-set.

import { applyGrantEvent, type Grant } from '../access/grant.ts'
import { nextReviewStage, reviewRule } from '../access/review.ts'
import type { AuditEvent } from '../audit.ts'
import type { Policy } from '../access/policy.ts'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { sessionLog } from '../log.ts'
import type { State } from '../session/state.ts'
import { channelsOf, grantAlerts } from './alert.ts'
import type { ReviewDebts } from './review-debt.ts'

export interface LateReviewPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'commit' | 'grants'>
  /** By name: the one in force. */
  readonly policy: (name: string) => Policy | undefined
  readonly channels: readonly string[]
  readonly nudge: () => void
  readonly debts: ReviewDebts
}

type Stage = Exclude<Grant['reviewStage'], 'none'>

const alertOf: Readonly<Record<Stage, string>> = {
  reminded: 'review.due',
  overdue: 'review.overdue',
  escalated: 'review.escalated',
}

/** Tells whom it may concern of every review whose time has come. Never throws: the next sweep goes on. */
export async function sweepReviews(ports: LateReviewPorts): Promise<void> {
  try {
    // All of them, read page by page: the oldest are the ones that are late.
    const waiting = await ports.state.grants({ states: ['awaiting-review'] })
    ports.debts.learn(waiting)
    for (const grant of waiting) await remind(ports, grant)
  } catch (error) {
    sessionLog.error('review.sweep-failed', { error })
  }
}

async function remind(ports: LateReviewPorts, grant: Grant): Promise<void> {
  const at = ports.clock.now()
  const policy = ports.policy(grant.policy)
  const stage = nextReviewStage(policy, grant, at)
  if (stage === null) return
  const told = applyGrantEvent(grant, { kind: 'remind', at, stage })
  const leaf: AuditEvent[] = stage === 'reminded' ? [] : [{ type: 'review-late', grant: grant.id, stage }]
  try {
    await ports.state.commit({
      at,
      writes: [{ kind: 'grant', grant: told, expectVersion: grant.version }],
      leaves: leaf,
      alerts: grantAlerts(alertOf[stage], told, toldOf(ports, policy, stage), at, {
        reviewDueAt: new Date(grant.reviewDueAt ?? at).toISOString(),
        reviewers: ports.debts.reviewers(grant),
      }),
    })
  } catch (error) {
    // Reviewed, or told by somebody else, meanwhile.
    if (error instanceof HalliganError && error.code === 'conflict') return
    throw error
  }
  ports.nudge()
}

/** The policy's channels; when nobody looked for too long, those it names for that as well. */
function toldOf(ports: LateReviewPorts, policy: Policy | undefined, stage: Stage): readonly string[] {
  const usual = channelsOf(policy, ports.channels)
  const more = stage === 'escalated' ? (reviewRule(policy).escalate?.channels ?? []) : []
  return [...new Set([...usual, ...more])]
}
