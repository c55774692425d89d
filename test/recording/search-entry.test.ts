import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import { encodeLine, type LineBody } from '../../src/recording/event-line.ts'
import { exportLines } from '../../src/recording/exported-line.ts'
import { longestEntry, SearchEntries, type SearchEntry } from '../../src/recording/search-entry.ts'

const terminal = { kind: 'shell', term: { type: 'xterm', cols: 80, rows: 24 } }

async function entriesOf(bodies: readonly LineBody[], what: unknown = terminal, most?: number): Promise<SearchEntry[]> {
  const header = { version: 3, term: { cols: 80, rows: 24 }, timestamp: 0, title: '', halligan: { what } }
  async function* lines() {
    yield encodeLine(0, { kind: 'header', header })
    for (const body of bodies) yield encodeLine(0.1, body)
  }
  return (await Array.fromAsync(exportLines(lines(), new SearchEntries(most)))).flat()
}

const o = (text: string): LineBody => ({ kind: 'bytes', stream: 'o', bytes: Buffer.from(text) })
const i = (text: string): LineBody => ({ kind: 'bytes', stream: 'i', bytes: Buffer.from(text) })

/** Keys one by one, each echoed as `echo` says. */
function type(keys: string, echo: (key: string) => string): LineBody[] {
  return Array.from(keys).flatMap((key) => (echo(key) === '' ? [i(key)] : [i(key), o(echo(key))]))
}

const shell = (key: string) => (key === '\r' ? '\r\n' : key === '\x7f' ? '\b\x1b[K' : key < ' ' ? '' : key)

const typedIn = (entries: readonly SearchEntry[]) =>
  entries.filter((entry) => entry.kind === 'typed').map((entry) => entry.text)
const shownIn = (entries: readonly SearchEntry[]) =>
  entries.filter((entry) => entry.kind === 'screen').map((entry) => entry.text)

test('a typed line is what the target took: edited, at its time', async () => {
  const entries = await entriesOf([o('$ '), ...type('lss\x7f -la\r', shell), o('total 0\r\n')])
  expect(typedIn(entries)).toEqual(['ls -la'])
  expect(shownIn(entries)).toEqual(['$ ls -la', 'total 0'])
  expect(entries.find((entry) => entry.kind === 'typed')?.line).toBe(18)
})

test('a line that was completed or recalled is read from the screen', async () => {
  const completed = [o('$ '), ...type('cat /etc/ho', shell), i('\t'), o('sts '), i('\r'), o('\r\n')]
  const recalled = [o('$ '), i('\x1b[A'), o('reboot now'), i('\r'), o('\r\n')]
  expect(typedIn(await entriesOf([...completed, ...recalled]))).toEqual(['cat /etc/hosts', 'reboot now'])
})

for (const { name, bodies } of [
  { name: 'is not echoed', bodies: [o('Password: '), ...type('zebra9\r', (key) => (key === '\r' ? '\r\n' : ''))] },
  { name: 'is echoed as stars', bodies: [o('PIN: '), ...type('zebra9\r', (key) => (key === '\r' ? '\r\n' : '*'))] },
  { name: 'is pasted', bodies: [o('Password: '), i('zebra9\r'), o('\r\n')] },
  { name: 'is typed ahead', bodies: [i('sudo su\r'), i('zebra9\r'), o('sudo su\r\nPassword: \r\nroot#')] },
  { name: 'ends with the session', bodies: [o('Password: '), ...type('zebra9', () => '')] },
  {
    name: 'comes after one that was taken back',
    bodies: [o('Password: '), ...type('ab\x15zebra9\r', () => ''), o('\n')],
  },
  { name: 'is interrupted', bodies: [o('Password: '), ...type('zebra9\x03', () => ''), o('^C\r\n')] },
])
  test(`a secret that ${name} is nowhere`, async () => {
    expect(JSON.stringify(await entriesOf(bodies))).not.toContain('zebra')
  })

const keys = fc.array(
  fc.constantFrom('a', 'b', ' ', '\r', '\x7f', '\x15', '\x17', '\x1b', '[', 'A', '\x03', 'é', '🧯'),
  { maxLength: 12 },
)
const steps = fc.array(
  fc.oneof(
    keys.map((some) => i(some.join(''))),
    fc
      .array(fc.constantFrom('a', 'b', 'é', ' ', '\r', '\n', '\b', '\x1b[K', '\x1b[2J', '$ '), { maxLength: 8 })
      .map((some) => o(some.join(''))),
  ),
  { maxLength: 30 },
)

property.prop([steps])('whatever is typed and shown, nothing is found that no screen showed', async (bodies) => {
  const entries = await entriesOf(bodies)
  const shown = shownIn(entries)
  for (const text of typedIn(entries)) expect(shown.some((line) => line.includes(text))).toBe(true)
  for (const { text } of entries) expect(text).not.toMatch(/\p{Cc}/u)
})

property.prop([fc.array(keys, { maxLength: 10 })])('without an echo, nothing typed is found', async (lines) => {
  expect(await entriesOf([o('Password: '), ...lines.map((some) => i(some.join(''))), o('\r\n')])).toEqual([
    expect.objectContaining({ kind: 'screen', text: 'Password:' }),
  ])
})

test('a program without a terminal shows its text; what it is given, and bytes that are no text, are not for finding', async () => {
  const entries = await entriesOf(
    [i('secret input\n'), o('plain\n'), { kind: 'bulk', stream: 'o', bytes: Buffer.from('bulk bytes\n') }],
    { kind: 'exec', command: 'backup', term: null },
  )
  expect(entries.map(({ kind, text }) => [kind, text])).toEqual([
    ['command', 'backup'],
    ['screen', 'plain'],
  ])
  expect(await entriesOf([o('file names\n'), i('x\n')], { kind: 'subsystem', name: 'sftp' })).toEqual([])
})

test('parameters and rows of statements are not for finding', async () => {
  const fact = (code: 'q' | 'p' | 'd' | 't', data: unknown): LineBody => ({ kind: 'fact', code, data })
  const entries = await entriesOf(
    [
      fact('q', { id: 1, kind: 'parse', sql: 'SELECT $1' }),
      fact('p', { id: 1, values: ['secret'] }),
      fact('t', ['secret']),
      fact('d', { id: 1, error: 'no such thing', values: ['secret'] }),
    ],
    { kind: 'sql', application: 'psql' },
  )
  expect(entries.map(({ kind, text }) => [kind, text])).toEqual([
    ['statement', 'SELECT $1'],
    ['error', 'no such thing'],
  ])
})

test('long texts are several entries, and a recording that prints without end is cut', async () => {
  const sql = 'word '.repeat(5000)
  const statement: LineBody = { kind: 'fact', code: 'q', data: { id: 1, kind: 'query', sql } }
  const entries = await entriesOf([statement])
  expect(entries.length).toBe(Math.ceil(sql.length / longestEntry))
  const cut = await entriesOf(
    Array.from({ length: 100 }, () => o('word\r\n')),
    terminal,
    40,
  )
  expect(cut.length).toBe(10)
})
