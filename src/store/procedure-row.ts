// What only the procedure keeps, to rows and back: locks, codes, views, drill runs, revocations. None of it is secret.

import { decodeLeaf } from '../audit.ts'
import { HalliganError } from '../errors.ts'
import type { DrillRun, IssuedCode, LedgerEntry, Lock, Revocation, View, Write } from '../session/state.ts'
import type { CodeRow, DrillRunRow, LeafRow, LockRow, ProcedureWrite, RevocationRow, ViewRow } from './message.ts'

type Kind = 'lock' | 'code-issued' | 'view' | 'drill-run' | 'revocation-queued'

export function procedureWriteToRow(write: Extract<Write, { kind: Kind }>): ProcedureWrite {
  switch (write.kind) {
    case 'lock':
      return { kind: 'lock', row: { scope: write.lock.scope, document: JSON.stringify(write.lock) } }
    case 'code-issued':
      return { kind: 'code-issued', row: codeToRow(write.code) }
    case 'view': {
      const { session, user, at, share } = write.view
      return { kind: 'view', row: { session_id: session, user_name: user, at, share } }
    }
    case 'drill-run':
      return { kind: 'drill-run', id: write.run.id, document: JSON.stringify(write.run) }
    case 'revocation-queued':
      return { kind: 'revocation-queued', row: revocationToRow(write.revocation) }
  }
}

function codeToRow(code: IssuedCode): Omit<CodeRow, 'position'> {
  return {
    id: code.id,
    user_name: code.user,
    purpose: code.purpose,
    hash: code.hash,
    issued_by: code.by,
    created_at: code.createdAt,
    expires_at: code.expiresAt,
    used_at: code.usedAt,
    ended_at: null,
  }
}

function revocationToRow(revocation: Revocation): Omit<RevocationRow, 'position'> {
  return {
    id: revocation.id,
    grant_id: revocation.grant,
    target: revocation.target,
    what: JSON.stringify(revocation.what),
    queued_at: revocation.queuedAt,
    attempts: revocation.attempts,
    next_at: revocation.nextAt,
    last_error: revocation.lastError,
    done_at: revocation.doneAt,
  }
}

export function rowToLock(row: LockRow): Lock {
  return JSON.parse(row.document) as Lock
}

export function rowToCode(row: CodeRow): IssuedCode {
  return {
    id: row.id,
    purpose: row.purpose,
    user: row.user_name,
    hash: row.hash,
    by: row.issued_by,
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    usedAt: row.used_at,
  }
}

export function rowToView(row: ViewRow): View {
  return { session: row.session_id, user: row.user_name, at: row.at, share: row.share }
}

export function rowToDrillRun(row: DrillRunRow): DrillRun {
  return JSON.parse(row.document) as DrillRun
}

export function rowToRevocation(row: RevocationRow): Revocation {
  return {
    id: row.id,
    grant: row.grant_id,
    target: row.target,
    what: JSON.parse(row.what) as Revocation['what'],
    queuedAt: row.queued_at,
    attempts: row.attempts,
    nextAt: row.next_at,
    lastError: row.last_error,
    doneAt: row.done_at,
  }
}

/** Throws `store_failed` when the leaf's bytes are not what was once written. */
export function rowToEntry(row: LeafRow): LedgerEntry {
  const leaf = Buffer.from(row.leaf.buffer, row.leaf.byteOffset, row.leaf.byteLength)
  try {
    const { at, ...event } = decodeLeaf(leaf)
    return { index: row.position, at, event }
  } catch (cause) {
    throw new HalliganError('store_failed', `ledger leaf ${row.position} cannot be read`, {
      hint: 'the state database was altered: run halligan verify --all',
      cause,
    })
  }
}
