// Takes alerts from the durable outbox to their channels: at least once, until accepted, whatever fails on the way. An
// acceptance and its receipt become a row and a ledger leaf in one transaction.

import type { Clock, Timer } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { notifyLog } from '../log.ts'
import { marked } from '../procedure/announcement.ts'
import type { Alert, OutboxRow, State } from '../session/state.ts'
import { attempt, type Outcome } from './attempt.ts'
import { backOffMs } from './back-off.ts'
import type { Channel } from './channel.ts'

/** Deliveries at once: enough that one slow receiver does not hold up the others, few enough for any of them. */
const mostInFlight = 4
/** Rows looked at in one pass: more than can be in flight, so that a channel with many does not hide the others. */
const rowsPerPass = 64
/** How often the outbox looks for what has fallen due: retries are planned in whole seconds. */
const pollMs = 1_000
/** Wait after the store failed: it is asked again, not hammered. */
const afterStoreErrorMs = 5_000
/** Attempts from memory, over some 15 s; longer outages are the durable outbox's. */
const mostAttemptsFromMemory = 5
/** Alerts from memory at once: beyond it the store is long known to be down. */
const mostFromMemory = 100
/** Acceptances whose transaction failed, kept so that nothing is sent again. */
const mostUnwritten = 1_000

export interface OutboxOptions {
  readonly state: Pick<State, 'commit' | 'outboxDue'>
  readonly channels: readonly Channel[]
  readonly clock: Clock
  /** 0 to 1: spreads retries. */
  readonly random: () => number
}

export class Outbox {
  readonly #state: OutboxOptions['state']
  readonly #channels: ReadonlyMap<string, Channel>
  readonly #clock: Clock
  readonly #random: () => number
  /** By alert id, each with its channel. Entries leave when their outcome is written, or could not be. */
  readonly #inFlight = new Map<string, { readonly channel: string; readonly done: Promise<void> }>()
  /** Alerts settled since the present look began: what it reads may be older than that. */
  readonly #settled = new Set<string>()
  /** Receipts of alerts that a channel accepted and the store does not know of yet, by alert id. */
  readonly #unwritten = new Map<string, string>()
  /** Alerts on their way without the store, by id. */
  readonly #fromMemory = new Map<string, Promise<{ readonly receipt: string } | undefined>>()
  /** Ends each wait between two attempts from memory. */
  readonly #pauses = new Set<() => void>()
  #isClosing = false
  #timer: Timer | undefined
  #pass: Promise<void> | undefined
  #isNudged = false

  constructor(options: OutboxOptions) {
    this.#state = options.state
    this.#channels = new Map(options.channels.map((channel) => [channel.name, channel]))
    this.#clock = options.clock
    this.#random = options.random
  }

  /** The alert as it is to be written: with the mark of its channel as it is configured now. */
  mark(alert: Alert): Alert {
    const channel = this.#channels.get(alert.channel)
    return marked(alert, channel === undefined ? undefined : { configuration: '', ...channel })
  }

  /** Looks for due alerts now: called once at start and after every commit with alerts. Never throws. */
  nudge(): void {
    if (this.#isClosing) return
    if (this.#pass !== undefined) {
      this.#isNudged = true
      return
    }
    this.#timer?.cancel()
    this.#pass = this.#look().then((waitMs) => {
      this.#pass = undefined
      if (this.#isNudged) this.nudge()
      else this.#lookAfter(waitMs)
    })
  }

  /**
   * Sends from memory, without the store: for the moment it cannot take the alert. A few attempts, then `undefined`. The
   * same alert, should it be in the outbox too, is not sent again once accepted here.
   */
  async sendNow(alert: Alert): Promise<{ readonly receipt: string } | undefined> {
    if (this.#fromMemory.size >= mostFromMemory) {
      notifyLog.error('notify.not-sent', { alert: alert.id, channel: alert.channel, why: 'too many from memory' })
      return undefined
    }
    const running = this.#fromMemory.get(alert.id)
    if (running !== undefined) return await running
    const sending = this.#sendFromMemory(alert)
    this.#fromMemory.set(alert.id, sending)
    try {
      return await sending
    } finally {
      this.#fromMemory.delete(alert.id)
    }
  }

