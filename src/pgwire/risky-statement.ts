// Which statements of a text destroy something or hand out access, told by their words alone: a notice for whoever looks
// on, never a wall. What a function, a DO block, a trigger or a view does stays unseen, and so does a condition that is
// always true; what is recognised may still fail at the server. Nothing is let through or kept back by it.

import { SqlWords } from './sql-words.ts'
import type { SqlToken } from './sql-words.ts'

export type RiskyKind =
  | 'DROP'
  | 'TRUNCATE'
  | 'DELETE without WHERE'
  | 'UPDATE without WHERE'
  | 'GRANT'
  | 'REVOKE'
  | 'CREATE ROLE'
  | 'ALTER ROLE'
  | 'DROP ROLE'
  | 'change of OWNER'
  | 'COPY PROGRAM'
  | 'CREATE EXTENSION'
  | 'SECURITY DEFINER'

/** The kinds in `text`, each once, in the order in which they are told. Every text has an answer, in linear time. */
export function risksOf(text: string): readonly RiskyKind[] {
  const reader = new RiskReader()
  reader.push(text)
  return reader.end()
}

/** A write that has no WHERE yet, and the brackets it stands in. */
interface Write {
  readonly kind: RiskyKind
  readonly depth: number
}

/** Writes within writes that wait for their WHERE; more of them are told as they come. */
const MAX_WRITES = 100
/** So many tokens tell what kind of statement it is. */
const HEAD_TOKENS = 3

const ROLES: ReadonlySet<SqlToken> = new Set(['role', 'user', 'group'])
/** Behind these words, or at the start (see `#mayWrite`), DELETE and UPDATE are statements and not names or events. */
const BEFORE_WRITE: ReadonlySet<SqlToken> = new Set([
  '(',
  ')',
  'analyze',
  'analyse',
  'verbose',
  'also',
  'instead',
  'atomic',
])
/** ALTER TABLE … DROP of these loses no data. */
const WITHOUT_DATA: ReadonlySet<SqlToken> = new Set(['constraint', 'default', 'expression', 'identity', 'not'])

/** Reads the text of one message in pieces of any size. */
export class RiskReader {
  readonly #words = new SqlWords((token) => this.#token(token))
  readonly #found = new Set<RiskyKind>()
  /** The first tokens of the statement. */
  #head: SqlToken[] = []
  #previous: SqlToken | undefined
  #beforePrevious: SqlToken | undefined
  #depth = 0
  /** By depth, the innermost last. */
  #writes: Write[] = []
  /** EXPLAIN runs what it explains. */
  #analyzes = false

  push(piece: string): void {
    this.#words.push(piece)
  }

  /** What was found in all of it. */
  end(): readonly RiskyKind[] {
    this.#words.end()
    this.#endStatement()
    return [...this.#found]
  }

  #token(token: SqlToken): void {
    if (token === ';') return this.#endStatement()
    if (this.#head.length < HEAD_TOKENS) this.#head.push(token)
    if (token === '(') this.#depth++
    else if (token === ')') this.#close()
    else this.#judge(token)
    this.#beforePrevious = this.#previous
    this.#previous = token
  }

  #judge(token: SqlToken): void {
    const [verb, second] = this.#head
    const previous = this.#previous
    if (previous === undefined) this.#first(token)
    else if (this.#head.length === 2) this.#second(verb, token)
    if (token === 'where' && this.#writes.at(-1)?.depth === this.#depth) this.#writes.pop()
    else if (token === 'from' && previous === 'delete') this.#write('DELETE without WHERE')
    else if (token !== '' && previous === 'update') this.#write('UPDATE without WHERE')
    else if (token === 'analyze' || token === 'analyse') this.#analyzes = true
    if (verb === 'alter') this.#altered(second, token)
    if (verb === 'create' && second === 'schema') this.#right(token)
    if ((verb === 'create' || verb === 'alter') && previous === 'security' && token === 'definer')
      this.#found.add('SECURITY DEFINER')
    if (verb === 'copy' && token === 'program' && (previous === 'to' || previous === 'from'))
      this.#found.add('COPY PROGRAM')
  }

  #first(token: SqlToken): void {
    if (token === 'truncate') this.#found.add('TRUNCATE')
    else if (token === 'reassign') this.#found.add('change of OWNER')
    else this.#right(token)
  }

  #second(verb: SqlToken | undefined, token: SqlToken): void {
    const isRole = ROLES.has(token)
    if (verb === 'drop') this.#found.add(isRole ? 'DROP ROLE' : 'DROP')
    else if (verb === 'create' && isRole) this.#found.add('CREATE ROLE')
    else if (verb === 'alter' && isRole) this.#found.add('ALTER ROLE')
    else if (verb === 'create' && token === 'extension') this.#found.add('CREATE EXTENSION')
  }

  #altered(what: SqlToken | undefined, token: SqlToken): void {
    const previous = this.#previous
    if (token === 'to' && previous === 'owner') this.#found.add('change of OWNER')
    else if (what === 'default') this.#right(token)
    else if ((what === 'table' || what === 'foreign' || what === 'type') && previous === 'drop')
      if (!WITHOUT_DATA.has(token)) this.#found.add('DROP')
  }

  #right(token: SqlToken): void {
    if (token === 'grant') this.#found.add('GRANT')
    else if (token === 'revoke') this.#found.add('REVOKE')
  }

  #write(kind: RiskyKind): void {
    if (!this.#mayWrite()) return
    if (this.#writes.length < MAX_WRITES) this.#writes.push({ kind, depth: this.#depth })
    else this.#found.add(kind)
  }

  #mayWrite(): boolean {
    const [verb] = this.#head
    if (verb === 'explain' && !this.#analyzes) return false
    const before = this.#beforePrevious
    return before === undefined || BEFORE_WRITE.has(before) || (before === 'as' && verb === 'prepare')
  }

  #close(): void {
    this.#depth = Math.max(0, this.#depth - 1)
    this.#settle(this.#depth)
  }

  /** Writes in brackets that are closed by now have had their chance of a WHERE. */
  #settle(depth: number): void {
    for (let last = this.#writes.at(-1); last !== undefined && last.depth > depth; last = this.#writes.at(-1)) {
      this.#found.add(last.kind)
      this.#writes.pop()
    }
  }

  #endStatement(): void {
    this.#settle(-1)
    this.#head = []
    this.#previous = undefined
    this.#beforePrevious = undefined
    this.#depth = 0
    this.#analyzes = false
  }
}
