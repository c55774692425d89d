// A policy is a break-glass procedure written in advance. Plain, frozen data: `config/` makes it, `decide` reads it.

import type { Role } from '../identity/user.ts'

export interface Policy {
  readonly name: string
  /** SHA-256 (hex) of the policy's canonical JSON: it is in every grant made under it. */
  readonly hash: string
  readonly who: { readonly groups: readonly string[]; readonly users: readonly string[] }
  readonly targets: { readonly names: readonly string[]; readonly labels: Readonly<Record<string, string>> }
  /** Least first; the first is what is asked for when nothing is named. */
  readonly accounts: readonly string[]
  readonly scope: { readonly databases: readonly string[]; readonly schemas: readonly string[] }
  readonly triggers: readonly Trigger[]
  readonly reason: {
    readonly minLength: number
    readonly incident: { readonly pattern: string; readonly required: boolean } | null
  }
  /** CIDR networks; empty: from anywhere. */
  readonly from: readonly string[]
  readonly duration: {
    readonly defaultMs: number
    readonly maxMs: number
    readonly extensions: { readonly count: number; readonly self: boolean }
  }
  readonly mfa: { readonly methods: readonly ('totp' | 'fido2' | 'recovery')[]; readonly rememberMs: number }
  readonly approval: readonly ApprovalRule[]
  readonly alerts: { readonly channels: readonly string[] }
  readonly review: { readonly withinMs: number; readonly by: ReviewerRule }
  readonly recording: { readonly resultRows: number; readonly files: 'full' | 'hash' }
  readonly channelBinding: 'prefer' | 'require'
  /** Names of stricter policies that this one knowingly overlaps. */
  readonly overlaps: readonly string[]
}

export interface Trigger {
  readonly name: string
}

export interface ApprovalRule {
  /** Empty: applies to every request of this policy. The first rule that matches decides. */
  readonly when: { readonly account?: string; readonly trigger?: string }
  /** 0: self-activation. */
  readonly required: number
  readonly from: { readonly groups: readonly string[]; readonly roles: readonly Role[] }
  readonly override: { readonly afterMs: number; readonly reasonMinLength: number } | null
}

export interface ReviewerRule {
  readonly groups: readonly string[]
  readonly roles: readonly Role[]
}
