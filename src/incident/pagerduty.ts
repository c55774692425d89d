// PagerDuty's REST API v2 (developer.pagerduty.com, API reference): is an incident open, is a person on call now?
// Only reading; an API key with read-only access is enough.

import * as z from 'zod'
import type { Check, CheckAnswer, CheckQuestion } from '../procedure/check.ts'
import { type Asking, askForJson, type JsonAnswer } from './json-answer.ts'

export interface PagerDutyOptions extends Omit<Asking, 'headers'> {
  readonly name: string
  /** Origin of the API, such as `https://api.pagerduty.com`. */
  readonly origin: string
  /** Read for each request. */
  readonly apiKey: () => string
  readonly asks:
    /** Is the person on call there now? For an escalation policy: at any of its levels. */
    | { readonly kind: 'schedule'; readonly id: string }
    | { readonly kind: 'escalation-policy'; readonly id: string }
    /** Is an incident of one of these services triggered or acknowledged? Of all when none is named. With an incident stated, that one. */
    | { readonly kind: 'open-incident'; readonly services: readonly string[] }
  /** The address by which PagerDuty knows the person, `{user}` for the name here; null where no person is asked for. */
  readonly email: string | null
}

/** The check. See `procedure/check.ts` for what it gives. */
export function pagerDutyCheck(options: PagerDutyOptions): Check {
  const { name, timeoutMs } = options
  return {
    name,
    timeoutMs,
    ask: async (question, signal) => {
      const { asks } = options
      if (asks.kind !== 'open-incident') return onCall(options, asks, question, signal)
      if (question.incident === null || question.incident === '') return anyOpen(options, asks.services, signal)
      return thisOpen(options, asks.services, question.incident, signal)
    },
  }
}

/** "Maximum of 100" (API reference, List incidents: limit). */
const PAGE = 100
/** Five hundred people on call at one place is a mistake in the schedule, or in the answer. */
const MAX_PAGES = 5

/** An incident's id, or its number as people write it: `PT4KHLK`, `Q1R2ABCDEFGHIJ`, `1234`, `#1234`. */
const INCIDENT = /^#?([A-Z0-9]{1,40})$/

const incident = z.object({
  id: z.string(),
  incident_number: z.number().optional(),
  // A service may be null on incidents that were made by hand in old accounts.
  service: z.object({ id: z.string() }).nullish(),
  status: z.string(),
})
const oneIncident = z.object({ incident })
const incidents = z.object({ incidents: z.array(incident) })
const place = z.object({ id: z.string() })
const onCalls = z.object({
  oncalls: z.array(
    z.object({
      user: z.object({ email: z.string().optional() }),
      schedule: place.nullish(),
      escalation_policy: place.nullish(),
    }),
  ),
  more: z.boolean().optional(),
})
const notFound = z.object({ error: z.object({ message: z.string() }) })

const isOpen = (status: string): boolean => status === 'triggered' || status === 'acknowledged'

/** List incidents: without `date_range=all` those older than a month would be left out. */
async function anyOpen(
  options: PagerDutyOptions,
  services: readonly string[],
  signal: AbortSignal,
): Promise<CheckAnswer> {
  const query = [
    ['statuses[]', 'triggered'],
    ['statuses[]', 'acknowledged'],
    ...services.map((id) => ['service_ids[]', id]),
    ['date_range', 'all'],
    ['limit', String(PAGE)],
  ]
  const answer = await get(options, '/incidents', query, signal)
  if (answer.kind !== 'value') return error(answer.detail)
  const read = incidents.safeParse(answer.value)
  if (!read.success) return error('the answer is no list of incidents')
  const found = read.data.incidents.find((one) => isOpen(one.status) && isOf(services, one.service?.id))
  if (found !== undefined) return { outcome: 'met', detail: `incident ${found.id} is ${found.status}` }
  if (read.data.incidents.length > 0) return error('the answer does not fit the question')
  return { outcome: 'not-met', detail: `no open incident${services.length === 0 ? '' : ` of ${services.join(', ')}`}` }
}

