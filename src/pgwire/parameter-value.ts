// Bound values as a reader can read them. At Bind only the format is known for sure, so binary bytes are recorded as hex;
// when the reply has told which statement they went to, its types decode them.

import type { BoundValue } from './frontend-decoding.ts'
import { recordText } from './text.ts'

/** Text as sent, null, or the bytes in hex where they are binary or no text. */
export type RecordedValue = string | null | { readonly hex: string }

export function recordValue(value: BoundValue, clientEncoding: string): RecordedValue {
  if (value === null) return null
  if (value.format !== 0) return { hex: value.bytes.toString('hex') }
  const { text, raw } = recordText(value.bytes, clientEncoding)
  return raw === undefined ? text : { hex: value.bytes.toString('hex') }
}

/** The values with every binary one decoded by its type's OID; what cannot be decoded stays hex. */
export function decodeRecorded(values: readonly RecordedValue[], types: readonly number[]): RecordedValue[] {
  return values.map((value, i) => {
    if (value === null || typeof value === 'string') return value
    return decodeBinary(types[i] ?? 0, Buffer.from(value.hex, 'hex')) ?? value
  })
}

type Decoder = (bytes: Buffer) => string | undefined

/** µs and days between 1970 and 2000, PostgreSQL's epoch. */
const EPOCH_MS = 946_684_800_000n
const DAY_MS = 86_400_000

const sized =
  (size: number, decode: (bytes: Buffer) => string | undefined): Decoder =>
  (bytes) =>
    bytes.length === size ? decode(bytes) : undefined

const text: Decoder = (bytes) => {
  const recorded = recordText(bytes, 'UTF8')
  return recorded.raw === undefined ? recorded.text : undefined
}

