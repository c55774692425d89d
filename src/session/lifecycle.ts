// The life of a session as a table: what is not in it is refused. ARCHITECTURE.md's diagram is printed from it by a test.

import { HalliganError } from '../errors.ts'

export type SessionState = 'opening' | 'open' | 'ending' | 'ended' | 'sealed'

export type SessionStep = 'opened' | 'end' | 'recorded' | 'sealed'

/**
 * `opened`: row, leaf and header line are durable. `end`: sockets are closed. `recorded`: the last line is durable, or
 * the recorder has failed. `sealed`: the file is in the archive and its leaf in the ledger.
 */
export const lifecycle: Readonly<Record<SessionState, Partial<Record<SessionStep, SessionState>>>> = {
  opening: { opened: 'open', end: 'ending' },
  open: { end: 'ending' },
  ending: { recorded: 'ended' },
  ended: { sealed: 'sealed' },
  sealed: {},
}

/** The state after `step`. Throws `conflict` when the table has no such step. */
export function advance(state: SessionState, step: SessionStep): SessionState {
  const next = lifecycle[state][step]
  if (next === undefined) throw new HalliganError('conflict', `a session that is ${state} cannot take the step ${step}`)
  return next
}
