// Time-based one-time codes (RFC 6238: SHA-1, 30 s, 6 digits, what every authenticator app speaks) over otplib.
// Pure: which step was last accepted is handed in, and the store takes a new one by compare-and-set.

import { generateSecret, generateSync, generateURI, verifySync } from 'otplib'
import { HalliganError } from '../errors.ts'

/** RFC 6238 §5.2: the recommended step. */
export const STEP_MS = 30_000

/** One step either side: phones drift, people type. RFC 6238 §5.2 asks for no more. */
const TOLERANCE_S = 30

/** RFC 4226 §4 R6 recommends 160 bits. */
const SECRET_BYTES = 20

export interface TotpAttempt {
  /** Base32 (RFC 4648), as enrolled. */
  readonly secret: string
  /** What was typed. */
  readonly code: string
  /** Wall clock, ms. */
  readonly now: number
  /** The last step accepted for this secret, 0 before the first. */
  readonly lastStep: number
}

export type TotpResult =
  /** `step` is later than `lastStep`; the code counts once the store has taken it by compare-and-set. */
  | { readonly kind: 'ok'; readonly step: number }
  /** Also whatever is not six digits. */
  | { readonly kind: 'wrong' }
  /** A right code of a step that was used or passed over; the next one that can work starts in `nextInMs`. */
  | { readonly kind: 'replayed'; readonly nextInMs: number }

/** Checks a code within one step either side of `now`. Throws `internal` when the secret itself is not usable. */
export function verifyTotp({ secret, code, now, lastStep }: TotpAttempt): TotpResult {
  // otplib throws on anything but six digits; other scripts' digits and spaces are wrong codes here, not errors.
  if (!/^[0-9]{6}$/.test(code)) return { kind: 'wrong' }
  // Not otplib's afterTimeStep: it throws when the clock has gone back behind the last accepted step.
  const result = usable(() =>
    verifySync({ secret, token: code, epoch: Math.floor(now / 1000), epochTolerance: TOLERANCE_S }),
  )
  if (!result.valid || !('timeStep' in result)) return { kind: 'wrong' }
  if (result.timeStep > lastStep) return { kind: 'ok', step: result.timeStep }
  return { kind: 'replayed', nextInMs: nextCodeInMs(lastStep, now) }
}

/** How long until an app shows a code of a step after `lastStep` (ms, 0: it does now). */
export function nextCodeInMs(lastStep: number, now: number): number {
  return Math.max(0, (lastStep + 1) * STEP_MS - now)
}

/** The six digits an app shows at `now` (ms). Throws `internal` when the secret is not usable. */
export function totpCode(secret: string, now: number): string {
  return usable(() => generateSync({ secret, epoch: Math.floor(now / 1000) }))
}

/** A new secret of 160 bits, base32 without padding. */
export function newTotpSecret(): string {
  return generateSecret({ length: SECRET_BYTES })
}

/** The `otpauth://` address that authenticator apps read from a QR code. It holds the secret: show it once. */
export function totpUri(secret: string, user: string, installation: string): string {
  return generateURI({ issuer: installation, label: user, secret })
}

function usable<T>(work: () => T): T {
  try {
    return work()
  } catch {
    // The library's message may quote the secret: it goes nowhere.
    throw new HalliganError('internal', 'the enrolled second factor is not usable', {
      hint: 'reset the second factor of this user',
    })
  }
}
