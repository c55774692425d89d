// How much a line weighs against a session's limit: its bytes as they came, or its text, before either is written as
// JSON. Counted on the way in, so it is cheap and never more than the line takes on the disk but for a few bytes.

import type { LineBody } from '../recording/event-line.ts'

/** What a frame takes beside its line, and the brackets, time and code of the line itself. */
const perLineBytes = 80
/** Numbers, booleans and the like, by and large. */
const perScalarBytes = 8

/** Bytes, near enough for a limit. */
export function lineSize(body: LineBody): number {
  switch (body.kind) {
    case 'bytes':
    case 'bulk':
      return perLineBytes + body.bytes.length
    case 'header':
      return perLineBytes + textSize(body.header)
    case 'fact':
      return perLineBytes + textSize(body.data)
  }
}

function textSize(data: unknown): number {
  if (typeof data === 'string') return data.length
  if (typeof data !== 'object' || data === null) return perScalarBytes
  return Object.entries(data).reduce((size, [key, value]) => size + key.length + textSize(value), 0)
}
