// What crosses between the state and its worker: rows ready to be written, rows as they were read. Sealed cells stay sealed,
// so the worker never sees a key. Each message is bounded.

import type { Selectable } from 'kysely'
import type { GrantState } from '../access/grant.ts'
import type { AuditEventType, CodePurpose } from '../audit.ts'
import type { SessionRecord } from '../session/session.ts'
import type { LedgerHead } from '../session/state.ts'
import type { TreeNode } from '../ledger/stored-tree.ts'
import type { Failure } from './engine-error.ts'
import type { Schema } from './schema.ts'

/** One message carries at most this much, either way: a copy between threads must not stall the loop. */
export const largestMessageBytes: number = 8 << 20
/** An answer of many rows is cut where it passes this: copying it stalls the loop for about a millisecond. */
export const fullPageBytes: number = 1 << 20
/** Payload of one alert: receivers such as chat services take no more. */
export const largestPayloadBytes: number = 64 << 10
/** Writes, leaves or alerts of one transaction: a use-case needs a handful. */
export const mostRowsPerChange: number = 1000
/** Rows of one answer; lists are fetched page by page. */
export const mostRowsPerPage: number = 500
/** Calls waiting for the worker: at 1 ms each this is seconds of backlog, and more would only grow memory. */
export const mostPendingCalls: number = 4096

/** What `openState` hands to its worker. */
export interface WorkerStart {
  readonly file: string
  readonly keyCheck: Uint8Array
  readonly ballastBytes: number
  readonly startedAt: number
}

export type Integrity = 'ok' | { readonly problem: string }

/** The worker's first message. */
export type WorkerReady =
  | { readonly kind: 'open'; readonly integrity: Integrity }
  | { readonly kind: 'refused'; readonly failure: Failure }

export type RowWrite =
  | { readonly kind: 'grant'; readonly id: string; readonly document: string; readonly expectVersion: number | null }
  | { readonly kind: 'session-open'; readonly id: string; readonly document: string }
  | { readonly kind: 'session-ended'; readonly id: string; readonly endedAt: number; readonly ending: string }
  | { readonly kind: 'session-sealed'; readonly id: string; readonly seal: string }
  | { readonly kind: 'totp-enrolled'; readonly user: string; readonly secret: Uint8Array }
  | { readonly kind: 'totp-step'; readonly user: string; readonly step: number }
  | { readonly kind: 'grant-secret'; readonly row: NewGrantSecretRow }
  | { readonly kind: 'grant-secret-used'; readonly id: string; readonly at: number }
  | { readonly kind: 'grant-secrets-ended'; readonly grant: string; readonly at: number }
  | { readonly kind: 'grant-secret-ended'; readonly id: string; readonly at: number }
  | { readonly kind: 'alert-accepted'; readonly id: string; readonly at: number; readonly receipt: string }
  | { readonly kind: 'alert-failed'; readonly id: string; readonly nextAt: number; readonly error: string }
  | { readonly kind: 'alert-dead'; readonly id: string; readonly at: number; readonly error: string }
  | { readonly kind: 'alert-retried'; readonly id: string }
  | { readonly kind: 'setting'; readonly name: string; readonly value: string }
  | ProcedureWrite

/** Writes of what only the procedure keeps (procedure-write.ts). */
export type ProcedureWrite =
  | { readonly kind: 'lock'; readonly row: LockRow }
  | { readonly kind: 'unlock'; readonly scope: string }
  | { readonly kind: 'code-issued'; readonly row: Omit<CodeRow, 'position'> }
  | { readonly kind: 'code-used'; readonly id: string; readonly at: number }
  | { readonly kind: 'codes-ended'; readonly user: string; readonly purpose: CodePurpose; readonly at: number }
  | { readonly kind: 'view'; readonly row: Omit<ViewRow, 'position'> }
  | { readonly kind: 'drill-run'; readonly id: string; readonly document: string }
  | { readonly kind: 'revocation-queued'; readonly row: Omit<RevocationRow, 'position'> }
  | { readonly kind: 'revocation-failed'; readonly id: string; readonly nextAt: number; readonly error: string }
  | { readonly kind: 'revocation-done'; readonly id: string; readonly at: number }

export interface ChangeRows {
  readonly writes: readonly RowWrite[]
  readonly leaves: readonly { readonly leaf: Uint8Array; readonly hash: Uint8Array }[]
  readonly alerts: readonly AlertRow[]
}

export interface AlertRow {
  readonly id: string
  readonly channel: string
  readonly type: string
  readonly at: number
  readonly payload: string
}

export type GrantRow = Pick<Selectable<Schema['grants']>, 'position' | 'requested_at' | 'document'>
export type SessionRow = Pick<
  Selectable<Schema['sessions']>,
  'position' | 'opened_at' | 'document' | 'state' | 'ended_at' | 'ending' | 'seal'
