import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { AsciicastExport } from '../../src/recording/asciicast-export.ts'
import { encodeLine, type EventCode, type Stream } from '../../src/recording/event-line.ts'
import { exportLines, type Exporter } from '../../src/recording/exported-line.ts'
import { PlainScreen } from '../../src/recording/plain-screen.ts'
import { JsonlExport, SqlExport, TextExport } from '../../src/recording/text-export.ts'

const noon = Date.UTC(2026, 10, 21, 12) / 1000

function header(kind: 'shell' | 'sql'): Buffer {
  const grant = { id: 'g7f3', trigger: 'customer-impact', reason: 'payments are stuck' }
  const halligan = { id: 'sabc', address: '192.0.2.7', what: { kind }, grant }
  const term = { cols: 100, rows: 30, type: 'xterm' }
  return encodeLine(0, {
    kind: 'header',
    header: { version: 3, term, timestamp: noon, title: 'alice on deploy@web-1', halligan },
  })
}

const bytes = (seconds: number, stream: Stream, text: string | Buffer): Buffer =>
  encodeLine(seconds, { kind: 'bytes', stream, bytes: Buffer.from(text) })
const fact = (seconds: number, code: EventCode, data: unknown): Buffer =>
  encodeLine(seconds, { kind: 'fact', code, data })

async function exported(lines: readonly Buffer[], exporter: Exporter): Promise<string> {
  async function* each(): AsyncGenerator<Buffer> {
    yield* lines
  }
  return (await Array.fromAsync(exportLines(each(), exporter))).join('')
}

const shell = [
  header('shell'),
  fact(0.1, 'c', { request: 'pty-req' }),
  bytes(0.1, 'o', '$ '),
  bytes(1, 'i', 'ls\r'),
  bytes(0.5, 'o', 'ls\r\n\u001b[1mREADME\u001b[0m\r\n'),
  // One character in two lines, neither of them whole.
  bytes(0.25, 'o', Buffer.from([0xe2, 0x82])),
  bytes(0.25, 'o', Buffer.from([0xac, 0x0a])),
  bytes(0, 'e', 'cut\u0007\n'),
  fact(1, 'r', '120x40'),
  fact(1, 'n', { kind: 'notice', text: 'grant g7f3 ends in 5 min' }),
  fact(1, 'x', '0'),
]

test('asciicast 3 keeps what a player knows, at the times it happened', async () => {
  const [first, ...events] = (await exported(shell, new AsciicastExport(3))).trim().split('\n')
  expect(JSON.parse(first ?? '')).toEqual({
    version: 3,
    term: { cols: 100, rows: 30, type: 'xterm' },
    timestamp: noon,
    title: 'alice on deploy@web-1',
  })
  expect(events.map((line) => JSON.parse(line) as unknown)).toEqual([
    [0.2, 'o', '$ '],
    [1, 'i', 'ls\r'],
    [0.5, 'o', 'ls\r\n\u001b[1mREADME\u001b[0m\r\n'],
    [0.5, 'o', '€\n'],
    [0, 'o', 'cut\u0007\n'],
    [1, 'r', '120x40'],
    [1, 'm', 'grant g7f3 ends in 5 min'],
    [1, 'x', '0'],
  ])
})

test('asciicast 2 counts from the start and has no exit status', async () => {
  const lines = (await exported(shell, new AsciicastExport(2)))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown)
  expect(lines[0]).toMatchObject({ version: 2, width: 100, height: 30, env: { TERM: 'xterm' } })
  expect(lines.slice(1).map((line) => (line as unknown[]).slice(0, 2))).toEqual([
    [0.2, 'o'],
    [1.2, 'i'],
    [1.7, 'o'],
    [2.2, 'o'],
    [2.2, 'o'],
    [3.2, 'r'],
    [4.2, 'm'],
  ])
})

test('text shows the screen without its control sequences, and what Halligan said', async () => {
  expect((await exported(shell, new TextExport())).split('\n').slice(5)).toEqual([
    '12:00:01.700  $ ls',
    '12:00:01.700  README',
    '12:00:02.200  €',
    '12:00:02.200  cut',
    '12:00:04.200  [grant g7f3 ends in 5 min]',
    '',
  ])
})

test('jsonl loses nothing: every event with its number and its time', async () => {
  const lines = (await exported(shell, new JsonlExport()))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(lines.map(({ seq }) => seq)).toEqual(shell.map((_, index) => index))
  expect(lines[0]).toMatchObject({ code: 'header', data: { id: 'sabc', grant: { reason: 'payments are stuck' } } })
  expect(lines[4]).toMatchObject({ at: '2026-11-21T12:00:01.700Z', seconds: 1.7, code: 'o' })
  expect(lines[5]).toMatchObject({ code: 'b', data: { s: 'o', d: '4oI=' } })
})

