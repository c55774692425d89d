// Points in time as people write them: ISO 8601, in UTC where nothing else is said.

const INSTANT = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)?(Z|[+-]\d{2}:\d{2})?$/

/** Ms since the epoch; undefined when the text is no date or time. `2026-11-22`, `2026-11-22T03:00`, `…T03:00+01:00`. */
export function parseInstant(text: string): number | undefined {
  const [, zone] = INSTANT.exec(text) ?? [undefined, undefined]
  if (!INSTANT.test(text)) return undefined
  const isDate = text.length === 10
  // A date alone is read as UTC by Date.parse, a time without a zone as local time: nobody means this machine's.
  const at = Date.parse(zone === undefined && !isDate ? `${text}Z` : text)
  return Number.isNaN(at) ? undefined : at
}
