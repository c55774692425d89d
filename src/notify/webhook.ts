// Webhooks as the Standard Webhooks specification has them (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md):
// a JSON body signed together with its id and time by HMAC-SHA256. Any 2xx is an acceptance, whatever the body says.

import { createHmac } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { Alert } from '../session/state.ts'
import type { Channel } from './channel.ts'
import { postingUrl, postJson, receiptOf, refusal } from './http-post.ts'

export interface WebhookOptions {
  readonly name: string
  /** https, or http to this machine. May hold a token: it is never shown. */
  readonly url: string
  /** `whsec_` and base64 of 24 to 64 bytes. */
  readonly secret: string
  readonly outside: boolean
  readonly clock: Clock
  /** PEM of a CA that is trusted instead of the machine's. */
  readonly ca?: string | undefined
}

const secretPrefix = 'whsec_'

/** A channel that posts to a URL. Throws `config_invalid` for a URL or secret that cannot be used. */
export function webhookChannel(options: WebhookOptions): Channel {
  const { name, outside, clock, ca } = options
  const what = `webhook ${name}`
  const url = postingUrl(what, options.url)
  const key = parseSecret(what, options.secret)
  return {
    name,
    outside,
    deliver: async (alert, signal) => {
      const body = webhookBody(alert)
      const headers = { 'content-type': 'application/json', ...webhookHeaders(alert.id, clock.now(), body, key) }
      const answer = await postJson({ what, url, clock, ca }, body, headers, signal)
      if (answer.status >= 200 && answer.status < 300) return { receipt: receiptOf(answer) }
      throw refusal(what, answer)
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

/** The raw bytes of a `whsec_` secret. Throws `config_invalid` naming `what`, never the secret. */
export function parseSecret(what: string, secret: string): Buffer {
  const encoded = secret.startsWith(secretPrefix) ? secret.slice(secretPrefix.length) : ''
  const key = Buffer.from(encoded, 'base64')
  if (
    key.toString('base64').replaceAll('=', '') === encoded.replaceAll('=', '') &&
    key.length >= 24 &&
    key.length <= 64
  )
    return key
  throw new HalliganError('config_invalid', `${what}: its secret is not whsec_ and base64 of 24 to 64 bytes`, {
    hint: 'make one with: echo whsec_$(openssl rand -base64 32)',
  })
}
