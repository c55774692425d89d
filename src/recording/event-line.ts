// One event = one JSON line compatible with asciicast v3. The first line of a recording is the header object
// `{"version":3,"term":{…},…}`; every other line is `[interval, code, data]`, interval in seconds since the line before.
// Bytes of a stream are text (`o`, `i`, `e`: data is a string) where they are whole UTF-8, and otherwise
// `[interval,"b",{"s":"o","d":"<base64>"}]`, s being the stream's letter. Any bytes in = the same bytes out.
// A line is valid UTF-8 without raw control characters; it knows nothing of frames, files or sessions.

import { isAscii, isUtf8 } from 'node:buffer'
import { assert, ProtocolViolation } from '../errors.ts'

/** asciicast's `o i r m x`; ours: `e` stderr, `b` raw bytes, `q` statement, `p` parameters, `d` done, `t` rows, `f` file, `c` channel request, `h` chunk hash, `n` notice. */
export type EventCode = 'o' | 'i' | 'r' | 'm' | 'x' | 'e' | 'b' | 'q' | 'p' | 'd' | 't' | 'f' | 'c' | 'h' | 'n'

/** `i` what the user sent, `o` what the target wrote, `e` what it wrote as error. */
export type Stream = 'i' | 'o' | 'e'

/** What one line is made of. */
export type LineBody =
  /** The asciicast v3 header object: always seq 0. */
  | { readonly kind: 'header'; readonly header: Readonly<Record<string, unknown>> }
  /** Bytes of a stream: text when whole UTF-8, else `b` with the stream's letter. */
  | { readonly kind: 'bytes'; readonly stream: Stream; readonly bytes: Uint8Array }
  /** Bulk bytes kept whole: always a `b` line. */
  | { readonly kind: 'bulk'; readonly stream: Stream; readonly bytes: Uint8Array }
  | { readonly kind: 'fact'; readonly code: EventCode; readonly data: unknown }

export type EventLine =
  | { readonly kind: 'header'; readonly header: Readonly<Record<string, unknown>> }
  /** `interval` in seconds; `data` as JSON.parse gave it, checked for the codes of bytes (`o i e b`) only. */
  | { readonly kind: 'event'; readonly interval: number; readonly code: EventCode; readonly data: unknown }

/** No line is longer: a frame's length field is checked against it before anything is allocated. */
export const maxLineBytes: number = 64 << 20

/** Beyond 100 years an interval is a broken clock, not a pause. */
const maxIntervalSeconds = 100 * 366 * 86_400

const codes: ReadonlySet<string> = new Set('oirmxebqpdtfchn')
const streams: ReadonlySet<string> = new Set<Stream>(['i', 'o', 'e'])
const byteCodes: ReadonlySet<string> = new Set<EventCode>(['o', 'i', 'e', 'b'])

/**
 * The bytes of one line, without its newline. `interval` in seconds, rounded to µs; a header has none.
 * Throws when a fact is not JSON, uses a code of bytes, or the line would be longer than `maxLineBytes`.
 */
export function encodeLine(interval: number, body: LineBody): Buffer {
  const line = body.kind === 'header' ? headerLine(body.header) : eventLine(interval, body)
  assert(line.length <= maxLineBytes, `a line of ${line.length} bytes is within ${maxLineBytes}`)
  return line
}

function headerLine(header: Readonly<Record<string, unknown>>): Buffer {
  assert(header['version'] === 3, 'a header line says version 3')
  return Buffer.from(JSON.stringify(header))
}

function eventLine(interval: number, body: Exclude<LineBody, { kind: 'header' }>): Buffer {
  assert(interval >= 0 && interval <= maxIntervalSeconds, `an interval of ${interval} s is possible`)
  const seconds = Math.round(interval * 1e6) / 1e6
  switch (body.kind) {
    case 'bytes':
      return bytesLine(seconds, body.stream, view(body.bytes))
    case 'bulk':
      return rawLine(seconds, body.stream, view(body.bytes))
    case 'fact':
      return factLine(seconds, body.code, body.data)
  }
}

