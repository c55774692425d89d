import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { csvCell, reportCsv } from '../../src/procedure/report-csv.ts'
import type { Report } from '../../src/procedure/report.ts'

const cells: readonly { readonly name: string; readonly text: string; readonly want: string }[] = [
  { name: 'plain text', text: 'database', want: '"database"' },
  { name: 'nothing', text: '', want: '""' },
  { name: 'quotes and commas', text: 'a "b", c', want: '"a ""b"", c"' },
  { name: 'a formula', text: '=1+1', want: `"'=1+1"` },
  {
    name: 'a formula that calls',
    text: `=HYPERLINK("http://evil.example","x")`,
    want: `"'=HYPERLINK(""http://evil.example"",""x"")"`,
  },
  { name: 'a plus', text: '+1', want: `"'+1"` },
  { name: 'a minus', text: '-1', want: `"'-1"` },
  { name: 'an at', text: '@SUM(A1)', want: `"'@SUM(A1)"` },
  { name: 'a formula behind spaces', text: '  =1', want: `"'  =1"` },
  { name: 'a formula behind a non-breaking space', text: '\u00a0=1', want: `"'\u00a0=1"` },
  { name: 'a formula in wide characters', text: '＝1', want: `"'＝1"` },
  { name: 'a pipe', text: "|cmd' /c calc'!A0", want: `"'|cmd' /c calc'!A0"` },
  { name: 'a tab before a formula', text: '\t=1', want: '"\\u{9}=1"' },
  { name: 'a line end', text: 'a\r\n=1', want: '"a\\u{d}\\u{a}=1"' },
  { name: 'an escape sequence', text: '\u001b[2J', want: '"\\u{1b}[2J"' },
  { name: 'text turned around', text: 'a\u202eb', want: '"a\\u{202e}b"' },
  { name: 'a NUL', text: '\u0000', want: '"\\u{0}"' },
  { name: 'a byte order mark', text: '\ufeff=1', want: '"\\u{feff}=1"' },
]
for (const { name, text, want } of cells)
  test(`${name} in a cell`, () => {
    expect(csvCell(text)).toBe(want)
  })

test('a number is a number', () => {
  expect(csvCell(0)).toBe('0')
  expect(csvCell(1234.5)).toBe('1234.5')
})

test('whatever the text, a cell is one quoted cell that begins no formula and holds no control', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string()), (text) => {
      const cell = csvCell(text)
      expect(cell).toMatch(/^"(?:[^"]|"")*"$/u)
      expect(cell).not.toMatch(/\p{Cc}/u)
      expect(cell.slice(1)).not.toMatch(/^[=+\-@|%]/)
    }),
  )
})

test('one row per figure under its head, as RFC 4180 ends lines', () => {
  const evidence = { grants: ['g1', 'g2'], leaves: [3, 9], alerts: [] }
  const report: Report = {
    month: '2026-11',
    since: 0,
    before: 1,
    asOf: 1,
    isOver: true,
    cut: [],
    contradictions: [],
    sections: [
      { policy: null, figures: [{ name: 'uses', of: null, value: 2, unit: 'count', evidence }] },
      {
        policy: '=evil',
        figures: [
          {
            name: 'uses-by-trigger',
            of: '@x',
            value: null,
            unit: 'count',
            evidence: { grants: [], leaves: [], alerts: [] },
          },
        ],
      },
    ],
    controls: [],
  }
  expect(reportCsv(report).split('\r\n')).toEqual([
    '"month","policy","figure","of","value","unit","grants","ledger leaves","alerts"',
    '"2026-11","(all)","uses","",2,"count","g1 g2","3 9",""',
    `"2026-11","'=evil","uses-by-trigger","'@x","","count","","",""`,
    '',
  ])
})
