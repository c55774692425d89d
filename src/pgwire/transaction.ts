// Which finished statements a transaction took back. A tag says "INSERT 0 1" long before the ROLLBACK; the record must
// not leave it at that.

import type { TransactionStatus } from './backend-decoding.ts'
import type { StatementShape } from './statement-shape.ts'

export interface RolledBack {
  readonly from: number
  readonly to: number
  readonly extent: 'all' | 'some' | 'unknown'
}

export class TransactionOutcome {
  /** First and last statement finished in the present transaction. */
  #first: number | undefined
  #last = 0
  #hasFailed = false
  #status: TransactionStatus = 'I'

  get status(): TransactionStatus {
    return this.#status
  }

  /** A statement finished with `tag`. Gives what that took back. */
  finished(id: number, tag: string, shape: StatementShape): RolledBack | undefined {
    if (tag === 'COMMIT' || tag === 'PREPARE TRANSACTION') {
      this.#clear()
      return undefined
    }
    if (tag === 'ROLLBACK') return this.#rolledBack(shape)
    this.#first ??= id
    this.#last = id
    return undefined
  }

  failed(): void {
    this.#hasFailed = true
  }

  /** ReadyForQuery: an implicit transaction in which anything failed is gone by now. */
  ready(status: TransactionStatus): RolledBack | undefined {
    this.#status = status
    if (status !== 'I') return undefined
    const taken = this.#hasFailed ? this.#span('all') : undefined
    this.#clear()
    return taken
  }

  /** The connection is gone: an open transaction is rolled back; without one, the server may have committed or not. */
  lost(): RolledBack | undefined {
    const taken = this.#span(this.#status === 'I' && !this.#hasFailed ? 'unknown' : 'all')
    this.#clear()
    return taken
  }

  #rolledBack(shape: StatementShape): RolledBack | undefined {
    if (shape.kind === 'rollback-to') return this.#span('some')
    const taken = this.#span('all')
    this.#clear()
    return taken
  }

  #span(extent: RolledBack['extent']): RolledBack | undefined {
    return this.#first === undefined ? undefined : { from: this.#first, to: this.#last, extent }
  }

  #clear(): void {
    this.#first = undefined
    this.#hasFailed = false
  }
}
