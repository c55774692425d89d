// Checkpoints leave the machine by themselves: at each session's opening and sealing, and while the ledger grows at every
// interval, to each place by itself. Nothing here is ever waited for by a session. What a place acknowledged is a leaf, and
// such a leaf alone is nothing new to anchor.

import type { AuditEvent, AuditEventType } from '../audit.ts'
import type { Clock, Timer } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { OpenedCheckpoint } from '../ledger/checkpoint.ts'
import { mainLog } from '../log.ts'
import type { LedgerHead, State } from '../session/state.ts'
import { alertsTo } from './alert.ts'
import {
  contradictionOf,
  emptyRecord,
  keepingRecord,
  keptRecord,
  type AnchorPlace,
  type AnchorRecord,
} from './anchor-record.ts'
import { bounded, publishAndSee, retryMs } from './anchor-attempt.ts'
import { statusOf, type AnchorStatus } from './anchor-status.ts'

/** What opens and seals within this time goes out as one checkpoint. */
const COALESCE_MS = 200
/** When Halligan stops, the last checkpoint has this long. */
const CLOSE_MS = 3_000
/** A place that fails once or twice is no news: a receiver is restarted. */
const FAILURES_BEFORE_ALERT = 3
/** What a leaf keeps of a place's complaint. */
const MAX_DETAIL = 300

/** Made by anchoring itself: nothing new. */
const OWN_LEAVES: ReadonlySet<AuditEventType> = new Set(['anchor-acknowledged', 'anchor-failed'])

export interface AnchoringPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'commit' | 'ledgerHead' | 'consistencyProof' | 'setting' | 'events'>
  /** The newest durable frame; `head` in hex. */
  readonly journalHead: () => { readonly seq: number; readonly head: string }
  readonly sign: (head: LedgerHead) => string
  readonly open: (checkpoint: string) => OpenedCheckpoint
  /** Names of every channel. */
  readonly channels: () => readonly string[]
  readonly nudge: () => void
}

interface Kept {
  place: AnchorPlace
  record: AnchorRecord
  /** When the oldest event that it has not acknowledged was written (ms); null: it has everything. */
  since: number | null
  failures: number
  error: string | null
  /** What does not wait happened while an attempt was under way. */
  isPressed: boolean
  running: Promise<void> | undefined
  timer: Timer | undefined
  /** Monotonic, µs. */
  dueUs: number
}

export class Anchoring {
  readonly #ports: AnchoringPorts
  readonly #kept = new Map<string, Kept>()
  /** Leaves up to the newest that is not our own. */
  #grownTo = 0
  /** The newest journal frame that a leaf tells of, and when it was looked at. */
  #coveredSeq = -1
  #coveredAt: number
  /** The leaf that is being written of the journal: places that ask at once share it. */
  #covering: Promise<void> | undefined
  /** Aborted: nothing more is begun. */
  readonly #closing = new AbortController()
  /** Aborted: what is on its way is given up. */
  readonly #leaving = new AbortController()
  #closed: Promise<void> | undefined

  constructor(ports: AnchoringPorts) {
    this.#ports = ports
    this.#coveredAt = ports.clock.now()
  }

