// One alert as people read it: who, what, where, why, until when, and where to look. Slack, Teams, PagerDuty, e-mail and
// syslog all say the same; each only knows how to write it down safely for its readers.

import type { Alert } from '../session/state.ts'
import { oneLine, plainText } from './plain-text.ts'
import { inWords, wordingOf, type Severity } from './wording.ts'

export interface Message {
  /** One line, the marks first: `[DRILL] alice broke the glass: deploy@web-1`. */
  readonly title: string
  /** What must not be overlooked: `DRILL`, `UNANNOUNCED`, `VOUCHED FOR BY bob`. */
  readonly marks: readonly string[]
  /** In reading order; names and values are plain lines. */
  readonly facts: readonly Fact[]
  /** An http(s) URL, at most `longestLink` characters, without blanks, quotes, angle brackets or bars; null without one. */
  readonly link: string | null
  readonly severity: Severity
  readonly isDrill: boolean
}

export interface Fact {
  readonly name: string
  readonly value: string
}

/** Chat services refuse longer ones; the whole text is in the ledger and on the page. */
const longestFact = 500
/** Every fact of a message together: Teams refuses a card over 28 KB, and a letter can take four bytes. */
const longestFacts = 4000
const longestName = 40
const longestTitlePart = 80
const mostFacts = 24
const longestLink = 1000

/** These come first and are called so; every other field of a payload follows under its own name. */
const leading: readonly (readonly [key: string, name: string])[] = [
  ['user', 'who'],
  ['access', 'access'],
  ['trigger', 'trigger'],
  ['reason', 'why'],
  ['incident', 'incident'],
  ['expiresAt', 'until'],
  ['by', 'by'],
  ['address', 'from'],
  ['vouchedBy', 'vouched for by'],
]
/** Said by the title, the marks or another fact. */
const spoken = new Set([...leading.map(([key]) => key), 'url', 'drill', 'unannounced', 'account', 'target'])

/** The message of any alert, known type or not, whatever its payload holds. Never throws. */
export function messageOf(alert: Alert): Message {
  const { payload } = alert
  const text = (key: string) => {
    const value = payload[key]
    return value === null || value === undefined ? '' : plainText(value, longestTitlePart)
  }
  const access = accessOf(text('account'), text('target'))
  const isDrill = payload['drill'] === true || alert.type.startsWith('drill.')
  const marks = marksOf(alert, isDrill, text('vouchedBy'))
  const subject = { user: text('user'), access, by: text('by'), name: text('name') || text('scope') }
  const { title, severity } = wordingOf(alert.type, subject)
  return {
    title: [...marks.map((mark) => `[${mark}]`), title].join(' '),
    marks,
    facts: factsOf({ ...payload, access }),
    link: linkOf(payload['url']),
    // A rehearsal wakes nobody; one that found something does.
    severity: isDrill && alert.type !== 'drill.failed' && alert.type !== 'drill.missed' ? 'info' : severity,
    isDrill,
  }
}

/** The facts as lines, `name: value`. */
export function factLines(message: Message): string[] {
  return message.facts.map(({ name, value }) => `${name}: ${value}`)
}

function accessOf(account: string, target: string): string {
  return account === '' ? target : target === '' ? account : `${account}@${target}`
}

function marksOf(alert: Alert, isDrill: boolean, vouchedBy: string): string[] {
  const isUnannounced = alert.payload['unannounced'] === true || alert.type === 'session.unannounced'
  return [
    ...(isDrill ? ['DRILL'] : []),
    ...(isUnannounced ? ['UNANNOUNCED'] : []),
    ...(vouchedBy === '' ? [] : [`VOUCHED FOR BY ${vouchedBy}`]),
  ]
}

function factsOf(payload: Readonly<Record<string, unknown>>): Fact[] {
  const others = Object.keys(payload).filter((key) => !spoken.has(key))
  const ordered = [
    ...leading,
    ...others.map((key) => [key, plainText(inWords(key.slice(0, longestName)), longestName)] as const),
  ]
  const facts: Fact[] = []
  let left = longestFacts
  for (const [key, name] of ordered) {
    const value = valueOf(key, payload[key])
    if (value === '' || name === '') continue
    if (facts.length >= mostFacts - 1 || value.length + name.length > left) {
      facts.push({ name: 'more', value: 'there is more to it: look it up in Halligan' })
      return facts
    }
    left -= value.length + name.length
    facts.push({ name, value })
  }
  return facts
}

/** Times and spans in words, lists with commas, nothing for what is not there. */
function valueOf(key: string, value: unknown): string {
  if (value === null || value === undefined || value === false || value === '') return ''
  if (value === true) return 'yes'
  if (key.endsWith('At')) return timeOf(value) ?? plainText(value, longestFact)
  if (key.endsWith('Ms') && typeof value === 'number') return `${Math.round(value / 1000)} s`
  // The account and target of `access` were made plain before: `@` between them is ours.
  if (key === 'access' && typeof value === 'string') return value
  if (Array.isArray(value)) return plainText(value.map((one) => oneLine(one, longestFact)).join(', '), longestFact)
  return plainText(value, longestFact)
}

function timeOf(value: unknown): string | undefined {
  if (typeof value !== 'number' && typeof value !== 'string') return undefined
  const at = new Date(value)
  return Number.isNaN(at.getTime()) ? undefined : `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

/** Halligan's own page, or nothing: a link that cannot be read as one is left out, never repaired. */
function linkOf(value: unknown): string | null {
  if (typeof value !== 'string' || value.length > longestLink) return null
  const url = URL.parse(value)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return null
  if (url.username !== '' || url.password !== '') return null
  const href = url.href.replaceAll(/[|"<>`\s\\]/g, (character) => encodeURIComponent(character))
  return href.length > longestLink ? null : href
}
