// The client's half of the tracker: each message becomes an event to record and, where the server answers it, an item of
// the reply queue.

import { ProtocolViolation } from '../errors.ts'
import { FieldReader } from './fields.ts'
import type { FrameSink } from './frame.ts'
import {
  decodeBind,
  decodeExecute,
  decodeFunctionCall,
  decodeNamed,
  decodeParse,
  objectName,
} from './frontend-decoding.ts'
import type { BindFields, BoundValue } from './frontend-decoding.ts'
import { frontendType } from './message-type.ts'
import { recordValue } from './parameter-value.ts'
import type { RecordedValue } from './parameter-value.ts'
import { Pending } from './reply-queue.ts'
import type { ReplyQueue } from './reply-queue.ts'
import { longestShaped, shapeOf } from './statement-shape.ts'
import type { ClientEvent } from './statement-event.ts'
import { recordText } from './text.ts'

/** Binary values of one Bind beyond this are not kept for decoding; their hex is recorded all the same. */
const MAX_KEPT_VALUE_BYTES = 65_536

export interface ClientSideOptions {
  readonly queue: ReplyQueue
  readonly onEvent: (event: ClientEvent) => void
  /** Told of a recorded message that the server will ignore. */
  readonly onSkipped: (id: number) => void
  readonly clientEncoding: () => string
}

export class ClientSide implements FrameSink {
  readonly #queue: ReplyQueue
  readonly #onEvent: ClientSideOptions['onEvent']
  readonly #onSkipped: ClientSideOptions['onSkipped']
  readonly #clientEncoding: ClientSideOptions['clientEncoding']
  readonly #fields = new FieldReader()
  #lastId = 0
  /** A Bind not told yet: an Execute right behind it belongs to the same event. */
  #bind: (BindFields & { readonly id: number; readonly recorded: readonly RecordedValue[] }) | undefined
  /** What COPY data sent now is for. */
  #copyOwner: Pending | undefined
  #partId = 0
  #hasSaidFarewell = false

  constructor(options: ClientSideOptions) {
    this.#queue = options.queue
    this.#onEvent = options.onEvent
    this.#onSkipped = options.onSkipped
    this.#clientEncoding = options.clientEncoding
  }

  /** Id of the newest event. */
  get lastId(): number {
    return this.#lastId
  }

  /** The client has sent Terminate: the server's close is its wish. */
  get hasSaidFarewell(): boolean {
    return this.#hasSaidFarewell
  }

  /** The end of a chunk: nothing may wait for the next one to be recorded. */
  flush(): void {
    if (this.#bind !== undefined) this.#tellBind(false, 0)
  }

  message(type: number, bytes: Buffer, start: number, end: number): void {
    const fields = this.#fields.over(bytes, start, end)
    if (this.#bind !== undefined && type !== frontendType.Execute && type !== frontendType.Describe) this.flush()
    switch (type) {
      case frontendType.Query:
        return this.#query(fields)
      case frontendType.Parse:
        return this.#parse(fields)
      case frontendType.Bind:
        return this.#bound(fields)
      case frontendType.Execute:
        return this.#execute(fields)
      case frontendType.Describe:
        return this.#named('describe', fields)
      case frontendType.Close:
        return this.#named('close', fields)
      case frontendType.Sync:
        fields.finish('Sync')
        this.#queue.push(new Pending('sync', 0, ''))
        return undefined
      case frontendType.FunctionCall:
        return this.#call(fields)
      case frontendType.CopyFail:
        return this.#copyFail(fields)
      default:
        fields.finish('Terminate')
        this.#hasSaidFarewell = true
        return undefined
    }
  }

  counted(type: number, bodyBytes: number): void {
    if (bodyBytes !== 0) throw new ProtocolViolation(`${bodyBytes} bytes in a message that has none`)
    if (type === frontendType.CopyDone) this.#copyEnd(null)
  }

  part(type: number, bytes: Buffer, start: number, end: number, index: number, isLast: boolean): void {
    const body = bytes.subarray(start, end)
    if (type === frontendType.CopyData) {
      if (this.#copyOwner !== undefined) this.#copyOwner.copyInBytes += body.length
      this.#onEvent({ kind: 'copy-data', id: this.#copyOwner?.id ?? 0, bytes: body })
      return
    }
    const of = longKind(type)
    if (index === 0) this.#beginLong(of, this.#fields.over(bytes, start, end))
    this.#onEvent({ kind: 'part', id: this.#partId, of, index, bytes: body, isLast })
  }

  #query(fields: FieldReader): void {
    const sql = recordText(fields.string(), this.#clientEncoding())
    fields.finish('Query')
    const id = ++this.#lastId
    this.#onEvent({ kind: 'query', id, sql })
    // The text waits for its answer only while its shape may matter.
    this.#own(new Pending('query', id, sql.text.length <= longestShaped ? sql.text : ''))
  }

  #parse(fields: FieldReader): void {
    const { name, sql, types } = decodeParse(fields)
    const text = recordText(sql, this.#clientEncoding())
    const id = ++this.#lastId
    this.#onEvent({ kind: 'parse', id, name, sql: text, types })
    const pending = new Pending('parse', id, name)
    pending.prepared = { id, types, shape: shapeOf(text.text) }
    this.#push(pending)
  }

  #bound(fields: FieldReader): void {
    const bind = decodeBind(fields)
    const encoding = this.#clientEncoding()
    const recorded = bind.values.map((value) => recordValue(value, encoding))
    const id = ++this.#lastId
    this.#bind = { ...bind, id, recorded }
    const pending = new Pending('bind', id, bind.portal)
    pending.statementName = bind.statement
    if (wantsDecoding(bind.values)) pending.values = recorded
    this.#push(pending)
  }

  #execute(fields: FieldReader): void {
    const { portal, maxRows } = decodeExecute(fields)
    const bind = this.#bind
    if (bind !== undefined && bind.portal === portal) {
      this.#tellBind(true, maxRows)
      this.#own(new Pending('execute', bind.id, portal))
      return
    }
    this.flush()
    const id = ++this.#lastId
    this.#onEvent({ kind: 'execute', id, portal, maxRows })
    this.#own(new Pending('execute', id, portal))
  }

  #tellBind(isExecuted: boolean, maxRows: number): void {
    const bind = this.#bind
    if (bind === undefined) return
    this.#bind = undefined
    const { id, portal, statement, recorded } = bind
    this.#onEvent({ kind: 'bind', id, portal, statement, values: recorded, isExecuted, maxRows })
  }

