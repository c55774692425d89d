// `https://host/incidents/{incident}?user={user}`: what a person types fills a place in a path or a query and nothing
// else. It can neither choose whom Halligan asks nor add to what is asked.

import type { CheckQuestion } from '../procedure/check.ts'

/** What may stand in braces, in a check's URL and its expected value. */
export const PLACEHOLDER: RegExp = /\{(user|target|account|incident|trigger)\}/g

/** Nobody's incident, user or target is named longer; servers refuse long URLs in ways that tell nothing. */
const MAX_VALUE_LENGTH = 200

export type Filled =
  | { readonly kind: 'filled'; readonly text: string }
  /** A value is missing, or cannot stand there: no such thing can exist on the other side. */
  | { readonly kind: 'unfit'; readonly why: string }

/**
 * The URL with every placeholder filled, percent-encoded (RFC 3986 §2.1). A value that would be, or end in, a whole path
 * segment of `.` or `..` is unfit: URL parsers resolve those even when they are encoded.
 */
export function fillUrl(template: string, question: CheckQuestion): Filled {
  const start = template.length - template.replace(/^https?:\/\/[^/?#]*/, '').length
  const filled = fill(template.slice(start), question, encodeURIComponent)
  if (filled.kind === 'unfit') return filled
  const [path = ''] = filled.text.split('?', 1)
  if (path.split('/').some((segment) => /^\.{1,2}$/.test(segment.replaceAll(/%2e/gi, '.'))))
    return { kind: 'unfit', why: 'what was given is no name' }
  return { kind: 'filled', text: template.slice(0, start) + filled.text }
}

/** Text with every placeholder filled as it is: for comparing with an answer. */
export function fillText(template: string, question: CheckQuestion): Filled {
  return fill(template, question, (value) => value)
}

/** True when `template` holds what a person types. */
export function holdsTyped(template: string): boolean {
  return template.includes('{incident}')
}

function fill(template: string, question: CheckQuestion, encode: (value: string) => string): Filled {
  const values: Readonly<Record<string, string | null>> = { ...question }
  let why: string | undefined
  const text = template.replaceAll(PLACEHOLDER, (_, name: string) => {
    const value = values[name] ?? null
    if (value === null || value === '') why = `no ${name} was named`
    else if (value.length > MAX_VALUE_LENGTH) why = `the ${name} is longer than ${MAX_VALUE_LENGTH} characters`
    // A lone surrogate has no encoding.
    else if (!value.isWellFormed()) why = `the ${name} is no text`
    return why === undefined ? encode(value ?? '') : ''
  })
  return why === undefined ? { kind: 'filled', text } : { kind: 'unfit', why }
}
