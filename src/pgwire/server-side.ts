// The server's half of the tracker: each answer goes to the head of the reply queue. An answer that does not fit there
// means that our picture of the session is wrong; that ends it, since the record would be wrong too.

import { ProtocolViolation } from '../errors.ts'
import {
  decodeCommandComplete,
  decodeNotification,
  decodeParameterDescription,
  decodeParameterStatus,
  decodeReadyForQuery,
  decodeReport,
} from './backend-decoding.ts'
import type { ReportFields, TransactionStatus } from './backend-decoding.ts'
import { FieldReader } from './fields.ts'
import type { FrameSink } from './frame.ts'
import { backendType } from './message-type.ts'
import { decodeRecorded } from './parameter-value.ts'
import type { Pending, PendingKind, Portal, PreparedStatement, ReplyQueue } from './reply-queue.ts'
import type { ServerEvent, StatementError } from './statement-event.ts'
import { shapeOf } from './statement-shape.ts'
import type { StatementShape } from './statement-shape.ts'
import { TransactionOutcome } from './transaction.ts'
import type { RolledBack } from './transaction.ts'

/** Names one connection may hold: the server keeps them too, at a higher price. */
const MAX_NAMES = 16_384
/** Parameter types one connection may have us remember; binary values of later statements stay hex. */
const MAX_KEPT_TYPES = 1 << 20
/** Portals whose binary values are remembered at one time, each at most 64 KiB of them. */
const MAX_KEPT_VALUES = 64

type Done = Extract<ServerEvent, { kind: 'done' }>
type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

export class ServerSide implements FrameSink {
  readonly #queue: ReplyQueue
  readonly #onEvent: (event: ServerEvent) => void
  readonly #fields = new FieldReader()
  readonly #statements = new Map<string, PreparedStatement>()
  readonly #portals = new Map<string, Portal>()
  readonly #outcome = new TransactionOutcome()
  #clientEncoding: string
  /** Events of the chunk being read: the transaction status of a done may stand right behind it. */
  #held: (Exclude<ServerEvent, Done> | Mutable<Done>)[] = []
  #keptTypes = 0
  #rows = 0
  #copyOutBytes = 0
  #index = 0
  #lastSkipped = 0
  #toldStatus: TransactionStatus = 'I'
  #nowUs = 0
  /** End of the answer before: a pipelined statement does not start sooner. */
  #lastDoneUs = 0

  constructor(queue: ReplyQueue, onEvent: (event: ServerEvent) => void, clientEncoding: string) {
    this.#queue = queue
    this.#onEvent = onEvent
    this.#clientEncoding = clientEncoding
  }

  get clientEncoding(): string {
    return this.#clientEncoding
  }

  get transactionStatus(): TransactionStatus {
    return this.#outcome.status
  }

  /** The next chunk came at `nowUs`. */
  begin(nowUs: number): void {
    this.#nowUs = nowUs
  }

