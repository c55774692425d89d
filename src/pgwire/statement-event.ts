// What the tracker tells: plain data, one id per thing the client sent. Ids grow in the order of sending; a Bind and the
// Execute right behind it share one.

import type { TransactionStatus } from './backend-decoding.ts'
import type { RecordedValue } from './parameter-value.ts'
import type { RecordedText } from './text.ts'

/** Told while the client's bytes are scanned: durable before those bytes go on. */
export type ClientEvent =
  | { readonly kind: 'query'; readonly id: number; readonly sql: RecordedText }
  | {
      readonly kind: 'parse'
      readonly id: number
      readonly name: string
      readonly sql: RecordedText
      readonly types: readonly number[]
    }
  | {
      readonly kind: 'bind'
      readonly id: number
      readonly portal: string
      readonly statement: string
      readonly values: readonly RecordedValue[]
      /** An Execute of this portal stood right behind it; it has this id too. */
      readonly isExecuted: boolean
      /** Of that Execute; 0 is no limit. */
      readonly maxRows: number
    }
  | { readonly kind: 'execute'; readonly id: number; readonly portal: string; readonly maxRows: number }
  | { readonly kind: 'call'; readonly id: number; readonly oid: number; readonly values: readonly RecordedValue[] }
  /** A piece of a message too long to be handed over whole; `bytes` (of the body, in order) only during the call. */
  | {
      readonly kind: 'part'
      readonly id: number
      readonly of: 'query' | 'parse' | 'bind' | 'call'
      readonly index: number
      readonly bytes: Buffer
      readonly isLast: boolean
    }
  /** COPY data for the statement `id` (0: none asked for it); `bytes` only during the call. */
  | { readonly kind: 'copy-data'; readonly id: number; readonly bytes: Buffer }
  /** The client ended its COPY data; `failure` is its reason for giving up. */
  | { readonly kind: 'copy-end'; readonly id: number; readonly failure: string | null }

export interface StatementError {
  readonly severity: string
  readonly sqlstate: string
  readonly message: string
}

/** Told while the server's bytes are scanned. */
export type ServerEvent =
  | {
      readonly kind: 'done'
      readonly id: number
      /** 0, 1, 2 … for the statements of one query. */
      readonly index: number
      /** Id of the Parse it really ran, by the order of replies; null: the name was not made on this connection's wire. */
      readonly statement?: number | null
      /** Id of the Bind, where it is another than `id`. */
      readonly bind?: number
      /** Binary values decoded by that statement's types. */
      readonly values?: readonly RecordedValue[]
      /** The command's tag; empty for an empty query; null when it failed or stopped at its row limit. */
      readonly tag: string | null
      readonly isSuspended?: true
      readonly rows: number
      readonly error?: StatementError
      /** From going on to the target to this, ms. */
      readonly ms: number
      readonly copyInBytes?: number
      readonly copyOutBytes?: number
      /** Transaction status behind it, where it is known yet. */
      readonly transaction?: TransactionStatus
    }
  /** The server ignored it: something before it had failed. */
  | { readonly kind: 'skipped'; readonly id: number }
  /** The connection ended before the server told what became of it. */
  | { readonly kind: 'unknown'; readonly id: number }
  /** What became of the finished statements `from` to `to` (ids, both included) afterwards. */
  | {
      readonly kind: 'rolled-back'
      readonly from: number
      readonly to: number
      readonly extent: 'all' | 'some' | 'unknown'
    }
  | { readonly kind: 'transaction'; readonly status: TransactionStatus }
  | ({ readonly kind: 'notice' } & StatementError)
  /** An error of no statement: at commit, or the server ending the connection. */
  | ({ readonly kind: 'error' } & StatementError)
  | { readonly kind: 'notification'; readonly channel: string; readonly payload: string; readonly processId: number }
