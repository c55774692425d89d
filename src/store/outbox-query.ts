// Reads of the outbox: what is due, and what became of what was sent.

import { sql, type Engine } from './engine.ts'
import type { Calls, Page, StoredAlertRow } from './message.ts'
import { clamp, page } from './page.ts'

/** No back-off reaches this far: an alert due later than this from now was planned before the clock stepped back. */
const furthestRetryMs = 2 * 3600_000

/**
 * Of each channel new alerts in the order they were written, then retries in the order they fall due; the channels take
 * turns, so that a flood to one hides nothing of another.
 */
export function readOutboxDue(engine: Engine, { now, limit }: Calls['outbox-due']['take']): Page<StoredAlertRow> {
  const due = sql
    .selectFrom('outbox')
    .selectAll()
    .select((row) =>
      row.fn
        .agg<number>('row_number')
        .over((over) => over.partitionBy('channel').orderBy('next_at').orderBy('position'))
        .as('turn'),
    )
    .where('accepted_at', 'is', null)
    .where('dead_at', 'is', null)
    .where((row) => row.or([row('next_at', '<=', now), row('next_at', '>', now + furthestRetryMs)]))
  const query = sql
    .selectFrom(due.as('due'))
    .selectAll()
    .orderBy('turn')
    .orderBy('next_at')
    .orderBy('position')
    .limit(clamp(limit))
  return page(engine.iterate(query), sizeOfAlert)
}

/** Newest first. */
export function readAlerts(engine: Engine, filter: Calls['alerts']['take']): Page<StoredAlertRow> {
  const { grant, type, isDead, since, before, below, limit } = filter
  let query = sql.selectFrom('outbox').selectAll().orderBy('position', 'desc')
  if (grant !== undefined) query = query.where('grant_id', '=', grant)
  if (type !== undefined) query = query.where('type', '=', type)
  if (isDead !== undefined) query = query.where('dead_at', isDead ? 'is not' : 'is', null)
  if (since !== undefined) query = query.where('at', '>=', since)
  if (before !== undefined) query = query.where('at', '<', before)
  if (below !== undefined) query = query.where('position', '<', below)
  return page(engine.iterate(query.limit(clamp(limit))), sizeOfAlert)
}

function sizeOfAlert(row: StoredAlertRow): number {
  return row.payload.length + (row.last_error?.length ?? 0) + (row.receipt?.length ?? 0)
}
