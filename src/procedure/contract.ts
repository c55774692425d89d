// What the front ends call. Each is one use-case in a file of its own beside this one; `main.ts` binds their ports and
// hands a front end only the ones it needs.

import type { AccessRequest, Decision } from '../access/decide.ts'
import type { Grant } from '../access/grant.ts'
import type { Policy } from '../access/policy.ts'
import type { RefusalReason, Protocol } from '../audit.ts'
import type { HalliganError } from '../errors.ts'
import type { Identity } from '../identity/user.ts'
import type { GrantSecret } from '../session/state.ts'
import type { Target } from '../target.ts'

/** The second factor: one ceremony serves the emergency (design §5). */
export interface MfaContract {
  /** True while a code given by this person, with this key, from this address, within `rememberMs`, still counts. */
  isRemembered(identity: Identity, rememberMs: number, methods?: Policy['mfa']['methods']): boolean
  /** True while it counts within a live grant: a ceremony done under it lasts until it ends. */
  isRememberedFor(identity: Identity, grant: Grant, rememberMs: number, methods?: Policy['mfa']['methods']): boolean
  /**
   * Checks a code and remembers the ceremony; without `use`, as a fresh one. An empty code is no attempt (`refused` with
   * `mfa_required`).
   */
  verify(identity: Identity, code: string, use?: CodeUse): Promise<MfaOutcome>
}

/** What a code is asked for: that decides which codes count. */
export type CodeUse =
  /** What needs a factor of one's own: deciding, signing in, handing out codes, stepping up. */
  | { readonly kind: 'fresh' }
  /** Breaking the glass, or a door under it: what the policy takes, and a voucher's code. */
  | { readonly kind: 'grant'; readonly methods: Policy['mfa']['methods'] }

export type MfaOutcome =
  | { readonly kind: 'passed'; readonly method: 'totp' | 'recovery' | 'vouched' }
  /** `code_wrong`, `code_replayed` (message says when the next code comes), `locked_out`, `not_enrolled`, `mfa_required`. */
  | { readonly kind: 'refused'; readonly error: HalliganError }

/** Access as a front end asks for it. A target is given by name: unknown reads like refused. */
export interface AccessContract {
  target(name: string): Target | undefined
  /** The refusal a lock gives this person, here or at this target; undefined: nothing stands in the way. */
  lockOn(identity: Identity, target?: string): HalliganError | undefined
  /** How long a ceremony counts towards this target (ms); the default for a name that is unknown. */
  rememberMs(identity: Identity, target: string, account?: string): number
  /** Which second factors count there; any for a name that is unknown. */
  methods(identity: Identity, target: string, account?: string): Policy['mfa']['methods']
  /** The live grant that covers it: of that account, or of any account when none is named (the least one). */
  liveGrant(identity: Identity, target: string, account?: string): Promise<Grant | undefined>
  /** What a request would get now; writes nothing. An unknown target gives the same `deny` as a refused one. */
  preview(identity: Identity, ask: GrantAsk): Decision
  /** The same with what has happened before (a denial, overdue reviews), as the request itself will meet it. */
  offer(identity: Identity, ask: GrantAsk): Promise<Decision>
  /** Why this is not at once, where reviews that are overdue are the reason: plain sentences for a prompt. */
  standingNote(identity: Identity, decision: Decision): string | undefined
  /**
   * Breaks the glass: decides, writes grant, leaves and alerts in one transaction, and gives the grant: `active`, or
   * `requested` when it waits for approval. Throws `denied`, `usage` (something missing), `mfa_required`, `unavailable`.
   */
  request(identity: Identity, ask: GrantAsk): Promise<Grant>
}

export interface GrantAsk {
  readonly target: string
  readonly account?: string | undefined
  readonly policy?: string | undefined
  readonly trigger?: string | undefined
  readonly reason?: string | undefined
  readonly incident?: string | undefined
  readonly durationMs?: number | undefined
}

export type AccessAsk = AccessRequest

/** The grant secret: psql's one way in (design §7). */
export interface SecretContract {
  /** The salt and iteration count for a login, the same for every secret of that user and target, known or not. */
  scram(user: string, target: string): { readonly salt: Buffer; readonly iterations: number }
  /** Every secret that could let this login in now, from this address: live grant, right database, not too old. */
  candidates(login: SecretLogin): Promise<readonly GrantSecret[]>
  /** Marks a first use. Throws `no_grant` when it ended meanwhile. Gives whose it is. */
  use(
    secret: GrantSecret,
    login: SecretLogin,
  ): Promise<{ readonly identity: Identity; readonly grant: Grant; readonly target: Target }>
}

export interface SecretLogin {
  readonly user: string
  /** Target name, as the first part of dbname. */
  readonly target: string
  /** Database on the target; null: its first. */
  readonly database: string | null
  readonly address: string
}

/** Writes a `login-refused` leaf; rate-limited per address so that a scanner cannot fill the disk, counted then. */
export type ReportRefusal = (refusal: {
  readonly protocol: Protocol
  readonly login: string
  readonly address: string
  readonly reason: RefusalReason
  readonly fingerprint?: string
}) => void
