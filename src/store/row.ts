// Domain types to rows and back; secrets are sealed on the way in and opened on the way out.

import { grantDefaults, type Grant } from '../access/grant.ts'
import { encodeLeaf } from '../audit.ts'
import { assert, HalliganError } from '../errors.ts'
import { leafHash } from '../ledger/merkle.ts'
import type { Seal, Session, SessionEnd, SessionRecord } from '../session/session.ts'
import type { Alert, AlertRecord, Change, GrantSecret, Write } from '../session/state.ts'
import {
  largestMessageBytes,
  largestPayloadBytes,
  mostRowsPerChange,
  type AlertRow,
  type ChangeRows,
  type GrantRow,
  type GrantSecretRow,
  type NewGrantSecretRow,
  type RowWrite,
  type SessionRow,
  type StoredAlertRow,
} from './message.ts'
import { procedureWriteToRow } from './procedure-row.ts'
import type { SealedColumns } from './sealed-column.ts'

/** Throws `store_failed` when the change is larger than one message may be. */
export function changeToRows(change: Change, cells: SealedColumns): ChangeRows {
  const alerts = change.alerts ?? []
  for (const rows of [change.writes, change.leaves, alerts])
    if (rows.length > mostRowsPerChange) throw tooLarge(`${rows.length} rows`, `${mostRowsPerChange}`)
  const rows: ChangeRows = {
    writes: change.writes.map((write) => writeToRow(write, cells)),
    leaves: change.leaves.map((event) => {
      const leaf = ownBytes(encodeLeaf(change.at, event))
      return { leaf, hash: ownBytes(leafHash(leaf)) }
    }),
    alerts: alerts.map(alertToRow),
  }
  const sizeBytes = sizeOf(rows)
  if (sizeBytes > largestMessageBytes) throw tooLarge(`${sizeBytes} bytes`, `${largestMessageBytes}`)
  return rows
}

function writeToRow(write: Write, cells: SealedColumns): RowWrite {
  switch (write.kind) {
    case 'grant': {
      const { grant, expectVersion } = write
      assert(
        expectVersion === null || grant.version > expectVersion,
        `a change of grant ${grant.id} raises its version`,
      )
      return { kind: 'grant', id: grant.id, document: JSON.stringify(grant), expectVersion }
    }
    case 'session-open': {
      const { state, endedAt, end, seal, ...session } = write.session
      assert(state === 'open' && endedAt === null && end === null && seal === null, `session ${session.id} opens open`)
      return { kind: 'session-open', id: session.id, document: JSON.stringify(session) }
    }
    case 'session-ended':
      return { kind: 'session-ended', id: write.id, endedAt: write.endedAt, ending: JSON.stringify(write.end) }
    case 'session-sealed':
      return { kind: 'session-sealed', id: write.id, seal: JSON.stringify(write.seal) }
    case 'totp-enrolled':
      return {
        kind: 'totp-enrolled',
        user: write.user,
        secret: ownBytes(cells.seal(totpCell(write.user), Buffer.from(write.secret))),
      }
    case 'grant-secret':
      return { kind: 'grant-secret', row: grantSecretToRow(write.secret, cells) }
    case 'lock':
    case 'code-issued':
    case 'view':
    case 'drill-run':
    case 'revocation-queued':
      return procedureWriteToRow(write)
    case 'totp-step':
    case 'grant-secret-used':
    case 'grant-secrets-ended':
    case 'grant-secret-ended':
    case 'alert-accepted':
    case 'alert-failed':
    case 'alert-dead':
    case 'alert-retried':
    case 'unlock':
    case 'code-used':
    case 'codes-ended':
    case 'revocation-failed':
    case 'revocation-done':
    case 'setting':
      return write
  }
}

