// A recording's lines as its exports read them: one after the other, with the time they stand at. An export is a view for
// people and other tools; the evidence is the sealed file.

import { StringDecoder } from 'node:string_decoder'
import { bytesOf, decodeLine, type EventCode, type Stream } from './event-line.ts'

export interface ExportedEvent {
  /** Number of the line in the recording, from 0 for the header. */
  readonly seq: number
  /** Seconds since the header line. */
  readonly seconds: number
  readonly code: EventCode
  readonly data: unknown
  /** The bytes of a stream as text; what is no UTF-8 is shown as U+FFFD. Undefined for facts. */
  readonly text: { readonly stream: Stream; readonly text: string } | undefined
}

export interface ExportedHeader {
  readonly cols: number
  readonly rows: number
  readonly type: string
  /** Seconds since the epoch. */
  readonly timestamp: number
  readonly title: string
  /** Who, how and why: the `halligan` object as it was recorded. */
  readonly facts: Readonly<Record<string, unknown>>
  /** SQL sessions are told by their statements, terminals by their screen. */
  readonly isSql: boolean
}

/** Turns lines into another form, as a rule text. Each method gives what is ready. */
export interface Exporter<Form = string> {
  header(header: ExportedHeader): Form
  event(event: ExportedEvent): Form
  end(): Form
}

/** Feeds the lines of one recording to `exporter`. Throws ProtocolViolation for a line that is none. */
export async function* exportLines<Form>(
  lines: AsyncIterable<Buffer>,
  exporter: Exporter<Form>,
): AsyncGenerator<Form, void> {
  const decoders: Record<Stream, StringDecoder> = {
    i: new StringDecoder('utf8'),
    o: new StringDecoder('utf8'),
    e: new StringDecoder('utf8'),
  }
  let seq = 0
  let seconds = 0
  for await (const bytes of lines) {
    const line = decodeLine(bytes)
    if (line.kind === 'header') yield exporter.header(headerOf(line.header))
    else {
      // Added up in whole microseconds, as they were written: a day of keystrokes must not drift.
      seconds = Math.round((seconds + line.interval) * 1e6) / 1e6
      const part = bytesOf(line)
      const text = part === null ? undefined : { stream: part.stream, text: decoders[part.stream].write(part.bytes) }
      yield exporter.event({ seq, seconds, code: line.code, data: line.data, text })
    }
    seq += 1
  }
  yield exporter.end()
}

function headerOf(header: Readonly<Record<string, unknown>>): ExportedHeader {
  const term = record(header['term'])
  const facts = record(header['halligan'])
  return {
    cols: numberOf(term['cols'], 80),
    rows: numberOf(term['rows'], 24),
    type: textOf(term['type']),
    timestamp: numberOf(header['timestamp'], 0),
    title: textOf(header['title']),
    facts,
    isSql: record(facts['what'])['kind'] === 'sql',
  }
}

/** An object's members; none for anything else. */
export function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function numberOf(value: unknown, otherwise: number): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : otherwise
}

/** Control characters as their pictures (U+2400…), so that an export shown on a terminal does nothing there. */
export function withoutControls(text: string, keep: RegExp = /[\n\t]/): string {
  return text.replace(/\p{Cc}/gu, (control) => {
    if (keep.test(control)) return control
    const code = control.charCodeAt(0)
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? '\u2421' : '\ufffd'
  })
}

/** Time of day of an event, UTC: `12:03:04.123`. */
export function timeOf(header: ExportedHeader | undefined, seconds: number): string {
  return new Date(Math.round(((header?.timestamp ?? 0) + seconds) * 1000)).toISOString().slice(11, 23)
}
