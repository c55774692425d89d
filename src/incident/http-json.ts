// A check against any HTTP service that answers in JSON: one GET, one place in the answer, one expectation.

import type { Check, CheckAnswer, CheckQuestion } from '../procedure/check.ts'
import { type Asking, askForJson } from './json-answer.ts'
import { type Found, lookUp, show } from './json-path.ts'
import { fillText, fillUrl, holdsTyped } from './template.ts'

export interface HttpJsonOptions extends Asking {
  readonly name: string
  /** Placeholders behind the host only; each value is filled in percent-encoded. */
  readonly url: string
  /** Keys and indexes from the root of the answer. */
  readonly path: readonly (string | number)[]
  /** Text may hold placeholders. `exists`: neither null nor false, and no empty text, list or object. */
  readonly expect: { readonly kind: 'equals'; readonly value: string | number | boolean } | { readonly kind: 'exists' }
}

/** The check. See `procedure/check.ts` for what it gives. */
export function httpJsonCheck(options: HttpJsonOptions): Check {
  const { name, timeoutMs } = options
  return {
    name,
    timeoutMs,
    ask: async (question, signal) => withoutSecrets(await ask(options, question, signal), options),
  }
}

/** Shorter than this a header's value is no secret, and hiding it would hide words. */
const SHORTEST_SECRET = 8

/** A service may say back what it was sent, at the very place that is looked at; the line goes into the ledger. */
function withoutSecrets(answer: CheckAnswer, options: HttpJsonOptions): CheckAnswer {
  if (answer.outcome === 'error') return answer
  const secrets = Object.values(options.headers()).filter((value) => value.length >= SHORTEST_SECRET)
  const detail = secrets.reduce((line, secret) => line.replaceAll(secret, '***'), answer.detail)
  return { ...answer, detail }
}

async function ask(options: HttpJsonOptions, question: CheckQuestion, signal: AbortSignal): Promise<CheckAnswer> {
  const url = fillUrl(options.url, question)
  // Not an error: nobody gets in under `onError: allow` by typing what cannot be asked.
  if (url.kind === 'unfit') return { outcome: 'not-met', detail: url.why }
  const wanted = wantedOf(options, question)
  if (wanted.kind === 'unfit') return { outcome: 'not-met', detail: wanted.why }
  const answer = await askForJson(url.text, options, signal)
  switch (answer.kind) {
    case 'error':
      return { outcome: 'error', detail: answer.detail }
    case 'refused':
      return refused(options, answer.status)
    case 'value':
      return weigh(lookUp(answer.value, options.path), wanted)
  }
}

/** Our own trouble with the service, not a word about what was asked: credentials, time, rate. */
const TROUBLE = new Set([401, 403, 407, 408, 421, 425, 429])

/**
 * A refusal is an error, except where a person's own words stand in the URL and the service calls them wrong: naming an
 * incident that does not exist must not be a way in under `onError: allow`.
 */
function refused({ url }: HttpJsonOptions, status: number): CheckAnswer {
  if (holdsTyped(url) && status >= 400 && status < 500 && !TROUBLE.has(status))
    return { outcome: 'not-met', detail: `what was named is not known there (HTTP ${status})` }
  return { outcome: 'error', detail: `HTTP ${status}` }
}

type Wanted =
  | { readonly kind: 'exists' }
  | { readonly kind: 'equals'; readonly value: string | number | boolean }
  | { readonly kind: 'unfit'; readonly why: string }

function wantedOf({ expect }: HttpJsonOptions, question: CheckQuestion): Wanted {
  if (expect.kind === 'exists' || typeof expect.value !== 'string') return expect
  const filled = fillText(expect.value, question)
  return filled.kind === 'filled' ? { kind: 'equals', value: filled.text } : filled
}

function weigh(found: Found, wanted: Exclude<Wanted, { kind: 'unfit' }>): CheckAnswer {
  if (found.kind === 'misshapen') return { outcome: 'error', detail: found.why }
  if (found.kind === 'nothing') return { outcome: 'not-met', detail: `nothing at ${found.at}` }
  const { value, at } = found
  if (wanted.kind === 'exists')
    return isEmpty(value)
      ? { outcome: 'not-met', detail: `${at} is ${show(value)}` }
      : { outcome: 'met', detail: `${at} is there` }
  if (typeof value !== typeof wanted.value)
    return { outcome: 'error', detail: `${at} is ${kindOf(value)}, not ${kindOf(wanted.value)}` }
  return value === wanted.value
    ? { outcome: 'met', detail: `${at} is ${show(value)}` }
    : { outcome: 'not-met', detail: `${at} is ${show(value)}, not ${show(wanted.value)}` }
}

function isEmpty(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0
  return value === false || value === ''
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  switch (typeof value) {
    case 'string':
      return 'text'
    case 'number':
      return 'a number'
    case 'boolean':
      return 'true or false'
    default:
      return 'an object'
  }
}
