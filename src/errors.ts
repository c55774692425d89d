// The one error class, its closed codes, and who each is meant for. Codes are asserted by tests; wording is not.

/** Every code Halligan throws. `exit` is the channel's exit status, `sqlstate` what psql sees (design §12). */
export const errorCodes = {
  usage: { exit: 64, sqlstate: '42601' },
  unreachable: { exit: 69, sqlstate: '57P03' },
  approval_pending: { exit: 75, sqlstate: '57P03' },
  unavailable: { exit: 75, sqlstate: '57P03' },
  denied: { exit: 77, sqlstate: '28000' },
  no_grant: { exit: 77, sqlstate: '28000' },
  mfa_required: { exit: 77, sqlstate: '28000' },
  code_wrong: { exit: 77, sqlstate: '28P01' },
  code_replayed: { exit: 77, sqlstate: '28P01' },
  locked_out: { exit: 77, sqlstate: '28000' },
  not_enrolled: { exit: 78, sqlstate: '28000' },
  grant_expired: { exit: 124, sqlstate: '57P01' },
  killed: { exit: 130, sqlstate: '57P01' },
  recorder_failed: { exit: 75, sqlstate: '57P01' },
  host_key_mismatch: { exit: 69, sqlstate: '57P03' },
  statement_refused: { exit: 77, sqlstate: '42501' },
  conflict: { exit: 75, sqlstate: '40001' },
  sign_in_required: { exit: 77, sqlstate: '28000' },
  not_found: { exit: 64, sqlstate: '42704' },
  config_invalid: { exit: 64, sqlstate: 'F0000' },
  state_locked: { exit: 75, sqlstate: '57P03' },
  store_failed: { exit: 75, sqlstate: '58030' },
  journal_failed: { exit: 75, sqlstate: '58030' },
  recording_altered: { exit: 65, sqlstate: 'XX001' },
  internal: { exit: 70, sqlstate: 'XX000' },
} as const

export type ErrorCode = keyof typeof errorCodes

/** An error with a closed code, a lower-case message safe for whoever sees it, and a hint where someone must act. */
export class HalliganError extends Error {
  override readonly name = 'HalliganError'
  readonly code: ErrorCode
  /** What to do next, without the word `hint:`. */
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, options: { hint?: string | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
  }

  /** `message` and, on a line of its own, the hint. */
  describe(): string {
    return this.hint === undefined ? this.message : `${this.message}\nhint: ${this.hint}`
  }
}

/** The peer broke its protocol: its connection ends, nobody else's does. */
export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation'
}

/** Our own mistake if it fails; the message names what must hold. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${what}`)
}

/** What may be shown to a peer or user: our own errors as they are, anything else without its text. */
export function safeError(error: unknown): HalliganError {
  if (error instanceof HalliganError) return error
  return new HalliganError('internal', 'internal error', {
    cause: error,
    hint: "tell Halligan's operator; the log has the cause",
  })
}
