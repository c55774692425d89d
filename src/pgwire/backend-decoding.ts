// Bodies of the server's messages as values, for the tracker and for our own leg's start-up.

import { ProtocolViolation } from '../errors.ts'
import type { FieldReader } from './fields.ts'

/** The fields of ErrorResponse and NoticeResponse that Halligan reads ("Error and Notice Message Fields"). */
export interface ReportFields {
  /** Never localised (field V, or S from servers before 9.6). */
  readonly severity: string
  readonly sqlstate: string
  readonly message: string
  readonly detail: string | undefined
  readonly hint: string | undefined
}

/** A report longer than this is cut; the client gets it whole. */
const MAX_TEXT = 4096

/** Reads a report; `isCut` says that the body is only the beginning of a very long one. */
export function decodeReport(fields: FieldReader, isCut = false): ReportFields {
  let severity = ''
  let sqlstate = ''
  let message = ''
  let detail: string | undefined
  let hint: string | undefined
  for (;;) {
    if (isCut && fields.left === 0) break
    const code = fields.byte()
    if (code === 0) break
    const text = isCut ? cutString(fields) : fields.string()
    if (code === 0x56 || (code === 0x53 && severity === '')) severity = text.toString('latin1', 0, 16)
    else if (code === 0x43) sqlstate = text.toString('latin1', 0, 5)
    else if (code === 0x4d) message = shown(text)
    else if (code === 0x44) detail = shown(text)
    else if (code === 0x48) hint = shown(text)
  }
  if (!isCut) fields.finish('a report')
  return { severity, sqlstate, message, detail, hint }
}

function shown(text: Buffer): string {
  return text.length > MAX_TEXT ? `${text.toString('utf8', 0, MAX_TEXT)}…` : text.toString('utf8')
}

function cutString(fields: FieldReader): Buffer {
  const rest = fields.take(fields.left)
  const nul = rest.indexOf(0)
  if (nul < 0) return rest
  fields.over(rest, nul + 1, rest.length)
  return rest.subarray(0, nul)
}

/** Tag and, where the tag ends in a number of rows, that number. */
export function decodeCommandComplete(fields: FieldReader): {
  readonly tag: string
  readonly rows: number | undefined
} {
  const tag = fields.latin1()
  fields.finish('CommandComplete')
  const last = tag.slice(tag.lastIndexOf(' ') + 1)
  return { tag, rows: /^\d+$/.test(last) ? Number(last) : undefined }
}

/** I idle, T in a transaction, E in a failed one. */
export type TransactionStatus = 'I' | 'T' | 'E'

export function decodeReadyForQuery(fields: FieldReader): TransactionStatus {
  const status = fields.byte()
  fields.finish('ReadyForQuery')
  if (status === 0x49) return 'I'
  if (status === 0x54) return 'T'
  if (status === 0x45) return 'E'
  throw new ProtocolViolation(`transaction status 0x${status.toString(16)}`)
}

export function decodeParameterDescription(fields: FieldReader): readonly number[] {
  const count = fields.uint16()
  const types: number[] = []
  for (let i = 0; i < count; i++) types.push(fields.uint32())
  fields.finish('ParameterDescription')
  return types
}

export function decodeParameterStatus(fields: FieldReader): { readonly name: string; readonly value: string } {
  const name = fields.latin1()
  const value = fields.string()
  fields.finish('ParameterStatus')
  return { name, value: value.toString('utf8') }
}

export function decodeNotification(fields: FieldReader): {
  readonly processId: number
  readonly channel: string
  readonly payload: string
} {
  const processId = fields.int32()
  const channel = fields.string()
  const payload = fields.string()
  fields.finish('NotificationResponse')
  return { processId, channel: channel.toString('utf8'), payload: payload.toString('utf8') }
}

/** Key and process id as the server issued them (4 bytes of key in protocol 3.0, up to 256 in 3.2). */
export function decodeBackendKeyData(fields: FieldReader): CancelKey {
  const processId = fields.int32()
  if (fields.left < 4 || fields.left > 256) throw new ProtocolViolation(`cancel key of ${fields.left} bytes`)
  return { processId, secretKey: Buffer.from(fields.take(fields.left)) }
}

export interface CancelKey {
  readonly processId: number
  readonly secretKey: Buffer
}

export type AuthenticationRequest =
  | { readonly kind: 'ok' }
  | { readonly kind: 'sasl'; readonly mechanisms: readonly string[] }
  | { readonly kind: 'sasl-continue'; readonly data: Buffer }
  | { readonly kind: 'sasl-final'; readonly data: Buffer }
  /** A method we do not speak: cleartext and md5 would show a standing password to whoever answers. */
  | { readonly kind: 'other'; readonly code: number }

export function decodeAuthentication(fields: FieldReader): AuthenticationRequest {
  const code = fields.int32()
  if (code === 0) {
    fields.finish('AuthenticationOk')
    return { kind: 'ok' }
  }
  if (code === 10) {
    const mechanisms: string[] = []
    for (let name = fields.latin1(); name !== ''; name = fields.latin1()) mechanisms.push(name)
    return { kind: 'sasl', mechanisms }
  }
  if (code === 11) return { kind: 'sasl-continue', data: Buffer.from(fields.take(fields.left)) }
  if (code === 12) return { kind: 'sasl-final', data: Buffer.from(fields.take(fields.left)) }
  return { kind: 'other', code }
}