  /** Starts nothing more and waits for what is in flight, `attemptTimeoutMs` and one transaction at most. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.#timer?.cancel()
    for (const end of this.#pauses) end()
    await this.#pass
    await Promise.all([...this.#inFlight.values()].map(({ done }) => done))
    await Promise.all(this.#fromMemory.values())
  }

  /** Starts what is due; gives how long (ms) to wait before the next look. */
  async #look(): Promise<number> {
    this.#isNudged = false
    this.#settled.clear()
    try {
      this.#startDue(await this.#state.outboxDue(this.#clock.now(), rowsPerPass))
      return pollMs
    } catch (error) {
      notifyLog.error('notify.outbox-unreadable', { error })
      return afterStoreErrorMs
    }
  }

  #lookAfter(waitMs: number): void {
    if (this.#isClosing) return
    this.#timer?.cancel()
    this.#timer = this.#clock.after(waitMs, () => {
      this.nudge()
    })
  }

  #startDue(due: readonly OutboxRow[]): void {
    const busy = [this.#inFlight, this.#fromMemory, this.#settled]
    const waiting = due.filter((row) => !busy.some((ids) => ids.has(row.id)))
    while (this.#inFlight.size < mostInFlight && !this.#isClosing) {
      const next = this.#leastBusy(waiting)
      if (next === undefined) return
      waiting.splice(waiting.indexOf(next), 1)
      this.#inFlight.set(next.id, { channel: next.channel, done: this.#carry(next) })
    }
  }

  /** The first row of the channel with the fewest deliveries: a receiver that hangs keeps no other waiting. */
  #leastBusy(rows: readonly OutboxRow[]): OutboxRow | undefined {
    const busy = (row: OutboxRow) =>
      [...this.#inFlight.values()].filter(({ channel }) => channel === row.channel).length
    return rows.reduce<OutboxRow | undefined>(
      (best, row) => (best === undefined || busy(row) < busy(best) ? row : best),
      undefined,
    )
  }

  /** One row through one attempt to its written outcome. */
  async #carry(row: OutboxRow): Promise<void> {
    // After `#inFlight` has it.
    await Promise.resolve()
    let isWritten = false
    try {
      const accepted = this.#unwritten.get(row.id)
      const outcome =
        accepted === undefined ? await this.#attempt(row) : ({ kind: 'accepted', receipt: accepted } as const)
      isWritten = await this.#write(row, outcome)
    } finally {
      this.#inFlight.delete(row.id)
      this.#settled.add(row.id)
    }
    // A slot is free. Where the store failed the row is still due: it waits with everything else.
    if (isWritten) this.nudge()
    else this.#lookAfter(afterStoreErrorMs)
  }

  /** True when the outcome is durable, or another process wrote one first. */
  async #write(row: OutboxRow, outcome: Outcome): Promise<boolean> {
    const now = this.#clock.now()
    try {
      switch (outcome.kind) {
        case 'accepted':
          this.#remember(row.id, outcome.receipt)
          await this.#state.commit({
            at: now,
            writes: [{ kind: 'alert-accepted', id: row.id, at: now, receipt: outcome.receipt }],
            leaves: [
              {
                type: 'alert-accepted',
                alert: row.id,
                channel: row.channel,
                receipt: outcome.receipt,
                attempts: row.attempts + 1,
              },
            ],
          })
          this.#unwritten.delete(row.id)
          return true
        case 'failed': {
          const nextAt = now + backOffMs(row.attempts + 1, this.#random())
          await this.#state.commit({
            at: now,
            writes: [{ kind: 'alert-failed', id: row.id, nextAt, error: outcome.error }],
            leaves: [],
          })
          return true
        }
      }
    } catch (error) {
      if (error instanceof HalliganError && error.code === 'conflict') {
        this.#unwritten.delete(row.id)
        return true
      }
      notifyLog.error('notify.outcome-not-written', { alert: row.id, outcome: outcome.kind, error })
      return false
    }
  }

  async #sendFromMemory(alert: Alert): Promise<{ readonly receipt: string } | undefined> {
    for (let attempts = 1; ; attempts += 1) {
      const outcome = await this.#attempt(alert)
      if (outcome.kind === 'accepted') {
        this.#remember(alert.id, outcome.receipt)
        return { receipt: outcome.receipt }
      }
      if (attempts >= mostAttemptsFromMemory || this.#isClosing) break
      await this.#pause(backOffMs(attempts, this.#random()))
    }
    notifyLog.error('notify.not-sent', { alert: alert.id, channel: alert.channel, why: 'no attempt was accepted' })
    return undefined
  }

  /** Ends early when the outbox closes: what waits then gets one last attempt. */
  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        timer.cancel()
        this.#pauses.delete(end)
        resolve()
      }
      const timer = this.#clock.after(delayMs, end)
      this.#pauses.add(end)
    })
  }

  #attempt(alert: Alert): Promise<Outcome> {
    return attempt(this.#channels.get(alert.channel), alert, this.#clock)
  }

  #remember(id: string, receipt: string): void {
    this.#unwritten.set(id, receipt)
    const [oldest] = this.#unwritten.keys()
    if (this.#unwritten.size > mostUnwritten && oldest !== undefined) this.#unwritten.delete(oldest)
  }
}
