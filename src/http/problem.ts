// Errors as RFC 9457 problem+json: the closed code, a message safe for its reader and what to do next.

import type { FastifyReply } from 'fastify'
import { HalliganError, safeError, type ErrorCode } from '../errors.ts'
import { httpLog } from '../log.ts'

export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: ErrorCode
  readonly hint?: string
  /** For a recording that does not verify: of the verifier's closed list. */
  readonly finding?: string
}

const statusOf: Readonly<Record<ErrorCode, number>> = {
  usage: 400,
  sign_in_required: 401,
  denied: 403,
  no_grant: 403,
  mfa_required: 403,
  code_wrong: 403,
  code_replayed: 403,
  not_enrolled: 403,
  statement_refused: 403,
  not_found: 404,
  conflict: 409,
  grant_expired: 409,
  killed: 409,
  recording_altered: 409,
  approval_pending: 409,
  locked_out: 429,
  internal: 500,
  config_invalid: 500,
  unreachable: 502,
  host_key_mismatch: 502,
  unavailable: 503,
  recorder_failed: 503,
  state_locked: 503,
  store_failed: 503,
  journal_failed: 503,
}

/** A recording that does not verify: nothing of it is shown but what was found. */
export class UnprovenRecording extends HalliganError {
  readonly finding: string

  constructor(finding: string, message: string) {
    super('recording_altered', message, {
      hint: 'nothing of it is shown; run halligan verify on the file and tell your security channel',
    })
    this.finding = finding
  }
}

/** The body for an error; anything that is not ours reads `internal error`. */
export function problemOf(error: unknown): Problem {
  const { code, message, hint } = safeError(clientFault(error) ?? error)
  return {
    type: `urn:halligan:error:${code}`,
    title: message,
    status: statusOf[code],
    code,
    ...(hint === undefined ? {} : { hint }),
    ...(error instanceof UnprovenRecording ? { finding: error.finding } : {}),
  }
}

/** Sends an error as problem+json; what is our own fault goes to the log with its cause. */
export function sendProblem(reply: FastifyReply, error: unknown): FastifyReply {
  const problem = problemOf(error)
  if (problem.status >= 500) httpLog.error('http.failed', { problem: problem.code, error })
  return reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem))
}

/** Fastify's own refusals (too large, not JSON, malformed) are the client's fault, not ours. */
function clientFault(error: unknown): HalliganError | undefined {
  if (error instanceof HalliganError || !(error instanceof Error) || !('statusCode' in error)) return undefined
  const { statusCode } = error
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode > 499) return undefined
  return new HalliganError('usage', 'the request is malformed or too large', {
    hint: 'send JSON of at most 16 KiB with content-type application/json',
  })
}
