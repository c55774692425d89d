// What zod found, in the words of this file: a place, what stands there, what should.

import type * as z from 'zod'
import { nearest } from './spelling.ts'
import type { Path } from './yaml.ts'

export interface SchemaProblem {
  readonly path: Path
  /** The key is wrong, not its value. */
  readonly isKey: boolean
  readonly message: string
  readonly hint?: string
}

/** zod's sentences begin in capitals; ours, written in the schema, never do. */
const ownWords = /^[^A-Z]/

/** One issue as one or more problems. `fields` gives all field names there are, for "did you mean". */
export function schemaProblems(issue: z.core.$ZodIssue, fields: () => readonly string[]): SchemaProblem[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol')
  const problem = (message: string): SchemaProblem[] => [{ path, isKey: false, message: at(path, message) }]
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => {
      const meant = nearest(key, fields())
      return {
        path: [...path, key],
        isKey: true,
        message: `unknown field "${key}"${path.length === 0 ? '' : ` in ${pathText(path)}`}`,
        ...(meant === undefined ? {} : { hint: `did you mean "${meant}"?` }),
      }
    })
  if (issue.code === 'invalid_union' && !ownWords.test(issue.message)) {
    const inner = closestBranch(issue)
    if (inner !== undefined)
      return inner.flatMap((one) => schemaProblems({ ...one, path: [...issue.path, ...one.path] }, fields))
  }
  if (issue.code === 'invalid_key') {
    const [first] = issue.issues
    return [
      { path, isKey: true, message: at(path, first === undefined ? 'not a key that can be used' : first.message) },
    ]
  }
  if (ownWords.test(issue.message)) return problem(issue.message)
  if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined'))
    return [
      { path, isKey: false, message: `${pathText(path)} is missing (${kinds[issue.expected] ?? issue.expected})` },
    ]
  return problem(inPlainWords(issue))
}

/** Of several shapes, the one that was meant: the branch that does not already fail on what kind of value it is. */
function closestBranch(issue: z.core.$ZodIssueInvalidUnion): readonly z.core.$ZodIssue[] | undefined {
  return issue.errors.find((branch) => !branch.some(({ path, code }) => path.length === 0 && code === 'invalid_type'))
}

function inPlainWords(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${kinds[issue.expected] ?? issue.expected}, found ${found(issue.message)}`
    case 'too_small':
      return `must ${amount(issue.origin, 'at least', Number(issue.minimum))}`
    case 'too_big':
      return `must ${amount(issue.origin, 'at most', Number(issue.maximum))}`
    case 'invalid_value':
      return `must be ${issue.values.map(String).join(' or ')}`
    case 'invalid_union':
      return 'is none of the forms that are allowed here'
    case 'invalid_format':
    case 'not_multiple_of':
    case 'unrecognized_keys':
    case 'invalid_key':
    case 'invalid_element':
    case 'custom':
      return issue.message
  }
}

const kinds: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'fields',
  record: 'fields',
}

/** zod keeps the input out of its issues, and we want it out of our messages: only its kind is told. */
function found(message: string): string {
  const received = /received (\w+)$/.exec(message)?.[1] ?? 'something else'
  return received === 'null' ? 'nothing' : (kinds[received] ?? received)
}

function amount(origin: string, bound: string, count: number): string {
  if (origin === 'array') return `have ${bound} ${count} ${count === 1 ? 'entry' : 'entries'}`
  if (origin === 'string') return `have ${bound} ${count} characters`
  return `be ${bound} ${count}`
}

function at(path: Path, message: string): string {
  return path.length === 0 ? message : `${pathText(path)}: ${message}`
}

/** `policies[0].duration.max` */
export function pathText(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`
    return text === '' ? part : `${text}.${part}`
  }, '')
}
