// One commit: every write by compare-and-set, the leaves and the alerts, all in one transaction. A write that changes no row
// has lost its race; it throws, and everything is rolled back.

import type { UpdateQueryBuilder, Updateable, UpdateResult } from 'kysely'
import type { LedgerHead } from '../session/state.ts'
import { demand } from './demand.ts'
import { sql, type Engine } from './engine.ts'
import type { LedgerTable } from './ledger-table.ts'
import type { AlertRow, ChangeRows, RowWrite } from './message.ts'
import { applyProcedureWrite } from './procedure-write.ts'
import type { Schema } from './schema.ts'

/** Throws `conflict` when a compare-and-set lost and whatever the engine throws; nothing is written then. */
export function commitChange(engine: Engine, ledger: LedgerTable, change: ChangeRows): LedgerHead {
  const committed = engine.transaction(() => {
    for (const write of change.writes) applyWrite(engine, write)
    const appended = ledger.append(change.leaves)
    for (const alert of change.alerts) insertAlert(engine, alert)
    return appended
  })
  return committed()
}

function applyWrite(engine: Engine, write: RowWrite): void {
  switch (write.kind) {
    case 'grant':
      return writeGrant(engine, write)
    case 'session-open':
      engine.run(sql.insertInto('sessions').values({ id: write.id, document: write.document, state: 'open' }))
      return
    case 'session-ended':
      return demand(
        engine.run(
          sql
            .updateTable('sessions')
            .set({ state: 'ended', ended_at: write.endedAt, ending: write.ending })
            .where('id', '=', write.id)
            .where('state', '=', 'open'),
        ),
        `session ${write.id} is not open`,
      )
    case 'session-sealed':
      return demand(
        engine.run(
          sql
            .updateTable('sessions')
            .set({ state: 'sealed', seal: write.seal })
            .where('id', '=', write.id)
            .where('state', '!=', 'sealed'),
        ),
        `session ${write.id} is unknown or sealed already`,
      )
    case 'totp-enrolled':
      return enrolTotp(engine, write)
    case 'totp-step':
      return demand(
        engine.run(
          sql
            .updateTable('totp')
            .set({ last_step: write.step })
            .where('user_name', '=', write.user)
            .where('last_step', '<', write.step),
        ),
        `a code of step ${write.step} or later was accepted already from ${write.user}, or no secret is enrolled`,
      )
    case 'grant-secret':
      engine.run(sql.insertInto('grant_secrets').values(write.row))
      return
    case 'grant-secret-used':
      return useGrantSecret(engine, write)
    // None left to end is no lost race.
    case 'grant-secrets-ended':
      engine.run(endSecrets(write.at).where('grant_id', '=', write.grant))
      return
    case 'grant-secret-ended':
      engine.run(endSecrets(write.at).where('id', '=', write.id))
      return
    case 'alert-accepted':
      return acceptAlert(engine, write)
    case 'alert-failed':
      return failAlert(engine, write.id, { next_at: write.nextAt, last_error: write.error })
    case 'alert-dead':
      return failAlert(engine, write.id, { dead_at: write.at, last_error: write.error })
    case 'alert-retried':
      return demand(
        engine.run(
          sql
            .updateTable('outbox')
            .set({ dead_at: null, attempts: 0, next_at: 0 })
            .where('id', '=', write.id)
            .where('dead_at', 'is not', null),
        ),
        `alert ${write.id} is unknown or not given up`,
      )
    case 'setting':
      engine.run(
        sql
          .insertInto('settings')
          .values({ name: write.name, value: write.value })
          .onConflict((conflict) => conflict.column('name').doUpdateSet({ value: write.value })),
      )
      return
    default:
      return applyProcedureWrite(engine, write)
  }
}

function writeGrant(engine: Engine, write: Extract<RowWrite, { kind: 'grant' }>): void {
  const { id, document, expectVersion } = write
  if (expectVersion === null) {
    engine.run(sql.insertInto('grants').values({ id, document }))
    return
  }
  demand(
    engine.run(sql.updateTable('grants').set({ document }).where('id', '=', id).where('version', '=', expectVersion)),
    `grant ${id} was changed by somebody else`,
  )
}

/** A new secret keeps the last step: a code that was accepted once stays used, whatever is enrolled. */
function enrolTotp(engine: Engine, write: Extract<RowWrite, { kind: 'totp-enrolled' }>): void {
  engine.run(
    sql
      .insertInto('totp')
      .values({ user_name: write.user, secret: write.secret, last_step: 0 })
      .onConflict((conflict) => conflict.column('user_name').doUpdateSet({ secret: write.secret })),
  )
}

function useGrantSecret(engine: Engine, write: Extract<RowWrite, { kind: 'grant-secret-used' }>): void {
  demand(
    engine.run(
      sql
        .updateTable('grant_secrets')
        .set((row) => ({ used_at: row.fn.coalesce('used_at', row.val(write.at)) }))
        .where('id', '=', write.id)
        .where('ended_at', 'is', null)
        .where((row) => row.or([row('used_at', 'is not', null), row('first_use_by', '>=', write.at)])),
    ),
    `grant secret ${write.id} has ended or was not used in time`,
  )
}

function endSecrets(at: number): UpdateQueryBuilder<Schema, 'grant_secrets', 'grant_secrets', UpdateResult> {
  return sql.updateTable('grant_secrets').set({ ended_at: at }).where('ended_at', 'is', null)
}

/** Also one that was given up: a receiver may have taken it although its answer was lost. */
function acceptAlert(engine: Engine, write: Extract<RowWrite, { kind: 'alert-accepted' }>): void {
  const accepted = { accepted_at: write.at, receipt: write.receipt, last_error: null, dead_at: null }
  demand(engine.run(attempt(write.id, accepted)), `alert ${write.id} is unknown or accepted already`)
}

function failAlert(engine: Engine, id: string, values: Updateable<Schema['outbox']>): void {
  demand(
    engine.run(attempt(id, values).where('dead_at', 'is', null)),
    `alert ${id} is unknown, accepted or given up already`,
  )
}

/** One attempt at an alert that no channel has accepted yet. */
function attempt(
  id: string,
  values: Updateable<Schema['outbox']>,
): UpdateQueryBuilder<Schema, 'outbox', 'outbox', UpdateResult> {
  return sql
    .updateTable('outbox')
    .set((row) => ({ ...values, attempts: row('attempts', '+', 1) }))
    .where('id', '=', id)
    .where('accepted_at', 'is', null)
}

/** New alerts are due at once, whatever the clock does. */
function insertAlert(engine: Engine, alert: AlertRow): void {
  engine.run(sql.insertInto('outbox').values({ ...alert, attempts: 0, next_at: 0 }))
}
