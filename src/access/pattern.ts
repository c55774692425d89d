// Which regular expressions may be tried on what somebody types. JavaScript's matcher backtracks, and nothing can stop
// it once it runs; so a pattern's worst case is bounded before it is ever used, by the choices that it leaves open.

/**
 * Ways to match that one text may have at most: far below a tenth of a second. A reason holds as many words as fit into
 * it, each tried by itself, so this bounds all of them together.
 */
const MAX_WAYS = 10_000_000

/** Why a pattern cannot be used on texts of up to `length` characters; undefined when it can. Never throws. */
export function patternProblem(pattern: string, length: number): string | undefined {
  try {
    if (new RegExp(pattern, 'u').test('')) return 'the pattern matches nothing at all, so anything would do'
  } catch (error) {
    return `not a regular expression: ${error instanceof Error ? error.message : String(error)}`
  }
  const shape = shapeOf(pattern)
  if (typeof shape === 'string') return shape
  return ways(shape, length) <= MAX_WAYS
    ? undefined
    : 'too many ways to match: use fewer of * + ? {,} and |, or begin with ^'
}

/** True when the pattern, one that may be used, may be tried on a text of this length as well. */
export function isBoundedFor(pattern: string, length: number): boolean {
  const shape = shapeOf(pattern)
  return typeof shape !== 'string' && ways(shape, length) <= MAX_WAYS
}

interface Shape {
  /** Repetitions without an upper end: each may stop anywhere in the text. */
  readonly openEnded: number
  /** Product of everything else that can go one way or another. */
  readonly choices: number
  /** Begins at the start of the text alone; otherwise everywhere. */
  readonly isAnchored: boolean
}

function ways({ openEnded, choices, isAnchored }: Shape, length: number): number {
  return choices * length ** (openEnded + (isAnchored ? 0 : 1))
}

const QUANTIFIER = /^(?:[*+]|\?|\{(\d+)(,(\d*))?\})\??/

/** Reads a pattern that compiles. Gives why, in words, where it holds what cannot be bounded. */
function shapeOf(pattern: string): Shape | string {
  let openEnded = 0
  let choices = 1
  let depth = 0
  let branchesOutside = 0
  for (let rest = pattern; rest !== '';) {
    const [piece = rest] = /^(?:\\.|\[(?:\\.|[^\]\\])*\]|[^\\[])/su.exec(rest) ?? []
    if (/^\\[1-9k]/.test(piece)) return 'a pattern may not refer back to what it matched'
    if (/^\(\?(?:<?[=!]|[a-z-]+:)/.test(rest)) return 'a pattern may not look ahead or behind'
    rest = rest.slice(piece.length)
    if (piece === '(') {
      depth++
      rest = rest.replace(/^\?(?::|<[^>]*>)/, '')
      continue
    }
    if (piece === ')') depth--
    if (piece === '|') {
      choices *= 2
      if (depth === 0) branchesOutside++
    }
    const [quantifier, least, comma, most] = QUANTIFIER.exec(rest) ?? []
    if (quantifier === undefined) continue
    rest = rest.slice(quantifier.length)
    const isOptional = quantifier.startsWith('?')
    if (piece === ')' && !isOptional) return 'a group may be made optional with ?, but not repeated'
    if (isOptional) choices *= 2
    else if (least === undefined || most === '') openEnded++
    else if (comma !== undefined) choices *= Number(most) - Number(least) + 1
  }
  return { openEnded, choices, isAnchored: pattern.startsWith('^') && branchesOutside === 0 }
}