function grantSecretToRow(secret: GrantSecret, cells: SealedColumns): NewGrantSecretRow {
  return {
    id: secret.id,
    grant_id: secret.grant,
    user_name: secret.user,
    target: secret.target,
    database: secret.database,
    from_address: secret.from,
    salt: ownBytes(secret.salt),
    iterations: secret.iterations,
    stored_key: ownBytes(cells.seal(scramCell(secret.id, 'stored_key'), secret.storedKey)),
    server_key: ownBytes(cells.seal(scramCell(secret.id, 'server_key'), secret.serverKey)),
    created_at: secret.createdAt,
    first_use_by: secret.firstUseBy,
    used_at: secret.usedAt,
    ended_at: secret.endedAt,
    mfa: secret.mfa,
    fingerprint: secret.fingerprint,
  }
}

function alertToRow(alert: Alert): AlertRow {
  const payload = JSON.stringify(alert.payload)
  const sizeBytes = Buffer.byteLength(payload)
  if (sizeBytes > largestPayloadBytes) throw tooLarge(`an alert of ${sizeBytes} bytes`, `${largestPayloadBytes}`)
  return { id: alert.id, channel: alert.channel, type: alert.type, at: alert.at, payload }
}

/** What an older version kept is completed with what it did not know. */
export function rowToGrant(row: GrantRow): Grant {
  return { ...grantDefaults, ...(JSON.parse(row.document) as Grant) }
}

export function rowToSession(row: SessionRow): SessionRecord {
  return {
    ...(JSON.parse(row.document) as Session),
    state: row.state,
    endedAt: row.ended_at,
    end: row.ending === null ? null : (JSON.parse(row.ending) as SessionEnd),
    seal: row.seal === null ? null : (JSON.parse(row.seal) as Seal),
  }
}

/** Throws `store_failed` when a sealed cell was altered or moved. */
export function rowToGrantSecret(row: GrantSecretRow, cells: SealedColumns): GrantSecret {
  return {
    id: row.id,
    grant: row.grant_id,
    user: row.user_name,
    target: row.target,
    database: row.database,
    from: row.from_address,
    salt: Buffer.from(row.salt),
    iterations: row.iterations,
    storedKey: cells.open(scramCell(row.id, 'stored_key'), row.stored_key),
    serverKey: cells.open(scramCell(row.id, 'server_key'), row.server_key),
    createdAt: row.created_at,
    firstUseBy: row.first_use_by,
    usedAt: row.used_at,
    endedAt: row.ended_at,
    mfa: row.mfa,
    fingerprint: row.fingerprint,
  }
}

/** Throws `store_failed` when the cell was altered or moved. */
export function rowToTotpSecret(user: string, secret: Uint8Array, cells: SealedColumns): string {
  return cells.open(totpCell(user), secret).toString('utf8')
}

export function rowToAlert(row: StoredAlertRow): AlertRecord {
  return {
    id: row.id,
    channel: row.channel,
    type: row.type,
    at: row.at,
    payload: JSON.parse(row.payload) as Alert['payload'],
    attempts: row.attempts,
    nextAt: row.next_at,
    lastError: row.last_error,
    acceptedAt: row.accepted_at,
    receipt: row.receipt,
    deadAt: row.dead_at,
  }
}

function totpCell(user: string): { table: string; row: string; column: string } {
  return { table: 'totp', row: user, column: 'secret' }
}

function scramCell(id: string, column: 'stored_key' | 'server_key'): { table: string; row: string; column: string } {
  return { table: 'grant_secrets', row: id, column }
}

/** A copy in memory of its own: small Buffers share a pool, and posting one would copy the whole pool to the worker. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value)
  if (value instanceof Uint8Array) return value.length
  if (typeof value === 'object' && value !== null)
    return Object.values(value).reduce<number>((sum, part) => sum + sizeOf(part), 0)
  return 8
}

function tooLarge(what: string, limit: string): HalliganError {
  return new HalliganError('store_failed', `a change of ${what} is over the limit of ${limit}: nothing was written`)
}