>
export type GrantSecretRow = Selectable<Schema['grant_secrets']>
export type NewGrantSecretRow = Omit<GrantSecretRow, 'position'>
export type StoredAlertRow = Selectable<Schema['outbox']>
export type LockRow = Selectable<Schema['locks']>
export type CodeRow = Selectable<Schema['codes']>
export type ViewRow = Selectable<Schema['views']>
export type DrillRunRow = Selectable<Schema['drill_runs']>
export type RevocationRow = Selectable<Schema['revocations']>
export type LeafRow = Pick<Selectable<Schema['ledger']>, 'position' | 'leaf'>

/** Where the last page of a list ended: the time it is ordered by, then the position. */
export interface PageEnd {
  readonly at: number
  readonly position: number
}

export interface Page<Row> {
  readonly rows: readonly Row[]
  /** True when the page was cut by its size and the list goes on. */
  readonly more: boolean
}

/** Every call: what it takes and what it gives. */
export interface Calls {
  readonly commit: { readonly take: ChangeRows; readonly give: LedgerHead }
  readonly grant: { readonly take: string; readonly give: GrantRow | undefined }
  readonly grants: {
    readonly take: {
      readonly user: string | undefined
      readonly states: readonly GrantState[] | undefined
      readonly since: number | undefined
      readonly before: number | undefined
      readonly after: PageEnd | undefined
      readonly limit: number
    }
    readonly give: Page<GrantRow>
  }
  readonly session: { readonly take: string; readonly give: SessionRow | undefined }
  readonly sessions: {
    readonly take: {
      readonly user: string | undefined
      readonly grant: string | undefined
      readonly states: readonly SessionRecord['state'][] | undefined
      readonly before: number | undefined
      /** The session that the list goes on from, by its id. */
      readonly from: string | undefined
      readonly after: PageEnd | undefined
      readonly limit: number
    }
    readonly give: Page<SessionRow>
  }
  readonly totp: {
    readonly take: string
    readonly give: { readonly secret: Uint8Array; readonly last_step: number } | undefined
  }
  readonly 'grant-secrets': {
    readonly take: { readonly grant: string; readonly after: number }
    readonly give: Page<GrantSecretRow>
  }
  readonly 'outbox-due': {
    readonly take: { readonly now: number; readonly limit: number }
    readonly give: Page<StoredAlertRow>
  }
  readonly alerts: {
    readonly take: {
      readonly grant: string | undefined
      readonly type: string | undefined
      readonly isDead: boolean | undefined
      readonly since: number | undefined
      readonly before: number | undefined
      /** Below this position: for the next page. */
      readonly below: number | undefined
      readonly limit: number
    }
    readonly give: Page<StoredAlertRow>
  }
  /** By scope, those after `after`. */
  readonly locks: { readonly take: { readonly after: string }; readonly give: Page<LockRow> }
  readonly codes: {
    readonly take: { readonly user: string; readonly purpose: CodePurpose; readonly below: number | undefined }
    readonly give: Page<CodeRow>
  }
  /** Of at most `mostRowsPerPage` sessions. */
  readonly views: {
    readonly take: { readonly sessions: readonly string[]; readonly after: number }
    readonly give: Page<ViewRow>
  }
  readonly 'drill-runs': {
    readonly take: {
      readonly name: string | undefined
      readonly since: number | undefined
      readonly after: PageEnd | undefined
      readonly limit: number
    }
    readonly give: Page<DrillRunRow>
  }
  readonly revocations: {
    readonly take: { readonly after: PageEnd | undefined; readonly limit: number }
    readonly give: Page<RevocationRow>
  }
  readonly events: {
    readonly take: {
      readonly types: readonly AuditEventType[] | undefined
      readonly since: number | undefined
      readonly before: number | undefined
      readonly below: number | undefined
      readonly limit: number
    }
    readonly give: Page<LeafRow>
  }
  readonly 'ledger-head': { readonly take: null; readonly give: LedgerHead }
  readonly leaves: { readonly take: Range; readonly give: Page<Uint8Array> }
  /** The hashes of a proof one after the other, each joined from the nodes it is made of. */
  readonly proof: {
    readonly take: { readonly size: number; readonly parts: readonly (readonly TreeNode[])[] }
    readonly give: Uint8Array
  }
  readonly setting: { readonly take: string; readonly give: string | undefined }
  readonly close: { readonly take: null; readonly give: null }
}

export type CallName = keyof Calls

/** `from` inclusive, `to` exclusive. */
export interface Range {
  readonly from: number
  readonly to: number
}

export type CallMessage = {
  readonly [Name in CallName]: { readonly call: number; readonly name: Name; readonly take: Calls[Name]['take'] }
}[CallName]

export type AnswerMessage =
  | { readonly call: number; readonly ok: true; readonly give: Calls[CallName]['give'] }
  | { readonly call: number; readonly ok: false; readonly failure: Failure }
