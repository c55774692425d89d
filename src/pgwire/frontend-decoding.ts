// Bodies of the client's messages as values. Views into the chunk are given where nothing is kept.

import type { FieldReader } from './fields.ts'
import { ProtocolViolation } from '../errors.ts'

/** NAMEDATALEN - 1: the server's hash of prepared statements and portals compares no more than these bytes. */
const NAME_BYTES = 63

/** A statement's or portal's name as the server keys it: bytes as characters, cut where the server cuts. */
export function objectName(fields: FieldReader): string {
  const name = fields.latin1()
  return name.length > NAME_BYTES ? name.slice(0, NAME_BYTES) : name
}

export interface ParseFields {
  readonly name: string
  /** View. */
  readonly sql: Buffer
  /** Types given by the client; 0 is unspecified. */
  readonly types: readonly number[]
}

export function decodeParse(fields: FieldReader): ParseFields {
  const name = objectName(fields)
  const sql = fields.string()
  const count = fields.uint16()
  const types: number[] = []
  for (let i = 0; i < count; i++) types.push(fields.uint32())
  fields.finish('Parse')
  return { name, sql, types }
}

export interface BindFields {
  readonly portal: string
  readonly statement: string
  readonly values: readonly BoundValue[]
}

/** Null, or a view of the bytes with their format (0 text, 1 binary). */
export type BoundValue = { readonly bytes: Buffer; readonly format: number } | null

export function decodeBind(fields: FieldReader): BindFields {
  const portal = objectName(fields)
  const statement = objectName(fields)
  const values = decodeValues(fields)
  fields.take(2 * fields.uint16())
  fields.finish('Bind')
  return { portal, statement, values }
}

export interface FunctionCallFields {
  readonly oid: number
  readonly values: readonly BoundValue[]
}

export function decodeFunctionCall(fields: FieldReader): FunctionCallFields {
  const oid = fields.uint32()
  const values = decodeValues(fields)
  fields.int16()
  fields.finish('FunctionCall')
  return { oid, values }
}

// One format for all, one for each, or none: text ("Bind" in Message Formats).
function decodeValues(fields: FieldReader): BoundValue[] {
  const formatCount = fields.uint16()
  const formats: number[] = []
  for (let i = 0; i < formatCount; i++) formats.push(fields.int16())
  const valueCount = fields.uint16()
  const values: BoundValue[] = []
  for (let i = 0; i < valueCount; i++) {
    const length = fields.int32()
    const format = (formatCount === 1 ? formats[0] : formats[i]) ?? 0
    values.push(length === -1 ? null : { bytes: fields.take(length), format })
  }
  return values
}

export function decodeExecute(fields: FieldReader): { readonly portal: string; readonly maxRows: number } {
  const portal = objectName(fields)
  const maxRows = fields.int32()
  fields.finish('Execute')
  return { portal, maxRows }
}

/** Describe and Close name a statement (`S`) or a portal (`P`). */
export function decodeNamed(fields: FieldReader, what: string): { readonly kind: 'S' | 'P'; readonly name: string } {
  const kind = fields.byte()
  const name = objectName(fields)
  fields.finish(what)
  if (kind === 0x53) return { kind: 'S', name }
  if (kind === 0x50) return { kind: 'P', name }
  throw new ProtocolViolation(`${what} of neither statement nor portal`)
}
