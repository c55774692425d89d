// The written form of the questions that are put to something outside before a grant is given, and of the rehearsals
// that are due by themselves.

import * as z from 'zod'
import { PLACEHOLDER } from '../incident/template.ts'
import type { CheckConfig, DrillConfig } from './config.ts'
import { isLoopbackHost } from './loopback.ts'
import { duration, MAX_LIST, name, names, unique } from './scalar.ts'

/** Somebody waits at the prompt while a check is made; longer than this they think that nothing happens. */
const MAX_TIMEOUT_MS = 30_000
const MIN_TIMEOUT_MS = 100

const MAX_HEADERS = 10
const MAX_URL_LENGTH = 2000
const MAX_PATH_PARTS = 16

const timeout = duration
  .prefault('5s')
  .refine((ms) => ms >= MIN_TIMEOUT_MS && ms <= MAX_TIMEOUT_MS, { error: 'from 100ms to 30s' })

function checkUrl(text: string, context: z.RefinementCtx<string>): void {
  const problem = urlProblem(text)
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
}

/** Placeholders stand behind the host alone: what a person types must not choose whom Halligan asks. */
function urlProblem(text: string): string | undefined {
  const origin = /^(https?:\/\/[^/?#{}\\]+)(?:[/?]|$)/.exec(text)?.[1]
  if (origin === undefined || !URL.canParse(origin))
    return 'write an https:// URL, with placeholders behind the host only'
  const filled = text.replace(PLACEHOLDER, 'x')
  const unknown = /\{[^}]*\}?|\}/.exec(filled)?.[0]
  if (unknown !== undefined) return `"${unknown}" is none of {user}, {target}, {account}, {incident}, {trigger}`
  if (!URL.canParse(filled)) return 'not a URL'
  const url = new URL(filled)
  if (url.username !== '' || url.password !== '') return 'a URL with a password in it; use `headers`'
  if (url.hash !== '') return 'a URL with a fragment: no server ever sees that'
  return transportProblem(url)
}

function transportProblem(url: URL): string | undefined {
  if (url.protocol === 'https:') return undefined
  return isLoopbackHost(url.hostname.replace(/^\[|\]$/g, ''))
    ? undefined
    : 'http:// is for loopback only; write https://'
}