  /** The end of a chunk: tells what was held back for its transaction status. */
  flush(): void {
    if (this.#held.length === 0) return
    const held = this.#held
    this.#held = []
    for (const event of held) this.#onEvent(event)
  }

  /** The connection is gone. */
  close(): void {
    this.#tellRolledBack(this.#outcome.lost())
    for (const item of this.#queue.drain()) if (item.id > this.#lastSkipped) this.#told(item.id, 'unknown')
    this.flush()
  }

  counted(type: number, bodyBytes: number): void {
    switch (type) {
      case backendType.DataRow:
        this.#rows++
        return
      case backendType.CopyData:
        this.#copyOutBytes += bodyBytes
        return
      case backendType.RowDescription:
        if (this.#expect('a row description', 'describe', 'query').kind === 'describe') this.#queue.shift()
        return
      case backendType.ParseComplete:
        return this.#parsed(this.#expect('ParseComplete', 'parse'))
      case backendType.BindComplete:
        return this.#bound(this.#expect('BindComplete', 'bind'))
      case backendType.CloseComplete:
        return this.#closed(this.#expect('CloseComplete', 'close'))
      case backendType.NoData:
        this.#expect('NoData', 'describe')
        return this.#queue.shift()
      case backendType.PortalSuspended:
        return this.#done(this.#expect('PortalSuspended', 'execute'), { tag: null, isSuspended: true })
      case backendType.EmptyQueryResponse:
        return this.#done(this.#expect('EmptyQueryResponse', 'execute', 'query'), { tag: '' })
      case backendType.FunctionCallResponse:
        return this.#done(this.#expect('FunctionCallResponse', 'call'), { tag: 'FUNCTION CALL' })
      case backendType.CopyInResponse:
        this.#expect('CopyInResponse', 'execute', 'query')
        return this.#queue.beginCopyIn()
      case backendType.CopyOutResponse:
        this.#expect('CopyOutResponse', 'execute', 'query')
        this.#copyOutBytes = 0
        return
      case backendType.CopyDone:
        return
      default:
        throw new ProtocolViolation(`server message 0x${type.toString(16)} out of place`)
    }
  }

  message(type: number, bytes: Buffer, start: number, end: number): void {
    const fields = this.#fields.over(bytes, start, end)
    switch (type) {
      case backendType.CommandComplete:
        return this.#commandComplete(fields)
      case backendType.ReadyForQuery:
        return this.#ready(decodeReadyForQuery(fields))
      case backendType.ErrorResponse:
        return this.#error(decodeReport(fields))
      case backendType.NoticeResponse:
        this.#held.push({ kind: 'notice', ...errorOf(decodeReport(fields)) })
        return undefined
      case backendType.ParameterDescription:
        return this.#described(decodeParameterDescription(fields))
      case backendType.NotificationResponse:
        this.#held.push({ kind: 'notification', ...decodeNotification(fields) })
        return undefined
      case backendType.ParameterStatus: {
        const { name, value } = decodeParameterStatus(fields)
        if (name === 'client_encoding') this.#clientEncoding = value
        return undefined
      }
      default:
        throw new ProtocolViolation(`server message 0x${type.toString(16)} out of place`)
    }
  }

  // Only reports get this long; their beginning tells enough.
  part(type: number, bytes: Buffer, start: number, end: number, index: number): void {
    if (type !== backendType.ErrorResponse && type !== backendType.NoticeResponse)
      throw new ProtocolViolation(`server message 0x${type.toString(16)} is too long`)
    if (index > 0) return
    const report = decodeReport(this.#fields.over(bytes, start, end), true)
    if (type === backendType.ErrorResponse) this.#error(report)
    else this.#held.push({ kind: 'notice', ...errorOf(report) })
  }

  #expect(what: string, kind: PendingKind, otherKind: PendingKind = kind): Pending {
    const head = this.#queue.head()
    if (head === undefined || (head.kind !== kind && head.kind !== otherKind))
      throw new ProtocolViolation(
        `${what} while ${head === undefined ? 'nothing' : `the answer to ${head.kind}`} was due`,
      )
    return head
  }

  #parsed(head: Pending): void {
    if (head.prepared !== undefined) {
      this.#keepTypes(head.prepared, head.prepared.types)
      setBounded(this.#statements, head.name, head.prepared)
    }
    this.#queue.shift()
  }

  #bound(head: Pending): void {
    const values = this.#portals.size < MAX_KEPT_VALUES ? head.values : undefined
    const portal = { id: head.id, statement: this.#statements.get(head.statementName), values }
    setBounded(this.#portals, head.name, portal)
    this.#queue.shift()
  }

  #closed(head: Pending): void {
    if (head.isPortal) this.#portals.delete(head.name)
    else this.#statements.delete(head.name)
    this.#queue.shift()
  }

  #described(types: readonly number[]): void {
    const head = this.#expect('ParameterDescription', 'describe')
    const statement = head.isPortal ? undefined : this.#statements.get(head.name)
    if (statement !== undefined) this.#keepTypes(statement, types)
  }

  #keepTypes(statement: PreparedStatement, types: readonly number[]): void {
    this.#keptTypes += types.length
    statement.types = this.#keptTypes > MAX_KEPT_TYPES ? [] : types
  }

  #commandComplete(fields: FieldReader): void {
    const head = this.#expect('CommandComplete', 'execute', 'query')
    const { tag, rows } = decodeCommandComplete(fields)
    if (this.#queue.copyIn !== 'no') this.#queue.endCopyIn(false)
    const shape = this.#shape(head, tag)
    this.#followNames(tag, shape, head)
    const id = head.id
    this.#done(head, { tag }, rows)
    this.#tellRolledBack(this.#outcome.finished(id, tag, shape))
  }

  #shape(head: Pending, tag: string): StatementShape {
    if (tag !== 'ROLLBACK' && tag !== 'PREPARE' && tag !== 'DEALLOCATE') return { kind: 'other' }
    if (head.kind === 'query') return shapeOf(head.name)
    return this.#portals.get(head.name)?.statement?.shape ?? { kind: 'other' }
  }

