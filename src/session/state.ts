// The port to durable state: what a transaction may write and what may be read. `store/` implements it; nothing above it
// knows the engine. One `commit` is one transaction: all writes, leaves and alerts, or none.

import type { Grant, GrantState } from '../access/grant.ts'
import type { AuditEvent } from '../audit.ts'
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
    readonly limit?: number
  }): Promise<Grant[]>
  session(id: string): Promise<SessionRecord | undefined>
  /** Newest first; `before` is the `openedAt` of the last one seen. */
  sessions(filter: {
    readonly user?: string
    readonly grant?: string
    readonly states?: readonly SessionRecord['state'][]
    readonly before?: number
    readonly limit?: number
  }): Promise<SessionRecord[]>
  totp(user: string): Promise<{ readonly secret: string; readonly lastStep: number } | undefined>
  /** All that have not ended and whose grant is `grant`. */
  grantSecrets(grant: string): Promise<GrantSecret[]>
  outboxDue(now: number, limit: number): Promise<OutboxRow[]>
  alerts(filter: {
    readonly limit: number
  }): Promise<(OutboxRow & { readonly acceptedAt: number | null; readonly receipt: string | null })[]>
  ledgerHead(): Promise<LedgerHead>
  /** Leaf bytes `from` (inclusive) to `to` (exclusive). */
  leaves(from: number, to: number): Promise<Buffer[]>
  /** Leaf hashes for proofs, same range. */
  leafHashes(from: number, to: number): Promise<Buffer[]>
  setting(name: string): Promise<string | undefined>
  close(): Promise<void>
}