const PATH = /^\$?(?:\.?[A-Za-z_][A-Za-z0-9_-]*|\[\d{1,4}\]|\["[^"\\]{1,100}"\])*$/

/** `incidents[0].status`, `$` for the answer itself, `["a.b"]` for a key that is no word. */
const jsonPath = z
  .string()
  .min(1)
  .max(200)
  .regex(PATH, { error: 'write a path such as incidents[0].status', abort: true })
  .transform((text) => [...text.matchAll(/\[(\d+)\]|\["([^"]+)"\]|([A-Za-z_][A-Za-z0-9_-]*)/g)].map(pathPart))
  .refine((parts) => parts.length <= MAX_PATH_PARTS, { error: `at most ${MAX_PATH_PARTS} steps` })

function pathPart([, index, quoted, word]: RegExpMatchArray): string | number {
  return index === undefined ? (quoted ?? word ?? '') : Number(index)
}

const httpJson = z
  .strictObject({
    kind: z.literal('http-json'),
    name,
    url: z
      .string()
      .max(MAX_URL_LENGTH)
      .superRefine(checkUrl)
      .describe('Asked by GET; {user}, {target}, {account}, {incident} and {trigger} are filled in behind the host.'),
    headers: z
      .record(z.string().regex(/^[A-Za-z0-9-]{1,60}$/, { error: 'not a header name' }), name)
      .refine((headers) => Object.keys(headers).length <= MAX_HEADERS, { error: `at most ${MAX_HEADERS} headers` })
      .refine((headers) => unique(Object.keys(headers).map((header) => header.toLowerCase())), {
        error: 'a header is here twice',
      })
      .default({})
      .describe('Per header, the name of the secret that is its value.'),
    path: jsonPath.describe('Where in the answer: incidents[0].status, or $ for the answer itself.'),
    equals: z
      .union([z.string().max(200), z.number(), z.boolean()])
      .optional()
      .describe('What must stand there.'),
    exists: z.literal(true).optional().describe('Or: that something stands there.'),
    timeout,
  })
  .refine(({ equals, exists }) => (equals === undefined) !== (exists === undefined), {
    error: 'give either `equals` or `exists: true`',
    path: ['path'],
  })

/** An id of PagerDuty's, such as `PABC123`. */
const pagerDutyId = z.string().regex(/^[A-Z0-9]{1,40}$/, { error: 'write an id of PagerDuty, such as PABC123' })

const pagerDuty = z
  .strictObject({
    kind: z.literal('pagerduty'),
    name,
    secret: name.describe('Name of the secret that holds the API key.'),
    url: z
      .string()
      .max(MAX_URL_LENGTH)
      .superRefine((text, context) => {
        const problem = originProblem(text)
        if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
      })
      .default('https://api.pagerduty.com'),
    schedule: pagerDutyId.optional().describe('Met when the person is on call in it now.'),
    escalationPolicy: pagerDutyId.optional().describe('The same, at any level of it.'),
    services: z
      .array(pagerDutyId)
      .min(1)
      .max(MAX_LIST)
      .refine(unique, { error: 'a service is here twice' })
      .optional()
      .describe('Met when one of these has an open incident.'),
    email: z
      .string()
      .max(254)
      .regex(/^[^\s{}@]*\{user\}[^\s{}@]*@[^\s{}@]+$/, { error: 'write it as {user}@example.com' })
      .optional()
      .describe('How PagerDuty knows the person; needed with `schedule` and `escalationPolicy`.'),
    timeout,
  })
  .superRefine(({ schedule, escalationPolicy, services, email }, context) => {
    const given = [schedule, escalationPolicy, services].filter((value) => value !== undefined)
    if (given.length !== 1)
      context.addIssue({
        code: 'custom',
        path: ['name'],
        message: 'give one of `schedule`, `escalationPolicy` and `services`',
      })
    if (services === undefined && email === undefined)
      context.addIssue({
        code: 'custom',
        path: ['email'],
        message: 'say how PagerDuty knows people: {user}@example.com',
      })
  })

function originProblem(text: string): string | undefined {
  if (!URL.canParse(text)) return 'not a URL'
  const url = new URL(text)
  if (url.origin !== text) return 'write the origin alone, such as https://api.eu.pagerduty.com'
  return transportProblem(url)
}

export const checkSchema = z.discriminatedUnion('kind', [httpJson, pagerDuty], {
  error: 'write `kind: http-json` or `kind: pagerduty`',
})

export const drillSchema = z.strictObject({
  name,
  every: duration.describe('An alert goes out when it has not been run for this long.'),
  stories: names.min(1).optional().describe('Which; without it, all there are.'),
})

/** The check that was written. */
export function checkOf(written: z.output<typeof checkSchema>): CheckConfig {
  if (written.kind === 'http-json') {
    const { kind, name, url, headers, path, equals, timeout } = written
    const expect = equals === undefined ? { kind: 'exists' as const } : { kind: 'equals' as const, value: equals }
    return { kind, name, url, headers, path, expect, timeoutMs: timeout }
  }
  const { kind, name, secret, url, email, timeout } = written
  return { kind, name, secret, url, asks: pagerDutyAsk(written), email: email ?? null, timeoutMs: timeout }
}

function pagerDutyAsk({
  schedule,
  escalationPolicy,
  services,
}: {
  readonly schedule?: string | undefined
  readonly escalationPolicy?: string | undefined
  readonly services?: readonly string[] | undefined
}): Extract<CheckConfig, { kind: 'pagerduty' }>['asks'] {
  if (schedule !== undefined) return { kind: 'schedule', id: schedule }
  if (escalationPolicy !== undefined) return { kind: 'escalation-policy', id: escalationPolicy }
  return { kind: 'open-incident', services: services ?? [] }
}

/** The rehearsal that was written. */
export function drillOf(written: z.output<typeof drillSchema>): DrillConfig {
  return { name: written.name, everyMs: written.every, stories: written.stories ?? [] }
}
