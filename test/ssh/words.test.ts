import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { HalliganError } from '../../src/errors.ts'
import { errorLines, recordedLine, ScreenWatch, terminalText } from '../../src/ssh/banner.ts'
import { splitCommand } from '../../src/ssh/command-line.ts'
import { LineInput, MAX_LINE_BYTES } from '../../src/ssh/line-input.ts'
import { duration } from '../../src/ssh/prompt.ts'
import { grantOf } from '../support/grant.ts'

test.for([
  { command: '', words: [] },
  { command: '  whoami  ', words: ['whoami'] },
  { command: 'request web-1 --reason "a b"', words: ['request', 'web-1', '--reason', 'a b'] },
  { command: `a="b c"'d e'`, words: ['a=b cd e'] },
  { command: `we can't, and won't`, words: ['we', `can't,`, 'and', `won't`] },
  { command: `the users' été'`, words: ['the', `users'`, `été'`] },
  { command: `''`, words: [''] },
  { command: `a\\ b`, words: ['a b'] },
  { command: `"a\\"b\\n"`, words: ['a"b\\n'] },
  { command: `'a\\'`, words: ['a\\'] },
  { command: 'a;b $HOME `id` *', words: ['a;b', '$HOME', '`id`', '*'] },
])('$command splits into words', ({ command, words }) => {
  expect(splitCommand(Buffer.from(command))).toEqual(words)
})

test('any bytes split, or are refused as usage', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.string().map((text) => new TextEncoder().encode(text)),
      ),
      (bytes) => {
        try {
          splitCommand(Buffer.from(bytes))
        } catch (error) {
          expect(error).toBeInstanceOf(HalliganError)
        }
      },
    ),
  )
})

test('quoted as a shell would, any words come back', () => {
  const word = fc.string({ unit: 'grapheme-ascii' })
  fc.assert(
    fc.property(fc.array(word), (words) => {
      const quoted = words.map((text) => `'${text.replaceAll("'", `'\\''`)}'`).join(' ')
      expect(splitCommand(Buffer.from(quoted))).toEqual(words)
    }),
  )
})

test('the banner names grant, incident and end', () => {
  const now = Date.UTC(2026, 10, 21, 14, 3, 0)
  expect(recordedLine(grantOf(now, { incident: 'INC-42', expiresAt: now + 29.5 * 60_000 }), now)).toBe(
    'recorded, grant g7f3 (INC-42), ends 14:32 UTC (29 min)',
  )
  expect(recordedLine(grantOf(now, { expiresAt: now + 60_000, vouchedBy: 'bob' }), now)).toBe(
    'recorded, grant g7f3, ends 14:04 UTC (1 min), vouched for by bob',
  )
})

test('an error is shown in ASCII, with its hint on a line of its own', () => {
  const error = new HalliganError('denied', 'no \u001b[2J policy', { hint: 'ask früh' })
  expect(terminalText(errorLines(error), true).toString()).toBe('halligan: no ?[2J policy\r\nhint: ask fr?h\r\n')
})

test.for([
  { ms: 30 * 60_000, want: '30m' },
  { ms: 90 * 60_000, want: '1h30m' },
  { ms: 2 * 3_600_000, want: '2h' },
  { ms: 1, want: '1m' },
])('$ms ms are $want', ({ ms, want }) => {
  expect(duration(ms)).toBe(want)
})

test('the alternate screen is seen however its switch is cut', () => {
  const bytes = Buffer.from('text\u001b[?1049hvim\u001b[?25l')
  for (let cut = 0; cut <= bytes.length; cut++) {
    const watch = new ScreenWatch()
    watch.output(bytes.subarray(0, cut))
    watch.output(bytes.subarray(cut))
    expect(watch.isAlternate).toBe(true)
    watch.output(Buffer.from('\u001b[?1049l'))
    expect(watch.isAlternate).toBe(false)
  }
})

test('lines are read however they are cut and ended, and end with the file', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.stringMatching(/^[a-z]{0,9}$/), { maxLength: 9 }),
      fc.constantFrom('\n', '\r\n'),
      fc.nat(3),
      async (lines, end, size) => {
        const input = new LineInput(
          false,
          () => undefined,
          () => undefined,
        )
        const bytes = Buffer.from(lines.map((line) => line + end).join(''))
        for (let at = 0; at < bytes.length; at += size + 1) input.push(bytes.subarray(at, at + size + 1))
        input.end()
        const read: (string | undefined)[] = []
        for (let count = 0; count <= lines.length; count++) read.push(await input.next(true))
        expect(read).toEqual([...lines, undefined])
      },
    ),
  )
})

test('a line without end is cut, not kept', async () => {
  const input = new LineInput(
    false,
    () => undefined,
    () => undefined,
  )
  input.push(Buffer.alloc(1 << 20, 'x'))
  input.push(Buffer.from('\n'))
  expect((await input.next(true))?.length).toBe(MAX_LINE_BYTES)
})

test('a terminal full of half-said switches is read in no time', () => {
  // Two minutes for a pattern that tries every way to cut it; everyone else would wait for that.
  for (const text of [`\x1b[?${'47;'.repeat(100_000)}`, `\x1b[?47${';1'.repeat(100_000)}`, '\x1b[?'.repeat(100_000)]) {
    const screen = new ScreenWatch()
    const startMs = performance.now()
    screen.output(Buffer.from(text))
    expect(performance.now() - startMs).toBeLessThan(2_000)
    expect(screen.isAlternate).toBe(false)
  }
  const screen = new ScreenWatch()
  screen.output(Buffer.from('\x1b[?25;1049;2004h'))
  expect(screen.isAlternate).toBe(true)
})
