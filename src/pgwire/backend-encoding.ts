// Messages Halligan itself says to a client, byte for byte ("Message Formats").

import { backendType } from './message-type.ts'

/** A whole message: type, Int32 length, body. */
export function encodeMessage(type: number, ...body: readonly (Buffer | string)[]): Buffer {
  const parts = body.map((part) => (typeof part === 'string' ? Buffer.from(part) : part))
  const length = parts.reduce((sum, part) => sum + part.length, 4)
  const header = Buffer.alloc(5)
  header[0] = type
  header.writeInt32BE(length, 1)
  return Buffer.concat([header, ...parts])
}

/** Int32, big-endian. */
export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** Int16, big-endian. */
export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeInt16BE(value)
  return bytes
}

export interface Report {
  readonly severity: 'FATAL' | 'ERROR' | 'WARNING' | 'NOTICE' | 'INFO'
  readonly sqlstate: string
  readonly message: string
  readonly detail?: string | undefined
  readonly hint?: string | undefined
}

export function encodeErrorResponse(report: Report): Buffer {
  return encodeMessage(backendType.ErrorResponse, reportFields(report))
}

export function encodeNoticeResponse(report: Report): Buffer {
  return encodeMessage(backendType.NoticeResponse, reportFields(report))
}

function reportFields(report: Report): string {
  const fields = [
    `S${report.severity}`,
    `V${report.severity}`,
    `C${report.sqlstate}`,
    `M${report.message}`,
    ...(report.detail === undefined ? [] : [`D${report.detail}`]),
    ...(report.hint === undefined ? [] : [`H${report.hint}`]),
  ]
  // A NUL inside a text would end its field and start a forged one.
  return `${fields.map((field) => `${field.replaceAll('\0', '�')}\0`).join('')}\0`
}

export function encodeAuthenticationOk(): Buffer {
  return encodeMessage(backendType.Authentication, int32(0))
}

export function encodeAuthenticationSasl(mechanisms: readonly string[]): Buffer {
  return encodeMessage(backendType.Authentication, int32(10), `${mechanisms.join('\0')}\0\0`)
}

export function encodeAuthenticationSaslContinue(data: Buffer): Buffer {
  return encodeMessage(backendType.Authentication, int32(11), data)
}

export function encodeAuthenticationSaslFinal(data: Buffer): Buffer {
  return encodeMessage(backendType.Authentication, int32(12), data)
}

export function encodeParameterStatus(name: string, value: string): Buffer {
  return encodeMessage(backendType.ParameterStatus, `${name}\0${value}\0`)
}

export function encodeBackendKeyData(processId: number, secretKey: Buffer): Buffer {
  return encodeMessage(backendType.BackendKeyData, int32(processId), secretKey)
}

export function encodeReadyForQuery(status: 'I' | 'T' | 'E'): Buffer {
  return encodeMessage(backendType.ReadyForQuery, status)
}

/**
 * Offers protocol 3.0 and names the `_pq_.` options not understood. The version is the whole one (196608): a bare minor
 * of 0 reads as "pre-3.0" to libpq 18.
 */
export function encodeNegotiateProtocolVersion(unsupported: readonly string[]): Buffer {
  const names = unsupported.map((name) => `${name}\0`).join('')
  return encodeMessage(backendType.NegotiateProtocolVersion, int32(196_608), int32(unsupported.length), names)
}
