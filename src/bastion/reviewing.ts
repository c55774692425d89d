// What reviews are made of: the people and policies in force, and recordings that can be opened or not.

import type { Clock } from '../clock.ts'
import type { ReviewPorts } from '../procedure/review.ts'
import { ReviewDebts } from '../procedure/review-debt.ts'
import type { Current } from './current.ts'
import type { Durable } from './durable.ts'
import type { Sealer } from './sealer.ts'

/** The ports of every review, and the debts that requests are weighed by. */
export function reviewPorts(current: Current, clock: Clock, durable: Durable, sealer: Sealer): ReviewPorts {
  const { state, outbox } = durable
  const { directory } = current
  const policy: ReviewPorts['policy'] = (name) => current.config.policies.find((each) => each.name === name)
  return {
    clock,
    state,
    policy,
    directory,
    get channels() {
      return current.channels
    },
    nudge: () => outbox.nudge(),
    debts: new ReviewDebts({ clock, state, policy, directory }),
    finding: async (session) => {
      const opened = await sealer.open(session)
      return opened.kind === 'finding' ? opened.finding : null
    },
  }
}
