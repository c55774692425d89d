// A place in a JSON value: keys and indexes, one after the other, and nothing else. No wildcard, no filter, no expression.

export type Found =
  | { readonly kind: 'value'; readonly value: unknown; readonly at: string }
  /** The way ends before the place: a key or an element is not there, or null. */
  | { readonly kind: 'nothing'; readonly at: string }
  /** The answer is not built as the path says: an index into an object, a key of a text. */
  | { readonly kind: 'misshapen'; readonly why: string }

/** What one value may take of a line. */
const MAX_SHOWN_LENGTH = 60

/** Follows `path` from the root, by own keys only: `__proto__` and `constructor` are keys like others. */
export function lookUp(root: unknown, path: readonly (string | number)[]): Found {
  let value = root
  let at = '$'
  for (const step of path) {
    if (value === null) return { kind: 'nothing', at }
    const isIndex = typeof step === 'number'
    if (isIndex !== Array.isArray(value) || typeof value !== 'object')
      return { kind: 'misshapen', why: `${at} is no ${isIndex ? 'list' : 'object'}` }
    at += isIndex ? `[${step}]` : `.${step}`
    if (!Object.hasOwn(value, step)) return { kind: 'nothing', at }
    value = Reflect.get(value, step)
  }
  return value === null ? { kind: 'nothing', at } : { kind: 'value', value, at }
}

/** A value for a line: JSON, cut. */
export function show(value: unknown): string {
  const text = JSON.stringify(value)
  return text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}…` : text
}
