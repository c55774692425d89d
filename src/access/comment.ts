// What people write beside a decision. It goes into alerts, other people's terminals, the page and the ledger: one
// bounded line, and nothing in it that moves a cursor or hides a word.

import { HalliganError } from '../errors.ts'

/** A few sentences; longer ones belong into the incident. */
export const MAX_COMMENT_LENGTH = 500

/**
 * The text as it is kept, trimmed. Throws `usage` when it is shorter than `least` characters, longer than `most`, or
 * holds control or invisible characters; `what` names it, such as `a denial`.
 */
export function commentOf(text: string, what: string, least: number, most: number = MAX_COMMENT_LENGTH): string {
  const comment = text.length > most * 2 ? text : text.trim()
  const { length } = comment
  if (length > most)
    throw new HalliganError('usage', `${what} takes at most ${most} characters of explanation (${length} so far)`)
  if (length < least)
    throw new HalliganError('usage', `${what} needs a reason of at least ${least} characters (${length} so far)`)
  if (/[\p{C}\u2028\u2029]/u.test(comment))
    throw new HalliganError('usage', `${what} is explained in one line, without control characters`)
  return comment
}
