// Posts one JSON body to a receiver and reads its answer: what every channel over HTTP does alike. Whether an answer is
// an acceptance is for the channel to say.

import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { outboundUrl, request, type OutboundAnswer } from '../outbound/request.ts'
import { Busy } from './channel.ts'

/** Only the first line of an answer is of use, and a receiver may send without end. */
const mostAnswerBytes = 4096
const longestReceipt = 100
/** An attempt is cut before (attempt.ts); this is for whoever posts without one. */
const postTimeoutMs = 15_000

export interface Posting {
  /** How errors call it: `webhook sec-desk`. */
  readonly what: string
  readonly url: URL
  readonly clock: Clock
  /** PEM of a CA that is trusted instead of the machine's. */
  readonly ca?: string | undefined
}

/** A URL that alerts may go to. Throws `config_invalid` naming `what`, never the URL: it may hold a token. */
export function postingUrl(what: string, url: string): URL {
  try {
    return outboundUrl(url)
  } catch (error) {
    if (!(error instanceof HalliganError)) throw error
    throw new HalliganError('config_invalid', `${what}: ${error.message}`, { hint: error.hint, cause: error })
  }
}

/**
 * Posts `body` (JSON) and gives the answer, whatever its status. Throws `Busy` for 429 and 503 with `Retry-After`
 * (RFC 9110 §10.2.3), `unreachable` without an answer.
 */
export async function postJson(
  { what, url, clock, ca }: Posting,
  body: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<OutboundAnswer> {
  const answer = await request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json; charset=utf-8', 'user-agent': 'halligan', ...headers },
    body,
    timeoutMs: postTimeoutMs,
    maxBytes: mostAnswerBytes,
    answer: 'start',
    clock,
    signal,
    ca,
  }).catch((cause: unknown) => {
    if (!(cause instanceof HalliganError)) throw cause
    const why = signal.aborted ? 'no answer in time' : cause.message
    throw new HalliganError('unreachable', `${what} was not reached: ${why}`, { hint: cause.hint, cause })
  })
  const retryAfterMs = retryAfter(answer, clock.now())
  if (retryAfterMs !== undefined) throw new Busy(`${what} is busy: ${receiptOf(answer)}`, retryAfterMs)
  return answer
}

/** The answer as one printable line: `HTTP 202 queued`. */
export function receiptOf({ status, body }: OutboundAnswer): string {
  return `HTTP ${status} ${printable(body.toString('latin1')).slice(0, longestReceipt)}`.trimEnd()
}

/** The error of an answer that is no acceptance. */
export function refusal(what: string, answer: OutboundAnswer, why?: string): HalliganError {
  const isRedirect = answer.status >= 300 && answer.status < 400
  const how = why ?? (isRedirect ? 'redirects' : 'refused')
  return new HalliganError('unreachable', `${what} ${how}: ${receiptOf(answer)}`, {
    hint: isRedirect ? 'configure the URL it ends at' : undefined,
  })
}

/** Printable ASCII only: it goes into the ledger and onto terminals. */
export function printable(text: string): string {
  return text.replaceAll(/[^!-~]+/g, ' ').trim()
}

function retryAfter({ status, headers }: OutboundAnswer, now: number): number | undefined {
  const said = headers['retry-after']
  if ((status !== 429 && status !== 503) || said === undefined) return undefined
  if (/^\d{1,9}$/.test(said)) return Number(said) * 1000
  const at = Date.parse(said)
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}