  /**
   * Looks whether the ledger still contains what was acknowledged, as it is kept here, then begins to anchor. Places that
   * can be read are asked the same; nothing waits for them. Throws `store_failed`.
   */
  async start(places: readonly AnchorPlace[]): Promise<void> {
    const { clock, state } = this.#ports
    const [newest] = await state.events({ types: ['journal-head'], limit: 1 })
    if (newest?.event.type === 'journal-head') this.#coveredSeq = newest.event.seq
    const head = await state.ledgerHead()
    this.#grownTo = head.size
    for (const place of places) {
      const record = await keptRecord(state, place.anchor.name)
      const kept = this.#keep(place, record)
      kept.since = record.acknowledged?.at ?? clock.now()
      if (record.acknowledged !== null) await this.#judge(kept, record.acknowledged.checkpoint)
      kept.running = this.#readBack(kept).finally(() => {
        kept.running = undefined
        this.#plan(kept, 0)
      })
    }
  }

  /** From now on these. One of a name that was there keeps what is known of it. Never throws. */
  async replace(places: readonly AnchorPlace[]): Promise<void> {
    const names = new Set(places.map(({ anchor }) => anchor.name))
    for (const [name, kept] of this.#kept)
      if (!names.has(name)) {
        kept.timer?.cancel()
        this.#kept.delete(name)
      }
    for (const place of places) {
      const there = this.#kept.get(place.anchor.name)
      if (there !== undefined) {
        there.place = place
        this.#plan(there, there.failures > 0 ? retryMs(1) : place.everyMs)
        continue
      }
      const record = await keptRecord(this.#ports.state, place.anchor.name).catch((error: unknown) => {
        mainLog.error('anchor.record-unreadable', { anchor: place.anchor.name, error })
        return emptyRecord
      })
      const kept = this.#keep(place, record)
      kept.since = record.acknowledged?.at ?? this.#ports.clock.now()
      this.#plan(kept, 0)
    }
  }

  /** Told of every commit, with the head after it: what it wrote is new, and some of it does not wait. */
  committed(leaves: readonly AuditEvent[], head: LedgerHead): void {
    const fresh = leaves.filter(({ type }) => !OWN_LEAVES.has(type))
    if (fresh.length === 0) return
    this.#grownTo = Math.max(this.#grownTo, head.size)
    const now = this.#ports.clock.now()
    const isSession = fresh.some(({ type }) => type === 'session-opened' || type === 'session-sealed')
    const isActivation = fresh.some(({ type }) => type === 'grant-activated')
    for (const kept of this.#kept.values()) {
      kept.since ??= now
      const { promptly } = kept.place
      const isPrompt = promptly === 'sessions' ? isSession : isActivation
      // A place that fails is left its pause: what is new goes out with the next attempt.
      if (!isPrompt || kept.failures > 0) continue
      if (kept.running === undefined) this.#planSooner(kept, COALESCE_MS)
      else kept.isPressed = true
    }
  }

  status(): AnchorStatus {
    const isJournalCovered = this.#isJournalCovered()
    return statusOf(
      [...this.#kept.values()].map(({ place, record, since, error }) => ({
        place,
        record,
        since: since ?? (isJournalCovered ? null : this.#coveredAt),
        error,
      })),
      this.#ports.clock.now(),
    )
  }

  /** Resolves when nothing is on its way. */
  async settled(): Promise<void> {
    for (;;) {
      const running = [...this.#kept.values()].flatMap((kept) => (kept.running === undefined ? [] : [kept.running]))
      if (running.length === 0) return
      await Promise.all(running)
    }
  }

  /** One last checkpoint to each place that works, within a few seconds; then nothing more. Never throws. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.#closing.abort()
    for (const { timer } of this.#kept.values()) timer?.cancel()
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const timer = this.#ports.clock.after(CLOSE_MS, resolve)
    const last = async (): Promise<void> => {
      await this.settled()
      await Promise.all(
        [...this.#kept.values()].filter(({ failures }) => failures === 0).map((kept) => this.#run(kept)),
      )
    }
    await Promise.race([last(), late])
    timer.cancel()
    this.#leaving.abort()
  }

  #keep(place: AnchorPlace, record: AnchorRecord): Kept {
    const kept: Kept = {
      place,
      record,
      since: null,
      failures: 0,
      error: null,
      isPressed: false,
      running: undefined,
      timer: undefined,
      dueUs: 0,
    }
    this.#kept.set(place.anchor.name, kept)
    return kept
  }

  #planSooner(kept: Kept, delayMs: number): void {
    if (kept.timer !== undefined && kept.dueUs <= this.#ports.clock.monotonicUs() + delayMs * 1000) return
    this.#plan(kept, delayMs)
  }

  /** The next attempt, `delayMs` from now. */
  #plan(kept: Kept, delayMs: number): void {
    if (this.#closing.signal.aborted || this.#kept.get(kept.place.anchor.name) !== kept) return
    const { clock } = this.#ports
    kept.timer?.cancel()
    kept.dueUs = clock.monotonicUs() + delayMs * 1000
    kept.timer = clock.after(delayMs, () => {
      kept.timer = undefined
      void this.#run(kept)
    })
  }

  /** One attempt if there is anything new; then the next is planned. Never throws. */
  #run(kept: Kept): Promise<void> {
    if (kept.running !== undefined) return kept.running
    kept.isPressed = false
    kept.running = this.#anchor(kept).finally(() => {
      kept.running = undefined
      if (kept.failures > 0) this.#plan(kept, retryMs(kept.failures))
      else this.#plan(kept, kept.isPressed ? COALESCE_MS : kept.place.everyMs)
    })
    return kept.running
  }

  async #anchor(kept: Kept): Promise<void> {
    try {
      await this.#coverJournal()
      if (this.#grownTo <= (kept.record.acknowledged?.size ?? 0)) return
      const { clock, state, sign } = this.#ports
      const at = clock.now()
      const head = await state.ledgerHead()
      const checkpoint = sign(head)
      const { receipt } = await bounded(this.#ports.clock, this.#leaving.signal, (signal) =>
        publishAndSee(kept.place.anchor, checkpoint, signal),
      )
      await this.#acknowledged(kept, { size: head.size, root: head.root, at, checkpoint }, receipt)
    } catch (error) {
      await this.#failed(kept, error)
    }
  }

  #isJournalCovered(): boolean {
    const isCovered = this.#ports.journalHead().seq === this.#coveredSeq
    if (isCovered) this.#coveredAt = this.#ports.clock.now()
    return isCovered
  }

  /** What sessions have recorded since is not in the ledger: the journal's head is, and stands for it. */
  #coverJournal(): Promise<void> {
    this.#covering ??= this.#writeJournalHead().finally(() => (this.#covering = undefined))
    return this.#covering
  }

  async #writeJournalHead(): Promise<void> {
    if (this.#isJournalCovered()) return
    const { clock, state, journalHead } = this.#ports
    const { seq, head } = journalHead()
    const at = clock.now()
    await state.commit({ at, writes: [], leaves: [{ type: 'journal-head', seq, head }] })
    this.#coveredSeq = Math.max(this.#coveredSeq, seq)
    this.#coveredAt = at
  }

  async #acknowledged(
    kept: Kept,
    acknowledged: NonNullable<AnchorRecord['acknowledged']>,
    receipt: string,
  ): Promise<void> {
    const { clock, state, channels, nudge } = this.#ports
    const { name, outside } = kept.place.anchor
    const now = clock.now()
    const { failingSince } = kept.record
    const record = { ...kept.record, acknowledged, failingSince: null }
    const { size, root } = acknowledged
    const said = receipt.slice(0, MAX_DETAIL)
    await state.commit({
      at: now,
      writes: [keepingRecord(name, record)],
      leaves: [{ type: 'anchor-acknowledged', anchor: name, outside, size, root, receipt: said }],
      alerts:
        failingSince === null
          ? []
          : alertsTo(channels(), 'anchor.recovered', { name, failedFor: now - failingSince, size }, now),
    })
    if (failingSince !== null) nudge()
    kept.record = record
    kept.failures = 0
    kept.error = null
    kept.since = this.#grownTo > size ? acknowledged.at : null
  }

  /** Told once, when it has failed a few times. Never throws. */
  async #failed(kept: Kept, cause: unknown): Promise<void> {
    const { clock, state, channels, nudge } = this.#ports
    const { name, outside } = kept.place.anchor
    kept.failures++
    kept.error = (cause instanceof HalliganError ? cause.message : 'the place failed').slice(0, MAX_DETAIL)
    mainLog.warn('anchor.attempt-failed', { anchor: name, failures: kept.failures, error: cause })
    if (kept.failures < FAILURES_BEFORE_ALERT || kept.record.failingSince !== null) return
    const now = clock.now()
    const record = { ...kept.record, failingSince: now }
    const newest = kept.record.acknowledged
    const facts = { name, outside, error: kept.error, newestSize: newest?.size ?? 0, newestAt: isoOf(newest?.at) }
    try {
      await state.commit({
        at: now,
        writes: [keepingRecord(name, record)],
        leaves: [{ type: 'anchor-failed', anchor: name, error: kept.error }],
        alerts: alertsTo(channels(), 'anchor.failed', facts, now),
      })
      kept.record = record
      nudge()
    } catch (error) {
      // It is told with the next attempt that fails.
      mainLog.error('anchor.failure-not-written', { anchor: name, error })
    }
  }

  /** Asks a place that can be read for what it holds. Never throws. */
  async #readBack(kept: Kept): Promise<void> {
    const { anchor } = kept.place
    if (anchor.read === undefined) return
    const { read } = anchor
    try {
      const held = await bounded(this.#ports.clock, this.#leaving.signal, (signal) => read(signal))
      if (held !== undefined) await this.#judge(kept, held)
    } catch (error) {
      mainLog.warn('anchor.not-read', { anchor: anchor.name, error })
    }
  }

  /** Tells, once for each, of a checkpoint that the ledger does not contain. Throws `store_failed`. */
  async #judge(kept: Kept, checkpoint: string): Promise<void> {
    const { clock, state, open, channels, nudge } = this.#ports
    const opened = open(checkpoint)
    const head = await state.ledgerHead()
    const problem = await contradictionOf(opened, head, state)
    if (problem === undefined || kept.record.contradicted === checkpoint) return
    const { name } = kept.place.anchor
    const now = clock.now()
    const size = opened.kind === 'malformed' ? 0 : opened.checkpoint.size
    const record = { ...kept.record, contradicted: checkpoint }
    mainLog.error('anchor.contradicted', { anchor: name, problem })
    await state.commit({
      at: now,
      writes: [keepingRecord(name, record)],
      leaves: [{ type: 'anchor-contradicted', anchor: name, size, problem }],
      alerts: alertsTo(channels(), 'anchor.contradicted', { name, problem, ledgerSize: head.size }, now),
    })
    kept.record = record
    nudge()
  }
}

function isoOf(at: number | undefined): string | null {
  return at === undefined ? null : new Date(at).toISOString()
}