const sql = [
  header('sql'),
  fact(1, 'q', { id: 1, kind: 'query', sql: "update a set b = 'x\u001b[2J'" }),
  fact(0.01, 'd', { id: 1, tag: 'UPDATE 3', rows: 3, ms: 1.5 }),
  fact(1, 'q', { id: 2, kind: 'parse', name: 's', sql: 'select $1, $2' }),
  fact(0, 'p', { id: 3, statement: 's', values: ["o'clock\n-- no", null], executed: true }),
  fact(0, 'q', { id: 4, kind: 'query', sql: 'selekt 1;' }),
  fact(0.01, 'd', { id: 2, tag: null, rows: 0, ms: 0 }),
  fact(0, 'd', { id: 3, tag: 'SELECT 1', rows: 1, ms: 0.25, statement: 2 }),
  fact(0, 'd', { id: 4, tag: null, rows: 0, ms: 0.5, severity: 'ERROR', sqlstate: '42601', error: 'syntax\nerror' }),
  fact(0, 'q', { id: 5, kind: 'query', sql: 'select pg_sleep(9)' }),
  fact(1, 'x', '0'),
]

test('sql is a script under its outcomes, and nothing in it leaves its comment or reaches a terminal', async () => {
  const text = await exported(sql, new SqlExport())
  expect(text.split('\n').slice(5)).toEqual([
    '-- 12:00:01.000 UTC  #1  UPDATE 3, 3 rows, 1.5 ms',
    "update a set b = 'x␛[2J';",
    '',
    '-- 12:00:02.010 UTC  #3  SELECT 1, 1 row, 0.25 ms',
    '-- $1 = "o\'clock\\n-- no"',
    '-- $2 = NULL',
    'select $1, $2;',
    '',
    '-- 12:00:02.010 UTC  #4  ERROR 42601: syntax␊error, 0.5 ms',
    'selekt 1;',
    '',
    '-- 12:00:02.020 UTC  #5  outcome unknown',
    'select pg_sleep(9);',
    '',
    '',
  ])
})

test('what was marked as risky is a chapter of its own', async () => {
  const label = 'risky statement 1: DROP'
  const marked = [header('sql'), fact(1, 'q', { id: 1, kind: 'query', sql: 'drop table t' }), fact(0, 'm', label)]
  const events = (await exported(marked, new AsciicastExport(2))).trim().split('\n').slice(1)
  expect(events.map((line) => JSON.parse(line) as unknown)).toEqual([[1, 'm', label]])
})

test('an sql session plays as a terminal: one marker and one screenful for each statement', async () => {
  const events = (await exported(sql, new AsciicastExport(3)))
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => JSON.parse(line) as [number, string, string])
  expect(events.map(([, code]) => code)).toEqual(['m', 'o', 'm', 'o', 'm', 'o', 'x'])
  expect(events[1]?.[2]).toContain('UPDATE 3, 3 rows')
  expect(events[1]?.[2]).not.toContain('\u001b[2J')
})

test('a day of keystrokes does not drift', async () => {
  const strokes = Array.from({ length: 50_000 }, () => bytes(0.1, 'o', 'x'))
  const lines = (await exported([header('shell'), ...strokes], new AsciicastExport(2))).trim().split('\n')
  expect((JSON.parse(lines.at(-1) ?? '') as unknown[])[0]).toBe(5000)
})

test('whatever a target writes, in whatever pieces, the plain screen stays plain and bounded', () => {
  const pieces = fc.array(
    fc.oneof(fc.string(), fc.constantFrom('\u001b[', '\u001b]0;', '\u009b', '\r', '\n', '\b', 'x')),
  )
  fc.assert(
    fc.property(pieces, (output) => {
      const screen = new PlainScreen()
      const lines = [...output.flatMap((piece) => screen.write(piece)), ...screen.flush()]
      for (const line of lines) expect(line).not.toMatch(/(?!\t)\p{Cc}/u)
    }),
  )
  const screen = new PlainScreen()
  expect(screen.write(`\u001b]0;${'t'.repeat(20_000)}`).join('').length).toBeGreaterThan(0)
  const long = [...screen.write('y'.repeat(100_000)), ...screen.flush()]
  expect(Math.max(...long.map((line) => line.length))).toBeLessThanOrEqual(4096)
})

test('a line that is none ends the export with an error, not with less', async () => {
  await expect(exported([header('shell'), Buffer.from('{')], new TextExport())).rejects.toThrow()
})
