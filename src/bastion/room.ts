// Room to record in, watched: who is told when it gets scarce, what is refused then, and who is ended when it is gone.

import { type Floors, type Space, SpaceWatch } from '../archive/space.ts'
import type { Clock } from '../clock.ts'
import { HalliganError, safeError } from '../errors.ts'
import { sessionLog } from '../log.ts'
import { AdmissionRefusals } from '../procedure/admission-refusal.ts'
import { alertsTo } from '../procedure/alert.ts'
import type { Registry } from '../session/registry.ts'
import type { Session } from '../session/session.ts'
import type { State } from '../session/state.ts'
import { WrittenBytes } from '../session/written-bytes.ts'

export interface RoomPorts {
  readonly measure: () => Promise<Space>
  /** As configured now. */
  readonly floors: () => Floors
  /** Who is told. */
  readonly channels: () => readonly string[]
  readonly clock: Clock
  readonly state: Pick<State, 'commit'>
  readonly registry: Pick<Registry, 'endSession'>
  readonly nudge: () => void
  /** Why no session can be recorded at all; undefined while one can. */
  readonly journalProblem: () => HalliganError | undefined
}

export class Room {
  readonly written: WrittenBytes
  readonly #ports: RoomPorts
  readonly #watch: SpaceWatch
  readonly #refusals: AdmissionRefusals

  constructor(ports: RoomPorts) {
    const { clock, state, measure, floors } = ports
    this.#ports = ports
    this.written = new WrittenBytes(clock)
    this.#refusals = new AdmissionRefusals(clock, state)
    this.#watch = new SpaceWatch({
      measure,
      floors,
      onScarcer: (level, { leftBytes }) => this.#tell(level, leftBytes),
    })
  }

  /** Refuses a new session when it could not be recorded, for want of room or of a journal: throws `unavailable`. */
  async check(session: Session): Promise<void> {
    try {
      const problem = this.#ports.journalProblem()
      if (problem !== undefined) throw problem
      await this.#watch.checkNewSession()
    } catch (error) {
      this.#refusals.report(session, safeError(error).code)
      throw error
    }
  }

  /** Why bulk data is refused at this moment; undefined while there is room. */
  bulkRefusal(): HalliganError | undefined {
    return this.#watch.bulkRefusal()
  }

  /** Looks at what is left; at the last, ends whoever writes most. One at a time: the next look shows whether it helped. */
  async look(): Promise<void> {
    if ((await this.#watch.look()) !== 'last') return
    const largest = this.written.largest()
    if (largest === undefined) return
    const { session, bytes } = largest
    this.written.forget(session)
    const message = `no room is left to record, and this session wrote most: ${bytes >> 10} KiB in the last minute`
    if (this.#ports.registry.endSession(session, { reason: 'no-room', code: 'recorder_failed', message }))
      sessionLog.warn('session.ended-for-room', { session, bytes })
  }

  #tell(level: string, leftBytes: number): void {
    const { clock, state, channels, nudge } = this.#ports
    sessionLog.warn('space.scarce', { level, leftBytes })
    const at = clock.now()
    const alerts = alertsTo(channels(), 'space.scarce', { level, leftMib: Math.floor(leftBytes / 1024 ** 2) }, at)
    state.commit({ at, writes: [], leaves: [], alerts }).then(nudge, (error: unknown) => {
      sessionLog.error('space.not-told', { level, error })
    })
  }
}