  #named(kind: 'describe' | 'close', fields: FieldReader): void {
    const named = decodeNamed(fields, kind)
    const pending = new Pending(kind, 0, named.name)
    pending.isPortal = named.kind === 'P'
    this.#push(pending)
  }

  #call(fields: FieldReader): void {
    const { oid, values } = decodeFunctionCall(fields)
    const encoding = this.#clientEncoding()
    const id = ++this.#lastId
    this.#onEvent({ kind: 'call', id, oid, values: values.map((value) => recordValue(value, encoding)) })
    this.#push(new Pending('call', id, ''))
  }

  #copyFail(fields: FieldReader): void {
    const reason = recordText(fields.string(), this.#clientEncoding()).text
    fields.finish('CopyFail')
    this.#copyEnd(reason)
  }

  #copyEnd(failure: string | null): void {
    this.flush()
    this.#onEvent({ kind: 'copy-end', id: this.#copyOwner?.id ?? 0, failure })
    this.#queue.push(new Pending('copy-end', 0, ''))
  }

  // A message too long to be seen whole is queued at its first piece; the server acts on it only behind its last.
  #beginLong(of: 'query' | 'parse' | 'bind' | 'call', fields: FieldReader): void {
    this.flush()
    const id = ++this.#lastId
    this.#partId = id
    const name = of === 'parse' || of === 'bind' ? objectName(fields) : ''
    const pending = new Pending(of, id, name)
    if (of === 'parse') pending.prepared = { id, types: [], shape: { kind: 'other' } }
    if (of === 'bind') pending.statementName = objectName(fields)
    if (of === 'query') this.#own(pending)
    else this.#push(pending)
  }

  #own(pending: Pending): void {
    this.#copyOwner = pending
    this.#push(pending)
  }

  #push(pending: Pending): void {
    if (!this.#queue.isSkipping) this.#queue.push(pending)
    else if (pending.id !== 0) this.#onSkipped(pending.id)
  }
}

function wantsDecoding(values: readonly BoundValue[]): boolean {
  let size = 0
  for (const value of values) if (value !== null && value.format !== 0) size += value.bytes.length + 1
  return size > 0 && size <= MAX_KEPT_VALUE_BYTES
}

function longKind(type: number): 'query' | 'parse' | 'bind' | 'call' {
  switch (type) {
    case frontendType.Query:
      return 'query'
    case frontendType.Parse:
      return 'parse'
    case frontendType.Bind:
      return 'bind'
    case frontendType.FunctionCall:
      return 'call'
    default:
      throw new ProtocolViolation(`message of type 0x${type.toString(16)} is too long`)
  }
}
