// Turns what the tracker tells into lines of the recording (codes q p d h n, and b for COPY data kept whole), and says
// when the lines of a piece of the client's stream are durable. The shapes of the lines' data are in line-data.ts.

import type { ClientEvent, ServerEvent } from '../pgwire/statement-event.ts'
import type { EventCode } from '../recording/event-line.ts'
import { recorderHighWaterBytes } from '../session/recorder.ts'
import type { Recorder } from '../session/recorder.ts'
import { CopyRecord } from './copy-record.ts'
import { clientLine, serverLine } from './line-data.ts'
import { LongMessage } from './long-message.ts'

/** Lines of one session that may wait for the disk at a time; a chunk of answers makes a few hundred at most as a rule. */
const MAX_PENDING_LINES = 4096

export interface StatementRecordOptions {
  readonly recorder: Recorder
  /** COPY data: whole up to 10 MiB and then by hash, or by hash alone. */
  readonly bulk: 'full' | 'hash'
  /** The first line that did not become durable. */
  readonly onFailure: (error: unknown) => void
}

export class StatementRecord {
  readonly #recorder: Recorder
  readonly #onFailure: (error: unknown) => void
  readonly #copy: CopyRecord
  #long: LongMessage | undefined
  /** The client's newest line since the last `takeDurable`: lines become durable in order, so it stands for all before it. */
  #newest: Promise<void> | undefined
  #latest: Promise<void> | undefined
  #pendingLines = 0
  readonly #onDurable = () => {
    this.#pendingLines--
  }

  constructor(options: StatementRecordOptions) {
    this.#recorder = options.recorder
    this.#onFailure = options.onFailure
    this.#copy = new CopyRecord({
      keepsBytes: options.bulk === 'full',
      bulk: (bytes) => {
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
  }

  server(event: ServerEvent): void {
    const { code, data } = serverLine(event)
    void this.#keep(this.#recorder.fact(code, data))
  }

  /** The client asked to cancel what runs. */
  cancel(): Promise<void> {
    return this.#keep(this.#recorder.fact('q', { kind: 'cancel' }))
  }

  /** So many lines wait for the disk that neither side should be read on: a flood of notices must not fill memory. */
  get isBehind(): boolean {
    return this.#pendingLines > MAX_PENDING_LINES || this.#recorder.pendingBytes > recorderHighWaterBytes
  }

  /** Resolves when the newest line of either side is durable; rejects as `onFailure` was told. */
  get latest(): Promise<void> {
    return this.#latest ?? Promise.resolve()
  }

  /** Resolves when every line of the client since the last call is durable; undefined: there was none. */
  takeDurable(): Promise<void> | undefined {
    this.#copy.flush()
    const newest = this.#newest
    this.#newest = undefined
    return newest
  }

  #part(event: Extract<ClientEvent, { kind: 'part' }>): void {
    if (event.index === 0) this.#long = new LongMessage(event.of, event.id)
    const line = this.#long?.part(event.bytes, event.index, event.isLast)
    if (line !== undefined) this.#clientFact(line.code, line.data)
  }

  #clientFact(code: EventCode, data: unknown): void {
    this.#newest = this.#keep(this.#recorder.fact(code, data))
  }

  #keep(line: Promise<void>): Promise<void> {
    this.#pendingLines++
    line.then(this.#onDurable, this.#onFailure)
    this.#latest = line
    return line
  }
}
