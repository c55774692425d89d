// What people type to search recordings: words, "phrases" and a few conditions. Total: any text asks for something or for
// nothing, and none is an error. Nothing of it is ever read as a query of the engine below.

import { parseDurationMs } from '../access/duration.ts'
import { parseInstant } from '../access/instant.ts'

/** Every phrase must be found in one place (a statement, a line of the screen); among names of one kind any will do. */
export interface SearchQuery {
  /** Each holds a letter or digit; its words stand next to each other, in this order. */
  readonly phrases: readonly string[]
  readonly users: readonly string[]
  readonly targets: readonly string[]
  readonly grants: readonly string[]
  /** Ms since the epoch, this moment included; null: from the beginning. */
  readonly since: number | null
  /** Ms since the epoch, this moment excluded; null: until now. */
  readonly until: number | null
}

/** Longer text was pasted by mistake; each word costs the engine a walk through an index. */
export const longestSearch: number = 1000
/** More phrases, and names of one kind, than anyone thinks of: the cost of one search is bounded by them. */
export const mostPhrases: number = 24

const DAY_MS = 86_400_000

/** A condition or none, then a quoted text (its end may be missing) or one without white space. */
const PART = /(?:(user|target|grant|since|until):)?(?:"([^"]*)"?|([^\s"]+))/giu

/**
 * Reads what was typed at `now` (ms). Undefined when it asks for nothing: no word and no condition, longer than
 * `longestSearch`, or more than `mostPhrases` of a kind.
 */
export function parseSearch(text: string, now: number): SearchQuery | undefined {
  if (text.length > longestSearch) return undefined
  const phrases: string[] = []
  const names = { user: [] as string[], target: [] as string[], grant: [] as string[] }
  const times: { since: number | null; until: number | null } = { since: null, until: null }
  for (const [whole, key = '', quoted, bare = ''] of plain(text).matchAll(PART)) {
    const value = (quoted ?? bare).trim()
    switch (key.toLowerCase()) {
      case 'user':
      case 'target':
      case 'grant':
        if (value !== '') names[key.toLowerCase() as keyof typeof names].push(value)
        continue
      case 'since':
      case 'until': {
        const at = timeOf(key.toLowerCase() as 'since' | 'until', value, now)
        if (at !== undefined) times[key.toLowerCase() as 'since' | 'until'] = at
        // What is no time is a word like any other.
        else if (hasWord(whole)) phrases.push(whole.replaceAll('"', ' ').trim())
        continue
      }
      default:
        // Punctuation alone (`/`, `|`) is in no index: what is asked for is the rest.
        if (hasWord(value)) phrases.push(value)
    }
  }
  const { user: users, target: targets, grant: grants } = names
  const lists = [phrases, users, targets, grants]
  if (lists.some((list) => list.length > mostPhrases)) return undefined
  if (lists.every((list) => list.length === 0) && times.since === null && times.until === null) return undefined
  return { phrases, users, targets, grants, ...times }
}

/** Without control characters and halves of characters. */
function plain(text: string): string {
  return text.toWellFormed().replaceAll(/\p{Cc}/gu, ' ')
}

function hasWord(text: string): boolean {
  return /[\p{L}\p{N}]/u.test(text)
}

/** `2h` is that long ago; a date as `until` is that whole day. */
function timeOf(key: 'since' | 'until', value: string, now: number): number | undefined {
  const ago = parseDurationMs(value)
  if (ago !== undefined) return now - ago
  const at = parseInstant(value)
  return at === undefined || key === 'since' || value.length > 10 ? at : at + DAY_MS
}
