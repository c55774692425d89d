// The committed example, and ways to spoil it: the tests of this room change one thing at a time in a file that is sound.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect } from 'vitest'
import { checkConfig } from '../../src/config/parse.ts'

export const exampleFile = resolve(import.meta.dirname, '../../config/halligan.example.yaml')
export const example = readFileSync(exampleFile, 'utf8')

/** The example with one piece replaced; the piece must be in it. */
export function spoiled(piece: string, by: string): string {
  expect(example).toContain(piece)
  return example.replace(piece, () => by)
}

/** What each problem of a text underlines, and its message. */
export function problemsOf(text: string): { at: string; message: string }[] {
  const lines = text.split(/\r?\n/)
  return checkConfig(text, exampleFile).map(({ line, column, length, message }) => ({
    at: (lines[line - 1] ?? '').slice(column - 1, column - 1 + length),
    message,
  }))
}
