// The data of PostgreSQL's lines in a recording, as plain JSON. Short names: these lines are the most frequent ones.
//
// q  {id, kind: 'query', sql, raw?}                  a query of the simple protocol
//    {id, kind: 'parse', name, sql, raw?, types?}    a statement prepared under a name ('' is the unnamed one)
//    {id, kind: 'execute', portal, maxRows?}         an Execute that did not follow its Bind at once
//    {id, kind: 'call', oid, values}                 a function called by its OID
//    {id, kind: 'part', of, index, last?, sql? | raw?, tail?}  a piece of a query or parse over 1 MiB
//    {kind: 'cancel'}                                the client asked to cancel what runs
// p  {id, statement, portal?, values, executed, maxRows?}  a Bind; executed: an Execute stood right behind it, same id
//    {id, kind: 'part', of, index, last?, raw}       a piece of a Bind or function call over 1 MiB
// d  {id, tag, rows, ms, tx?, index?, statement?, bind?, values?, suspended?, copyIn?, copyOut?,
//     sqlstate?, severity?, error?}                  the end of what has this id; tag null: it failed or was suspended
//    {id, skipped: true}                             ignored by the server after an error
//    {id, unknown: true}                             the connection ended first: outcome unknown
//    {rolledBack: {from, to, extent}}                finished statements of these ids were taken back (all, some, unknown)
//    {tx}                                            the transaction status changed: I, T or E
//    {sqlstate, severity, error}                     an error of no statement: at commit, or the server's farewell
// n  {kind: 'server-notice', severity, sqlstate, message} | {kind: 'notification', channel, payload, processId}
// h  {id, offset, length, sha256}                    COPY data of one forwarded piece; sha256 of all so far
//    {id, end: true, length, sha256, failure?}       the client ended its COPY data
// m  'risky statement 12: DROP, GRANT'               behind the last line of that statement's text: an asciicast marker
//
// `statement` and `bind` are ids: what really ran, by the order of replies; null where the wire does not tell.
// A value is text, null, or {hex}; `raw` is base64 of the very bytes where `sql` alone does not give them back.

import type { ClientEvent, ServerEvent, StatementError } from '../pgwire/statement-event.ts'
import type { EventCode } from '../recording/event-line.ts'

export interface LineData {
  readonly code: EventCode
  readonly data: Readonly<Record<string, unknown>>
}

/** What a marker says of the statement with that id; the page reads it (web/src/statements.ts). */
export function riskyMarker(id: number, kinds: readonly string[]): string {
  return `risky statement ${id}: ${kinds.join(', ')}`
}

export function clientLine(event: Exclude<ClientEvent, { kind: 'copy-data' | 'copy-end' | 'part' }>): LineData {
  switch (event.kind) {
    case 'query': {
      const { id, kind, sql } = event
      return { code: 'q', data: { id, kind, sql: sql.text, raw: sql.raw } }
    }
    case 'parse': {
      const { id, kind, name, sql, types } = event
      return {
        code: 'q',
        data: { id, kind, name, sql: sql.text, raw: sql.raw, types: types.length > 0 ? types : undefined },
      }
    }
    case 'bind': {
      const { id, portal, statement, values, isExecuted, maxRows } = event
      return {
        code: 'p',
        data: {
          id,
          statement,
          portal: portal === '' ? undefined : portal,
          values,
          executed: isExecuted,
          maxRows: maxRows === 0 ? undefined : maxRows,
        },
      }
    }
    case 'execute': {
      const { id, kind, portal, maxRows } = event
      return { code: 'q', data: { id, kind, portal, maxRows: maxRows === 0 ? undefined : maxRows } }
    }
    case 'call': {
      const { id, kind, oid, values } = event
      return { code: 'q', data: { id, kind, oid, values } }
    }
  }
}

export function serverLine(event: ServerEvent): LineData {
  switch (event.kind) {
    case 'done':
      return { code: 'd', data: doneData(event) }
    case 'skipped':
      return { code: 'd', data: { id: event.id, skipped: true } }
    case 'unknown':
      return { code: 'd', data: { id: event.id, unknown: true } }
    case 'rolled-back': {
      const { from, to, extent } = event
      return { code: 'd', data: { rolledBack: { from, to, extent } } }
    }
    case 'transaction':
      return { code: 'd', data: { tx: event.status } }
    case 'error':
      return { code: 'd', data: errorData(event) }
    case 'notice': {
      const { severity, sqlstate, message } = event
      return { code: 'n', data: { kind: 'server-notice', severity, sqlstate, message } }
    }
    case 'notification': {
      const { kind, channel, payload, processId } = event
      return { code: 'n', data: { kind, channel, payload, processId } }
    }
  }
}

function doneData(event: Extract<ServerEvent, { kind: 'done' }>): LineData['data'] {
  return {
    id: event.id,
    tag: event.tag,
    rows: event.rows,
    ms: Math.round(event.ms * 1000) / 1000,
    tx: event.transaction,
    index: event.index === 0 ? undefined : event.index,
    statement: event.statement,
    bind: event.bind,
    values: event.values,
    suspended: event.isSuspended,
    copyIn: event.copyInBytes,
    copyOut: event.copyOutBytes,
    ...(event.error === undefined ? {} : errorData(event.error)),
  }
}

function errorData({ sqlstate, severity, message }: StatementError): LineData['data'] {
  return { sqlstate, severity, error: message }
}
