// The alert gate of design §4: nothing is dialled before somebody outside has been told, or the policy says otherwise.

import type { AlertGate } from './policy.ts'

export type GateStep =
  /** Enough channels have accepted the alert. */
  | { readonly kind: 'open' }
  /** Go ahead, marked: nobody outside has been told. */
  | { readonly kind: 'unannounced' }
  | { readonly kind: 'refuse' }
  /** Look again when a channel has accepted, or when this much (ms) has passed since the session asked. */
  | { readonly kind: 'wait'; readonly untilMs: number }

/** What becomes of a session that has waited `waitedMs`, when `accepted` distinct outside channels took the alert. */
export function gateStep(gate: AlertGate, accepted: number, waitedMs: number): GateStep {
  if (accepted >= gate.accepted) return { kind: 'open' }
  // Written so that no number at all waits instead of opening.
  if (!(waitedMs >= gate.withinMs)) return { kind: 'wait', untilMs: gate.withinMs }
  switch (gate.otherwise) {
    case 'allow':
      return { kind: 'unannounced' }
    case 'deny':
      return { kind: 'refuse' }
    case 'hold': {
      const untilMs = gate.withinMs + gate.holdMaxMs
      if (!(waitedMs >= untilMs)) return { kind: 'wait', untilMs }
      return gate.afterHold === 'allow' ? { kind: 'unannounced' } : { kind: 'refuse' }
    }
  }
}
