// Reads of what only the procedure keeps, page by page.

import { listed, sql, type Engine } from './engine.ts'
import {
  mostRowsPerPage,
  type Calls,
  type CodeRow,
  type DrillRunRow,
  type LockRow,
  type Page,
  type RevocationRow,
  type ViewRow,
} from './message.ts'
import { clamp, page } from './page.ts'

type Take<Name extends keyof Calls> = Calls[Name]['take']

/** What a row of names and numbers is counted as: far below a full page, whatever it holds. */
const smallRowBytes = 256

export function readLocks(engine: Engine, { after }: Take<'locks'>): Page<LockRow> {
  const query = sql.selectFrom('locks').selectAll().where('scope', '>', after).orderBy('scope').limit(mostRowsPerPage)
  return page(engine.iterate(query), (row) => row.document.length)
}

/** Unused and not ended, newest first. */
export function readCodes(engine: Engine, { user, purpose, below }: Take<'codes'>): Page<CodeRow> {
  let query = sql
    .selectFrom('codes')
    .selectAll()
    .where('user_name', '=', user)
    .where('purpose', '=', purpose)
    .where('used_at', 'is', null)
    .where('ended_at', 'is', null)
    .orderBy('position', 'desc')
  if (below !== undefined) query = query.where('position', '<', below)
  return page(engine.iterate(query.limit(mostRowsPerPage)), () => smallRowBytes)
}

/** In the order they were made. */
export function readViews(engine: Engine, { sessions, after }: Take<'views'>): Page<ViewRow> {
  const query = sql
    .selectFrom('views')
    .selectAll()
    .where('session_id', 'in', listed<string>(sessions))
    .where('position', '>', after)
    .orderBy('position')
    .limit(mostRowsPerPage)
  return page(engine.iterate(query), () => smallRowBytes)
}

export function readDrillRuns(engine: Engine, filter: Take<'drill-runs'>): Page<DrillRunRow> {
  const { name, since, after, limit } = filter
  let query = sql.selectFrom('drill_runs').selectAll().orderBy('started_at', 'desc').orderBy('position', 'desc')
  if (name !== undefined) query = query.where('name', '=', name)
  if (since !== undefined) query = query.where('started_at', '>=', since)
  if (after !== undefined)
    query = query.where((row) =>
      row.or([
        row('started_at', '<', after.at),
        row.and([row('started_at', '=', after.at), row('position', '<', after.position)]),
      ]),
    )
  return page(engine.iterate(query.limit(clamp(limit))), (row) => row.document.length)
}

/** Not done yet, the next due first. */
export function readRevocations(engine: Engine, { after, limit }: Take<'revocations'>): Page<RevocationRow> {
  let query = sql
    .selectFrom('revocations')
    .selectAll()
    .where('done_at', 'is', null)
    .orderBy('next_at')
    .orderBy('position')
  if (after !== undefined)
    query = query.where((row) =>
      row.or([
        row('next_at', '>', after.at),
        row.and([row('next_at', '=', after.at), row('position', '>', after.position)]),
      ]),
    )
  return page(engine.iterate(query.limit(clamp(limit))), (row) => row.what.length + (row.last_error?.length ?? 0))
}
