// What has happened before that makes a request stricter (design §4).

import type { Standing } from '../access/approval.ts'
import type { State } from '../session/state.ts'

/** How far back denials are looked for: more than anyone collects in the hours a denial stands. */
const DENIALS_LOOKED_AT = 100

/** How far back the ledger is read for what became of them; a denial that is not found there still stands. */
const LEAVES_LOOKED_AT = 500

/** What of this person's past weighs on a request for this target and account. */
export async function standingOf(
  state: Pick<State, 'grants' | 'events'>,
  user: string,
  target: string,
  account: string,
): Promise<Standing> {
  return { deniedAt: await lastDenialAt(state, user, target, account) }
}

/**
 * When a request of this person for this target and account was last denied (ms); null: never, or an approver has lifted
 * it since. The order is the ledger's, so that no step of the clock puts a lift before its denial.
 */
export async function lastDenialAt(
  state: Pick<State, 'grants' | 'events'>,
  user: string,
  target: string,
  account: string,
): Promise<number | null> {
  const denied = (await state.grants({ user, states: ['denied'], limit: DENIALS_LOOKED_AT })).filter(
    (grant) => grant.target === target && grant.account === account,
  )
  if (denied.length === 0) return null
  const ids = new Set(denied.map(({ id }) => id))
  const leaves = await state.events({ types: ['grant-denied', 'denial-lifted'], limit: LEAVES_LOOKED_AT })
  for (const { event } of leaves) {
    if (event.type === 'grant-denied' && ids.has(event.grant)) break
    const isLifted =
      event.type === 'denial-lifted' && event.user === user && event.target === target && event.account === account
    if (isLifted) return null
  }
  return Math.max(...denied.map((grant) => grant.endedAt ?? 0))
}
