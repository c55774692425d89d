// What the web side is given: people, state, recordings, and the two acts that take access away. `main.ts` binds them.
// Nothing here says how any of it is stored.

import type { Readable } from 'node:stream'
import type { AuditEvent } from '../audit.ts'
import type { Clock } from '../clock.ts'
import type { Grant } from '../access/grant.ts'
import type { Directory, Identity, User } from '../identity/user.ts'
import type { DrillContract } from '../procedure/drill.ts'
import type { Access } from '../procedure/access.ts'
import type { Anchoring } from '../procedure/anchoring.ts'
import type { MfaContract, ReportRefusal } from '../procedure/contract.ts'
import type { ExplanationPorts } from '../procedure/explanation.ts'
import type { OfferPorts } from '../procedure/offer.ts'
import type { Reports } from '../procedure/report.ts'
import type { AlertPorts } from '../procedure/retry-alerts.ts'
import type { ReviewPorts } from '../procedure/review.ts'
import type { SearchPorts } from '../procedure/search.ts'
import type { DecisionPorts } from '../procedure/waiting.ts'
import type { Live } from '../session/live.ts'
import type { Locks, LockScope } from '../session/locks.ts'
import type { SessionRecord } from '../session/session.ts'
import type { State } from '../session/state.ts'
import type { Feed } from './feed.ts'

/** One recorded line as it is kept, without its newline. */
export interface RecordedLine {
  readonly seq: number
  readonly line: Buffer
}

/**
 * A recording opened for someone to see. `journal`: the session is not sealed yet; the lines are those durable so far.
 * `sealed`: the file was verified just now and these are the bytes that verified. `finding`: it did not verify, and
 * nothing of it may be shown.
 */
export type OpenedRecording =
  | { readonly kind: 'journal'; lines(fromSeq: number): AsyncIterable<RecordedLine> }
  | {
      readonly kind: 'sealed'
      lines(fromSeq: number): AsyncIterable<RecordedLine>
      /** The whole `.cast.zst`, for download. */
      file(): Readable
      readonly sizeBytes: number
      /** Of all its lines, each with its newline. */
      readonly contentBytes: number
    }
  | {
      readonly kind: 'finding'
      /** Of the verifier's closed list, such as `content_altered`. */
      readonly finding: string
      readonly message: string
    }

export interface Recordings {
  /** Opens the recording of a session, verifying it first when it is sealed. Throws `store_failed` when it cannot be read. */
  open(session: SessionRecord): Promise<OpenedRecording>
}

export interface HttpPorts {
  readonly clock: Clock
  readonly directory: Directory
  /** Calls back when other people, or the same with other roles, are in force; gives what ends that. */
  readonly watchPeople: (listener: () => void) => () => void
  readonly mfa: Pick<MfaContract, 'verify'>
  readonly state: Pick<State, 'grant' | 'grants' | 'session' | 'sessions' | 'alerts' | 'locks' | 'ledgerHead'>
  readonly live: Live
  /** What changed, as it is committed: `withFeed` makes it from a State. */
  readonly feed: Feed
  readonly recordings: Recordings
  readonly reviews: ReviewPorts
  readonly explanation: ExplanationPorts
  readonly alerts: AlertPorts
  readonly reports: Pick<Reports, 'of'>
  readonly search: SearchPorts
  readonly anchors: Pick<Anchoring, 'status'>
  /** Null where nothing is rehearsed. */
  readonly drills: DrillContract | null
  readonly requests: {
    readonly decisions: DecisionPorts
    readonly offers: OfferPorts
    readonly access: Pick<Access, 'request' | 'offer' | 'preview' | 'targets'>
  }
  readonly sessions: {
    /** Ends a running session at once and writes its leaf. Throws `not_found` when it is not running. */
    kill(session: string, by: string, reason: string): Promise<void>
  }
  readonly grants: {
    /** Ends a grant and all under it; `returned` when the owner gives it back. Throws `not_found`, `conflict`. */
    end(grant: string, how: 'revoked' | 'returned', by: string, reason: string): Promise<void>
    /** Gives a running grant more time. Throws `denied`, `conflict`, `usage`. */
    extend(grant: string, by: Identity, reason: string, durationMs: number | undefined): Promise<Grant>
    /** Whether this person may revoke a grant of somebody else, or extend it. */
    mayRevoke(user: User, grant: Grant): boolean
    mayExtend(user: User, grant: Grant): boolean
  }
  readonly locks: {
    readonly held: Locks
    /** Ends what falls under it, then writes and tells it. Throws `not_found`, `store_failed`. */
    lock(scope: LockScope, by: string, reason: string): Promise<{ readonly sessions: number; readonly grants: number }>
    /** Throws `conflict` when it is not locked. */
    unlock(scope: LockScope, by: string, reason: string): Promise<void>
  }
  /** Appends to the ledger; resolves when durable. */
  readonly leaf: (events: readonly AuditEvent[]) => Promise<void>
  readonly reportRefusal: ReportRefusal
}
