// PagerDuty's Events API v2 (developer.pagerduty.com/docs/events-api-v2-overview). What goes on while a grant lives is one
// alert there, under the grant's id, and ends with it; whatever must wake somebody by itself has the alert's own id.

import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { Alert } from '../session/state.ts'
import type { Channel } from './channel.ts'
import { postingUrl, postJson, receiptOf, refusal } from './http-post.ts'
import { messageOf } from './message.ts'
import { cut, oneLine, plainText } from './plain-text.ts'
import type { Severity } from './wording.ts'

export interface PagerDutyOptions {
  readonly name: string
  /** The integration key of a service's Events API v2 integration. */
  readonly routingKey: string
  /** Null: the service's own, in its US region. */
  readonly url: string | null
  readonly outside: boolean
  /** What the event's source is called: the bastion's host name. */
  readonly hostname: string
  readonly clock: Clock
}

export interface PagerDutyEvent {
  readonly event_action: 'trigger' | 'resolve'
  readonly dedup_key: string
  readonly payload?: Readonly<Record<string, unknown>>
  readonly client?: string
  readonly links?: readonly { readonly href: string; readonly text: string }[]
}

const eventsUrl = 'https://events.pagerduty.com/v2/enqueue'
/** Limits of the API. */
const longestSummary = 1024
const longestKey = 255

/** A channel that triggers and resolves. Throws `config_invalid` for a key or URL that cannot be used. */
export function pagerDutyChannel(options: PagerDutyOptions): Channel {
  const { name, outside, clock, hostname, routingKey } = options
  const what = `pagerduty ${name}`
  if (!/^[A-Za-z0-9]{32}$/.test(routingKey))
    throw new HalliganError(
      'config_invalid',
      `${what}: its secret is not an integration key of 32 letters and digits`,
      {
        hint: 'copy the Integration Key of an Events API v2 integration',
      },
    )
  const url = postingUrl(what, options.url ?? eventsUrl)
  return {
    name,
    outside,
    deliver: async (alert, signal) => {
      const receipts: string[] = []
      for (const event of pagerDutyEvents(alert, hostname)) {
        const body = JSON.stringify({ routing_key: routingKey, ...event })
        const answer = await postJson({ what, url, clock }, body, {}, signal)
        if (answer.status !== 202) throw refusal(what, answer)
        // 202 with another body is not this API's.
        if (statusOf(answer.body) !== 'success') throw refusal(what, answer, 'did not say success')
        receipts.push(`${event.event_action} ${receiptOf(answer)}`)
      }
      return { receipt: receipts.join('; ') }
    },
  }
}

/** These end the request that asked for approval. */
const decided = new Set(['grant.activated', 'grant.approved', 'grant.denied', 'grant.overridden', 'grant.lapsed'])
/** These end what the grant's activation began. */
const over = new Set(['grant.ended'])
/** Told once more under the same key while it is open; they wake nobody again. */
const goingOn = new Set(['grant.activated', 'grant.extended', 'grant.expiring', 'session.opened'])
const reviewing = new Set(['review.due', 'review.reminded'])
const reviewed = new Set(['review.done', 'grant.reviewed'])

/**
 * What is sent for an alert, in this order: one event, or two where one thing ends and another begins. Sending them again
 * changes nothing: the keys are the same.
 */
export function pagerDutyEvents(alert: Alert, hostname: string): readonly PagerDutyEvent[] {
  const named = alert.payload['grant']
  const grant = typeof named === 'string' && named !== '' ? oneLine(named, 64) : undefined
  const { type } = alert
  // A test closes what it opened.
  if (type === 'halligan.test') return [trigger(alert, hostname, keyOf(alert.id)), resolve(keyOf(alert.id))]
  if (grant === undefined) return [trigger(alert, hostname, keyOf(alert.id))]
  const key = (suffix: string) => keyOf(`${hostname}/${grant}${suffix}`)
  const endsRequest = decided.has(type) ? [resolve(key('/request'))] : []
  if (over.has(type)) return [resolve(key('/request')), resolve(key(''))]
  if (reviewed.has(type)) return [resolve(key('/review'))]
  const waits = type === 'grant.approved' && (alert.payload['expiresAt'] ?? null) === null
  if (type === 'grant.requested' || waits) return [trigger(alert, hostname, key('/request'))]
  if (type === 'grant.denied' || type === 'grant.lapsed') return endsRequest
  if (decided.has(type) || goingOn.has(type)) return [...endsRequest, trigger(alert, hostname, key(''))]
  if (reviewing.has(type)) return [trigger(alert, hostname, key('/review'))]
  return [trigger(alert, hostname, keyOf(alert.id))]
}

function resolve(key: string): PagerDutyEvent {
  return { event_action: 'resolve', dedup_key: key }
}

function trigger(alert: Alert, hostname: string, key: string): PagerDutyEvent {
  const message = messageOf(alert)
  return {
    event_action: 'trigger',
    dedup_key: key,
    client: 'Halligan',
    payload: {
      summary: cut(message.title, longestSummary),
      source: hostname,
      severity: severities[message.severity],
      timestamp: new Date(alert.at).toISOString(),
      component: 'halligan',
      class: plainText(alert.type, longestKey),
      custom_details: Object.fromEntries([
        ...message.facts.map(({ name, value }) => [name, value] as const),
        ['alert', alert.id],
      ]),
    },
    ...(message.link === null ? {} : { links: [{ href: message.link, text: 'Look at it in Halligan' }] }),
  }
}

const severities: Readonly<Record<Severity, 'critical' | 'error' | 'warning' | 'info'>> = {
  critical: 'critical',
  error: 'error',
  warning: 'warning',
  notice: 'info',
  info: 'info',
}

function keyOf(text: string): string {
  return text.slice(0, longestKey)
}

function statusOf(body: Buffer): unknown {
  try {
    const answer: unknown = JSON.parse(body.toString('utf8'))
    return typeof answer === 'object' && answer !== null ? Reflect.get(answer, 'status') : undefined
  } catch {
    // Not JSON, so not the API: the caller refuses it.
    return undefined
  }
}
