// Telling people at once of what destroys something or hands out access: recognised by its words, and never held up by
// this. The first of a kind in a session is told with its leaf; more of them within the minute are counted and told
// together, each being marked in the recording. A loop that opens session after session is counted by its grant.

import type { Grant } from '../access/grant.ts'
import { sessionLog } from '../log.ts'
import { scopeProblem } from '../session/scope.ts'
import type { Session, SessionSubject } from '../session/session.ts'
import type { State } from '../session/state.ts'
import { channelsOf, grantAlerts, sessionAlerts } from './alert.ts'
import { AlertFlood } from './alert-flood.ts'
import type { EndPorts } from './end.ts'

/** The same kind in the same session within this time is told of together, but for the first. */
const WINDOW_MS = 60_000
/** So many of one grant are told one by one within that time: more would drown every other alert. */
const MAX_OF_GRANT = 20

export interface RiskyAction {
  /** Undefined: it was refused before a session opened, or stands for several. */
  readonly session: Session | undefined
  readonly grant: Grant
  /** Its kind in a few words, such as `TRUNCATE`; never the text itself, which may hold secrets. */
  readonly what: string
  /** Number of the statement in the recording. */
  readonly statement?: number
}

export interface RiskyActionPorts extends Pick<EndPorts, 'clock' | 'policy' | 'channels' | 'nudge'> {
  readonly state: Pick<State, 'commit'>
}

export class RiskyActions {
  readonly #ports: RiskyActionPorts
  readonly #flood: AlertFlood<RiskyAction>
  /** Told one by one in the window that began at `#since`, by grant. */
  readonly #told = new Map<string, number>()
  #since = 0

  constructor(ports: RiskyActionPorts) {
    this.#ports = ports
    this.#flood = new AlertFlood(ports.clock, WINDOW_MS, (last, count) => this.#write(last, count))
  }

  /** Tells of one. Never throws, and nobody waits for what it writes. */
  readonly tell = (action: RiskyAction): void => {
    const { session, grant, what } = action
    if (session === undefined || this.#isLoop(grant)) return this.#tellOfGrant({ session: undefined, grant, what })
    if (!this.#flood.take(`${session.id} ${what}`, action)) return
    this.#told.set(grant.id, (this.#told.get(grant.id) ?? 0) + 1)
    this.#write(action, undefined)
  }

  /** Tells of what was refused because the scope of `grant` does not open it; of no other refusal. */
  readonly refused = (grant: Grant, what: SessionSubject): void => {
    if (scopeProblem(grant, what) === undefined) return
    this.tell({ session: undefined, grant, what: `refused ${what.kind} outside the scope` })
  }

  #tellOfGrant(action: RiskyAction): void {
    if (this.#flood.take(`${action.grant.id} ${action.what}`, action)) this.#write(action, undefined)
  }

  #isLoop({ id }: Grant): boolean {
    const now = this.#ports.clock.monotonicUs() / 1000
    if (now - this.#since >= WINDOW_MS) {
      this.#told.clear()
      this.#since = now
    }
    return (this.#told.get(id) ?? 0) >= MAX_OF_GRANT
  }

  #write(action: RiskyAction, count: number | undefined): void {
    this.#commit(action, count).then(this.#ports.nudge, (error: unknown) => {
      sessionLog.error('risky-action.not-written', { session: action.session?.id, what: action.what, count, error })
    })
  }

  async #commit({ session, grant, what, statement }: RiskyAction, count: number | undefined): Promise<void> {
    const { clock, state, policy, channels } = this.#ports
    const at = clock.now()
    const about = {
      what,
      ...(statement === undefined ? {} : { statement }),
      ...(count === undefined ? {} : { count }),
    }
    const to = channelsOf(policy(grant), channels)
    const of = session === undefined ? {} : { session: session.id }
    await state.commit({
      at,
      writes: [],
      leaves: [{ type: 'risky-action', ...of, grant: grant.id, ...about }],
      alerts:
        session === undefined
          ? grantAlerts('session.risky', grant, to, at, about)
          : sessionAlerts('session.risky', session, grant, to, at, about),
    })
  }
}
