// The search row of design §14: a million events in sealed recordings of terminals and databases, taken into the index as
// after any sealing, then searched through its worker as people search. Needs no bastion.

import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { sealRecording } from '../src/archive/recording-archive.ts'
import { SearchIndex } from '../src/archive/search-index.ts'
import { systemClock } from '../src/clock.ts'
import { parseSearch } from '../src/procedure/search-query.ts'
import { hitsPerPage, type SearchSight } from '../src/procedure/search.ts'
import { encodeLine } from '../src/recording/event-line.ts'
import { sealEventOf } from '../src/recording/seal-leaf.ts'
import { timed } from './process.ts'
import { median } from './rounds.ts'
import type { Sizes } from './sizes.ts'
import { figure, type Row } from './table.ts'

const MOST_MS = 100
const EVENTS_PER_SESSION = 5000
const START = Date.parse('2026-01-01T00:00:00Z')

const all: SearchSight = { kind: 'all' }
const asked: readonly { readonly name: string; readonly text: string; readonly sees: SearchSight }[] = [
  { name: 'one hit', text: 'unicorn', sees: all },
  { name: 'a rare pair of words', text: 'order 4711', sees: all },
  { name: 'a word of every other event', text: 'orders', sees: all },
  { name: 'a frequent phrase', text: '"select total from orders"', sees: all },
  {
    name: 'three frequent words of one person on one target',
    text: 'select from orders user:u3 target:orders',
    sees: all,
  },
  {
    name: 'a frequent word in what one person may see',
    text: 'orders',
    sees: { kind: 'some', user: 'u3', grants: [] },
  },
  { name: 'a frequent word, long ago', text: 'orders until:2026-01-01T00:30', sees: all },
  { name: 'frequent words that never meet', text: 'select permissions', sees: all },
]

/** `folder`: on the disk that is measured. */
export async function searchRows(folder: string, sizes: Sizes): Promise<Row[]> {
  const place = mkdtempSync(join(folder, 'search-'))
  const file = join(place, 'search.db')
  const recordings = join(place, 'recordings')
  const index = new SearchIndex(systemClock(), { file, recordings })
  try {
    let indexMs = 0
    const sessions = Math.ceil(sizes.searchEvents / EVENTS_PER_SESSION)
    for (let number = 0; number < sessions; number++) {
      const recording = await seal(recordings, number, number === sessions >> 1)
      indexMs += await timed(async () => {
        const taken = await index.index(recording)
        if (taken.kind === 'refused') throw new Error(taken.why)
      })
    }
    const events = sessions * EVENTS_PER_SESSION
    const mebibytes = (statSync(file).size / 2 ** 20).toFixed(0)
    const rows: Row[] = [
      {
        what: `take ${events} events into the search index`,
        halligan: `${figure((events / indexMs) * 1000, '/s')}, half of it resting`,
        beside: `${mebibytes} MiB on the disk`,
        ratio: '',
        target: '',
        isMet: null,
      },
    ]
    for (const { name, text, sees } of asked) {
      const query = parseSearch(text, START)
      if (query === undefined) throw new Error(`${text} asks for nothing`)
      const times: number[] = []
      let found = 0
      for (let round = 0; round < 5; round++)
        times.push(
          await timed(async () => {
            found = (await index.find({ query, sees, before: null, limit: hitsPerPage })).count
          }),
        )
      const ms = median(times)
      rows.push({
        what: `search ${events} events: ${name}`,
        halligan: `${figure(ms, 'ms')} (worst ${figure(Math.max(...times), 'ms')})`,
        beside: `${found} hits counted`,
        ratio: figure(ms, 'ms'),
        target: `< ${MOST_MS} ms`,
        isMet: ms < MOST_MS,
      })
    }
    return rows
  } finally {
    await index.close()
    rmSync(place, { recursive: true, force: true })
  }
}

/** Every other session is SQL. */
async function seal(directory: string, number: number, hasUnicorn: boolean) {
  const isSql = number % 2 === 0
  const session = `sbench${number}`
  const openedAt = START + number * 600_000
  const what = isSql
    ? { kind: 'sql', application: 'psql' }
    : { kind: 'shell', term: { type: 'xterm', cols: 80, rows: 24 } }
  const halligan = { what, grant: { reason: 'the shop is down', trigger: 'customer-impact' } }
  const header = { version: 3, term: { cols: 80, rows: 24 }, timestamp: openedAt / 1000, title: '', halligan }
  function* lines(): Generator<Buffer> {
    yield encodeLine(0, { kind: 'header', header })
    for (let event = 1; event < EVENTS_PER_SESSION; event++) {
      const n = number * EVENTS_PER_SESSION + event
      const mark = hasUnicorn && event === 2500 ? ' unicorn' : ''
      if (isSql) {
        const sql = `SELECT total FROM orders WHERE order = ${n % 50_000} AND state = 'w${n % 997}'${mark}`
        yield encodeLine(0.1, { kind: 'fact', code: 'q', data: { id: event, kind: 'query', sql } })
      } else {
        const text = `-rw-r--r-- 1 root root ${n % 1_000_003} Nov 21 03:11 permissions-w${n % 997}.log${mark}\r\n`
        yield encodeLine(0.1, { kind: 'bytes', stream: 'o', bytes: Buffer.from(text) })
      }
    }
  }
  const { file, content } = await sealRecording(directory, session, openedAt, lines())
  const seal = {
    file,
    ...sealEventOf(content),
    firstSeq: 0,
    lastSeq: EVENTS_PER_SESSION - 1,
    state: 'complete' as const,
  }
  return { session, user: `u${number % 7}`, target: isSql ? 'orders' : 'web-1', grant: `g${number}`, openedAt, seal }
}
