// An SQL session as a list of statements: what was asked, with which parameters, what became of it, and which of it a
// transaction took back. Made from the facts of the record; a fact it does not know it leaves alone.

import type { Recorded } from './recorded.ts'

export interface Outcome {
  /** The command's tag; null when it failed or stopped at its row limit. */
  readonly tag: string | null
  readonly rows: number
  readonly ms: number
  /** COPY data that went either way. */
  readonly copyBytes: number
  readonly error: { readonly sqlstate: string; readonly message: string } | undefined
}

export type Fate = 'kept' | 'taken-back' | 'open'

export interface Statement {
  readonly id: number
  /** Seconds since the session opened. */
  readonly at: number
  readonly sql: string
  /** As text, null, or `\\x…` for bytes. */
  readonly parameters: readonly (string | null)[]
  /** One for each statement of a query text; empty while it runs. */
  readonly outcomes: readonly Outcome[]
  readonly state: 'running' | 'done' | 'failed' | 'skipped' | 'unknown'
  /** Taken back by its transaction: all of it, some, or nobody can say. */
  readonly rolledBack: 'all' | 'some' | 'unknown' | undefined
  /** The explicit transaction it ran in. */
  readonly transaction: { readonly number: number; readonly fate: Fate } | undefined
  /** What its words say it destroys or hands out, as marked when it was asked: `DROP, GRANT`. */
  readonly risky: string | undefined
}

export interface SqlSession {
  readonly statements: readonly Statement[]
  /** Notices of Halligan and of the server, by time. */
  readonly notices: readonly Notice[]
}

export interface Notice {
  readonly at: number
  readonly text: string
  readonly isError: boolean
}

interface Draft {
  readonly id: number
  readonly at: number
  sql: string
  parameters: (string | null)[]
  readonly outcomes: Outcome[]
  state: Statement['state']
  rolledBack: Statement['rolledBack']
  transaction: { readonly number: number; fate: Fate } | undefined
  risky: string | undefined
  /** Prepared or bound, not run: shown only when that failed. */
  isAside: boolean
}

type Fact = Readonly<Record<string, unknown>>

/** Reads the facts of a session (codes q p d n m) in order. */
export function sqlSession(events: readonly Recorded[]): SqlSession {
  const reader = new SqlReader()
  for (const event of events) reader.take(event)
  return reader.session()
}

class SqlReader {
  readonly #drafts = new Map<number, Draft>()
  readonly #notices: Notice[] = []
  /** Prepared statements by the name the wire last gave them. */
  readonly #prepared = new Map<string, Draft>()
  /** Bound portals by name. */
  readonly #bound = new Map<string, Draft>()
  #transactions = 0
  #transaction: Draft['transaction']

  take({ at, code, data }: Recorded): void {
    if (code === 'm') return this.#marked(data)
    if (typeof data !== 'object' || data === null) return
    const fact = data as Fact
    if (code === 'q') this.#asked(at, fact)
    else if (code === 'p') this.#bind(at, fact)
    else if (code === 'd') this.#became(at, fact)
    else if (code === 'n') this.#notice(at, fact['text'] ?? fact['message'] ?? fact['payload'], false)
  }

