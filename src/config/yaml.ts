// YAML 1.2 (core schema) to plain values, each with its place in the file. It takes less than YAML allows: one document,
// no tags, no directives, text keys only, few aliases; all of it bounded before it costs anything.

import { Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import { MAX_PROBLEMS, type Problem } from './problem.ts'

/** A thousand targets fit several times over; more is not a configuration written by people. */
export const MAX_CONFIG_BYTES = 1024 * 1024

/** Values after aliases are expanded: what a bomb of nested aliases runs into. */
const MAX_NODES = 100_000
const MAX_DEPTH = 32

/** Aliases save a few repeated lines; each costs a walk through the document. */
const MAX_ALIASES = 100

/** A problem of the file as a whole. */
const WHOLE = { line: 0, column: 0, length: 1 }
const TOO_DEEP: Problem = { ...WHOLE, message: 'the file is nested too deeply' }

export type Path = readonly (string | number)[]

export interface YamlTree {
  readonly value: unknown
  /** Where the value at `path` stands, or its key; of a path that is not there, the nearest one above it that is. */
  place(path: Path, part?: 'key' | 'value'): Pick<Problem, 'line' | 'column' | 'length'>
}

export type YamlResult =
  | { readonly kind: 'ok'; readonly tree: YamlTree }
  | { readonly kind: 'bad'; readonly problems: readonly Problem[] }

/** Parses a document. Never throws; at most `MAX_PROBLEMS` problems and one that says there are more. */
export function parseYaml(text: string): YamlResult {
  const sizeBytes = Buffer.byteLength(text)
  if (sizeBytes > MAX_CONFIG_BYTES)
    return bad([{ ...WHOLE, message: `the file has ${sizeBytes} bytes, at most ${MAX_CONFIG_BYTES} are read` }])
  const nul = text.indexOf('\0')
  if (nul >= 0) {
    const before = text.slice(0, nul).split('\n')
    const column = (before.at(-1)?.length ?? 0) + 1
    return bad([{ line: before.length, column, length: 1, message: 'a NUL byte: this is not a text file' }])
  }
  const lines = new LineCounter()
  try {
    // Not the library's uniqueKeys: it compares every key with every other; the walk below finds them with a set.
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: false,
      version: '1.2',
      schema: 'core',
    })
    return walk(document, lines)
  } catch (error) {
    if (error instanceof RangeError) return bad([TOO_DEEP])
    throw error
  }
}

function walk(document: Document.Parsed, lines: LineCounter): YamlResult {
  // The parser recurses, and says so when it ends its stack.
  if (document.errors.some(({ message }) => message.includes('call stack'))) return bad([TOO_DEEP])
  const syntax = [...document.errors, ...document.warnings].map(({ pos: [start, end], message }) => ({
    ...placeOf(lines, start, end),
    message: sentence(message),
    hint: message.includes('Tabs') ? 'indent with spaces' : undefined,
  }))
  if (syntax.length > 0) return bad(syntax)
  const walker = new Walker(document, lines)
  if (document.directives.yaml.explicit === true || Object.keys(document.directives.tags).length > 1)
    walker.report(0, 1, 'directives are not used here')
  const { contents } = document
  if (contents === null || (isScalar(contents) && contents.value === null))
    return bad([{ ...WHOLE, message: 'the file is empty' }])
  const value = walker.read(contents, [], 0)
  if (walker.problems.length > 0) return bad(walker.problems)
  const places = walker.places
  const place = (path: Path, part: 'key' | 'value' = 'value') => {
    for (let length = path.length; length >= 0; length--) {
      const found = places.get(keyOf(path.slice(0, length)))
      // Of a field that is missing, the key of the object that lacks it says most.
      if (found !== undefined) return length < path.length || part === 'key' ? (found.key ?? found.value) : found.value
    }
    return { line: 1, column: 1, length: 1 }
  }
  return { kind: 'ok', tree: { value, place } }
}

type Place = Pick<Problem, 'line' | 'column' | 'length'>

