// One GET that must give JSON. Whatever else comes is an error with a line that says what, never a value.

import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { type OutboundRequest, request } from '../outbound/request.ts'

export interface Asking {
  readonly clock: Clock
  readonly timeoutMs: number
  /** Read for each request; values are secrets. */
  readonly headers: () => Readonly<Record<string, string>>
  /** For tests: how names become addresses, and which CA is trusted. */
  readonly reach?: Pick<OutboundRequest, 'resolve' | 'ca' | 'allow'>
}

export type JsonAnswer =
  | { readonly kind: 'value'; readonly value: unknown }
  /** An answer of another status; `value` is its JSON, undefined where it is none. */
  | { readonly kind: 'refused'; readonly status: number; readonly value: unknown; readonly detail: string }
  | { readonly kind: 'error'; readonly detail: string }

/** A page of a hundred people on call, with all that is known of them, takes a quarter of this. */
const MAX_ANSWER_BYTES = 1 << 20

/** Asks once, within the time given. Never throws. */
export async function askForJson(url: URL | string, asking: Asking, signal: AbortSignal): Promise<JsonAnswer> {
  try {
    const { status, body } = await request(url, {
      method: 'GET',
      headers: { accept: 'application/json', 'user-agent': 'halligan', ...asking.headers() },
      timeoutMs: asking.timeoutMs,
      maxBytes: MAX_ANSWER_BYTES,
      clock: asking.clock,
      signal,
      ...asking.reach,
    })
    const value = parsed(body)
    if (status >= 300 && status < 400) return { kind: 'error', detail: `it redirects (HTTP ${status})` }
    if (status < 200 || status >= 300) return { kind: 'refused', status, value, detail: `HTTP ${status}` }
    if (value === undefined) return { kind: 'error', detail: 'the answer is not JSON' }
    return { kind: 'value', value }
  } catch (error) {
    // Our own messages hold no URL and no secret; others may hold anything.
    return { kind: 'error', detail: error instanceof HalliganError ? error.message : 'the request failed' }
  }
}

/** RFC 8259 §8.1: JSON is UTF-8. Undefined: it is not JSON. */
function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    return undefined
  }
}
