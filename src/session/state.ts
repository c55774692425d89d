// The port to durable state: what a transaction may write and what may be read. `store/` implements it; nothing above it
// knows the engine. One `commit` is one transaction: all writes, leaves and alerts, or none.

import type { Grant, GrantState } from '../access/grant.ts'
import type { AuditEvent, AuditEventType, CodePurpose } from '../audit.ts'
import type { Seal, SessionEnd, SessionRecord } from './session.ts'

export type Write =
  /** Compare-and-set on `version`; `expectVersion: null` inserts. */
  | { readonly kind: 'grant'; readonly grant: Grant; readonly expectVersion: number | null }
  | { readonly kind: 'session-open'; readonly session: SessionRecord }
  /** Only an open session ends. */
  | { readonly kind: 'session-ended'; readonly id: string; readonly endedAt: number; readonly end: SessionEnd }
  /** Only a session that is not sealed yet is sealed. */
  | { readonly kind: 'session-sealed'; readonly id: string; readonly seal: Seal }
  | { readonly kind: 'totp-enrolled'; readonly user: string; readonly secret: string }
  /** Compare-and-set: refused unless `step` is later than the one stored. */
  | { readonly kind: 'totp-step'; readonly user: string; readonly step: number }
  | { readonly kind: 'grant-secret'; readonly secret: GrantSecret }
  /** Refused when the secret has ended, or was not used before `firstUseBy`. */
  | { readonly kind: 'grant-secret-used'; readonly id: string; readonly at: number }
  | { readonly kind: 'grant-secrets-ended'; readonly grant: string; readonly at: number }
  /** Ends one; no effect when it has ended already. */
  | { readonly kind: 'grant-secret-ended'; readonly id: string; readonly at: number }
  | { readonly kind: 'alert-accepted'; readonly id: string; readonly at: number; readonly receipt: string }
  | { readonly kind: 'alert-failed'; readonly id: string; readonly nextAt: number; readonly error: string }
  /** Given up with this attempt: not due any more until it is retried. */
  | { readonly kind: 'alert-dead'; readonly id: string; readonly at: number; readonly error: string }
  /** A dead alert is due again at once, its attempts counted anew. Refused when it is not dead. */
  | { readonly kind: 'alert-retried'; readonly id: string }
  /** Takes the place of an older lock of the same scope. */
  | { readonly kind: 'lock'; readonly lock: Lock }
  /** Refused when it is not locked. */
  | { readonly kind: 'unlock'; readonly scope: string }
  | { readonly kind: 'code-issued'; readonly code: IssuedCode }
  /** Compare-and-set: refused when it was used, or has ended, at `at`. */
  | { readonly kind: 'code-used'; readonly id: string; readonly at: number }
  /** Ends every unused code of that purpose; none is fine. */
  | { readonly kind: 'codes-ended'; readonly user: string; readonly purpose: CodePurpose; readonly at: number }
  | { readonly kind: 'view'; readonly view: View }
  /** Inserts it, or takes the place of the run of that id. */
  | { readonly kind: 'drill-run'; readonly run: DrillRun }
  | { readonly kind: 'revocation-queued'; readonly revocation: Revocation }
  /** One more attempt. Refused when it is done already. */
  | { readonly kind: 'revocation-failed'; readonly id: string; readonly nextAt: number; readonly error: string }
  /** Refused when it is done already. */
  | { readonly kind: 'revocation-done'; readonly id: string; readonly at: number }
  | { readonly kind: 'setting'; readonly name: string; readonly value: string }

export interface Change {
  /** Wall clock, ms: the `at` of every leaf. */
  readonly at: number
  readonly writes: readonly Write[]
  /** Appended to the ledger in this order. */
  readonly leaves: readonly AuditEvent[]
  /** One outbox row each. */
  readonly alerts?: readonly Alert[]
}

/** One message to one channel. */
export interface Alert {
  readonly id: string
  readonly channel: string
  /** Such as `grant.activated`. */
  readonly type: string
  readonly at: number
  /** JSON object; never a secret, never authority. */
  readonly payload: Readonly<Record<string, unknown>>
}

export interface OutboxRow extends Alert {
  readonly attempts: number
  readonly nextAt: number
  readonly lastError: string | null
}

/** The SCRAM keys of a secret that lets psql in; the secret itself is never kept. */
export interface GrantSecret {
  readonly id: string
  readonly grant: string
  readonly user: string
  readonly target: string
  readonly database: string
  /** The address that asked, or a CIDR inside the policy's networks. */
  readonly from: string
  readonly salt: Buffer
  readonly iterations: number
  readonly storedKey: Buffer
  readonly serverKey: Buffer
  readonly createdAt: number
  /** ms; without a first use by then it is dead. */
  readonly firstUseBy: number
  readonly usedAt: number | null
  readonly endedAt: number | null
  /** How the person proved the second factor when it was minted, and with which key. */
  readonly mfa: string
  readonly fingerprint: string
}

