// An answer ends at its limit or at the size of a message, whichever comes first.

import { fullPageBytes, mostRowsPerPage, type Page } from './message.ts'

/** Takes rows until a message is full. */
export function page<Row>(rows: Iterable<Row>, sizeOf: (row: Row) => number): Page<Row> {
  const taken: Row[] = []
  let bytes = 0
  for (const row of rows) {
    bytes += sizeOf(row)
    // The first row always goes: what is stored came in a message and fits into one.
    if (taken.length > 0 && bytes > fullPageBytes) return { rows: taken, more: true }
    taken.push(row)
  }
  return { rows: taken, more: false }
}

/** A limit as asked for, within what one page may hold. */
export function clamp(limit: number): number {
  return Math.min(Math.max(0, Math.trunc(limit)), mostRowsPerPage)
}
