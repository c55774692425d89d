// A mistake in the configuration, and how it is shown: `file:line:column: message` over the lines around it. Whoever
// reads it should not have to count.

export interface Problem {
  /** Both from 1; 0 where the file as a whole is meant. */
  readonly line: number
  readonly column: number
  /** Characters to underline on that line, at least 1. */
  readonly length: number
  readonly message: string
  readonly hint?: string | undefined
}

/** More than a screen of mistakes is one mistake repeated; the rest is counted. */
export const MAX_PROBLEMS = 50

const CONTEXT_LINES = 1
const MAX_SHOWN_COLUMNS = 160

/** One problem with its frame and hint, ready for a terminal. */
export function describeProblem(problem: Problem, file: string, text: string): string {
  const { line, column, message, hint } = problem
  const place = line === 0 ? file : `${file}:${line}:${column}`
  return [
    `${place}: ${printable(message)}`,
    ...frame(problem, text),
    ...(hint === undefined ? [] : [`hint: ${hint}`]),
  ].join('\n')
}

/** All problems in the order of the file, at most `MAX_PROBLEMS`, and how many more there are. */
export function describeProblems(problems: readonly Problem[], file: string, text: string): string {
  const sorted = inFileOrder(problems)
  const shown = sorted.slice(0, MAX_PROBLEMS).map((problem) => describeProblem(problem, file, text))
  const left = sorted.length - shown.length
  return [...shown, ...(left > 0 ? [`and ${left} more`] : [])].join('\n\n')
}

/** Sorted by place; the same problem at the same place once. */
export function inFileOrder(problems: readonly Problem[]): Problem[] {
  const once = new Map(problems.map((problem) => [`${problem.line}:${problem.column}:${problem.message}`, problem]))
  return [...once.values()].sort((left, right) => left.line - right.line || left.column - right.column)
}

function frame({ line, column, length }: Problem, text: string): string[] {
  if (line === 0) return []
  const lines = text.split(/\r?\n/)
  const first = Math.max(1, line - CONTEXT_LINES)
  const last = Math.min(lines.length, line + CONTEXT_LINES)
  const width = String(last).length
  return Array.from({ length: last - first + 1 }, (_, index) => first + index).flatMap((number) => {
    const content = shownLine(lines[number - 1] ?? '')
    const numbered = `  ${String(number).padStart(width)} | ${content}`.trimEnd()
    if (number !== line || column > MAX_SHOWN_COLUMNS) return [numbered]
    const marks = '^'.repeat(Math.max(1, Math.min(length, content.length - column + 1)))
    return [numbered, `  ${' '.repeat(width)} | ${' '.repeat(column - 1)}${marks}`]
  })
}

/** Long lines are cut; what looks like a secret somebody put here by mistake is not repeated into a log. */
function shownLine(line: string): string {
  const cut = line.length > MAX_SHOWN_COLUMNS ? `${line.slice(0, MAX_SHOWN_COLUMNS)}…` : line
  if (/PRIVATE KEY/.test(cut)) return '(a private key)'
  return printable(cut.replace(/(pass(?:word|phrase|wd)?|token)(["']?\s*:\s*).+/i, '$1$2…'))
}

/** A file may hold escape sequences; the terminal of whoever reads the error must not obey them. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => (character === '\t' ? ' ' : '�'))
}
