// Reads of grants, sessions, secrets and the ledger's leaves, page by page.

import { HalliganError } from '../errors.ts'
import { sql, type Engine } from './engine.ts'
import {
  mostRowsPerPage,
  type Calls,
  type GrantRow,
  type GrantSecretRow,
  type Page,
  type PageEnd,
  type Range,
  type SessionRow,
} from './message.ts'
import { clamp, page } from './page.ts'

type Take<Name extends keyof Calls> = Calls[Name]['take']

const grantColumns = ['position', 'requested_at', 'document'] as const
const sessionColumns = ['position', 'opened_at', 'document', 'state', 'ended_at', 'ending', 'seal'] as const

export function readGrant(engine: Engine, id: string): GrantRow | undefined {
  return engine.get(sql.selectFrom('grants').select(grantColumns).where('id', '=', id))
}

export function readGrants(engine: Engine, filter: Take<'grants'>): Page<GrantRow> {
  const { user, states, since, before, after, limit } = filter
  let query = sql.selectFrom('grants').select(grantColumns).orderBy('requested_at', 'desc').orderBy('position', 'desc')
  if (user !== undefined) query = query.where('user_name', '=', user)
  if (states !== undefined) query = query.where('state', 'in', states)
  if (since !== undefined) query = query.where('requested_at', '>=', since)
  if (before !== undefined) query = query.where('requested_at', '<', before)
  if (after !== undefined)
    query = query.where((row) =>
      row.or([
        row('requested_at', '<', after.at),
        row.and([row('requested_at', '=', after.at), row('position', '<', after.position)]),
      ]),
    )
  return page(engine.iterate(query.limit(clamp(limit))), (row) => row.document.length)
}

export function readSession(engine: Engine, id: string): SessionRow | undefined {
  return engine.get(sql.selectFrom('sessions').select(sessionColumns).where('id', '=', id))
}

export function readSessions(engine: Engine, filter: Take<'sessions'>): Page<SessionRow> {
  const { user, grant, states, before, from } = filter
  const after = filter.after ?? (from === undefined ? undefined : endAt(engine, from))
  let query = sql.selectFrom('sessions').select(sessionColumns).orderBy('opened_at', 'desc').orderBy('position', 'desc')
  if (user !== undefined) query = query.where('user_name', '=', user)
  if (grant !== undefined) query = query.where('grant_id', '=', grant)
  if (states !== undefined) query = query.where('state', 'in', states)
  if (before !== undefined) query = query.where('opened_at', '<', before)
  if (after !== undefined)
    query = query.where((row) =>
      row.or([
        row('opened_at', '<', after.at),
        row.and([row('opened_at', '=', after.at), row('position', '<', after.position)]),
      ]),
    )
  const sizeOf = (row: SessionRow) => row.document.length + (row.ending?.length ?? 0) + (row.seal?.length ?? 0)
  return page(engine.iterate(query.limit(clamp(filter.limit))), sizeOf)
}

/** Where the list goes on after session `id`; past its end when nobody knows that session. */
function endAt(engine: Engine, id: string): PageEnd {
  const row = engine.get(sql.selectFrom('sessions').select(['opened_at', 'position']).where('id', '=', id))
  return row === undefined ? { at: -Infinity, position: 0 } : { at: row.opened_at, position: row.position }
}

export function readTotp(engine: Engine, user: string): Calls['totp']['give'] {
  return engine.get(sql.selectFrom('totp').select(['secret', 'last_step']).where('user_name', '=', user))
}

export function readGrantSecrets(engine: Engine, { grant, after }: Take<'grant-secrets'>): Page<GrantSecretRow> {
  const query = sql
    .selectFrom('grant_secrets')
    .selectAll()
    .where('grant_id', '=', grant)
    .where('ended_at', 'is', null)
    .where('position', '>', after)
    .orderBy('position')
    .limit(mostRowsPerPage)
  return page(engine.iterate(query), (row) => row.mfa.length + row.salt.length + row.stored_key.length)
}

export function readLeaves(engine: Engine, range: Range): Page<Uint8Array> {
  const query = sql
    .selectFrom('ledger')
    .select(['position', 'leaf as bytes'])
    .where('position', '>=', range.from)
    .where('position', '<', range.to)
    .orderBy('position')
  return page(gapless(engine.iterate(query), range), (leaf) => leaf.length)
}

export function readSetting(engine: Engine, name: string): string | undefined {
  return engine.get(sql.selectFrom('settings').select('value').where('name', '=', name))?.value
}

/** A proof over leaves with one left out would be a proof of something else. */
function* gapless(
  rows: Iterable<{ readonly position: number; readonly bytes: Uint8Array }>,
  { from, to }: Range,
): Generator<Uint8Array> {
  let next = from
  for (const row of rows) {
    if (row.position !== next) break
    yield row.bytes
    next += 1
  }
  if (next < to)
    throw new HalliganError('store_failed', `ledger leaf ${next} is missing`, {
      hint: 'the state database was altered or the range is beyond the head: run halligan verify --all',
    })
}
