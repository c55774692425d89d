import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'

// design: a row may import any row below it; rooms of one row do not import each other.
const rows = [
  ['clock', 'errors', 'log', 'audit', 'target'],
  ['identity', 'ledger', 'pgwire', 'sshwire', 'outbound'],
  ['access', 'recording'],
  ['session', 'procedure'],
  ['ssh', 'postgres', 'pty', 'http', 'store', 'journal', 'archive', 'notify', 'incident'],
  ['cli', 'drill', 'config', 'demo'],
  // The composition root: what a whole Halligan is made of.
  ['main', 'bastion'],
]
const sideways = new Set(['procedure → session', 'demo → cli', 'drill → cli'])
const src = resolve(import.meta.dirname, '../src')

function files(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const full = join(folder, entry.name)
    if (entry.isDirectory()) return files(full)
    return full.endsWith('.ts') && !full.endsWith('.d.ts') ? [full] : []
  })
}

function room(file: string): string {
  const [first = ''] = relative(src, file).split('/')
  return first.replace(/\.ts$/, '')
}

const rank = (name: string) => rows.findIndex((row) => row.includes(name))

function arrows(file: string): { from: string; to: string; file: string; spec: string }[] {
  const text = readFileSync(file, 'utf8')
  const specs = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'|new URL\('(\.[^']+)'/g)].map(
    (m) => m[1] ?? m[2] ?? '',
  )
  return specs
    .filter((spec) => spec.endsWith('.ts'))
    .map((spec) => ({ from: room(file), to: room(resolve(dirname(file), spec)), file: relative(src, file), spec }))
}

test('every file stands in a room of the house', () => {
  expect(files(src).filter((file) => rank(room(file)) < 0)).toEqual([])
})

test('imports go down, never up or sideways', () => {
  const wrong = files(src)
    .flatMap(arrows)
    .filter(({ from, to }) => {
      if (from === to || sideways.has(`${from} → ${to}`)) return false
      // The vocabulary of the bottom row is one room, and so is the root: their files may name each other.
      if (rank(from) === rank(to) && (rank(from) === 0 || rank(from) === rows.length - 1)) return false
      return rank(to) >= rank(from)
    })
  expect(wrong).toEqual([])
})

test('there is no barrel and no room without a noun', () => {
  const named = files(src).map((file) => relative(src, file))
  expect(named.filter((file) => /(^|\/)(index|utils?|helpers?|common|misc)(\.ts|\/)/.test(file))).toEqual([])
})

test('no source file is longer than 400 lines', () => {
  const long = files(src).filter((file) => readFileSync(file, 'utf8').split('\n').length > 400)
  expect(long.map((file) => relative(src, file))).toEqual([])
})