/** Get an incident, by id or number. */
async function thisOpen(
  options: PagerDutyOptions,
  services: readonly string[],
  named: string,
  signal: AbortSignal,
): Promise<CheckAnswer> {
  // Not an error: nobody gets in under `onError: allow` by naming what cannot be asked for.
  const id = INCIDENT.exec(named.trim().toUpperCase())?.[1]
  if (id === undefined) return { outcome: 'not-met', detail: 'what was named is no incident of PagerDuty' }
  const answer = await get(options, `/incidents/${id}`, [], signal)
  if (answer.kind === 'refused' && answer.status === 404 && notFound.safeParse(answer.value).success)
    return { outcome: 'not-met', detail: `there is no incident ${id}` }
  if (answer.kind !== 'value') return error(answer.detail)
  const read = oneIncident.safeParse(answer.value)
  if (!read.success) return error('the answer is no incident')
  const found = read.data.incident
  if (found.id !== id && String(found.incident_number) !== id) return error('the answer is another incident')
  if (!isOf(services, found.service?.id))
    return { outcome: 'not-met', detail: `incident ${id} is of another service (${found.service?.id ?? 'none'})` }
  return { outcome: isOpen(found.status) ? 'met' : 'not-met', detail: `incident ${id} is ${found.status}` }
}

/** List all of the on-calls: without a range it lists who is on call at this moment. */
async function onCall(
  options: PagerDutyOptions,
  asks: { readonly kind: 'schedule' | 'escalation-policy'; readonly id: string },
  question: CheckQuestion,
  signal: AbortSignal,
): Promise<CheckAnswer> {
  const email = options.email?.replaceAll('{user}', () => question.user).toLowerCase()
  if (email === undefined) return error('no e-mail address says who is meant')
  const key = asks.kind === 'schedule' ? 'schedule_ids[]' : 'escalation_policy_ids[]'
  let seen = 0
  for (let page = 0; page < MAX_PAGES; page++) {
    const range = [
      ['limit', String(PAGE)],
      ['offset', String(page * PAGE)],
    ]
    const answer = await get(options, '/oncalls', [[key, asks.id], ['include[]', 'users'], ...range], signal)
    if (answer.kind !== 'value') return error(answer.detail)
    const read = onCalls.safeParse(answer.value)
    if (!read.success) return error('the answer is no list of people on call')
    const entries = read.data.oncalls
    const here = entries.filter(
      (entry) => (asks.kind === 'schedule' ? entry.schedule : entry.escalation_policy)?.id === asks.id,
    )
    if (here.length < entries.length) return error('the answer does not fit the question')
    if (here.some((entry) => entry.user.email?.toLowerCase() === email))
      return { outcome: 'met', detail: `${email} is on call in ${asks.id}` }
    seen += entries.length
    if (read.data.more !== true)
      return { outcome: 'not-met', detail: `${email} is not on call in ${asks.id} (${seen} are)` }
  }
  return error(`more than ${MAX_PAGES * PAGE} people on call in ${asks.id}`)
}

async function get(
  options: PagerDutyOptions,
  path: string,
  query: readonly (readonly string[])[],
  signal: AbortSignal,
): Promise<JsonAnswer> {
  const url = new URL(path, options.origin)
  for (const [name = '', value = ''] of query) url.searchParams.append(name, value)
  return askForJson(
    url,
    {
      ...options,
      headers: () => ({
        authorization: `Token token=${options.apiKey()}`,
        accept: 'application/vnd.pagerduty+json;version=2',
        'content-type': 'application/json',
      }),
    },
    signal,
  )
}

function isOf(services: readonly string[], service: string | undefined): boolean {
  return services.length === 0 || (service !== undefined && services.includes(service))
}

function error(detail: string): CheckAnswer {
  return { outcome: 'error', detail }
}
