// A session is one SSH channel or one PostgreSQL connection under a grant. Plain data, as the store keeps it.

import type { Protocol, SealState } from '../audit.ts'
import type { ErrorCode } from '../errors.ts'

export interface Session {
  /** `s` and 12 characters of [a-z2-7]; ASCII, at most 16 bytes: it stands in every journal frame. */
  readonly id: string
  readonly protocol: Exclude<Protocol, 'web'>
  readonly grant: string
  readonly user: string
  readonly fingerprint: string
  /** How the second factor was given: `totp`, `recovery`, or `grant-secret/SCRAM-SHA-256-PLUS`. */
  readonly mfa: string
  readonly address: string
  readonly target: string
  readonly account: string
  readonly database: string | null
  readonly what: SessionSubject
  readonly openedAt: number
}

export type SessionSubject =
  | { readonly kind: 'shell'; readonly term: Terminal }
  | { readonly kind: 'exec'; readonly command: string; readonly term: Terminal | null }
  | { readonly kind: 'subsystem'; readonly name: string }
  | { readonly kind: 'sql'; readonly application: string }

export interface Terminal {
  readonly type: string
  readonly cols: number
  readonly rows: number
}

/** Why a session ended. `code` is what front ends turn into exit status and SQLSTATE; null: an ordinary end. */
export interface SessionEnd {
  readonly reason:
    | 'client-closed'
    | 'upstream-closed'
    | 'exited'
    | 'expired'
    | 'revoked'
    | 'returned'
    | 'killed'
    | 'recorder-failed'
    /** It has written as much as is kept of one session (`recording.maxBytes`); all of that is recorded. */
    | 'recording-full'
    /** There was too little room left for its transfer, or for all, and it wrote most; what passed is recorded. */
    | 'no-room'
    | 'unreachable'
    | 'protocol-violation'
    | 'shutdown'
    | 'interrupted'
    /** Its policy lets nobody in before somebody outside has been told (design §4, gate). */
    | 'unannounced'
  readonly code: ErrorCode | null
  /** For the user and the record, such as `killed by adam: wrong host`. */
  readonly message: string
  readonly exitStatus?: number | string
  /** False: the last lines, which say all this in the recording, were not confirmed as durable. */
  readonly isRecorded?: false
}

/** What a sealed recording is, as its ledger leaf says it. */
export interface Seal {
  /** Path below the recordings directory, such as `2026/11/21/sabc….cast.zst`. */
  readonly file: string
  /** Hex. */
  readonly root: string
  readonly lines: number
  readonly firstSeq: number
  readonly lastSeq: number
  readonly sizeBytes: number
  /** Hex, of the whole file. */
  readonly sha256: string
  readonly state: SealState
}

export interface SessionRecord extends Session {
  readonly state: 'open' | 'ended' | 'sealed'
  readonly endedAt: number | null
  readonly end: SessionEnd | null
  readonly seal: Seal | null
}
