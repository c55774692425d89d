// What an opening session writes: who it is for, its row, its leaf, its header line. Pure but for the id.

import { randomBytes } from 'node:crypto'
import type { Grant } from '../access/grant.ts'
import type { AuditEvent } from '../audit.ts'
import type { Identity } from '../identity/user.ts'
import type { Target } from '../target.ts'
import type { Session, SessionRecord, SessionSubject } from './session.ts'
import type { GrantSecret } from './state.ts'

export interface AdmissionRequest {
  readonly identity: Identity
  /**
   * `ceremony`: the second factor remembered for this person, key and address, asked anew from the memory at minting.
   * A secret: the grant secret whose proof has just been checked.
   */
  readonly via: 'ceremony' | { readonly secret: GrantSecret; readonly scram: 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS' }
  readonly grant: string
  readonly target: Target
  readonly account: string
  readonly database: string | null
  readonly protocol: Session['protocol']
  readonly what: SessionSubject
  /** Aborted when whoever asks is gone: nothing is opened for them. */
  readonly gone?: AbortSignal
  /** Shows a line while the session waits to be opened; absent: there is no terminal to show it on. */
  readonly tell?: (line: string) => void
}

/** The session a request opens, at `openedAt` (ms); `mfa` says how the second factor was given. */
export function sessionOf(request: AdmissionRequest, mfa: string, openedAt: number): Session {
  return {
    id: newSessionId(),
    protocol: request.protocol,
    grant: request.grant,
    user: request.identity.user.name,
    fingerprint: request.via === 'ceremony' ? request.identity.fingerprint : request.via.secret.fingerprint,
    mfa,
    address: request.identity.address,
    target: request.target.name,
    account: request.account,
    database: request.database,
    what: request.what,
    openedAt,
  }
}

const ID_ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'

/** `s` and 12 base32 characters: 60 bits, so that ids never meet within one installation. */
function newSessionId(): string {
  return `s${[...randomBytes(12)].map((byte) => ID_ALPHABET[byte % 32]).join('')}`
}

/** Its row. */
export function openRow(session: Session): SessionRecord {
  return { ...session, state: 'open', endedAt: null, end: null, seal: null }
}

/** Its leaf. */
export function openedLeaf(session: Session): AuditEvent {
  const { id, grant, user, target, account, protocol, address, fingerprint } = session
  return { type: 'session-opened', session: id, grant, user, target, account, protocol, address, fingerprint }
}

/** The header line: an asciicast v3 header whose `halligan` object says who, how and why (design §8). */
export function headerOf(session: Session, grant: Grant, what: SessionSubject): Readonly<Record<string, unknown>> {
  const term = 'term' in what ? what.term : null
  return {
    version: 3,
    term: { cols: term?.cols ?? 80, rows: term?.rows ?? 24, type: term?.type ?? 'dumb' },
    timestamp: Math.floor(session.openedAt / 1000),
    title: `${session.user} on ${session.account}@${session.target}`,
    halligan: {
      ...session,
      grant: {
        id: grant.id,
        policy: grant.policy,
        policyHash: grant.policyHash,
        trigger: grant.trigger,
        reason: grant.reason,
        incident: grant.incident,
        rule: grant.rule,
        expiresAt: grant.expiresAt,
        approvals: grant.approvals.map((approval) => approval.by),
        checks: grant.checks.map(({ check, outcome, detail }) => ({ check, outcome, detail })),
        override: grant.override?.by ?? null,
      },
    },
  }
}
