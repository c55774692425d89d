// The search index on disk: SQLite's FTS5 in a file of its own. It is a copy made for finding things: whatever is wrong
// with it, it is thrown away and built anew from recordings that verify. It holds no evidence and decides nothing.

import { chmodSync, closeSync, openSync, rmSync } from 'node:fs'
import Database from 'better-sqlite3'
import type { ExcerptPart, SearchAsk, SearchFound, SearchMatch } from '../procedure/search.ts'
import type { SearchEntry, SearchKind } from '../recording/search-entry.ts'
import type { SearchRecording } from './search-index.ts'

/** `HSRC`: another program's database under our name is not ours to read. */
const APPLICATION_ID = 0x48535243
/** Raised when entries are made or kept in another way: an index of an older one is built anew. */
const SCHEMA = 1

/**
 * An entry's number is its time: 1024 places a millisecond, so that the newest come first without sorting a million hits,
 * and a time span is a range of numbers. What is printed in one instant takes the places that follow.
 */
const PLACES_PER_MS = 1024
/** How far such a burst may run ahead of its time: ten minutes are 600 million lines. */
const LONGEST_BURST_MS = 600_000

/** Counting stops here: whoever gets this many looks for something more precise, and not at the figure. */
export const mostCounted: number = 1000
/** Characters of an excerpt. */
const EXCERPT_CHARACTERS = 240
/** Tokens FTS5 puts into one; it takes up to 64. */
const EXCERPT_TOKENS = 24
/** Around a match, in what FTS5 gives. Entries hold no control characters. */
const [MATCH_BEGINS, MATCH_ENDS] = ['\u0002', '\u0003']
/** Pages (of 4 KiB) kept in memory by each of the two connections. */
const CACHE = 'cache_size = -8192'

const TABLES = `
  CREATE TABLE recordings (session TEXT PRIMARY KEY, root TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE VIRTUAL TABLE entries USING fts5(
    text, facets, session UNINDEXED, line UNINDEXED, ms UNINDEXED, at UNINDEXED, kind UNINDEXED,
    tokenize = 'unicode61 remove_diacritics 2', columnsize = 0
  );
`

export class SearchDatabase {
  readonly #writer: Database.Database
  /** Sees what is committed: never a part of a recording. */
  readonly #reader: Database.Database

  private constructor(writer: Database.Database, reader: Database.Database) {
    this.#writer = writer
    this.#reader = reader
  }

