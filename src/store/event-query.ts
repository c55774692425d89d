// Reads of the ledger by what its leaves say. The indexes are read first, for positions alone; leaves only for what goes out.

import { sql as raw } from 'kysely'
import { listed, sql, type Engine } from './engine.ts'
import type { Calls, LeafRow, Page } from './message.ts'
import { clamp, page } from './page.ts'

type Take = Calls['events']['take']

/** Newest first. A damaged leaf has no type and no time, and is in no such list. */
export function readEvents(engine: Engine, filter: Take): Page<LeafRow> {
  const limit = clamp(filter.limit)
  const positions =
    filter.types === undefined ? anyTyped(engine, filter, limit) : typed(engine, filter.types, filter, limit)
  const query = sql
    .selectFrom('ledger')
    .select(['position', 'leaf'])
    .where('position', 'in', listed<number>(positions))
    .orderBy('position', 'desc')
  return page(engine.iterate(query), (row) => row.leaf.length)
}

/** Each type's newest by its own run of the index: a sort over all of them would grow with the ledger. */
function typed(engine: Engine, types: NonNullable<Take['types']>, filter: Take, limit: number): number[] {
  const found = [...new Set(types)].flatMap((type) => {
    let query = sql.selectFrom('ledger').select('position').where('event_type', '=', type).orderBy('position', 'desc')
    if (filter.below !== undefined) query = query.where('position', '<', filter.below)
    if (filter.since !== undefined) query = query.where('event_at', '>=', filter.since)
    if (filter.before !== undefined) query = query.where('event_at', '<', filter.before)
    return [...engine.iterate(query.limit(limit))].map(({ position }) => position)
  })
  return found.sort((a, b) => b - a).slice(0, limit)
}

function anyTyped(engine: Engine, { since, before, below }: Take, limit: number): number[] {
  const isBounded = since !== undefined || before !== undefined
  // `+position`: with times given, the index over times is read, not every leaf from the newest on.
  const position = isBounded ? raw<number>`+position` : raw<number>`position`
  let query = sql.selectFrom('ledger').select('position').where('event_type', 'is not', null).orderBy(position, 'desc')
  if (below !== undefined) query = query.where(position, '<', below)
  if (since !== undefined) query = query.where('event_at', '>=', since)
  if (before !== undefined) query = query.where('event_at', '<', before)
  return [...engine.iterate(query.limit(limit))].map((row) => row.position)
}
