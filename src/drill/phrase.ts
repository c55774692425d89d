// Sentences of a story, word by word: literals, and slots that read a value. There is no guessing and no looking back: a
// sentence fits one verb whole, or it is an error.

import { parseDurationMs } from '../access/duration.ts'

/** A word of a line, or what stood between quotes or slashes. */
export type Token =
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'quoted'; readonly text: string }
  | { readonly kind: 'pattern'; readonly text: string }

/** Longer patterns are programs. */
const MAX_PATTERN_LENGTH = 120

/** Words, `"texts"` and `/patterns/`, separated by spaces; a message when a quote is not closed. */
export function tokens(line: string): readonly Token[] | string {
  const found: Token[] = []
  let at = 0
  while (at < line.length) {
    const first = line.charAt(at)
    if (first === ' ' || first === '\t') {
      at++
      continue
    }
    if (first === '"' || first === '/') {
      const end = line.indexOf(first, at + 1)
      if (end < 0) return first === '"' ? 'a quote is not closed' : 'a pattern is not closed with a slash'
      const next = line.charAt(end + 1)
      if (next !== '' && next !== ' ' && next !== '\t') return `there is no space behind the closing ${first}`
      found.push({ kind: first === '"' ? 'quoted' : 'pattern', text: line.slice(at + 1, end) })
      at = end + 1
    } else {
      const [word = ''] = /^[^\s"]+/.exec(line.slice(at)) ?? []
      if (word === '') return 'a quote stands inside a word'
      found.push({ kind: 'word', text: word })
      at += word.length
    }
  }
  return found
}

/** Reads a value from the tokens at `at`: the value and how many tokens it took, or undefined. */
type Slot<T> = (tokens: readonly Token[], at: number) => { readonly value: T; readonly took: number } | undefined

type Part = string | Slot<unknown>

type Values<P extends readonly Part[]> = P extends readonly [infer First, ...infer Rest extends readonly Part[]]
  ? First extends Slot<infer T>
    ? [T, ...Values<Rest>]
    : Values<Rest>
  : []

/** Fits a line, or not. */
export type Phrase<T> = (tokens: readonly Token[]) => T | undefined

/** A sentence of literal words (several in one string) and slots; `make` gets the slots' values in their order. */
export function phrase<const P extends readonly Part[], T>(parts: P, make: (...values: Values<P>) => T): Phrase<T> {
  return (line) => {
    const values: unknown[] = []
    let at = 0
    for (const part of parts) {
      const read = typeof part === 'string' ? words(part)(line, at) : part(line, at)
      if (read === undefined) return undefined
      if (typeof part !== 'string') values.push(read.value)
      at += read.took
    }
    return at === line.length ? make(...(values as Values<P>)) : undefined
  }
}

function words(literal: string): Slot<string> {
  const wanted = literal.split(' ')
  return (line, at) =>
    wanted.every((word, index) => wordAt(line, at + index) === word)
      ? { value: literal, took: wanted.length }
      : undefined
}

function wordAt(line: readonly Token[], at: number): string | undefined {
  const token = line[at]
  return token?.kind === 'word' ? token.text : undefined
}

/** One of these, each one or several words; the longest that fits. */
export function oneOf<const T extends string>(choices: readonly T[]): Slot<T> {
  const byLength = [...choices].sort((a, b) => b.length - a.length)
  return (line, at) => {
    for (const choice of byLength) {
      const read = words(choice)(line, at)
      if (read !== undefined) return { value: choice, took: read.took }
    }
    return undefined
  }
}

/** `"text"`: not empty, one line. */
export const text: Slot<string> = (line, at) => {
  const token = line[at]
  return token?.kind === 'quoted' && token.text !== '' ? { value: token.text, took: 1 } : undefined
}

/**
 * `/pattern/`: letters, digits and plain signs, `.`, `^`, `$`, `\d+` and `\w+`; nothing that could search for ever.
 */
export const pattern: Slot<RegExp> = (line, at) => {
  const token = line[at]
  if (token?.kind !== 'pattern' || token.text === '' || token.text.length > MAX_PATTERN_LENGTH) return undefined
  if (!/^\^?(?:[\w .:=,@;<>%#!'-]|\\[dws]\+?|\\[.$^()[\]{}*+?|])+\$?$/.test(token.text)) return undefined
  return { value: new RegExp(token.text), took: 1 }
}

/** `31m`, `1s`: more than nothing, at most a year. */
export const duration: Slot<number> = (line, at) => {
  const ms = parseDurationMs(wordAt(line, at) ?? '')
  return ms === undefined || ms < 1 || ms > 366 * 86_400_000 ? undefined : { value: ms, took: 1 }
}

/** A name of the audit log or of an alert, such as `grant.activated`. */
export const name: Slot<string> = (line, at) => {
  const word = wordAt(line, at)
  return word !== undefined && /^[a-z][a-z.-]{2,40}$/.test(word) ? { value: word, took: 1 } : undefined
}
