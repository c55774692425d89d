// A place that keeps checkpoints behind a URL. It gets them as Standard Webhooks, signed like an alert; where it can be read
// back, a GET of the same URL, signed likewise over an empty body, answers with the newest one as it was sent.

import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { Anchor } from '../ledger/anchor.ts'
import { longestNote } from '../ledger/note.ts'
import { request } from '../outbound/request.ts'
import { postingUrl, postJson, receiptOf, refusal } from './http-post.ts'
import { parseSecret, webhookHeaders, type WebhookOptions } from './webhook.ts'

export interface AnchorWebhookOptions extends WebhookOptions {
  /** It answers a GET with the newest checkpoint it holds. */
  readonly readBack: boolean
}

const readTimeoutMs = 10_000

/** A place over HTTP. Throws `config_invalid` for a URL or secret that cannot be used. */
export function webhookAnchor(options: AnchorWebhookOptions): Anchor {
  const { name, outside, clock, ca, readBack } = options
  const what = `anchor ${name}`
  const url = postingUrl(what, options.url)
  const key = parseSecret(what, options.secret)
  const anchor: Anchor = {
    name,
    outside,
    publish: async (checkpoint, signal) => {
      const body = anchorBody(checkpoint, clock)
      const headers = {
        'content-type': 'application/json',
        ...webhookHeaders(checkpointId(checkpoint), clock.now(), body, key),
      }
      const answer = await postJson({ what, url, clock, ca }, body, headers, signal)
      if (answer.status >= 200 && answer.status < 300) return { receipt: receiptOf(answer) }
      throw refusal(what, answer)
    },
  }
  if (!readBack) return anchor
  return {
    ...anchor,
    read: async (signal) => {
      const answer = await request(url, {
        method: 'GET',
        headers: { 'user-agent': 'halligan', ...webhookHeaders('checkpoint', clock.now(), '', key) },
        timeoutMs: readTimeoutMs,
        maxBytes: longestNote,
        clock,
        signal,
        ca,
      }).catch((cause: unknown) => {
        if (!(cause instanceof HalliganError)) throw cause
        throw new HalliganError('unreachable', `${what} could not be read: ${cause.message}`, { cause })
      })
      if (answer.status === 404 || answer.status === 204) return undefined
      if (answer.status !== 200) throw refusal(what, answer)
      return answer.body.toString('utf8')
    },
  }
}

/** What receivers get: `data.checkpoint` is the signed note, to be kept as it is. */
function anchorBody(checkpoint: string, clock: Clock): string {
  const [origin = '', size = '', root = ''] = checkpoint.split('\n')
  const data = { origin, size: Number(size), root, checkpoint }
  return JSON.stringify({ type: 'ledger.checkpoint', timestamp: new Date(clock.now()).toISOString(), data })
}

/** The same for the same checkpoint only: receivers drop what they have, and must never drop a fork. Plain ASCII. */
export function checkpointId(checkpoint: string): string {
  const [, size = '', root = ''] = checkpoint.split('\n')
  return `checkpoint-${size}-${Buffer.from(root, 'base64').toString('hex').slice(0, 32)}`
}
