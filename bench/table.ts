// What a run found, row by row, and how it is printed: one table of ratios beside what design §14 asks for.

/** One measured ratio. */
export interface Row {
  /** What Halligan did. */
  readonly what: string
  /** Halligan's own figure, with its unit. */
  readonly halligan: string
  /** What stands beside it, with its figure and unit. */
  readonly beside: string
  /** The figure that the target speaks of, with its sign or unit where it is no plain factor. */
  readonly ratio: string
  readonly target: string
  /** Null: there is no target for this row, or it could not be measured here (`ratio` says why). */
  readonly isMet: boolean | null
}

/** Where a factor has to stay. */
export interface Bound {
  readonly at: 'least' | 'most'
  readonly factor: number
}

/** A row whose ratio is Halligan's figure over the other one. */
export function factorRow(options: {
  readonly what: string
  readonly unit: string
  readonly halligan: number
  readonly beside: { readonly name: string; readonly value: number }
  readonly bound: Bound | null
  /** Said behind the target. */
  readonly later?: string
}): Row {
  const { what, unit, halligan, beside, bound, later } = options
  const factor = halligan / beside.value
  const isMet = bound === null ? null : bound.at === 'least' ? factor >= bound.factor : factor <= bound.factor
  const sign = bound?.at === 'least' ? '≥' : '≤'
  const target = bound === null ? '' : `${sign} ${bound.factor}×`
  return {
    what,
    halligan: figure(halligan, unit),
    beside: `${beside.name} ${figure(beside.value, unit)}`,
    ratio: `${factor.toFixed(2)}×`,
    target: later === undefined ? target : `${target}${target === '' ? '' : ', '}${later}`,
    isMet,
  }
}

/** A row that says why there is nothing to say. */
export function absentRow(what: string, target: string, why: string): Row {
  return { what, halligan: '', beside: '', ratio: why, target, isMet: null }
}

/** A number with three significant digits or no fraction, and its unit. */
export function figure(value: number, unit: string): string {
  const size = Math.abs(value)
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3
  return `${value.toFixed(digits)} ${unit}`
}

const titles = ['what', 'Halligan', 'beside', 'ratio', 'target', 'met']

/** The rows as a Markdown table, padded so that it reads in a terminal too. */
export function formatTable(rows: readonly Row[]): string {
  const said = { true: 'yes', false: 'no', null: '–' }
  const cells = rows.map((row) => [
    row.what,
    row.halligan,
    row.beside,
    row.ratio,
    row.target,
    said[String(row.isMet) as keyof typeof said],
  ])
  const widths = titles.map((title, column) =>
    Math.max(...[titles, ...cells].map((line) => (line[column] ?? title).length)),
  )
  const line = (texts: readonly string[]) =>
    `| ${texts.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |\n`
  return line(titles) + line(widths.map((width) => '-'.repeat(width))) + cells.map(line).join('')
}