/** Access taken away until an admin gives it back. */
export interface Lock {
  /** `user:alice`, `target:web-1` or `all`. */
  readonly scope: string
  readonly by: string
  readonly at: number
  readonly reason: string
}

/** A single-use code: only its hash is kept (identity/recovery-code.ts). */
export interface IssuedCode {
  readonly id: string
  readonly purpose: CodePurpose
  readonly user: string
  readonly hash: string
  /** Who handed it out. */
  readonly by: string
  readonly createdAt: number
  /** ms; null: until it is used or replaced. */
  readonly expiresAt: number | null
  readonly usedAt: number | null
}

/** That a recording was served, and how much of it: what a review can be held to. */
export interface View {
  readonly session: string
  readonly user: string
  readonly at: number
  /** 0 to 1: the part of the recording's bytes that was sent. */
  readonly share: number
}

/** One rehearsal. */
export interface DrillRun {
  readonly id: string
  readonly name: string
  readonly by: string
  readonly startedAt: number
  readonly endedAt: number | null
  readonly passed: number
  readonly failed: number
  /** JSON object; null while it runs. */
  readonly report: Readonly<Record<string, unknown>> | null
}

/** A credential on a target that must be taken away, kept until it is. */
export interface Revocation {
  readonly id: string
  readonly grant: string
  readonly target: string
  /** What to do, by the room that can do it. Never a secret. */
  readonly what: Readonly<Record<string, unknown>> & { readonly kind: string }
  readonly queuedAt: number
  readonly attempts: number
  readonly nextAt: number
  readonly lastError: string | null
  readonly doneAt: number | null
}

/** One leaf of the ledger, read back. */
export interface LedgerEntry {
  readonly index: number
  readonly at: number
  readonly event: AuditEvent
}

export type AlertRecord = OutboxRow & {
  readonly acceptedAt: number | null
  readonly receipt: string | null
  readonly deadAt: number | null
}

export interface LedgerHead {
  readonly size: number
  /** Hex of the RFC 6962 root. */
  readonly root: string
}

/** Errors: `conflict` when a compare-and-set lost, `store_failed` when the engine failed (nothing was written then). */
export interface State {
  commit(change: Change): Promise<LedgerHead>
  grant(id: string): Promise<Grant | undefined>
  /** Newest first. */
  grants(filter: {
    readonly user?: string
    readonly states?: readonly GrantState[]
    /** Requested at or after this (ms). */
    readonly since?: number
    /** Requested before this (ms). */
    readonly before?: number
    readonly limit?: number
  }): Promise<Grant[]>
  session(id: string): Promise<SessionRecord | undefined>
  /** Newest first. */
  sessions(filter: {
    readonly user?: string
    readonly grant?: string
    readonly states?: readonly SessionRecord['state'][]
    /** Opened before this (ms). */
    readonly before?: number
    /** Id of the last one seen: what follows it, also of the same millisecond. Unknown: nothing follows. */
    readonly after?: string
    readonly limit?: number
  }): Promise<SessionRecord[]>
  totp(user: string): Promise<{ readonly secret: string; readonly lastStep: number } | undefined>
  /** All that have not ended and whose grant is `grant`. */
  grantSecrets(grant: string): Promise<GrantSecret[]>
  outboxDue(now: number, limit: number): Promise<OutboxRow[]>
  /** Newest first. */
  alerts(filter: {
    readonly limit: number
    /** Whose payload names this grant. */
    readonly grant?: string
    readonly type?: string
    readonly isDead?: boolean
    readonly since?: number
    readonly before?: number
  }): Promise<AlertRecord[]>
  locks(): Promise<Lock[]>
  /** Unused and not ended, newest first; whether they have expired is for the caller's clock. */
  codes(user: string, purpose: CodePurpose): Promise<IssuedCode[]>
  /** Oldest first. */
  views(sessions: readonly string[]): Promise<View[]>
  /** Newest first. */
  drillRuns(filter: { readonly limit: number; readonly name?: string; readonly since?: number }): Promise<DrillRun[]>
  /** Not done yet, the next due first. */
  revocations(filter: { readonly limit: number }): Promise<Revocation[]>
  /** Leaves of these types (every type when none is named), newest first. */
  events(filter: {
    readonly types?: readonly AuditEventType[]
    readonly since?: number
    readonly before?: number
    /** Below this index: for the next page. */
    readonly below?: number
    readonly limit: number
  }): Promise<LedgerEntry[]>
  ledgerHead(): Promise<LedgerHead>
  /** Leaf bytes `from` (inclusive) to `to` (exclusive). */
  leaves(from: number, to: number): Promise<Buffer[]>
  /** That leaf `index` is in the tree of the first `size` leaves: sibling hashes, lowest first (RFC 6962 §2.1.1). O(log n). */
  inclusionProof(index: number, size: number): Promise<Buffer[]>
  /** That the first `first` leaves are a prefix of the first `size` (RFC 6962 §2.1.2). O(log n). */
  consistencyProof(first: number, size: number): Promise<Buffer[]>
  setting(name: string): Promise<string | undefined>
  close(): Promise<void>
}
