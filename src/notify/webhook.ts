// Webhooks as the Standard Webhooks specification has them (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md):
// a JSON body signed together with its id and time by HMAC-SHA256.

import { createHmac } from 'node:crypto'
import { isIPv4 } from 'node:net'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { notifyLog } from '../log.ts'
import type { Alert } from '../session/state.ts'
import type { Channel } from './channel.ts'

export interface WebhookOptions {
  readonly name: string
  /** https, or http to this machine. May hold a token: it is never shown. */
  readonly url: string
  /** `whsec_` and base64 of 24 to 64 bytes. */
  readonly secret: string
  readonly outside: boolean
  readonly clock: Clock
}

/** Only the first line of an answer is of use, and a receiver may send without end. */
const mostAnswerBytes = 4096
/** What is left of an attempt after the status has come. */
const answerTimeoutMs = 2_000
const longestReceipt = 100
const secretPrefix = 'whsec_'

/** A channel that posts to a URL. Throws `config_invalid` for a URL or secret that cannot be used. */
export function webhookChannel(options: WebhookOptions): Channel {
  const url = parseUrl(options)
  const key = parseSecret(options)
  return {
    name: options.name,
    outside: options.outside,
    deliver: async (alert, signal) => {
      const body = webhookBody(alert)
      const response = await post(
        url,
        options,
        signal,
        {
          'content-type': 'application/json',
          'user-agent': 'halligan',
          ...webhookHeaders(alert.id, options.clock.now(), body, key),
        },
        body,
      )
      return await readReceipt(response, options)
    },
  }
}

/** What receivers get: `type`, `timestamp` (RFC 3339) and `data`. The same bytes at every attempt. */
export function webhookBody(alert: Alert): string {
  return JSON.stringify({ type: alert.type, timestamp: new Date(alert.at).toISOString(), data: alert.payload })
}

/** The three headers over `id.timestamp.body`; `now` in ms, `key` is the secret's raw bytes. */
export function webhookHeaders(id: string, now: number, body: string, key: Uint8Array): Record<string, string> {
  const timestamp = String(Math.floor(now / 1000))
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` }
}

async function post(
  url: URL,
  { name }: WebhookOptions,
  signal: AbortSignal,
  headers: Record<string, string>,
  body: string,
): Promise<Response> {
  try {
    // A redirect would carry a signed message, and what it tells, to a place nobody configured.
    return await fetch(url, { method: 'POST', redirect: 'manual', signal, headers, body })
  } catch (cause) {
    const why = signal.aborted ? 'no answer in time' : networkError(cause)
    throw new HalliganError('unreachable', `webhook ${name} was not reached: ${why}`, { cause })
  }
}

/** fetch hides the reason in a chain of causes; its messages may hold the URL, a system error's code does not. */
function networkError(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code: unknown = Reflect.get(cause, 'code')
    if (typeof code === 'string') return code
  }
  return 'the connection failed'
}

async function readReceipt(response: Response, { name, clock }: WebhookOptions): Promise<{ readonly receipt: string }> {
  const answer = await firstBytes(response, clock)
  const receipt = `HTTP ${response.status} ${printable(answer)}`.trimEnd()
  if (response.ok) return { receipt }
  const isRedirect = response.status >= 300 && response.status < 400
  throw new HalliganError('unreachable', `webhook ${name} ${isRedirect ? 'redirects' : 'refused'}: ${receipt}`, {
    hint: isRedirect ? 'configure the URL it ends at' : undefined,
  })
}

/** The status has decided already: an answer that breaks off, or lasts, does not undo an acceptance. */
async function firstBytes(response: Response, clock: Clock): Promise<Buffer> {
  if (response.body === null) return Buffer.alloc(0)
  const reader = response.body.getReader()
  const cancel = () => {
    reader.cancel().catch((error: unknown) => notifyLog.debug('notify.answer-cut', { error }))
  }
  const timer = clock.after(answerTimeoutMs, cancel)
  let bytes = Buffer.alloc(0)
  try {
    while (bytes.length < mostAnswerBytes) {
      const { done, value } = await reader.read()
      if (done) break
      bytes = Buffer.concat([bytes, value])
    }
  } catch (error) {
    notifyLog.debug('notify.answer-broken', { error })
  } finally {
    timer.cancel()
    cancel()
  }
  return bytes.subarray(0, mostAnswerBytes)
}

/** Printable ASCII only: it goes into the ledger and onto terminals. */
function printable(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replaceAll(/[^!-~]+/g, ' ')
    .trim()
    .slice(0, longestReceipt)
}

function parseUrl({ name, url }: WebhookOptions): URL {
  const parsed = URL.parse(url)
  const wrong = (message: string, hint: string) =>
    new HalliganError('config_invalid', `webhook ${name}: ${message}`, { hint })
  if (parsed === null) throw wrong('its URL cannot be read', 'write it as https://host/path')
  if (parsed.username !== '' || parsed.password !== '')
    throw wrong('its URL holds a user or password', 'the signature says who sends: leave them out')
  if (parsed.protocol === 'https:' || (parsed.protocol === 'http:' && isLoopback(parsed.hostname))) return parsed
  throw wrong(
    `${parsed.protocol}//${parsed.hostname} is not protected on the way`,
    'use https; http only goes to this machine',
  )
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || (isIPv4(hostname) && hostname.startsWith('127.'))
}

function parseSecret({ name, secret }: WebhookOptions): Buffer {
  const encoded = secret.startsWith(secretPrefix) ? secret.slice(secretPrefix.length) : ''
  const key = Buffer.from(encoded, 'base64')
  if (
    key.toString('base64').replaceAll('=', '') === encoded.replaceAll('=', '') &&
    key.length >= 24 &&
    key.length <= 64
  )
    return key
  throw new HalliganError('config_invalid', `webhook ${name}: its secret is not whsec_ and base64 of 24 to 64 bytes`, {
    hint: 'make one with: echo whsec_$(openssl rand -base64 32)',
  })
}
