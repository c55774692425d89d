// SQLite as the rest of this room sees it: kysely writes the SQL, better-sqlite3 runs it. Everything is synchronous, so a
// transaction is one function call that nothing else can join (an open kysely transaction would let other calls in).

import Database from 'better-sqlite3'
import {
  DummyDriver,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type Compilable,
  type Dialect,
  type RawBuilder,
  sql as raw,
} from 'kysely'
import type { Schema } from './schema.ts'

const dialect: Dialect = {
  createAdapter: () => new SqliteAdapter(),
  createDriver: () => new DummyDriver(),
  createIntrospector: (kysely) => new SqliteIntrospector(kysely),
  createQueryCompiler: () => new SqliteQueryCompiler(),
}

/** Builds queries; it has no connection, `Engine` runs them. */
export const sql: Kysely<Schema> = new Kysely<Schema>({ dialect })

/** For `in`: one parameter whatever the length, so that one statement serves all of them. */
export function listed<T extends string | number>(values: readonly T[]): RawBuilder<T> {
  return raw<T>`(select value from json_each(${JSON.stringify(values)}))`
}

/** Prepared statements kept: filters give a handful of shapes per query, more than this means a leak. */
const mostStatements = 200

export class Engine {
  readonly #database: Database.Database
  readonly #statements = new Map<string, Database.Statement>()

  constructor(file: string, options: { readonly readonly?: boolean } = {}) {
    this.#database = new Database(file, { fileMustExist: true, readonly: options.readonly ?? false })
  }

  /** Runs a statement; gives how many rows it changed. */
  run(query: Compilable): number {
    const { sql: text, parameters } = query.compile()
    return this.#statement(text).run(...parameters).changes
  }

  get<Row>(query: Compilable<Row>): Row | undefined {
    const { sql: text, parameters } = query.compile()
    return this.#statement(text).get(...parameters) as Row | undefined
  }

  /** Rows as they are read; nothing else may run before the loop over them has ended. */
  iterate<Row>(query: Compilable<Row>): IterableIterator<Row> {
    const { sql: text, parameters } = query.compile()
    return this.#statement(text).iterate(...parameters) as IterableIterator<Row>
  }

  /** Several statements at once, such as a migration's. */
  exec(text: string): void {
    this.#database.exec(text)
  }

  /** The single value of a pragma. */
  pragma(text: string): unknown {
    return this.#database.pragma(text, { simple: true })
  }

  /** All of `work` or nothing: whatever it throws rolls back and is thrown on. */
  transaction<T>(work: () => T): T {
    return this.#database.transaction(work).immediate()
  }

  close(): void {
    this.#statements.clear()
    this.#database.close()
  }

  #statement(text: string): Database.Statement {
    const known = this.#statements.get(text)
    if (known !== undefined) return known
    if (this.#statements.size >= mostStatements) this.#statements.clear()
    const statement = this.#database.prepare(text)
    this.#statements.set(text, statement)
    return statement
  }
}
