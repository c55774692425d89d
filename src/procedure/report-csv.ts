// The report as a table for spreadsheets (RFC 4180). A cell is never a formula and never moves a terminal's cursor: what a
// policy or trigger is called comes from a file that somebody wrote.

import type { Report } from './report.ts'

const head = ['month', 'policy', 'figure', 'of', 'value', 'unit', 'grants', 'ledger leaves', 'alerts'] as const

/** One row per figure, its evidence by ids with spaces between. Policy `(all)`: over all of them. */
export function reportCsv({ month, sections }: Report): string {
  const rows = sections.flatMap(({ policy, figures }) =>
    figures.map(({ name, of, value, unit, evidence }) => [
      month,
      policy ?? '(all)',
      name,
      of ?? '',
      value ?? '',
      unit,
      evidence.grants.join(' '),
      evidence.leaves.join(' '),
      evidence.alerts.join(' '),
    ]),
  )
  return [head, ...rows].map((row) => `${row.map(csvCell).join(',')}\r\n`).join('')
}

// Programs that open the file read these, at the start of a cell, as the beginning of a formula.
const FORMULA = /^[\s]*[=+\-@＝＋－＠|%]/u
// Controls, and marks that hide or reorder text.
const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu

/** A number as it is; text in quotes, what is hidden in it written out, and an apostrophe before what would be a formula. */
export function csvCell(value: string | number): string {
  if (typeof value === 'number') return String(value)
  const plain = value.replace(HIDDEN, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`)
  const inert = FORMULA.test(plain) ? `'${plain}` : plain
  return `"${inert.replaceAll('"', '""')}"`
}
