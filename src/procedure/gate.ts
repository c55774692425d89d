// The alert gate at work (design §8, Open 3): between the durable header and the dial a session waits until somebody
// outside has been told, or until its policy lets it go ahead unannounced, which is written down before anything else.

import { gateStep } from '../access/gate.ts'
import { applyGrantEvent, type Grant } from '../access/grant.ts'
import type { AlertGate } from '../access/policy.ts'
import type { Clock, Timer } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { sessionLog } from '../log.ts'
import type { Gate, GateOutcome } from '../session/admission.ts'
import type { Session } from '../session/session.ts'
import type { State } from '../session/state.ts'
import { channelsOf, sessionAlerts } from './alert.ts'
import { acceptedOutside } from './announcement.ts'
import type { EndPorts } from './end.ts'

export interface GatePorts extends Pick<EndPorts, 'clock' | 'policy' | 'channels' | 'nudge'> {
  readonly state: Pick<State, 'alerts' | 'grant' | 'commit'>
}

/** Calls `listener` whenever something in the outbox changed; the function it gives ends that. */
export type OutboxWatch = (listener: () => void) => () => void

/** The store is asked again this long after it failed: a held session must not hammer it. */
const AFTER_STORE_ERROR_MS = 1_000

/** A mark loses its compare-and-set to an extension or another session's mark; more than a few times is a fault. */
const MOST_ATTEMPTS = 5

/** For a grant whose policy nobody knows any more: what it asked for cannot be told, so being told of it is. */
const UNKNOWN_POLICY: AlertGate = { accepted: 1, withinMs: 0, otherwise: 'allow', holdMaxMs: 0, afterHold: 'allow' }

/**
 * The gate that admissions pass. It throws `denied` where the policy refuses, `no_grant` when the grant ended meanwhile,
 * `unavailable` when `signal` aborted first, `store_failed` when the mark of an unannounced session could not be written.
 */
export function alertGate(ports: GatePorts, watch: OutboxWatch): Gate {
  return async (session, grant, { signal, tell }) => {
    const policy = ports.policy(grant)
    const gate = policy === undefined ? UNKNOWN_POLICY : policy.alerts.gate
    if (gate === null) return { kind: 'open' }
    using changes = new Changes(ports.clock, watch, signal)
    const startUs = ports.clock.monotonicUs()
    for (let isTold = false; ;) {
      if (signal.aborted) throw new HalliganError('unavailable', 'the session ended before somebody was told')
      changes.forget()
      const told = await whoWasTold(ports, grant)
      const waitedMs = Math.floor((ports.clock.monotonicUs() - startUs) / 1000)
      const step = gateStep(gate, told?.accepted ?? 0, told?.isMarked === true ? Infinity : waitedMs)
      switch (step.kind) {
        case 'open':
          return { kind: 'open' }
        case 'unannounced':
          return markUnannounced(ports, session, grant, waitedMs)
        case 'refuse':
          throw refusal(grant, gate)
        case 'wait': {
          if (!isTold) tell(waitingLine(gate))
          isTold = true
          const leftMs = step.untilMs - waitedMs
          await changes.next(told === undefined ? Math.min(leftMs, AFTER_STORE_ERROR_MS) : leftMs)
        }
      }
    }
  }
}

/** The line that opens a session nobody outside was told of. */
export function unannouncedLine(waitedMs: number): string {
  return `UNANNOUNCED: no outside channel took the alert in ${Math.ceil(waitedMs / 1000)} s; review is due within the hour`
}

/**
 * How many channels have accepted, and whether the grant was opened unannounced before: its later sessions wait no more.
 * Undefined: the store did not say.
 */
async function whoWasTold(
  { state }: GatePorts,
  { id }: Grant,
): Promise<{ readonly accepted: number; readonly isMarked: boolean } | undefined> {
  try {
    const grant = await state.grant(id)
    if (grant === undefined) return undefined
    const accepted = (await acceptedOutside(state, grant)).length
    return { accepted, isMarked: grant.unannouncedAt !== null }
  } catch (error) {
    sessionLog.error('gate.store-failed', { grant: id, error })
    return undefined
  }
}

/** The mark, its leaf and its alert are durable before the session goes on. */
async function markUnannounced(
  ports: GatePorts,
  session: Session,
  { id }: Grant,
  waitedMs: number,
): Promise<GateOutcome> {
  for (let attempt = 1; ; attempt++) {
    const grant = await ports.state.grant(id)
    if (grant === undefined) throw new HalliganError('no_grant', `no grant ${id}`)
    const at = ports.clock.now()
    // Throws `conflict` when the grant has ended.
    const next = applyGrantEvent(grant, { kind: 'unannounced', at })
    const isFirst = grant.unannouncedAt === null
    try {
      await ports.state.commit({
        at,
        writes: isFirst ? [{ kind: 'grant', grant: next, expectVersion: grant.version }] : [],
        leaves: [{ type: 'session-unannounced', session: session.id, grant: id, waitedMs }],
        alerts: isFirst
          ? sessionAlerts('session.unannounced', session, grant, channelsOf(ports.policy(grant), ports.channels), at, {
              waitedMs,
            })
          : [],
      })
      ports.nudge()
      return { kind: 'unannounced', line: unannouncedLine(waitedMs) }
    } catch (error) {
      if (!(error instanceof HalliganError) || error.code !== 'conflict' || attempt === MOST_ATTEMPTS) throw error
    }
  }
}

function waitingLine({ withinMs, otherwise, holdMaxMs }: AlertGate): string {
  const longest = Math.ceil((withinMs + (otherwise === 'hold' ? holdMaxMs : 0)) / 1000)
  return `waiting until an outside channel has taken the alert (at most ${longest} s)`
}

function refusal({ id }: Grant, { accepted }: AlertGate): HalliganError {
  return new HalliganError(
    'denied',
    `no session under grant ${id} before ${accepted === 1 ? 'an outside channel has' : `${accepted} outside channels have`} taken the alert`,
    { hint: 'the alert is sent again and again: try in a minute, and tell your security channel yourself' },
  )
}

/** Waits for the outbox, the clock or the end, whichever comes first; a change between two waits is not missed. */
class Changes {
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #stop: () => void
  #hasChanged = false
  #wake: (() => void) | undefined

  constructor(clock: Clock, watch: OutboxWatch, signal: AbortSignal) {
    this.#clock = clock
    this.#signal = signal
    const changed = (): void => {
      this.#hasChanged = true
      this.#wake?.()
    }
    const unwatch = watch(changed)
    signal.addEventListener('abort', changed, { once: true })
    this.#stop = () => {
      unwatch()
      signal.removeEventListener('abort', changed)
    }
  }

  /** What changed until now will be seen by the look that follows. */
  forget(): void {
    this.#hasChanged = false
  }

  async next(withinMs: number): Promise<void> {
    if (this.#hasChanged || this.#signal.aborted) return
    let timer: Timer | undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      timer = this.#clock.after(withinMs, resolve)
    })
    this.#wake = undefined
    timer?.cancel()
  }

  [Symbol.dispose](): void {
    this.#stop()
  }
}
