import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { typedLines, type TypedLine } from '../../web/src/keystrokes.ts'
import type { Recorded } from '../../web/src/recorded.ts'

/** Events from a script: `i` typed, `o` printed, each so many seconds after the one before. */
function events(...script: [after: number, code: string, data: unknown][]): Recorded[] {
  let at = 0
  return script.map(([after, code, data], seq) => {
    at += after
    return { seq, at, code, data }
  })
}

const plain = (lines: readonly TypedLine[]) =>
  lines.map((line) =>
    line.strokes.map((stroke) => {
      if (stroke.kind === 'key') return `<${stroke.text}>`
      if (stroke.kind === 'report') return '<report>'
      const text = stroke.isEchoed ? stroke.text : `hidden(${stroke.text})`
      return stroke.kind === 'paste' ? `paste(${text})` : text
    }),
  )

test('typed characters become lines, each ended by Enter', () => {
  const typed = events(
    [1, 'i', 'l'],
    [0.05, 'o', 'l'],
    [0.1, 'i', 's'],
    [0.05, 'o', 's'],
    [0.2, 'i', '\r'],
    [2, 'i', 'w'],
    [0, 'o', 'w'],
  )
  expect(plain(typedLines(typed))).toEqual([['ls', '<⏎>'], ['w']])
  expect(typedLines(typed).map((line) => line.at)).toEqual([1, expect.closeTo(3.4)])
})

test('echo that comes late, together or between colours is echo', () => {
  const fast = events([1, 'i', 'l'], [0.01, 'i', 's'], [0.3, 'o', '\x1b[1ml\x1b[0ms'], [1, 'i', '\r'])
  expect(plain(typedLines(fast))).toEqual([['ls', '<⏎>']])
})

test('what was not echoed is marked: a password, also where other output goes on', () => {
  const password = events(
    [1, 'o', 'Password: '],
    [1, 'i', 'h'],
    [0.1, 'i', 'u'],
    [0.1, 'i', 'n'],
    [0.2, 'i', '\r'],
    [0.1, 'o', '\r\n$ hun'],
  )
  expect(plain(typedLines(password))).toEqual([['hidden(hun)', '<⏎>']])
  const noisy = events(
    [1, 'i', 'x'],
    [0.1, 'o', 'GET /health 200\r\n'],
    [0.1, 'i', 'y'],
    [0.1, 'o', 'GET /health 200\r\n'],
  )
  expect(plain(typedLines(noisy))).toEqual([['hidden(xy)']])
})

test('a bracketed paste is one piece, with its lines, also when it comes in chunks', () => {
  const chunks = events([1, 'i', '\x1b[200~one\ntw'], [0, 'i', 'o\x1b[201~'], [0.1, 'o', 'one\r\ntwo'], [1, 'i', '\r'])
  expect(plain(typedLines(chunks))).toEqual([['paste(one\ntwo)', '<⏎>']])
})

test('a long chunk without brackets is a paste; one that the target did not echo is hidden', () => {
  const silent = events([1, 'i', 'correct horse'], [0.1, 'o', '\r\n'])
  expect(plain(typedLines(silent))).toEqual([['paste(hidden(correct horse))']])
})

test.each([
  ['\x1b[A', '<↑>'],
  ['\x1bOA', '<↑>'],
  ['\x1b[1;5C', '<^→>'],
  ['\x1b[3~', '<Del>'],
  ['\x1b', '<Esc>'],
  ['\x1bb', '<Alt-b>'],
  ['\x03', '<^C>'],
  ['\x7f', '<⌫>'],
  ['\t', '<⇥>'],
  ['\x1b[?62;c', '<report>'],
  ['\x1b[24;80R', '<report>'],
  ['\x1b[<0;10;10M', '<report>'],
  ['\x1b]11;rgb:0000/0000/0000\x07', '<report>'],
])('%j reads %s', (input, want) => {
  expect(plain(typedLines(events([1, 'i', input])))).toEqual([[want]])
})

test('bytes that are no text are read without loss of order', () => {
  const raw = events([1, 'b', { s: 'i', d: Buffer.from([0xff, 0x0d]).toString('base64') }])
  expect(plain(typedLines(raw))).toEqual([['hidden(\ufffd)', '<⏎>']])
})

test('any input gives lines in the order of time and never throws', () => {
  const code = fc.constantFrom('i', 'o', 'e', 'b', 'n', 'zz')
  const data = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.record({ s: fc.constantFrom('i', 'o', 'q'), d: fc.base64String() }),
    fc.jsonValue(),
  )
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.double({ min: 0, max: 20, noNaN: true }), code, data), { maxLength: 20 }),
      (script) => {
        const lines = typedLines(events(...script))
        const times = lines.map((line) => line.at)
        expect(times).toEqual(times.toSorted((a, b) => a - b))
      },
    ),
  )
})
