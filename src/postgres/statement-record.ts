// Turns what the tracker tells into lines of the recording (codes q p d h n m, and b for COPY data kept whole), and says
// when the lines of a piece of the client's stream are durable. The shapes of the lines' data are in line-data.ts.

import type { Clock, Timer } from '../clock.ts'
import { RiskReader, risksOf } from '../pgwire/risky-statement.ts'
import type { RiskyKind } from '../pgwire/risky-statement.ts'
import type { ClientEvent, ServerEvent } from '../pgwire/statement-event.ts'
import type { EventCode } from '../recording/event-line.ts'
import { recorderHighWaterBytes } from '../session/recorder.ts'
import type { Recorder } from '../session/recorder.ts'
import { CopyRecord } from './copy-record.ts'
import { clientLine, riskyMarker, serverLine } from './line-data.ts'
import type { LineData } from './line-data.ts'
import { LongMessage } from './long-message.ts'

/** Lines of one session that may wait for the disk at a time; a chunk of answers makes a few hundred at most as a rule. */
const MAX_PENDING_LINES = 4096

/**
 * An answer's line waits this long for the next statement's: a client that asks one thing after the other then costs the
 * disk one sync a statement instead of two. A watcher does not notice.
 */
const ANSWER_WAIT_MS = 2
/** So many lines do not wait: a chunk full of answers is worth a sync of its own. */
const MAX_WAITING_ANSWERS = 64

export interface StatementRecordOptions {
  readonly clock: Clock
  readonly recorder: Recorder
  /** COPY data: whole up to 10 MiB and then by hash, or by hash alone. */
  readonly bulk: 'full' | 'hash'
  /** The first line that did not become durable. */
  readonly onFailure: (error: unknown) => void
  /** A statement that destroys something or hands out access, by its id; it must not throw, and nothing waits for it. */
  readonly onRisky: (kind: RiskyKind, statement: number) => void
}

export class StatementRecord {
  readonly #clock: Clock
  readonly #recorder: Recorder
  readonly #onFailure: (error: unknown) => void
  readonly #onRisky: StatementRecordOptions['onRisky']
  readonly #copy: CopyRecord
  #long: LongMessage | undefined
  /** Reads the text of `#long`. */
  #risks: RiskReader | undefined
  /** The client's newest line since the last `takeDurable`: lines become durable in order, so it stands for all before it. */
  #newest: Promise<void> | undefined
  #latest: Promise<void> | undefined
  #pendingLines = 0
  #answers: LineData[] = []
  #timer: Timer | undefined
  readonly #onDurable = () => {
    this.#pendingLines--
  }

  constructor(options: StatementRecordOptions) {
    this.#clock = options.clock
    this.#recorder = options.recorder
    this.#onFailure = options.onFailure
    this.#onRisky = options.onRisky
    this.#copy = new CopyRecord({
      keepsBytes: options.bulk === 'full',
      bulk: (bytes) => {
        this.flush()
        this.#newest = this.#keep(this.#recorder.bulk('i', bytes))
      },
      fact: (data) => this.#clientFact('h', data),
    })
  }

  client(event: ClientEvent): void {
    if (event.kind === 'copy-data') return this.#copy.data(event.id, event.bytes)
    if (event.kind === 'copy-end') return this.#copy.end(event.id, event.failure)
    if (event.kind === 'part') return this.#part(event)
    this.#copy.flush()
    const { code, data } = clientLine(event)
    this.#clientFact(code, data)
    if (event.kind === 'query' || event.kind === 'parse') this.#mark(event.id, risksOf(event.sql.text))
  }

  /** Waits a moment for the next statement, so that one sync serves both; it is handed over before that in any case. */
  server(event: ServerEvent): void {
    this.#answers.push(serverLine(event))
    if (this.#answers.length >= MAX_WAITING_ANSWERS) this.flush()
    else this.#timer ??= this.#clock.after(ANSWER_WAIT_MS, () => this.flush())
  }

  /** Hands over the answers that wait. */
  flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#answers.length === 0) return
    const answers = this.#answers
    this.#answers = []
    for (const { code, data } of answers) void this.#keep(this.#recorder.fact(code, data))
  }

  /** The client asked to cancel what runs. */
  cancel(): Promise<void> {
    this.flush()
    return this.#keep(this.#recorder.fact('q', { kind: 'cancel' }))
  }

  /** So many lines wait for the disk that neither side should be read on: a flood of notices must not fill memory. */
  get isBehind(): boolean {
    return this.#pendingLines > MAX_PENDING_LINES || this.#recorder.pendingBytes > recorderHighWaterBytes
  }

  /** Resolves when the newest line of either side is durable; rejects as `onFailure` was told. */
  get latest(): Promise<void> {
    this.flush()
    return this.#latest ?? Promise.resolve()
  }

  /** The client has sent COPY data since the last `takeDurable`, and nothing that has its line already. */
  get hasCopyDataOnly(): boolean {
    return this.#newest === undefined && this.#copy.hasData
  }

  /** Resolves when every line of the client since the last call is durable; undefined: there was none. */
  takeDurable(): Promise<void> | undefined {
    this.#copy.flush()
    const newest = this.#newest
    this.#newest = undefined
    return newest
  }

  #part(event: Extract<ClientEvent, { kind: 'part' }>): void {
    if (event.index === 0) {
      this.#long = new LongMessage(event.of, event.id)
      this.#risks = event.of === 'query' || event.of === 'parse' ? new RiskReader() : undefined
    }
    const line = this.#long?.part(event.bytes, event.index, event.isLast)
    if (line === undefined) return
    this.#clientFact(line.code, line.data)
    const { sql } = line.data
    if (typeof sql === 'string') this.#risks?.push(sql)
    if (event.isLast && this.#risks !== undefined) this.#mark(event.id, this.#risks.end())
  }

  /** Behind the statement's line, in the same batch; the statement does not wait for it. */
  #mark(id: number, kinds: readonly RiskyKind[]): void {
    if (kinds.length === 0) return
    void this.#keep(this.#recorder.fact('m', riskyMarker(id, kinds)))
    for (const kind of kinds) this.#onRisky(kind, id)
  }

  #clientFact(code: EventCode, data: unknown): void {
    this.flush()
    this.#newest = this.#keep(this.#recorder.fact(code, data))
  }

  #keep(line: Promise<void>): Promise<void> {
    this.#pendingLines++
    line.then(this.#onDurable, this.#onFailure)
    this.#latest = line
    return line
  }
}
