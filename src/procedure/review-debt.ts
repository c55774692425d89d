// Reviews that are overdue take self-activation away from the person whose grants they are (design §4): a person or a
// delay, never a wall. Kept in memory for whoever asks what they would get; a request reads the truth first.

import { isReviewer, reviewStanding } from '../access/review.ts'
import { type Grant, tookPart } from '../access/grant.ts'
import { OVERDUE_OVERRIDE_MS } from '../access/approval.ts'
import { formatDuration } from '../access/duration.ts'
import type { Policy } from '../access/policy.ts'
import type { Clock } from '../clock.ts'
import type { Directory } from '../identity/user.ts'
import type { State } from '../session/state.ts'

export interface ReviewDebtPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'grants'>
  /** By name: the one in force. */
  readonly policy: (name: string) => Policy | undefined
  readonly directory: Pick<Directory, 'all'>
}

/** Names of reviewers that a person is told; the rest are counted. */
const NAMED = 3

export class ReviewDebts {
  readonly #ports: ReviewDebtPorts
  /** Grants that wait for review, by their user; changed only by `learn` and `refresh`. */
  #waiting: ReadonlyMap<string, readonly Grant[]> = new Map()

  constructor(ports: ReviewDebtPorts) {
    this.#ports = ports
  }

  /** The person's grants whose review is overdue, as far as is known; the longest overdue first. */
  overdue(user: string): readonly Grant[] {
    const now = this.#ports.clock.now()
    return (this.#waiting.get(user) ?? [])
      .filter((grant) => reviewStanding(grant, now).kind === 'overdue')
      .sort((left, right) => (left.reviewDueAt ?? 0) - (right.reviewDueAt ?? 0))
  }

  /** Takes what was just read: every grant that waits for review. */
  learn(waiting: readonly Grant[]): void {
    this.#waiting = Map.groupBy(waiting, ({ user }) => user)
  }

  /** Reads how things stand with one person. Throws `store_failed`. */
  async refresh(user: string): Promise<void> {
    const own = await this.#ports.state.grants({ user, states: ['awaiting-review'] })
    this.#waiting = new Map([...this.#waiting, [user, own]])
  }

  /** Who could review the grant now, by name. */
  reviewers(grant: Grant): readonly string[] {
    const policy = this.#ports.policy(grant.policy)
    return this.#ports.directory
      .all()
      .filter((user) => isReviewer(policy, user) && !tookPart(grant, user.name))
      .map(({ name }) => name)
  }

  /** Why the person does not get in at once, and what ends it: plain sentences for a prompt. Undefined: nothing is overdue. */
  explain(user: string): string | undefined {
    const [first, ...more] = this.overdue(user)
    if (first === undefined) return undefined
    const since = `${new Date(first.reviewDueAt ?? 0).toISOString().slice(0, 16).replace('T', ' ')} UTC`
    const others = more.length === 0 ? '' : ` (and ${more.length} more)`
    return [
      `The review of your grant ${first.id} on ${first.target} is overdue since ${since}${others}; ${byWhom(this.reviewers(first))}.`,
      `Until it is done somebody has to approve, or you go ahead alone after ${formatDuration(OVERDUE_OVERRIDE_MS)}: a delay, not a wall.`,
    ].join(' ')
  }
}

function byWhom(names: readonly string[]): string {
  if (names.length === 0) return 'nobody here may review it, tell an admin'
  const rest = names.length > NAMED ? ` or ${names.length - NAMED} more` : ''
  return `${names.slice(0, NAMED).join(', ')}${rest} can review it`
}