// OIDs of pg_type.dat; binary forms from the types' send functions.
const scalars = new Map<number, Decoder>([
  [16, sized(1, (bytes) => (bytes[0] === 0 ? 'f' : 't'))],
  [17, (bytes) => `\\x${bytes.toString('hex')}`],
  [18, text],
  [19, text],
  [20, sized(8, (bytes) => bytes.readBigInt64BE().toString())],
  [21, sized(2, (bytes) => bytes.readInt16BE().toString())],
  [23, sized(4, (bytes) => bytes.readInt32BE().toString())],
  [25, text],
  [26, sized(4, (bytes) => bytes.readUInt32BE().toString())],
  [114, text],
  [142, text],
  [700, sized(4, (bytes) => float(bytes.readFloatBE(), true))],
  [701, sized(8, (bytes) => float(bytes.readDoubleBE(), false))],
  [705, text],
  [1042, text],
  [1043, text],
  [1082, sized(4, date)],
  [1083, sized(8, (bytes) => timeOfDay(bytes.readBigInt64BE()))],
  [1114, sized(8, (bytes) => timestamp(bytes, ''))],
  [1184, sized(8, (bytes) => timestamp(bytes, '+00'))],
  [1700, numeric],
  [2950, sized(16, (bytes) => bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'))],
  [3802, (bytes) => (bytes[0] === 1 ? text(bytes.subarray(1)) : undefined)],
])

/** Array types whose element is in the table: array OID → element OID is in the value itself. */
const arrays = new Set([
  199, 1000, 1001, 1005, 1007, 1009, 1014, 1015, 1016, 1021, 1022, 1028, 1115, 1182, 1185, 1231, 2951, 3807,
])

/** One binary value as PostgreSQL would print it (ISO dates, UTC); undefined where the type or the bytes are not known. */
export function decodeBinary(oid: number, bytes: Buffer): string | undefined {
  return arrays.has(oid) ? array(bytes) : scalars.get(oid)?.(bytes)
}

function float(value: number, isSingle: boolean): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity'
  if (Object.is(value, -0)) return '-0'
  if (!isSingle) return String(value)
  for (let digits = 1; digits <= 9; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return String(short)
  }
  return String(value)
}

function date(bytes: Buffer): string | undefined {
  const days = bytes.readInt32BE()
  if (days === 0x7fffffff) return 'infinity'
  if (days === -0x80000000) return '-infinity'
  return isoDate(Number(EPOCH_MS) + days * DAY_MS)?.slice(0, 10)
}

function timestamp(bytes: Buffer, zone: string): string | undefined {
  const microseconds = bytes.readBigInt64BE()
  if (microseconds === 0x7fffffffffffffffn) return 'infinity'
  if (microseconds === -0x8000000000000000n) return '-infinity'
  const fraction = ((microseconds % 1_000_000n) + 1_000_000n) % 1_000_000n
  const iso = isoDate(Number((microseconds - fraction) / 1000n + EPOCH_MS))
  return iso === undefined ? undefined : `${iso.slice(0, 10)} ${iso.slice(11, 19)}${fractionOf(fraction)}${zone}`
}

// Years outside 1–9999 are printed by PostgreSQL in forms of their own; they stay hex.
function isoDate(ms: number): string | undefined {
  const date = new Date(ms)
  const year = date.getUTCFullYear()
  return year >= 1 && year <= 9999 ? date.toISOString() : undefined
}

function timeOfDay(microseconds: bigint): string | undefined {
  if (microseconds < 0n || microseconds > 86_400_000_000n) return undefined
  const seconds = Number(microseconds / 1_000_000n)
  const two = (value: number) => String(value).padStart(2, '0')
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(two).join(':')
  return clock + fractionOf(microseconds % 1_000_000n)
}

function fractionOf(microseconds: bigint): string {
  return microseconds === 0n ? '' : `.${microseconds.toString().padStart(6, '0').replace(/0+$/, '')}`
}

// numeric_send: digits, weight of the first, sign, display scale; digits are base 10000.
function numeric(bytes: Buffer): string | undefined {
  if (bytes.length < 8) return undefined
  const count = bytes.readInt16BE(0)
  const weight = bytes.readInt16BE(2)
  const sign = bytes.readUInt16BE(4)
  const scale = bytes.readUInt16BE(6)
  if (sign === 0xc000) return 'NaN'
  if (sign === 0xd000) return 'Infinity'
  if (sign === 0xf000) return '-Infinity'
  if (count < 0 || bytes.length !== 8 + 2 * count || scale > 16_383) return undefined
  const digit = (i: number) => (i < 0 || i >= count ? 0 : bytes.readInt16BE(8 + 2 * i))
  let whole = ''
  for (let i = 0; i <= weight; i++) whole += String(digit(i)).padStart(4, '0')
  let fraction = ''
  for (let i = 0; i * 4 < scale; i++) fraction += String(digit(weight + 1 + i)).padStart(4, '0')
  const integer = whole.replace(/^0+(?=\d)/, '') || '0'
  return `${sign === 0x4000 ? '-' : ''}${integer}${scale > 0 ? `.${fraction.slice(0, scale)}` : ''}`
}

// array_send: dimensions, has-nulls flag, element type, per dimension length and lower bound, then length and bytes each.
function array(bytes: Buffer): string | undefined {
  if (bytes.length < 12) return undefined
  const dimensions = bytes.readInt32BE(0)
  const element = scalars.get(bytes.readUInt32BE(8))
  if (dimensions === 0) return '{}'
  if (dimensions !== 1 || element === undefined || bytes.length < 20 || bytes.readInt32BE(16) !== 1) return undefined
  const count = bytes.readInt32BE(12)
  const items: string[] = []
  let at = 20
  for (let i = 0; i < count; i++) {
    if (at + 4 > bytes.length) return undefined
    const length = bytes.readInt32BE(at)
    at += 4
    if (length === -1) {
      items.push('NULL')
      continue
    }
    if (length < 0 || at + length > bytes.length) return undefined
    const item = element(bytes.subarray(at, at + length))
    if (item === undefined) return undefined
    items.push(quoted(item))
    at += length
  }
  return at === bytes.length ? `{${items.join(',')}}` : undefined
}

function quoted(item: string): string {
  return item === '' || /[\s"\\{},]/.test(item) || /^null$/i.test(item) ? `"${item.replace(/["\\]/g, '\\$&')}"` : item
}