class Walker {
  readonly problems: Problem[] = []
  readonly places = new Map<string, { readonly key: Place | undefined; readonly value: Place }>()
  readonly #document: Document.Parsed
  readonly #lines: LineCounter
  #nodes = 0
  #aliases = 0

  constructor(document: Document.Parsed, lines: LineCounter) {
    this.#document = document
    this.#lines = lines
  }

  report(start: number, end: number, message: string, hint?: string): void {
    if (this.problems.length <= MAX_PROBLEMS) this.problems.push({ ...placeOf(this.#lines, start, end), message, hint })
  }

  /** The plain value of a node; its place and those below it are noted under their paths. */
  read(node: Node | null, path: Path, depth: number, key?: Place): unknown {
    const [start, end] = node?.range ?? [0, 1]
    this.#nodes++
    if (this.#nodes > MAX_NODES) {
      if (this.#nodes === MAX_NODES + 1)
        this.report(start, end, `more than ${MAX_NODES} values, counting aliases in full`)
      return null
    }
    if (depth > MAX_DEPTH) {
      this.report(start, end, `nested more than ${MAX_DEPTH} deep`)
      return null
    }
    this.places.set(keyOf(path), { key, value: placeOf(this.#lines, start, end) })
    if (node === null) return null
    if (isAlias(node)) return this.#alias(node.resolve(this.#document) ?? null, node.source, path, depth, start, end)
    if ('tag' in node && node.tag !== undefined) this.report(start, end, `the tag ${node.tag} is not used here`)
    if (isSeq<Node | null>(node)) return node.items.map((item, index) => this.read(item, [...path, index], depth + 1))
    if (isMap<Node | null, Node | null>(node)) return this.#map(node.items, path, depth)
    if (isScalar(node)) return this.#scalar(node.value, start, end)
    this.report(start, end, 'this is no value')
    return null
  }

  #alias(anchor: Node | null, name: string, path: Path, depth: number, start: number, end: number): unknown {
    this.#aliases++
    if (this.#aliases > MAX_ALIASES) {
      if (this.#aliases === MAX_ALIASES + 1) this.report(start, end, `more than ${MAX_ALIASES} aliases`)
      return null
    }
    if (anchor !== null) return this.read(anchor, path, depth + 1)
    this.report(start, end, `nothing above is named &${name}`)
    return null
  }

  #map(items: readonly { key: Node | null; value: Node | null }[], path: Path, depth: number): unknown {
    // Without a prototype: `__proto__` and `constructor` are keys like any other, and unknown ones.
    const object: Record<string, unknown> = Object.create(null) as Record<string, unknown>
    for (const { key, value } of items) {
      const [start, end] = key?.range ?? [0, 1]
      if (!isScalar(key) || typeof key.value !== 'string') {
        this.report(start, end, 'a key must be text', 'put it in quotes if it is meant to be text')
        continue
      }
      if (Object.hasOwn(object, key.value)) {
        this.report(start, end, `"${key.value}" is here twice`)
        continue
      }
      object[key.value] = this.read(value, [...path, key.value], depth + 1, placeOf(this.#lines, start, end))
    }
    return object
  }

  #scalar(value: unknown, start: number, end: number): unknown {
    if (typeof value === 'string' && /[\p{Cc}--[\t\n\r]]/v.test(value)) this.report(start, end, 'a control character')
    if (typeof value === 'number' && !Number.isFinite(value)) this.report(start, end, 'this is no number we can use')
    return value
  }
}

function bad(problems: readonly Problem[]): YamlResult {
  return { kind: 'bad', problems: problems.slice(0, MAX_PROBLEMS + 1) }
}

function keyOf(path: Path): string {
  return JSON.stringify(path)
}

function placeOf(lines: LineCounter, start: number, end: number): Place {
  const { line, col } = lines.linePos(start)
  return { line: Math.max(1, line), column: Math.max(1, col), length: Math.max(1, end - start) }
}

/** The library speaks in capitals and of its own functions; we in lower case and of the file. */
function sentence(message: string): string {
  if (message.includes('multiple documents')) return 'a second document begins here; only one is read'
  return message.charAt(0).toLowerCase() + message.slice(1)
}
