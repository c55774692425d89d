// Takes alerts from the durable outbox to their channels: at least once, until accepted, whatever fails on the way, for a
// week. An acceptance and its receipt become a row and a ledger leaf in one transaction, and so does giving up.

import type { Clock, Timer } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { notifyLog } from '../log.ts'
import { marked } from '../procedure/announcement.ts'
import type { Alert, OutboxRow, State } from '../session/state.ts'
import { attempt, type Outcome } from './attempt.ts'
import { backOffMs, longestBackOffMs } from './back-off.ts'
import { ChannelBook } from './channel-book.ts'
import type { Channel } from './channel.ts'

/** Deliveries at once to one channel: few enough for any receiver. Channels do not share them, so none waits for another. */
const mostInFlight = 4
/** Rows looked at in one pass: more than can be in flight, so that a channel with many does not hide the others. */
const rowsPerPass = 64
/** How often the outbox looks for what has fallen due: retries are planned in whole seconds. */
const pollMs = 1_000
/** Older than this and tried this often, an alert is given up: a clock that jumps by a week alone buries nothing. */
const deadAfterMs = 7 * 86_400_000
const deadAfterAttempts = 100
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
  readonly #channels: ChannelBook
  /** Until when (monotonic, µs) a receiver asked to be left alone. Entries leave when it has passed. */
  readonly #busy = new Map<Channel, number>()
  readonly #clock: Clock
  readonly #random: () => number
  /** By alert id, each with its channel's name. Entries leave when their outcome is written, or could not be. */
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
    this.#channels = new ChannelBook(options.channels)
    this.#clock = options.clock
    this.#random = options.random
  }

  /** The alert as it is to be written: with the mark of its channel as it is configured now. */
  mark(alert: Alert): Alert {
    const channel = this.#channels.present(alert.channel)
    return marked(alert, channel === undefined ? undefined : { configuration: '', ...channel })
  }

  /**
   * From now on new alerts go to these. Alerts written until now (by their `at`) stay with the channels they were
   * addressed to until they are delivered or given up, as long as this process lives; after a new start they go by name.
   */
  replaceChannels(channels: readonly Channel[]): void {
    this.#channels.replace(channels, this.#clock.now())
    this.nudge()
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
    this.#channels.forget(this.#clock.now() - deadAfterMs - longestBackOffMs)
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
    for (const row of due) {
      if (this.#isClosing) return
      if (busy.some((ids) => ids.has(row.id)) || this.#isLeftAlone(row)) continue
      const running = [...this.#inFlight.values()].filter(({ channel }) => channel === row.channel).length
      if (running < mostInFlight) this.#inFlight.set(row.id, { channel: row.channel, done: this.#carry(row) })
    }
  }

  /** A receiver that asked for time gets it, for every alert it has coming. */
  #isLeftAlone(row: OutboxRow): boolean {
    const channel = this.#channels.channelFor(row, row.attempts)
    const until = channel === undefined ? undefined : this.#busy.get(channel)
    if (channel === undefined || until === undefined) return false
    if (this.#clock.monotonicUs() < until) return true
    this.#busy.delete(channel)
    return false
  }

  /** One row through one attempt to its written outcome. */
  async #carry(row: OutboxRow): Promise<void> {
    // After `#inFlight` has it.
    await Promise.resolve()
    let isWritten = false
    try {
      const accepted = this.#unwritten.get(row.id)
      const outcome =
        accepted === undefined
          ? await this.#attempt(row, row.attempts)
          : ({ kind: 'accepted', receipt: accepted } as const)
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
          const attempts = row.attempts + 1
          if (attempts >= deadAfterAttempts && now - row.at >= deadAfterMs) return await this.#bury(row, outcome.error)
          const backOff = backOffMs(attempts, this.#random())
          const nextAt = now + Math.max(backOff, boundedMs(outcome.retryAfterMs))
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

  /** It stays visible, and an admin may have it sent again. */
  async #bury(row: OutboxRow, error: string): Promise<true> {
    const at = this.#clock.now()
    const attempts = row.attempts + 1
    await this.#state.commit({
      at,
      writes: [{ kind: 'alert-dead', id: row.id, at, error }],
      leaves: [{ type: 'alert-dead', alert: row.id, channel: row.channel, attempts, error }],
    })
    notifyLog.error('notify.given-up', { alert: row.id, channel: row.channel, attempts, error })
    return true
  }

  async #sendFromMemory(alert: Alert): Promise<{ readonly receipt: string } | undefined> {
    for (let attempts = 1; ; attempts += 1) {
      const outcome = await this.#attempt(alert, attempts - 1)
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

  async #attempt(alert: Alert, attempts: number): Promise<Outcome> {
    const channel = this.#channels.channelFor(alert, attempts)
    const outcome = await attempt(channel, alert, this.#clock)
    if (outcome.kind === 'failed' && outcome.retryAfterMs !== undefined && channel !== undefined)
      this.#busy.set(channel, this.#clock.monotonicUs() + boundedMs(outcome.retryAfterMs) * 1000)
    return outcome
  }

  #remember(id: string, receipt: string): void {
    this.#unwritten.set(id, receipt)
    const [oldest] = this.#unwritten.keys()
    if (this.#unwritten.size > mostUnwritten && oldest !== undefined) this.#unwritten.delete(oldest)
  }
}

/** A receiver may ask for an hour; more would silence it. */
function boundedMs(retryAfterMs: number | undefined): number {
  return Math.min(retryAfterMs ?? 0, longestBackOffMs)
}
