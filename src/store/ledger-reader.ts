// Reads the ledger without opening the state: for `halligan verify --all`, beside a running Halligan or without one. It needs
// neither key nor lock, judges nothing and leaves nothing out. It blocks its thread, so it is for local commands only.

import { HalliganError } from '../errors.ts'
import { errorOf, failureOf } from './engine-error.ts'
import { sql, Engine } from './engine.ts'

/** Rows per query: between two of them a running Halligan may move its log. */
const rowsPerQuery = 500

/** Every row there is in `file`, by position, gaps and all. Throws `store_failed` where it cannot be read. */
export async function* readLedger(
  file: string,
): AsyncGenerator<{ readonly position: number; readonly leaf: Buffer; readonly hash: Buffer }, void> {
  const engine = reading(() => new Engine(file, { readonly: true }))
  try {
    for (let after = -Infinity; ;) {
      const query = sql
        .selectFrom('ledger')
        .select(['position', 'leaf', 'hash'])
        .where('position', '>', after)
        .orderBy('position')
      const rows = reading(() => [...engine.iterate(query.limit(rowsPerQuery))])
      for (const { position, leaf, hash } of rows) yield { position, leaf: Buffer.from(leaf), hash: Buffer.from(hash) }
      const last = rows.at(-1)
      if (last === undefined) return
      after = last.position
    }
  } finally {
    engine.close()
  }
}

function reading<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    const failure = failureOf(error)
    throw new HalliganError('store_failed', `the ledger cannot be read: ${failure.message}`, {
      hint: 'run as a user who may read it, in a directory SQLite may write to: a copy of the state directory will do',
      cause: errorOf(failure),
    })
  }
}
