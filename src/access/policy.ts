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
  readonly scope: Scope
  readonly triggers: readonly Trigger[]
  readonly reason: {
    readonly minLength: number
    readonly incident: { readonly pattern: string; readonly required: boolean } | null
  }
  /** CIDR networks; empty: from anywhere. */
  readonly from: readonly string[]
  /** When it may be used; empty: always. */
  readonly windows: readonly TimeWindow[]
  /** Only whom this check finds on call may ask; null: on call or not. */
  readonly onCall: CheckRule | null
  readonly duration: {
    readonly defaultMs: number
    readonly maxMs: number
    readonly extensions: { readonly count: number; readonly self: boolean }
  }
  readonly mfa: { readonly methods: readonly ('totp' | 'fido2' | 'recovery')[]; readonly rememberMs: number }
  readonly approval: readonly ApprovalRule[]
  readonly alerts: { readonly channels: readonly string[]; readonly gate: AlertGate | null }
  readonly review: {
    readonly withinMs: number
    readonly by: ReviewerRule
    /** Questions every reviewer of this policy answers, each with yes, no or not applicable. */
    readonly checklist: readonly string[]
    /** Overdue by this much (ms), these channels are told as well; null: nobody more. */
    readonly escalate: { readonly afterMs: number; readonly channels: readonly string[] } | null
  }
  readonly recording: { readonly resultRows: number; readonly files: 'full' | 'hash' }
  readonly channelBinding: 'prefer' | 'require'
  /** Names of stricter policies that this one knowingly overlaps. */
  readonly overlaps: readonly string[]
}

export interface Trigger {
  readonly name: string
  /** What must be found true outside before this trigger counts; without it the person's word is enough. */
  readonly require?: CheckRule
}

/** A check of `incident/`, by its name in the configuration, and what its failure to answer means. */
export interface CheckRule {
  readonly check: string
  readonly onError: 'allow' | 'deny'
}

/** What of a target is opened. Empty lists: all of it. */
export interface Scope {
  readonly databases: readonly string[]
  readonly schemas: readonly string[]
  /** Exact command lines that may be run; with any here there is no shell and no other command. */
  readonly commands: readonly string[]
  /** Beside a list of commands: whether sftp is opened as well. Without a list files cannot be kept from a shell. */
  readonly files: boolean
}

/** A part of the week in which a policy may be used. */
export interface TimeWindow {
  /** 1 Monday … 7 Sunday (ISO 8601). */
  readonly days: readonly number[]
  /** Minutes since midnight, in `zone`; `to` at or before `from` means over midnight. */
  readonly fromMinute: number
  readonly toMinute: number
  /** IANA name, such as `Europe/Berlin`. */
  readonly zone: string
}

/** What a session waits for before its target is dialled (design §4). */
export interface AlertGate {
  /** How many outside channels must have accepted the grant's activation alert. */
  readonly accepted: number
  readonly withinMs: number
  readonly otherwise: 'allow' | 'deny' | 'hold'
  /** With `hold`: how much longer (ms), and what then. */
  readonly holdMaxMs: number
  /** `then` in the file. */
  readonly afterHold: 'allow' | 'deny'
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
