// The tables as kysely sees them; the `.sql` files in migrations/ are what makes them.

import type { Generated, GeneratedAlways } from 'kysely'
import type { GrantState } from '../access/grant.ts'
import type { CodePurpose } from '../audit.ts'
import type { SessionRecord } from '../session/session.ts'

export interface Schema {
  readonly key_check: KeyCheckTable
  readonly settings: SettingTable
  readonly grants: GrantTable
  readonly sessions: SessionTable
  readonly totp: TotpTable
  readonly grant_secrets: GrantSecretTable
  readonly ledger: LedgerTable
  readonly ledger_head: LedgerHeadTable
  readonly ledger_nodes: LedgerNodeTable
  readonly ledger_stray: LedgerStrayTable
  readonly outbox: OutboxTable
  readonly locks: LockTable
  readonly codes: CodeTable
  readonly views: ViewTable
  readonly drill_runs: DrillRunTable
  readonly revocations: RevocationTable
}

interface KeyCheckTable {
  readonly id: number
  readonly value: Uint8Array
}

interface SettingTable {
  readonly name: string
  readonly value: string
}

interface GrantTable {
  readonly position: Generated<number>
  readonly id: string
  readonly document: string
  readonly version: GeneratedAlways<number>
  readonly state: GeneratedAlways<GrantState>
  readonly user_name: GeneratedAlways<string>
  readonly requested_at: GeneratedAlways<number>
}

interface SessionTable {
  readonly position: Generated<number>
  readonly id: string
  readonly document: string
  readonly grant_id: GeneratedAlways<string>
  readonly user_name: GeneratedAlways<string>
  readonly opened_at: GeneratedAlways<number>
  readonly state: SessionRecord['state']
  readonly ended_at: number | null
  readonly ending: string | null
  readonly seal: string | null
}

interface TotpTable {
  readonly user_name: string
  readonly secret: Uint8Array
  readonly last_step: number
}

interface GrantSecretTable {
  readonly position: Generated<number>
  readonly id: string
  readonly grant_id: string
  readonly user_name: string
  readonly target: string
  readonly database: string
  readonly from_address: string
  readonly salt: Uint8Array
  readonly iterations: number
  readonly stored_key: Uint8Array
  readonly server_key: Uint8Array
  readonly created_at: number
  readonly first_use_by: number
  readonly used_at: number | null
  readonly ended_at: number | null
  readonly mfa: string
  readonly fingerprint: string
}

interface LedgerTable {
  readonly position: number
  readonly leaf: Uint8Array
  readonly hash: Uint8Array
  /** Null when the leaf is damaged. */
  readonly event_type: GeneratedAlways<string | null>
  readonly event_at: GeneratedAlways<number | null>
}

interface LedgerNodeTable {
  readonly level: number
  readonly position: number
  readonly hash: Uint8Array
}

interface LedgerHeadTable {
  readonly id: number
  readonly size: number
  readonly root: Uint8Array
  readonly peaks: Uint8Array
}

interface LedgerStrayTable {
  readonly found_at: number
  readonly position: number
  readonly leaf: Uint8Array
  readonly hash: Uint8Array
}

interface OutboxTable {
  readonly position: Generated<number>
  readonly id: string
  readonly channel: string
  readonly type: string
  readonly at: number
  readonly payload: string
  readonly attempts: number
  readonly next_at: number
  readonly last_error: string | null
  readonly accepted_at: number | null
  readonly receipt: string | null
  readonly dead_at: number | null
  readonly grant_id: GeneratedAlways<string | null>
}

interface LockTable {
  readonly scope: string
  readonly document: string
}

interface CodeTable {
  readonly position: Generated<number>
  readonly id: string
  readonly user_name: string
  readonly purpose: CodePurpose
  readonly hash: string
  readonly issued_by: string
  readonly created_at: number
  readonly expires_at: number | null
  readonly used_at: number | null
  readonly ended_at: number | null
}

interface ViewTable {
  readonly position: Generated<number>
  readonly session_id: string
  readonly user_name: string
  readonly at: number
  readonly share: number
}

interface DrillRunTable {
  readonly position: Generated<number>
  readonly id: string
  readonly document: string
  readonly name: GeneratedAlways<string>
  readonly started_at: GeneratedAlways<number>
}

interface RevocationTable {
  readonly position: Generated<number>
  readonly id: string
  readonly grant_id: string
  readonly target: string
  readonly what: string
  readonly queued_at: number
  readonly attempts: number
  readonly next_at: number
  readonly last_error: string | null
  readonly done_at: number | null
}
