// The one answer to "may this person have this, now?", with the rule that gave it. "Why?", "what could I get?" and the
// simulation at another time are this same function.

import type { User } from '../identity/user.ts'
import type { Target } from '../target.ts'
import type { Policy } from './policy.ts'

export interface AccessRequest {
  readonly user: User
  readonly target: Target
  /** Undefined: the policy's least account. */
  readonly account?: string | undefined
  /** Undefined: the default among the policies that match. */
  readonly policy?: string | undefined
  readonly trigger?: string | undefined
  readonly reason?: string | undefined
  readonly incident?: string | undefined
  /** Undefined: the policy's default. */
  readonly durationMs?: number | undefined
  readonly address: string
}

/** `rule` names policy and clause, such as `web-emergency/approval[0]`, and is stored with the grant. */
export type Decision =
  | {
      readonly kind: 'allow'
      readonly rule: string
      readonly policy: Policy
      readonly account: string
      readonly durationMs: number
    }
  | {
      readonly kind: 'needs-approval'
      readonly rule: string
      readonly policy: Policy
      readonly account: string
      readonly durationMs: number
      readonly required: number
      readonly overrideAfterMs: number | null
    }
  /** Allowed in principle, but the request lacks something it must state (shown as prompts). */
  | {
      readonly kind: 'incomplete'
      readonly rule: string
      readonly policy: Policy
      readonly account: string
      readonly durationMs: number
      readonly required: number
      readonly missing: readonly ('trigger' | 'reason' | 'incident')[]
      readonly message: string
    }
  | { readonly kind: 'deny'; readonly rule: string; readonly message: string; readonly hint: string | undefined }

/** A function of this shape is what `decide` in this file is; see there. */
export type Decide = (policies: readonly Policy[], request: AccessRequest, now: number) => Decision