function bytesLine(seconds: number, stream: Stream, bytes: Buffer): Buffer {
  // Latin-1 conversion both ways is several times faster than UTF-8, and terminal output is ASCII most of the time.
  if (isAscii(bytes))
    return Buffer.from(`[${seconds},"${stream}",${JSON.stringify(bytes.toString('latin1'))}]`, 'latin1')
  if (isUtf8(bytes)) return Buffer.from(`[${seconds},"${stream}",${JSON.stringify(bytes.toString())}]`)
  return rawLine(seconds, stream, bytes)
}

function rawLine(seconds: number, stream: Stream, bytes: Buffer): Buffer {
  return Buffer.from(`[${seconds},"b",{"s":"${stream}","d":"${bytes.toString('base64')}"}]`, 'latin1')
}

function factLine(seconds: number, code: EventCode, data: unknown): Buffer {
  assert(codes.has(code) && !byteCodes.has(code), `${code} is the code of a fact`)
  const json: string | undefined = JSON.stringify(data)
  assert(json !== undefined, `the data of a ${code} line is JSON`)
  return Buffer.from(`[${seconds},"${code}",${json}]`)
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Reads a line back. Throws ProtocolViolation unless it is a header or an event as `encodeLine` writes them. */
export function decodeLine(line: Uint8Array): EventLine {
  if (line.length > maxLineBytes) throw new ProtocolViolation(`line of ${line.length} bytes, at most ${maxLineBytes}`)
  if (!isUtf8(line)) throw new ProtocolViolation('line is not UTF-8')
  const value = parse(view(line).toString())
  return Array.isArray(value) ? decodeEvent(value) : decodeHeader(value)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ProtocolViolation('line is not JSON', { cause: error })
  }
}

function decodeHeader(value: unknown): EventLine {
  if (!isObject(value) || value['version'] !== 3)
    throw new ProtocolViolation('line is neither event nor version 3 header')
  return { kind: 'header', header: value }
}

function decodeEvent(value: readonly unknown[]): EventLine {
  const [interval, code, data] = value
  if (value.length !== 3) throw new ProtocolViolation(`event of ${value.length} members instead of 3`)
  if (typeof interval !== 'number' || !(interval >= 0 && interval <= maxIntervalSeconds)) {
    throw new ProtocolViolation('interval is not a possible number of seconds')
  }
  if (typeof code !== 'string' || !codes.has(code)) throw new ProtocolViolation('event has no known code')
  if (streams.has(code)) checkText(code, data)
  if (code === 'b') checkRaw(data)
  return { kind: 'event', interval, code: code as EventCode, data }
}

function checkText(code: string, data: unknown): void {
  // A lone surrogate has no UTF-8: it cannot have come from bytes.
  if (typeof data !== 'string' || !data.isWellFormed()) throw new ProtocolViolation(`data of ${code} is not text`)
}

function checkRaw(data: unknown): asserts data is { s: Stream; d: string } {
  if (!isObject(data) || Object.keys(data).length !== 2) throw new ProtocolViolation('data of b is not {s, d}')
  const { s, d } = data as { s: unknown; d: unknown }
  if (typeof s !== 'string' || !streams.has(s)) throw new ProtocolViolation('data of b names no stream')
  // Re-encoding refuses every second spelling of the same bytes.
  if (typeof d !== 'string' || Buffer.from(d, 'base64').toString('base64') !== d) {
    throw new ProtocolViolation('data of b is not base64')
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The stream and the very bytes that a decoded line records; null for a header or a fact. */
export function bytesOf(line: EventLine): { readonly stream: Stream; readonly bytes: Buffer } | null {
  if (line.kind === 'header' || !byteCodes.has(line.code)) return null
  if (line.code !== 'b') return { stream: line.code as Stream, bytes: Buffer.from(line.data as string) }
  const { s, d } = line.data as { s: Stream; d: string }
  return { stream: s, bytes: Buffer.from(d, 'base64') }
}
