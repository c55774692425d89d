// What has happened before that makes a request stricter (design §4).

import type { State } from '../session/state.ts'

/** How far back denials are looked for: more than anyone collects in the hours a denial stands. */
const DENIALS_LOOKED_AT = 100

/** When a request of this person for this target and account was last denied (ms); null: never. */
export async function lastDenialAt(
  state: Pick<State, 'grants'>,
  user: string,
  target: string,
  account: string,
): Promise<number | null> {
  const denied = await state.grants({ user, states: ['denied'], limit: DENIALS_LOOKED_AT })
  const times = denied
    .filter((grant) => grant.target === target && grant.account === account)
    .map((grant) => grant.endedAt ?? 0)
  return times.length === 0 ? null : Math.max(...times)
}
