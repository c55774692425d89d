// How many bytes an hour of work leaves behind, in Halligan's sealed file and in its journal, beside what the formats of
// asciinema and ttyrec make of the same bytes. Neither program runs: their formats are computed, event by event.

import { encodeFrame } from '../src/recording/frame.ts'
import { encodeLine, type LineBody } from '../src/recording/event-line.ts'
import { Sealing } from '../src/recording/seal.ts'
import { figure, type Row } from './table.ts'

/** Something on a terminal: what was typed, or what was shown. */
interface Shown {
  readonly atMs: number
  readonly stream: 'i' | 'o'
  readonly bytes: Buffer
}

/** What Halligan writes at a moment; for a terminal the same as what was shown. */
interface Written {
  readonly atMs: number
  readonly body: LineBody
}

const HOUR_MS = 3_600_000
/** A person's: a fast typist's 80 words a minute. */
const KEY_MS = 150
/** What a terminal hands over at once. */
const CHUNK_BYTES = 4096

/** Rows of bytes; no target stands in design §14. */
export async function hourRows(): Promise<Row[]> {
  const shell = shellHour()
  const sql = sqlHour()
  const typed = shell.map(({ atMs, stream, bytes }): Written => ({ atMs, body: { kind: 'bytes', stream, bytes } }))
  return [
    await row('an hour in a shell, 120 commands', typed, shell),
    await row('an hour of SQL, 120 statements', sql.written, sql.shown),
  ]
}

async function row(what: string, written: readonly Written[], shown: readonly Shown[]): Promise<Row> {
  const lines = linesOf(written)
  let sealedBytes = 0
  for await (const chunk of new Sealing(lines).chunks()) sealedBytes += chunk.length
  const header = { type: 'line', session: 'sessionsessionid', seq: 0, monotonicUs: 0, wallUs: 0 } as const
  const journalBytes = lines.reduce((sum, line) => sum + encodeFrame(header, line).length, 0)
  const output = shown.filter(({ stream }) => stream === 'o')
  const asciicast = linesOf(output.map(({ atMs, bytes }) => ({ atMs, body: { kind: 'bytes', stream: 'o', bytes } })))
  const asciicastBytes = asciicast.reduce((sum, line) => sum + line.length + 1, 0)
  // A header of seconds, microseconds and length before each chunk.
  const ttyrecBytes = output.reduce((sum, { bytes }) => sum + 12 + bytes.length, 0)
  const kib = (bytes: number) => figure(bytes / 1024, 'KiB')
  return {
    what: `${what}: bytes`,
    halligan: `sealed ${kib(sealedBytes)}, in the journal ${kib(journalBytes)}`,
    beside: `output alone, not compressed: asciicast v3 ${kib(asciicastBytes)}, ttyrec ${kib(ttyrecBytes)}`,
    ratio: `${(sealedBytes / asciicastBytes).toFixed(3)}×`,
    target: '',
    isMet: null,
  }
}

function linesOf(written: readonly Written[]): Buffer[] {
  const header = { version: 3, term: { cols: 120, rows: 30 } }
  const lines = [encodeLine(0, { kind: 'header', header })]
  let before = 0
  for (const { atMs, body } of written) {
    lines.push(encodeLine((atMs - before) / 1000, body))
    before = atMs
  }
  return lines
}

const commands = [
  'systemctl status checkout --no-pager',
  'journalctl -u checkout -n 40 --no-pager',
  'ls -la /var/log/checkout',
  'df -h',
  'grep -c ERROR /var/log/checkout/current',
  'tail -n 20 /var/log/checkout/current',
] as const

/** Each half minute a command: typed key by key, echoed, answered. */
function shellHour(): Shown[] {
  const shown: Shown[] = []
  for (let n = 0; n < 120; n++) {
    const command = commands[n % commands.length] ?? ''
    const end = type(shown, (n * HOUR_MS) / 120, command, '\r\n')
    show(shown, end + 40, answer(n))
    show(shown, end + 45, `\x1b[01;32mdeploy@web-1\x1b[0m:\x1b[01;34m~\x1b[0m$ `)
  }
  return shown
}

/** The same pace in psql. What Halligan keeps of it are statements and what became of them; rows are not recorded by default. */
function sqlHour(): { readonly shown: Shown[]; readonly written: Written[] } {
  const shown: Shown[] = []
  const written: Written[] = []
  for (let n = 0; n < 120; n++) {
    const sql = `SELECT id, customer, state, total FROM orders WHERE id > ${n * 977} ORDER BY id LIMIT 20;`
    const end = type(shown, (n * HOUR_MS) / 120, sql, '\r\n')
    const id = n + 1
    const asked = { id, kind: 'query', sql }
    const done = { id, tag: 'SELECT 20', rows: 20, ms: 1.25 + (n % 7), tx: 'idle' }
    written.push({ atMs: end, body: { kind: 'fact', code: 'q', data: asked } })
    written.push({ atMs: end + 9, body: { kind: 'fact', code: 'd', data: done } })
    show(shown, end + 10, `${table(n)}orders=> `)
  }
  return { shown, written }
}

/** Types `text` from `atMs` on and gives when that is done. */
function type(shown: Shown[], atMs: number, text: string, end: string): number {
  let now = atMs
  for (const key of Array.from(text)) {
    shown.push(
      { atMs: now, stream: 'i', bytes: Buffer.from(key) },
      { atMs: now + 1, stream: 'o', bytes: Buffer.from(key) },
    )
    now += KEY_MS
  }
  shown.push(
    { atMs: now, stream: 'i', bytes: Buffer.from('\r') },
    { atMs: now + 1, stream: 'o', bytes: Buffer.from(end) },
  )
  return now + 1
}

function show(shown: Shown[], atMs: number, text: string): void {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES)
    shown.push({ atMs, stream: 'o', bytes: bytes.subarray(at, at + CHUNK_BYTES) })
}

/** As logs are: times, hosts, numbers, words that come again and again. */
function answer(n: number): string {
  const states = ['accepted', 'payment declined', 'timed out after 30000 ms', 'retried', 'shipped']
  return Array.from({ length: 5 + ((n * 13) % 36) }, (_, at) => {
    const number = (n * 7919 + at * 104_729) % 1_000_000
    const second = String((n * 31 + at) % 60).padStart(2, '0')
    return `Nov 21 03:${String(n % 60).padStart(2, '0')}:${second} web-1 checkout[4711]: order ${number} ${states[number % 5] ?? ''}, customer ${number % 9973}\r\n`
  }).join('')
}

function table(n: number): string {
  const rows = Array.from({ length: 20 }, (_, at) => {
    const id = n * 977 + at + 1
    return ` ${String(id).padStart(7)} | customer-${String((id * 31) % 9973).padStart(5)} | shipped | ${String((id * 17) % 90_000).padStart(8)}.00\r\n`
  })
  return `   id    |    customer    |  state  |    total\r\n---------+----------------+---------+-------------\r\n${rows.join('')}(20 rows)\r\n\r\n`
}
