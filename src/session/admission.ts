// An Admission is the proof that a session may reach its target: minted only by `admit`, here, when a channel or
// connection opens; held by the registry before anything is dialled, so that an end between check and dial cancels it.

import type { Grant } from '../access/grant.ts'
import type { Identity } from '../identity/user.ts'
import type { Target } from '../target.ts'
import type { Recorder } from './recorder.ts'
import type { Session, SessionEnd, SessionSubject } from './session.ts'
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
}

/** What every dialer takes, and nothing else. */
export interface AdmissionContract {
  readonly session: Session
  readonly grant: Grant
  readonly target: Target
  readonly account: string
  readonly database: string | null
  readonly recorder: Recorder
  /** Aborted when the session must end now; `signal.reason` is a SessionEnd. Sockets close first, records follow. */
  readonly signal: AbortSignal
  /** Calls back with a warning line for the user (10, 5, 1 minutes before the end, messages from an admin). */
  onNotice(listener: (text: string) => void): void
  /** Ends the session from the relay's side (exit, close, violation). Idempotent: the first reason stays. */
  end(end: SessionEnd): void
  /** Resolves when the last line is durable (or the recorder has failed) after an end. */
  readonly ended: Promise<SessionEnd>
}

/** Refused with `no_grant`, `grant_expired`, `denied`, `unavailable`, `recorder_failed`. */
export type Admit = (request: AdmissionRequest) => Promise<AdmissionContract>
