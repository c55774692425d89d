// The audit log's vocabulary: each event is plain data and becomes one leaf of the ledger, as canonical JSON.
// Times are ms since the epoch. Nothing here may ever carry a secret, a code or recorded content.

export type AuditEvent =
  | { readonly type: 'ledger-started'; readonly genesisPublicKey: string; readonly installation: string }
  | {
      readonly type: 'configuration-loaded'
      readonly sha256: string
      readonly policies: string
      /** SHA-256 of the one before, and what differs, one line each: absent at a first start. */
      readonly previous?: string
      readonly changes?: readonly string[]
    }
  /** A changed file that was not taken up; the one before stays in force. */
  | { readonly type: 'configuration-refused'; readonly sha256: string; readonly problem: string }
  | {
      readonly type: 'login-refused'
      readonly protocol: Protocol
      readonly login: string
      readonly address: string
      readonly reason: RefusalReason
      readonly fingerprint?: string
      /** Attempts before this one, of any address, that were counted and not written one by one. */
      readonly unwritten?: number
    }
  | {
      readonly type: 'mfa-passed'
      readonly user: string
      readonly method: string
      readonly fingerprint: string
      readonly address: string
    }
  | {
      readonly type: 'mfa-refused'
      readonly user: string
      readonly reason: 'wrong' | 'replayed' | 'locked-out'
      readonly fingerprint: string
      readonly address: string
      /** Refused before this one with the same key, counted and not written one by one. */
      readonly unwritten?: number
    }
  | {
      readonly type: 'grant-requested'
      readonly grant: string
      readonly user: string
      readonly policy: string
      readonly policyHash: string
      readonly target: string
      readonly account: string
      readonly trigger: string
      readonly reason: string
      readonly incident?: string
      readonly durationMs: number
      readonly rule: string
      readonly address: string
      /** Who vouched for the person instead of their second factor; absent: nobody had to. */
      readonly vouchedBy?: string
    }
  | { readonly type: 'grant-approved'; readonly grant: string; readonly by: string; readonly comment: string }
  | { readonly type: 'grant-denied'; readonly grant: string; readonly by: string; readonly comment: string }
  | {
      readonly type: 'grant-overridden'
      readonly grant: string
      readonly by: string
      readonly reason: string
      /** Who could have approved and was not waited for. */
      readonly skipped?: readonly string[]
      /** When a channel took the approvers' alert (ms); null: nobody was reached. */
      readonly announcedAt?: number | null
    }
  | {
      readonly type: 'grant-activated'
      readonly grant: string
      readonly user: string
      readonly target: string
      readonly account: string
      readonly rule: string
      readonly expiresAt: number
    }
  | {
      readonly type: 'check-made'
      readonly user: string
      readonly target: string
      readonly policy: string
      readonly check: string
      readonly outcome: 'met' | 'not-met' | 'error'
      readonly detail: string
      /** Whether the request went on. */
      readonly passed: boolean
    }
  | {
      readonly type: 'grant-extended'
      readonly grant: string
      readonly by: string
      readonly reason: string
      readonly expiresAt: number
    }
  /** An approver took back what a denial forbids. */
  | {
      readonly type: 'denial-lifted'
      readonly user: string
      readonly target: string
      readonly account: string
      readonly by: string
      readonly comment: string
    }
  | {
      readonly type: 'grant-ended'
      readonly grant: string
      readonly how: 'expired' | 'revoked' | 'returned' | 'lapsed'
      readonly by: string
      readonly reason: string
    }
  | {
      readonly type: 'grant-reviewed'
      readonly grant: string
      readonly by: string
      readonly verdict: string
      readonly findings: string
      readonly roots: readonly string[]
      readonly followUps: readonly string[]
      /** The part of each recording that was served to the reviewer, 0 to 1, in the order of the roots. */
      readonly shares: readonly number[]
      /** In the order of the roots: why a recording could not be seen whole; null: it could. */
      readonly damage: readonly (string | null)[]
      readonly checklist: readonly { readonly question: string; readonly answer: string }[]
      /** SHA-256 (hex) of the statement decided on: of all this and no more (access/review.ts). */
      readonly statement: string
      /** Whose word it is. */
      readonly attestedBy: 'halligan'
    }
  | { readonly type: 'review-reopened'; readonly grant: string; readonly by: string; readonly reason: string }
  | { readonly type: 'review-late'; readonly grant: string; readonly stage: 'overdue' | 'escalated' }
  /** `scope` as `user:alice`, `target:web-1` or `all`. */
  | { readonly type: 'locked'; readonly scope: string; readonly by: string; readonly reason: string }
  | { readonly type: 'unlocked'; readonly scope: string; readonly by: string; readonly reason: string }
  | {
      readonly type: 'code-issued'
      readonly code: string
      readonly purpose: CodePurpose
      readonly user: string
      readonly by: string
      readonly expiresAt: number | null
      /** Why somebody vouched. */
      readonly reason?: string
    }
  | {
      readonly type: 'code-used'
      readonly code: string
      readonly purpose: CodePurpose
      readonly user: string
      readonly address: string
    }
  /** A credential on a target to be taken away, tried until it is. */
  | {
      readonly type: 'revocation'
      readonly revocation: string
      readonly grant: string
      readonly target: string
      readonly what: string
      readonly state: 'queued' | 'done' | 'failing'
      readonly detail: string
    }
  | { readonly type: 'secret-issued'; readonly grant: string; readonly secret: string; readonly address: string }
  | {
      readonly type: 'admission-refused'
      readonly user: string
      readonly target: string
      readonly account: string
      readonly address: string
      readonly code: string
      /** Refusals before this one that came too fast to be written one by one. */
      readonly unwritten?: number
    }
  | {
      readonly type: 'session-opened'
      readonly session: string
      readonly grant: string
      readonly user: string
      readonly target: string
      readonly account: string
      readonly protocol: Protocol
      readonly address: string
      readonly fingerprint: string
    }
  | {
      readonly type: 'session-sealed'
      readonly session: string
      readonly root: string
      readonly lines: number
      readonly firstSeq: number
      readonly lastSeq: number
      readonly sizeBytes: number
      readonly sha256: string
      readonly file: string
      readonly endReason: string
      readonly state: SealState
    }
  /** Opened although no outside channel had accepted the alert. */
  | {
      readonly type: 'session-unannounced'
      readonly session: string
      readonly grant: string
      readonly waitedMs: number
    }
  /** Told by its words alone: a notice. Each one is marked in its recording; what comes within a minute is counted here. */
  | {
      readonly type: 'risky-action'
      /** Absent: it was refused before a session opened, or `count` is of several. */
      readonly session?: string
      readonly grant: string
      /** A kind of statement (pgwire/risky-statement.ts), never its text. */
      readonly what: string
      /** Number of the statement in the recording. */
      readonly statement?: number
      /** More of the same since the last leaf of it, this one among them. */
      readonly count?: number
    }
  | { readonly type: 'session-kill'; readonly session: string; readonly by: string; readonly reason: string }
  | {
      readonly type: 'session-viewed'
      readonly session: string
      readonly by: string
      readonly how: 'replay' | 'live' | 'download' | 'reveal'
    }
  /** `query` as it was typed, its first characters; `hits`: how many the person was told of. */
  | { readonly type: 'searched'; readonly by: string; readonly query: string; readonly hits: number }
  | { readonly type: 'web-login'; readonly user: string; readonly address: string }
  | { readonly type: 'web-link-issued'; readonly user: string; readonly address: string }
  | {
      readonly type: 'alert-accepted'
      readonly alert: string
      readonly channel: string
      readonly receipt: string
      readonly attempts: number
    }
  /** Given up after days; it stays visible and can be sent again. */
  | {
      readonly type: 'alert-dead'
      readonly alert: string
      readonly channel: string
      readonly attempts: number
      readonly error: string
    }
  /** Given up before, and sent again because somebody asked for it. */
  | { readonly type: 'alert-retried'; readonly alert: string; readonly by: string }
  | { readonly type: 'drill-started'; readonly drill: string; readonly name: string; readonly by: string }
  | {
      readonly type: 'drill-finished'
      readonly drill: string
      readonly name: string
      readonly passed: number
      readonly failed: number
      /** SHA-256 (hex) of the report as it is kept. */
      readonly report: string
    }
  | { readonly type: 'drill-missed'; readonly name: string; readonly dueAt: number }
  | {
      readonly type: 'journal-recovered'
      readonly head: string
      readonly tornBytes: number
      readonly sessions: readonly string[]
      /** Hex: the old chain was lost, and the new one begins with this key. */
      readonly genesisPublicKey?: string
    }
  | { readonly type: 'ledger-damaged'; readonly problem: string }
  /** How far the journal had come: what is anchored of the ledger then covers what sessions had recorded. */
  | { readonly type: 'journal-head'; readonly seq: number; readonly head: string }
  /** A place took the checkpoint over `size` leaves; `outside`: it ends on another machine. */
  | {
      readonly type: 'anchor-acknowledged'
      readonly anchor: string
      readonly outside: boolean
      readonly size: number
      readonly root: string
      readonly receipt: string
    }
  /** It has not taken any for a while; once for each time it fails. */
  | { readonly type: 'anchor-failed'; readonly anchor: string; readonly error: string }
  /** It holds a checkpoint that this ledger does not contain. */
  | { readonly type: 'anchor-contradicted'; readonly anchor: string; readonly size: number; readonly problem: string }
  | { readonly type: 'recorder-failed'; readonly session: string; readonly error: string }
  | { readonly type: 'clock-stepped'; readonly byMs: number }
  | { readonly type: 'maintenance'; readonly operation: string; readonly target: string; readonly result: string }
  | { readonly type: 'local-command'; readonly actor: string; readonly command: string }

export type AuditEventType = AuditEvent['type']

export type Protocol = 'ssh' | 'postgres' | 'web' | 'command'

/** What a single-use code is for. */
export type CodePurpose = 'recovery' | 'bypass' | 'invite'

export type SealState = 'complete' | 'interrupted' | 'damaged'

export type RefusalReason =
  | 'unknown-user'
  | 'unknown-key'
  | 'bad-signature'
  | 'no-second-factor'
  | 'bad-secret'
  | 'wrong-address'
  | 'no-grant'
  | 'timeout'
  | 'malformed'
  | 'cleartext'
  | 'foreign-cancel-key'
  | 'bad-link'

/** The bytes of a leaf: `{"at":…,"type":…,…}` with keys in the order given, UTF-8, no newline. */
export function encodeLeaf(at: number, event: AuditEvent): Buffer {
  return Buffer.from(JSON.stringify({ at, ...event }))
}

/** Reads a leaf back. Throws SyntaxError when the bytes are not JSON; the caller checks its hash first. */
export function decodeLeaf(leaf: Buffer): AuditEvent & { readonly at: number } {
  return JSON.parse(leaf.toString('utf8')) as AuditEvent & { readonly at: number }
}