  // SQL's own PREPARE and DEALLOCATE share their names with Parse and Close. A name we cannot read makes all doubtful:
  // better "not known" in the record than the wrong statement.
  #followNames(tag: string, shape: StatementShape, head: Pending): void {
    if (tag === 'DEALLOCATE ALL' || tag === 'DISCARD ALL') this.#statements.clear()
    else if (tag === 'DEALLOCATE' && shape.kind === 'deallocate') this.#statements.delete(shape.name)
    else if (tag === 'DEALLOCATE') this.#statements.clear()
    else if (tag === 'PREPARE' && shape.kind === 'prepare')
      setBounded(this.#statements, shape.name, { id: head.id, types: [], shape: { kind: 'other' } })
  }

  #error(report: ReportFields): void {
    const error = errorOf(report)
    const head = this.#queue.head()
    this.#outcome.failed()
    if (head === undefined || head.kind === 'sync') {
      // With nothing due only the server's farewell is in order; at a Sync it is the commit that failed.
      if (head === undefined && error.severity !== 'FATAL' && error.severity !== 'PANIC')
        throw new ProtocolViolation(`server error ${error.sqlstate} while nothing was due`)
      this.#held.push({ kind: 'error', ...error })
      return
    }
    if (this.#queue.copyIn !== 'no') this.#queue.endCopyIn(true)
    if (head.kind === 'parse' && head.name === '') this.#statements.delete('')
    if (head.id === 0) this.#held.push({ kind: 'error', ...error })
    else this.#done(head, { tag: null, error }, undefined, false)
    if (head.kind === 'query' || head.kind === 'call') return
    this.#lastSkipped = Math.max(this.#lastSkipped, head.id)
    for (const item of this.#queue.dropToSync()) if (item.id > this.#lastSkipped) this.#told(item.id, 'skipped')
  }

  #told(id: number, kind: 'skipped' | 'unknown'): void {
    this.#lastSkipped = id
    this.#held.push({ kind, id })
  }

  #ready(status: TransactionStatus): void {
    const head = this.#queue.head()
    if (head?.kind === 'query' || head?.kind === 'call' || head?.kind === 'sync') {
      if (head.kind === 'query') {
        this.#statements.delete('')
        this.#portals.delete('')
      }
      this.#queue.shift()
    } else if (!this.#queue.takeDoubtfulSync()) {
      throw new ProtocolViolation(
        `ReadyForQuery while ${head === undefined ? 'nothing' : `the answer to ${head.kind}`} was due`,
      )
    }
    this.#index = 0
    if (status === 'I') this.#portals.clear()
    for (const event of this.#held) {
      if (event.kind !== 'done' || event.transaction !== undefined) continue
      event.transaction = status
      this.#toldStatus = status
    }
    this.#tellRolledBack(this.#outcome.ready(status))
    if (status !== this.#toldStatus) {
      this.#toldStatus = status
      this.#held.push({ kind: 'transaction', status })
    }
  }

  #done(head: Pending, what: Pick<Mutable<Done>, 'tag' | 'isSuspended' | 'error'>, rows?: number, shifts = true): void {
    const start = Math.max(head.forwardedUs ?? this.#nowUs, this.#lastDoneUs)
    this.#lastDoneUs = this.#nowUs
    const done: Mutable<Done> = {
      kind: 'done',
      id: head.id,
      index: head.kind === 'query' ? this.#index++ : 0,
      ...what,
      rows: rows ?? this.#rows,
      ms: (this.#nowUs - start) / 1000,
    }
    if (head.kind === 'execute') this.#resolve(done, head)
    if (head.copyInBytes > 0) done.copyInBytes = head.copyInBytes
    if (this.#copyOutBytes > 0) done.copyOutBytes = this.#copyOutBytes
    head.copyInBytes = 0
    this.#rows = 0
    this.#copyOutBytes = 0
    this.#held.push(done)
    if (shifts && head.kind === 'execute') this.#queue.shift()
  }

  #resolve(done: Mutable<Done>, head: Pending): void {
    const portal = this.#portals.get(head.name)
    done.statement = portal?.statement?.id ?? null
    if (portal !== undefined && portal.id !== head.id) done.bind = portal.id
    if (portal?.values !== undefined && portal.statement !== undefined)
      done.values = decodeRecorded(portal.values, portal.statement.types)
  }

  #tellRolledBack(rolledBack: RolledBack | undefined): void {
    if (rolledBack !== undefined) this.#held.push({ kind: 'rolled-back', ...rolledBack })
  }
}

function errorOf({ severity, sqlstate, message }: ReportFields): StatementError {
  return { severity, sqlstate, message }
}

function setBounded<Value>(map: Map<string, Value>, name: string, value: Value): void {
  if (map.size >= MAX_NAMES && !map.has(name))
    throw new ProtocolViolation(`more than ${MAX_NAMES} named statements or portals`)
  map.set(name, value)
}