  /**
   * Opens the index at `file`, or makes an empty one. `renewed`: why what stood there was thrown away; null: it was not.
   * Throws what the system or the engine says when a new one cannot be made either.
   */
  static open(file: string): { readonly database: SearchDatabase; readonly renewed: string | null } {
    try {
      return { database: SearchDatabase.#connect(file), renewed: null }
    } catch (error) {
      const renewed = error instanceof Error ? error.message : String(error)
      SearchDatabase.remove(file)
      return { database: SearchDatabase.#connect(file), renewed }
    }
  }

  static remove(file: string): void {
    for (const end of ['', '-wal', '-shm', '-journal']) rmSync(file + end, { recursive: true, force: true })
  }

  static #connect(file: string): SearchDatabase {
    closeSync(openSync(file, 'a', 0o600))
    chmodSync(file, 0o600)
    const writer = new Database(file)
    try {
      // A crash loses the last recordings, which are indexed again, and never the order of writes.
      for (const pragma of ['journal_mode = WAL', 'synchronous = NORMAL', 'trusted_schema = OFF', CACHE])
        writer.pragma(pragma)
      if (writer.pragma('page_count', { simple: true }) === 0 || isBlank(writer)) make(writer)
      check(writer)
      const reader = new Database(file, { readonly: true })
      reader.pragma(CACHE)
      return new SearchDatabase(writer, reader)
    } catch (error) {
      writer.close()
      throw error
    }
  }

  missing(recordings: readonly SearchRecording[]): string[] {
    const root = this.#reader.prepare('SELECT root FROM recordings WHERE session = ?').pluck()
    return recordings.filter(({ session, seal }) => root.get(session) !== seal.root).map(({ session }) => session)
  }

  /** Takes a recording's entries: all of them with `keep`, none of them with `drop`. One at a time. */
  begin(recording: SearchRecording): SearchIntake {
    this.#writer.exec('BEGIN IMMEDIATE')
    try {
      remove(this.#writer, recording.session)
      return new SearchIntake(this.#writer, recording)
    } catch (error) {
      this.#writer.exec('ROLLBACK')
      throw error
    }
  }

  forget(session: string): void {
    this.#writer.transaction(() => remove(this.#writer, session)).immediate()
  }

  find(ask: SearchAsk): SearchFound {
    const { where, values } = condition(ask)
    const counted = this.#reader
      .prepare(`SELECT count(*) FROM (SELECT 1 FROM entries WHERE ${where} LIMIT ${mostCounted + 1})`)
      .pluck()
      .get(...values) as number
    const rows = this.#reader
      .prepare(
        `SELECT rowid AS place, session, line, ms, at, kind,
           snippet(entries, 0, '${MATCH_BEGINS}', '${MATCH_ENDS}', '…', ${EXCERPT_TOKENS}) AS excerpt
         FROM entries WHERE ${where} AND rowid < ? ORDER BY rowid DESC LIMIT ?`,
      )
      .all(...values, ask.before ?? Number.MAX_SAFE_INTEGER, ask.limit) as EntryRow[]
    return { matches: rows.map(matchOf), count: Math.min(counted, mostCounted), isMore: counted > mostCounted }
  }

  close(): void {
    this.#reader.close()
    this.#writer.close()
  }
}

/** The entries of one recording on their way into the index. */
export class SearchIntake {
  readonly #writer: Database.Database
  readonly #recording: SearchRecording
  readonly #insert: Database.Statement
  readonly #taken: Database.Statement
  readonly #facets: string
  #first = 0
  #last = 0
  entries = 0

  constructor(writer: Database.Database, recording: SearchRecording) {
    this.#writer = writer
    this.#recording = recording
    this.#facets = [facet('u', recording.user), facet('t', recording.target), facet('g', recording.grant)].join(' ')
    this.#insert = writer.prepare(
      'INSERT INTO entries (rowid, text, facets, session, line, ms, at, kind) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    )
    this.#taken = writer.prepare('SELECT 1 FROM entries WHERE rowid = ?').pluck()
  }

  add({ line, ms, kind, text }: SearchEntry): void {
    const at = this.#recording.openedAt + ms
    let place = Math.max(at * PLACES_PER_MS, this.#last + 1)
    while (this.#taken.get(place) !== undefined) place++
    this.#insert.run(place, text, this.#facets, this.#recording.session, line, ms, at, kind)
    if (this.entries === 0) this.#first = place
    this.#last = place
    this.entries += 1
  }

  keep(): void {
    const { session, seal } = this.#recording
    this.#writer
      .prepare('INSERT INTO recordings (session, root, first, last) VALUES (?, ?, ?, ?)')
      .run(session, seal.root, this.#first, this.#last)
    this.#writer.exec('COMMIT')
  }

  drop(): void {
    if (this.#writer.inTransaction) this.#writer.exec('ROLLBACK')
  }
}

function isBlank(database: Database.Database): boolean {
  return database.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() === 0
}

function make(database: Database.Database): void {
  database
    .transaction(() => {
      database.exec(TABLES)
      database.pragma(`application_id = ${APPLICATION_ID}`)
      database.pragma(`user_version = ${SCHEMA}`)
    })
    .immediate()
}

function check(database: Database.Database): void {
  if (database.pragma('application_id', { simple: true }) !== APPLICATION_ID) throw new Error('not a search index')
  const schema = database.pragma('user_version', { simple: true })
  if (schema !== SCHEMA) throw new Error(`a search index of schema ${String(schema)}, not ${SCHEMA}`)
  const said = database.pragma('quick_check(1)', { simple: true })
  if (said !== 'ok') throw new Error(`the search index is damaged: ${String(said)}`)
  for (const table of ['recordings', 'entries']) database.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get()
}

function remove(database: Database.Database, session: string): void {
  const row = database.prepare('SELECT first, last FROM recordings WHERE session = ?').get(session) as
    | { readonly first: number; readonly last: number }
    | undefined
  if (row === undefined) return
  database.prepare('DELETE FROM entries WHERE rowid BETWEEN ? AND ? AND session = ?').run(row.first, row.last, session)
  database.prepare('DELETE FROM recordings WHERE session = ?').run(session)
}

/** One token of letters and digits, whatever the name: the tokenizer can neither split it nor take two for one. */
function facet(letter: 'u' | 't' | 'g', name: string): string {
  return `${letter}${Buffer.from(name).toString('hex')}`
}

/** Who asks is part of the match itself: what they may not see is not found, so it is neither counted nor cut from. */
function condition({ query, sees }: SearchAsk): {
  readonly where: string
  readonly values: readonly (string | number)[]
} {
  const facets = [
    query.users.map((name) => facet('u', name)),
    query.targets.map((name) => facet('t', name)),
    query.grants.map((name) => facet('g', name)),
    ...(sees.kind === 'all' ? [] : [[facet('u', sees.user), ...sees.grants.map((grant) => facet('g', grant))]]),
  ].filter((any) => any.length > 0)
  const parts = [
    ...query.phrases.map((phrase) => `{text} : ${quoted(phrase)}`),
    ...facets.map((any) => `{facets} : (${any.map(quoted).join(' OR ')})`),
  ]
  const conditions: string[] = []
  const values: (string | number)[] = []
  if (parts.length > 0) {
    conditions.push('entries MATCH ?')
    values.push(parts.join(' AND '))
  }
  if (query.since !== null) {
    conditions.push('rowid >= ? AND at >= ?')
    values.push(placeOf(query.since), query.since)
  }
  if (query.until !== null) {
    conditions.push('rowid < ? AND at < ?')
    values.push(placeOf(query.until + LONGEST_BURST_MS), query.until)
  }
  return { where: conditions.length === 0 ? 'TRUE' : conditions.join(' AND '), values }
}

function placeOf(at: number): number {
  return Math.max(0, Math.min(Number.MAX_SAFE_INTEGER, Math.floor(at * PLACES_PER_MS)))
}

/** FTS5's string: nothing within it is an operator (SQLite, FTS5 §3.1). */
function quoted(text: string): string {
  return `"${text.replaceAll('\u0000', ' ').replaceAll('"', '""')}"`
}

interface EntryRow {
  readonly place: number
  readonly session: string
  readonly line: number
  readonly ms: number
  readonly at: number
  readonly kind: SearchKind
  readonly excerpt: string
}

function matchOf({ place, session, line, ms, at, kind, excerpt }: EntryRow): SearchMatch {
  return { place, session, line, ms, at, kind, excerpt: parted(excerpt) }
}

/** The excerpt in parts, cut where it is long: one word may be. */
function parted(excerpt: string): ExcerptPart[] {
  const parts: ExcerptPart[] = []
  const first = excerpt.indexOf(MATCH_BEGINS)
  const from = first > EXCERPT_CHARACTERS / 2 ? first - EXCERPT_CHARACTERS / 4 : 0
  const cut = excerpt.slice(from, from + EXCERPT_CHARACTERS)
  const shown = `${from > 0 ? '…' : ''}${cut}${from + EXCERPT_CHARACTERS < excerpt.length ? '…' : ''}`
  let isMatch = false
  for (const part of shown.split(/([\u0002\u0003])/u)) {
    if (part === MATCH_BEGINS || part === MATCH_ENDS) isMatch = part === MATCH_BEGINS
    else if (part !== '') parts.push({ text: part.toWellFormed(), isMatch })
  }
  return parts
}
