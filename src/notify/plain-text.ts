// Text that somebody else wrote, made fit for a line that people read: no line of its own, nothing invisible, nothing that
// turns the text around it, no address that a client makes a link of, and never longer than its place.

/** Stands for what was cut off. */
const ellipsis = '…'
/** Word joiner: keeps two characters apart for whoever parses them, and shows nothing. */
const joiner = '\u2060'

/** Line and paragraph ends and control characters: each run becomes one space. */
const breaks = /[\p{Cc}\p{Zl}\p{Zp}]+/gu
/** Format characters (direction overrides and isolates, zero-width ones, tags, byte order marks), private use, unassigned. */
const invisible = /[\p{Cf}\p{Co}\p{Cn}]/gu
/** More than this in a row on one letter covers the lines above and below. */
const stackedMarks = /(\p{M}{4})\p{M}+/gu

/**
 * `value` as one line of at most `most` characters (code points). Strings are taken as they are, anything else as JSON;
 * lone surrogates become U+FFFD. Chat services and mail programs make no link of it.
 */
export function plainText(value: unknown, most: number): string {
  return unlinked(oneLine(value, most))
}

/** As `plainText`, with addresses as they were written: for machines. */
export function oneLine(value: unknown, most: number): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  // Nothing far beyond the place is looked at: a text can have 64 KiB, a pattern must not walk them all.
  const seen = most * 4
  const clean = text
    .slice(0, seen)
    .toWellFormed()
    .replaceAll(breaks, ' ')
    .replaceAll(invisible, '')
    .replaceAll(stackedMarks, '$1')
    .replaceAll(/ {2,}/g, ' ')
    .trim()
  return cut(text.length > seen ? `${clean}${ellipsis}` : clean, most)
}

/** At most `most` code points; a longer text ends in `…`. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text
  const characters = Array.from(text)
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}${ellipsis}`
}

/** `https://…`, `www.…`, `user@…` and `{{DATE(…)}}` read the same and mean nothing any more. */
function unlinked(text: string): string {
  return text
    .replaceAll('://', `:${joiner}//`)
    .replaceAll(/\bwww\./gi, (start) => `${start.slice(0, -1)}${joiner}.`)
    .replaceAll('@', `@${joiner}`)
    .replaceAll('{{', `{${joiner}{`)
}
