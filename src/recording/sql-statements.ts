// Statements of a recorded SQL session with what became of them, one at a time, in the order in which their outcomes came:
// what the exports show. The page tells more (web/src/statements.ts).

import { type ExportedEvent, record, textOf } from './exported-line.ts'

export interface Asked {
  readonly id: number
  /** Seconds since the header line at which it was asked. */
  readonly seconds: number
  readonly sql: string
  /** As text, null, or `\x…` for bytes. */
  readonly parameters: readonly (string | null)[]
  /** `SELECT 3, 3 rows, 1.2 ms`, `ERROR 42P01: …`, `skipped after an error`, or that it is unknown. */
  readonly outcome: string
}

type Waiting = Omit<Asked, 'outcome'>

/** Statements and prepared ones kept while their outcome is open: a pipeline is far shorter. */
const mostWaiting = 10_000

export class SqlStatements {
  /** By id, in the order asked. */
  readonly #waiting = new Map<number, Waiting>()
  /** Text of prepared statements, by name and by id. */
  readonly #prepared = new Map<string | number, string>()

  /** The statement whose outcome this event tells; undefined for every other event. */
  take({ seconds, code, data }: ExportedEvent): Asked | undefined {
    const fact = record(data)
    const id = Number(fact['id'] ?? -1)
    if (code === 'q') this.#ask(id, seconds, fact)
    else if (code === 'p') this.#bind(id, seconds, fact)
    else if (code === 'd' && id >= 0) return this.#became(id, seconds, fact)
    return undefined
  }

  /** What is still without outcome. */
  rest(): Asked[] {
    return [...this.#waiting.values()].map((waiting) => ({ ...waiting, outcome: 'outcome unknown' }))
  }

  #ask(id: number, seconds: number, fact: Readonly<Record<string, unknown>>): void {
    const sql = textOf(fact['sql'])
    switch (fact['kind']) {
      case 'query':
        return keep(this.#waiting, id, { id, seconds, sql, parameters: [] })
      case 'parse':
        return this.#prepare(id, textOf(fact['name']), sql)
      case 'part':
        return this.#part(id, seconds, fact, sql)
      case 'execute':
        return keep(this.#waiting, id, {
          id,
          seconds,
          sql: `-- the portal ${textOf(fact['portal'])} goes on`,
          parameters: [],
        })
      case 'call': {
        const called = `-- function ${Number(fact['oid'])} called by its number`
        return keep(this.#waiting, id, { id, seconds, sql: called, parameters: valuesOf(fact['values']) })
      }
      default:
    }
  }

  #prepare(id: number, name: string, sql: string): void {
    keep(this.#prepared, name, sql)
    keep(this.#prepared, id, sql)
  }

  /** A piece of a query or parse over 1 MiB. */
  #part(id: number, seconds: number, fact: Readonly<Record<string, unknown>>, sql: string): void {
    if (fact['of'] !== 'parse') {
      const before = this.#waiting.get(id)
      return keep(this.#waiting, id, {
        id,
        seconds: before?.seconds ?? seconds,
        sql: (before?.sql ?? '') + sql,
        parameters: [],
      })
    }
    const name = textOf(fact['name'])
    const before = this.#prepared.get(id) ?? ''
    this.#prepare(id, name, before + sql)
  }

  #bind(id: number, seconds: number, fact: Readonly<Record<string, unknown>>): void {
    if (fact['executed'] === false) return
    const sql = this.#prepared.get(textOf(fact['statement'])) ?? '-- a statement prepared elsewhere'
    keep(this.#waiting, id, { id, seconds, sql, parameters: valuesOf(fact['values']) })
  }

  #became(id: number, seconds: number, fact: Readonly<Record<string, unknown>>): Asked | undefined {
    const asked = this.#waiting.get(id)
    // What was only prepared or bound shows where it failed.
    const { error } = fact
    if (asked === undefined && typeof error !== 'string') return undefined
    this.#waiting.delete(id)
    const sql = asked?.sql ?? this.#prepared.get(id) ?? ''
    const ran = this.#prepared.get(Number(fact['statement'] ?? -1))
    const parameters = Array.isArray(fact['values']) ? valuesOf(fact['values']) : (asked?.parameters ?? [])
    return { id, seconds: asked?.seconds ?? seconds, sql: ran ?? sql, parameters, outcome: outcomeOf(fact) }
  }
}

function outcomeOf(fact: Readonly<Record<string, unknown>>): string {
  if (fact['skipped'] === true) return 'skipped after an error'
  if (fact['unknown'] === true) return 'outcome unknown: the connection ended first'
  const ms = typeof fact['ms'] === 'number' ? `, ${fact['ms']} ms` : ''
  if (typeof fact['error'] === 'string')
    return `${textOf(fact['severity']) || 'ERROR'} ${textOf(fact['sqlstate'])}: ${fact['error']}${ms}`
  const rows = Number(fact['rows'] ?? 0)
  return `${textOf(fact['tag']) || 'suspended'}, ${rows} row${rows === 1 ? '' : 's'}${ms}`
}

function valuesOf(values: unknown): (string | null)[] {
  if (!Array.isArray(values)) return []
  return values.map((value: unknown) => {
    if (value === null || typeof value === 'string') return value
    const { hex } = record(value)
    return typeof hex === 'string' ? `\\x${hex}` : JSON.stringify(value)
  })
}

function keep<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): void {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > mostWaiting && oldest !== undefined) map.delete(oldest)
}
