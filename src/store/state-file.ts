// The state database read beside whoever owns it, without its key and without its lock: what `verify` looks at. Nothing is
// written, judged or left out; reading blocks the caller's thread, so this is for local commands only.

import { HalliganError } from '../errors.ts'
import type { LedgerRow } from '../recording/ledger-check.ts'
import { errorOf, failureOf } from './engine-error.ts'
import { sql, Engine } from './engine.ts'
import { readSetting } from './query.ts'

/** Rows per query: between two of them a running Halligan may move its log. */
const rowsPerQuery = 500

export interface StateFile {
  /** Every row there is, in order of position, gaps and all. Throws `store_failed` where the file cannot be read. */
  ledger(): AsyncIterable<Required<LedgerRow>>
  setting(name: string): string | undefined
  close(): void
}

/** Opens the database at `file` for reading. Throws `store_failed` when that is not possible. */
export function openStateFile(file: string): StateFile {
  const engine = reading(() => new Engine(file, { readonly: true }))
  return {
    ledger: () => readLedger(engine),
    setting: (name) => reading(() => readSetting(engine, name)),
    close: () => engine.close(),
  }
}

async function* readLedger(engine: Engine): AsyncGenerator<Required<LedgerRow>> {
  for (let after = -Infinity; ;) {
    const query = sql.selectFrom('ledger').selectAll().where('position', '>', after).orderBy('position')
    const rows = reading(() => [...engine.iterate(query.limit(rowsPerQuery))])
    yield* rows
    const last = rows.at(-1)
    if (last === undefined) return
    after = last.position
  }
}

function reading<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    const failure = failureOf(error)
    throw new HalliganError('store_failed', `the state database cannot be read: ${failure.message}`, {
      hint: 'run as a user who may read it, in a directory SQLite may write to: a copy of the whole state directory will do',
      cause: errorOf(failure),
    })
  }
}
