// Codes that stand in for a lost second factor: one that somebody else vouches with, for one grant, and those a person
// printed in time. Each is shown once, kept as a hash, told to everyone, and dead the moment its voucher may not vouch.

import { randomBytes, randomUUID } from 'node:crypto'
import { commentOf } from '../access/comment.ts'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { hashRecoveryCode, newRecoveryCodes } from '../identity/recovery-code.ts'
import type { Directory, Identity } from '../identity/user.ts'
import { lockedError, type Locks } from '../session/locks.ts'
import type { Alert, IssuedCode, State } from '../session/state.ts'
import { alertsTo } from './alert.ts'
import type { Mfa } from './mfa.ts'

/** Long enough to read it out on the phone and connect; nobody carries it around. */
export const BYPASS_MS: number = 15 * 60_000

/** Why one person answers for another, for those who are told. */
const REASON_MIN_LENGTH = 10

export interface VouchPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'commit'>
  readonly directory: Directory
  readonly locks: Pick<Locks, 'on'>
  /** Every configured channel. */
  readonly channels: readonly string[]
  readonly nudge: () => void
}

/** True while this person may vouch for others: an approver or admin who is known and not locked. */
export function mayVouch({ directory, locks }: Pick<VouchPorts, 'directory' | 'locks'>, name: string): boolean {
  const roles = directory.byName(name)?.roles ?? []
  return (roles.includes('approver') || roles.includes('admin')) && locks.on(name) === undefined
}

/**
 * A code with which `name` breaks the glass once within 15 minutes; an earlier one for the same person ends. Whoever calls
 * this has checked the voucher's own fresh second factor. Throws `denied`, `not_found`, `usage`.
 */
export async function issueBypass(
  ports: VouchPorts,
  by: Identity,
  name: string,
  reason: string,
): Promise<{ readonly code: string; readonly expiresAt: number }> {
  const { clock, state, directory, locks, channels, nudge } = ports
  const voucher = by.user.name
  if (!mayVouch(ports, voucher))
    throw new HalliganError('denied', `${voucher} may not vouch for anyone`, { hint: 'an approver or admin may' })
  if (name === voucher) throw new HalliganError('denied', `${voucher} may not vouch for themselves`)
  if (directory.byName(name) === undefined) throw new HalliganError('not_found', `no user ${JSON.stringify(name)}`)
  const lock = locks.on(name)
  if (lock !== undefined) throw lockedError(lock)
  const why = commentOf(reason, 'vouching', REASON_MIN_LENGTH)
  const at = clock.now()
  const expiresAt = at + BYPASS_MS
  const { code, row } = newCode('bypass', name, voucher, at, expiresAt)
  const facts = {
    user: name,
    by: voucher,
    reason: why,
    expiresAt: new Date(expiresAt).toISOString(),
    address: by.address,
  }
  await state.commit({
    at,
    writes: [
      { kind: 'codes-ended', user: name, purpose: 'bypass', at },
      { kind: 'code-issued', code: row },
    ],
    leaves: [{ type: 'code-issued', code: row.id, purpose: 'bypass', user: name, by: voucher, expiresAt, reason: why }],
    alerts: alertsTo(channels, 'user.bypass', facts, at),
  })
  nudge()
  return { code, expiresAt }
}

/**
 * Ten recovery codes in place of those there were. Only a fresh code of the person's authenticator makes them: one stolen
 * recovery code must not make ten. Throws `mfa_required`.
 */
export async function issueRecoveryCodes(
  ports: VouchPorts & { readonly mfa: Pick<Mfa, 'counts'> },
  identity: Identity,
  withinMs: number,
): Promise<readonly string[]> {
  const { clock, state, channels, nudge, mfa } = ports
  const user = identity.user.name
  if (!mfa.counts(identity, withinMs, ['totp']))
    throw new HalliganError('mfa_required', 'recovery codes need a code of your authenticator', {
      hint: 'with another factor they cannot be made: ask an admin for an invite code',
    })
  const at = clock.now()
  const codes = newRecoveryCodes(randomBytes)
  const rows = codes.map((code) => rowOf(code, 'recovery', user, user, at, null))
  await state.commit({
    at,
    writes: [
      { kind: 'codes-ended', user, purpose: 'recovery', at },
      ...rows.map((code) => ({ kind: 'code-issued', code }) as const),
    ],
    leaves: rows.map(({ id }) => ({
      type: 'code-issued',
      code: id,
      purpose: 'recovery',
      user,
      by: user,
      expiresAt: null,
    })),
    alerts: alertsTo(channels, 'user.recovery-codes', { user, codes: codes.length, address: identity.address }, at),
  })
  nudge()
  return codes
}

/** That one of a person's recovery codes was used, and how many are left. */
export function codeUsedAlerts(
  { user, fingerprint, address }: Identity,
  left: number,
  channels: readonly string[],
  at: number,
): Alert[] {
  return alertsTo(channels, 'user.recovery-code-used', { user: user.name, fingerprint, address, left }, at)
}

function newCode(
  purpose: 'bypass',
  user: string,
  by: string,
  at: number,
  expiresAt: number,
): { readonly code: string; readonly row: IssuedCode } {
  const [code = ''] = newRecoveryCodes(randomBytes, 1)
  return { code, row: rowOf(code, purpose, user, by, at, expiresAt) }
}

function rowOf(
  code: string,
  purpose: IssuedCode['purpose'],
  user: string,
  by: string,
  at: number,
  expiresAt: number | null,
): IssuedCode {
  const hash = hashRecoveryCode(user, code)
  return { id: `c-${randomUUID()}`, purpose, user, hash, by, createdAt: at, expiresAt, usedAt: null }
}
