// One alert as a syslog message: RFC 5424, framed by octet counting (RFC 6587 §3.4.1, RFC 5425 §4.3). Structured data has
// the facts as they are, for machines; the text has what people are told everywhere.

import type { Alert } from '../session/state.ts'
import { factLines, messageOf } from './message.ts'
import { oneLine } from './plain-text.ts'
import type { Severity } from './wording.ts'

/** Security and authorization messages. */
const facility = 10
/** RFC 5612: the number for documentation. Halligan has none of its own; collectors match on the name before the @. */
const structuredDataId = 'halligan@32473'
const longestHostname = 255
const longestParamName = 32
const longestMessageId = 32
const longestParamValue = 500
const mostParams = 24
/** RFC 5425 §4.3.1: receivers take 8192 octets; header and framing need the rest. */
const mostBodyOctets = 7600
/** RFC 5424 §6.4: a MSG in UTF-8 starts with it. */
const byteOrderMark = '\uFEFF'

const severityNumbers: Readonly<Record<Severity, number>> = { critical: 2, error: 3, warning: 4, notice: 5, info: 6 }

/** `alert` as one message of at most 8192 octets, without a frame. `hostname` is the bastion's. */
export function syslogMessage(alert: Alert, hostname: string): string {
  const message = messageOf(alert)
  const priority = facility * 8 + severityNumbers[message.severity]
  const header = [
    `<${priority}>1`,
    new Date(alert.at).toISOString(),
    printUsAscii(hostname, longestHostname),
    'halligan',
    '-',
    printUsAscii(alert.type, longestMessageId),
  ].join(' ')
  const params = structuredData(alert)
  const text = [message.title, ...factLines(message), ...(message.link === null ? [] : [message.link])].join('; ')
  const room = mostBodyOctets - Buffer.byteLength(params)
  return `${header} ${params} ${byteOrderMark}${cutOctets(text, room)}`
}

/** The message with its length in octets in front, as it goes on the wire. */
export function syslogFrame(message: string): Buffer {
  const bytes = Buffer.from(message, 'utf8')
  return Buffer.concat([Buffer.from(`${bytes.length} `, 'latin1'), bytes])
}

function structuredData(alert: Alert): string {
  const params: string[] = []
  const add = (key: string, value: unknown): void => {
    const name = printUsAscii(key, longestParamName).replaceAll(/[="\]]/g, '_')
    if (value === null || value === undefined || value === '' || params.length >= mostParams) return
    params.push(`${name}="${escapeParam(oneLine(value, longestParamValue))}"`)
  }
  add('alert', alert.id)
  add('type', alert.type)
  for (const [key, value] of Object.entries(alert.payload)) if (key !== 'alert' && key !== 'type') add(key, value)
  // What does not fit goes from the end: the first fields say who and what.
  while (Buffer.byteLength(params.join(' ')) > mostBodyOctets / 2) params.pop()
  return `[${[structuredDataId, ...params].join(' ')}]`
}

/** RFC 5424 §6.3.3: these three are escaped, and nothing else is. */
export function escapeParam(value: string): string {
  return value.replaceAll(/["\\\]]/g, String.raw`\$&`)
}

/** PRINTUSASCII of RFC 5424 §6, or `-` where nothing is left. */
function printUsAscii(text: string, most: number): string {
  const printable = text.replaceAll(/[^!-~]/g, '_').slice(0, most)
  return printable === '' ? '-' : printable
}

/** At most `most` octets of UTF-8, no character cut in two. */
function cutOctets(text: string, most: number): string {
  const bytes = Buffer.from(text, 'utf8')
  if (bytes.length <= most) return text
  let end = most - Buffer.byteLength('…')
  // Octets that go on a character begin with the bits 10.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return `${bytes.toString('utf8', 0, end)}…`
}
