// What the server still owes an answer to, in the order of sending. Answers come in that order, so names resolve here and
// not where they were sent: a re-Parse that fails leaves the old statement under its name.

import { ProtocolViolation } from '../errors.ts'
import type { RecordedValue } from './parameter-value.ts'
import type { StatementShape } from './statement-shape.ts'

/** A statement as Parse (or SQL's PREPARE) made it. */
export interface PreparedStatement {
  readonly id: number
  /** From Parse, then from the server's ParameterDescription. */
  types: readonly number[]
  readonly shape: StatementShape
}

/** What a Bind made. */
export interface Portal {
  readonly id: number
  readonly statement: PreparedStatement | undefined
  /** Kept only where a binary value waits to be decoded. */
  readonly values: readonly RecordedValue[] | undefined
}

export type PendingKind = 'query' | 'parse' | 'bind' | 'execute' | 'describe' | 'close' | 'sync' | 'call' | 'copy-end'

/** One message that gets an answer, or the end of COPY data, which takes its place in the order. */
export class Pending {
  readonly kind: PendingKind
  /** The event's id; 0 for what is not recorded. */
  readonly id: number
  /** Statement or portal the message names; of a query its text while that is needed. */
  readonly name: string
  /** Bind: the statement's name. */
  statementName = ''
  /** Describe and Close: whether `name` is a portal's. */
  isPortal = false
  prepared: PreparedStatement | undefined
  values: readonly RecordedValue[] | undefined
  /** µs, monotonic; undefined until it went on. */
  forwardedUs: number | undefined
  /** A Sync sent into COPY data: the server reads over it. */
  isSwallowed = false
  copyInBytes = 0

  constructor(kind: PendingKind, id: number, name: string) {
    this.kind = kind
    this.id = id
    this.name = name
  }
}

/** Shift many before the array is cut: each cut copies what is left. */
const COMPACT_AT = 1024

export class ReplyQueue {
  #items: Pending[] = []
  #at = 0
  /** First item not stamped by `forwarded` yet, as an index into #items. */
  #unstamped = 0
  /** The client must send Sync before the server listens again. */
  isSkipping = false
  /** The server is taking COPY data; ended when the client has said so. */
  copyIn: 'no' | 'open' | 'ended' = 'no'
  /** Syncs taken for swallowed that the server might still answer. */
  #doubtfulSyncs = 0

  get length(): number {
    return this.#items.length - this.#at
  }

  /** The item the next answer is for. */
  head(): Pending | undefined {
    // The end of COPY data that no COPY waited for: the server ignores it.
    while (this.#items[this.#at]?.kind === 'copy-end') this.#advance()
    return this.#items[this.#at]
  }

  shift(): void {
    this.#advance()
  }

  push(item: Pending): void {
    if (item.kind === 'sync') {
      if (this.copyIn === 'open') item.isSwallowed = true
      else this.isSkipping = false
    } else if (item.kind === 'copy-end') {
      if (this.copyIn === 'open') this.copyIn = 'ended'
      if (this.length === 0) return
    } else if (this.copyIn === 'open') {
      // The server would swallow it and fail the COPY; no client means that.
      throw new ProtocolViolation(`${item.kind} sent into COPY data`)
    }
    this.#items.push(item)
  }

  /** Sets the time at which everything up to event `lastId` went on to the server. */
  forwarded(lastId: number, nowUs: number): void {
    if (this.#unstamped < this.#at) this.#unstamped = this.#at
    for (
      let item = this.#items[this.#unstamped];
      item !== undefined && item.id <= lastId;
      item = this.#items[++this.#unstamped]
    )
      item.forwardedUs ??= nowUs
  }

  /** The server began to take COPY data for the head. */
  beginCopyIn(): void {
    this.copyIn = 'open'
    for (let i = this.#at + 1; i < this.#items.length; i++) {
      const item = this.#items[i] as Pending
      if (item.kind === 'copy-end') {
        this.copyIn = 'ended'
        return
      }
      if (item.kind !== 'sync') throw new ProtocolViolation(`${item.kind} sent into COPY data`)
      item.isSwallowed = true
    }
  }

  /** COPY data is over: takes out the Syncs that were read over and the client's end of the data. */
  endCopyIn(hasFailed: boolean): void {
    let end = this.#at + 1
    for (let item = this.#items[end]; item?.isSwallowed === true; item = this.#items[end]) {
      if (hasFailed) this.#doubtfulSyncs++
      end++
    }
    if (this.copyIn === 'ended' && this.#items[end]?.kind === 'copy-end') end++
    this.#items.splice(this.#at + 1, end - this.#at - 1)
    this.#unstamped = this.#at
    this.copyIn = 'no'
  }

  /** An error in an extended-protocol message: gives what the server skips until the next Sync. */
  dropToSync(): Pending[] {
    let end = this.#at
    while (end < this.#items.length && this.#items[end]?.kind !== 'sync') end++
    if (end === this.#items.length) this.isSkipping = true
    const dropped = this.#items.splice(this.#at, end - this.#at)
    this.#unstamped = this.#at
    return dropped
  }

  /** A ReadyForQuery nobody waits for: allowed only for a Sync that might have been answered after all. */
  takeDoubtfulSync(): boolean {
    if (this.#doubtfulSyncs === 0) return false
    this.#doubtfulSyncs--
    this.isSkipping = false
    return true
  }

  /** Everything unanswered, for the end of the connection. */
  drain(): Pending[] {
    const left = this.#items.slice(this.#at)
    this.#items = []
    this.#at = 0
    return left
  }

  #advance(): void {
    this.#at++
    if (this.#at === this.#items.length) {
      this.#items.length = 0
      this.#at = 0
      this.#unstamped = 0
    } else if (this.#at === COMPACT_AT) {
      this.#items.splice(0, this.#at)
      this.#unstamped = Math.max(0, this.#unstamped - this.#at)
      this.#at = 0
    }
  }
}
