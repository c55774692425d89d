// The little the tracker must know of a statement's text: whether ROLLBACK means all or back to a savepoint, and which
// name PREPARE and DEALLOCATE touch. Words only, no parser: it decides marks in the record, never what is let through.

export type StatementShape =
  | { readonly kind: 'rollback-to' }
  | { readonly kind: 'prepare'; readonly name: string }
  | { readonly kind: 'deallocate'; readonly name: string }
  | { readonly kind: 'other' }

const OTHER: StatementShape = { kind: 'other' }
const NAME = String.raw`("(?:[^"]|"")+"|[a-z_\u0080-\uffff][\w$\u0080-\uffff]*)`
const PREPARE = new RegExp(String.raw`^prepare\s+${NAME}\s*(?:\(|as\b)`, 'i')
const DEALLOCATE = new RegExp(String.raw`^deallocate\s+(?:prepare\s+)?${NAME}\s*;?\s*$`, 'i')
const ROLLBACK_TO = /\brollback\b[^;]*\bto\b/i
const BLANKS_AND_COMMENTS = /^(?:\s+|--[^\n]*(?:\n|$)|\/\*(?:[^*]|\*(?!\/))*\*\/)+/

/** Statements longer than this are none of these. */
export const longestShaped: number = 4096

export function shapeOf(sql: string): StatementShape {
  if (sql.length > longestShaped) return OTHER
  const text = sql.replace(BLANKS_AND_COMMENTS, '')
  if (ROLLBACK_TO.test(text)) return { kind: 'rollback-to' }
  const prepared = PREPARE.exec(text)?.[1]
  if (prepared !== undefined && !text.slice(0, -1).includes(';')) return { kind: 'prepare', name: identifier(prepared) }
  const deallocated = DEALLOCATE.exec(text)?.[1]
  if (deallocated !== undefined) return { kind: 'deallocate', name: identifier(deallocated) }
  return OTHER
}

// As the server folds names, then as bytes: the tracker's keys are bytes.
function identifier(text: string): string {
  const name = text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text.toLowerCase()
  return Buffer.from(name).toString('latin1').slice(0, 63)
}