  /** Behind the text of a statement that destroys something or hands out access (src/postgres/line-data.ts). */
  #marked(label: unknown): void {
    const [, id, kinds] = /^risky statement (\d+): (.+)$/.exec(textOf(label)) ?? []
    const draft = this.#drafts.get(Number(id))
    if (draft !== undefined) draft.risky = kinds
  }

  session(): SqlSession {
    const statements = [...this.#drafts.values()]
      .filter((draft) => !draft.isAside || draft.state === 'failed')
      .sort((a, b) => a.id - b.id)
    return { statements, notices: this.#notices }
  }

  #asked(at: number, fact: Fact): void {
    const id = Number(fact['id'] ?? 0)
    switch (fact['kind']) {
      case 'query':
        this.#add(id, at, textOf(fact['sql']))
        return
      case 'parse': {
        const draft = this.#add(id, at, textOf(fact['sql']))
        draft.isAside = true
        this.#prepared.set(textOf(fact['name']), draft)
        return
      }
      case 'execute': {
        const bound = this.#bound.get(textOf(fact['portal']))
        const draft = this.#add(id, at, bound?.sql ?? 'a portal opened elsewhere')
        draft.parameters = bound?.parameters ?? []
        draft.risky = bound?.risky
        return
      }
      case 'call':
        this.#add(id, at, `function call ${Number(fact['oid'])}`).parameters = valuesOf(fact['values'])
        return
      case 'part':
        return this.#part(id, at, fact)
      case 'cancel':
        return this.#notice(at, 'the client asked to cancel what runs', false)
      default:
    }
  }

  /** A piece of a message over 1 MiB. */
  #part(id: number, at: number, fact: Fact): void {
    const draft = this.#drafts.get(id) ?? this.#add(id, at, '')
    draft.sql += textOf(fact['sql'])
    if (fact['of'] !== 'parse') return
    draft.isAside = true
    if (typeof fact['name'] === 'string') this.#prepared.set(fact['name'], draft)
  }

  #bind(at: number, fact: Fact): void {
    const prepared = this.#prepared.get(textOf(fact['statement']))
    const draft = this.#add(Number(fact['id'] ?? 0), at, prepared?.sql ?? 'a statement prepared elsewhere')
    if (fact['kind'] === 'part') draft.parameters = ['values over 1 MiB: they are in the recording']
    else draft.parameters = valuesOf(fact['values'])
    draft.isAside = fact['executed'] === false
    draft.risky = prepared?.risky
    this.#bound.set(textOf(fact['portal']), draft)
  }

  #add(id: number, at: number, sql: string): Draft {
    const draft: Draft = {
      id,
      at,
      sql,
      parameters: [],
      outcomes: [],
      state: 'running',
      rolledBack: undefined,
      transaction: this.#transaction,
      risky: undefined,
      isAside: false,
    }
    this.#drafts.set(id, draft)
    return draft
  }

  #became(at: number, fact: Fact): void {
    const { rolledBack, tx, error } = fact
    if (typeof rolledBack === 'object' && rolledBack !== null) this.#takenBack(rolledBack as Fact)
    else if (fact['id'] !== undefined) this.#done(Number(fact['id']), fact)
    else if (typeof error === 'string') this.#notice(at, `${textOf(fact['sqlstate'])} ${error}`.trim(), true)
    // Idle: whatever was open is over, said or not.
    if (tx === 'I') this.#transaction = undefined
  }

  #done(id: number, fact: Fact): void {
    const draft = this.#drafts.get(id)
    if (draft === undefined) return
    if (fact['skipped'] === true || fact['unknown'] === true) {
      draft.state = fact['skipped'] === true ? 'skipped' : 'unknown'
      return
    }
    const tag = typeof fact['tag'] === 'string' ? fact['tag'] : null
    const { error, sqlstate } = fact
    draft.outcomes.push({
      tag,
      rows: Number(fact['rows'] ?? 0),
      ms: Number(fact['ms'] ?? 0),
      copyBytes: Number(fact['copyIn'] ?? 0) + Number(fact['copyOut'] ?? 0),
      error: typeof error === 'string' ? { sqlstate: textOf(sqlstate), message: error } : undefined,
    })
    if (Array.isArray(fact['values'])) draft.parameters = valuesOf(fact['values'])
    // What the reply says it ran is surer than the name on the wire.
    const ran = this.#drafts.get(Number(fact['statement'] ?? -1))
    if (ran !== undefined) {
      draft.sql = ran.sql
      draft.risky = ran.risky
    }
    if (draft.state !== 'failed') draft.state = typeof error === 'string' ? 'failed' : 'done'
    this.#follow(draft, tag)
  }

  /** Explicit transactions, by the tags the server gave. */
  #follow(draft: Draft, tag: string | null): void {
    if (tag === 'BEGIN' || tag === 'START TRANSACTION') {
      this.#transaction ??= { number: ++this.#transactions, fate: 'open' }
      draft.transaction = this.#transaction
    } else if (tag === 'COMMIT' || (tag === 'ROLLBACK' && !isToSavepoint(draft.sql))) {
      if (this.#transaction !== undefined) this.#transaction.fate = tag === 'COMMIT' ? 'kept' : 'taken-back'
      this.#transaction = undefined
    } else draft.transaction ??= this.#transaction
  }

  #takenBack(span: Fact): void {
    const extent = span['extent'] === 'some' || span['extent'] === 'unknown' ? span['extent'] : 'all'
    for (const draft of this.#drafts.values())
      if (draft.id >= Number(span['from']) && draft.id <= Number(span['to']) && draft.outcomes.length > 0) {
        if (!draft.outcomes.every(({ tag }) => tag !== null && BOUNDARIES.has(tag))) draft.rolledBack = extent
        if (extent === 'all' && draft.transaction !== undefined) draft.transaction.fate = 'taken-back'
      }
  }

  #notice(at: number, text: unknown, isError: boolean): void {
    if (typeof text === 'string') this.#notices.push({ at, text, isError })
  }
}

/** Tags of statements that only mark where a transaction begins or ends: there is nothing in them to take back. */
const BOUNDARIES: ReadonlySet<string> = new Set(['BEGIN', 'START TRANSACTION', 'SAVEPOINT', 'RELEASE', 'ROLLBACK'])

// ROLLBACK TO has ROLLBACK's tag; the transaction goes on.
function isToSavepoint(sql: string): boolean {
  return /^\s*rollback\s+(work\s+|transaction\s+)?to\b/i.test(sql)
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function valuesOf(values: unknown): (string | null)[] {
  if (!Array.isArray(values)) return []
  return values.map((value: unknown) => {
    if (value === null || typeof value === 'string') return value
    const { hex } = (value ?? {}) as { hex?: unknown }
    return typeof hex === 'string' ? `\\x${hex}` : JSON.stringify(value)
  })
}
