// Writes of what only the procedure keeps, each by compare-and-set where two may want the same.

import { demand } from './demand.ts'
import { sql, type Engine } from './engine.ts'
import type { ProcedureWrite } from './message.ts'

/** Inside a transaction. Throws `conflict` when a compare-and-set lost. */
export function applyProcedureWrite(engine: Engine, write: ProcedureWrite): void {
  switch (write.kind) {
    case 'lock': {
      const { document } = write.row
      engine.run(
        sql
          .insertInto('locks')
          .values(write.row)
          .onConflict((conflict) => conflict.column('scope').doUpdateSet({ document })),
      )
      return
    }
    case 'unlock':
      return demand(
        engine.run(sql.deleteFrom('locks').where('scope', '=', write.scope)),
        `${write.scope} is not locked`,
      )
    case 'code-issued':
      engine.run(sql.insertInto('codes').values(write.row))
      return
    case 'code-used':
      return useCode(engine, write)
    // None left to end is no lost race.
    case 'codes-ended':
      engine.run(
        sql
          .updateTable('codes')
          .set({ ended_at: write.at })
          .where('user_name', '=', write.user)
          .where('purpose', '=', write.purpose)
          .where('used_at', 'is', null)
          .where('ended_at', 'is', null),
      )
      return
    case 'view':
      engine.run(sql.insertInto('views').values(write.row))
      return
    case 'drill-run': {
      const { id, document } = write
      engine.run(
        sql
          .insertInto('drill_runs')
          .values({ id, document })
          .onConflict((conflict) => conflict.column('id').doUpdateSet({ document })),
      )
      return
    }
    case 'revocation-queued':
      engine.run(sql.insertInto('revocations').values(write.row))
      return
    case 'revocation-failed':
      return demand(
        engine.run(
          sql
            .updateTable('revocations')
            .set((row) => ({
              attempts: row('attempts', '+', 1),
              next_at: row.val(write.nextAt),
              last_error: row.val(write.error),
            }))
            .where('id', '=', write.id)
            .where('done_at', 'is', null),
        ),
        `revocation ${write.id} is unknown or done already`,
      )
    case 'revocation-done':
      return demand(
        engine.run(
          sql
            .updateTable('revocations')
            .set({ done_at: write.at, last_error: null })
            .where('id', '=', write.id)
            .where('done_at', 'is', null),
        ),
        `revocation ${write.id} is unknown or done already`,
      )
  }
}

function useCode(engine: Engine, write: Extract<ProcedureWrite, { kind: 'code-used' }>): void {
  demand(
    engine.run(
      sql
        .updateTable('codes')
        .set({ used_at: write.at })
        .where('id', '=', write.id)
        .where('used_at', 'is', null)
        .where('ended_at', 'is', null)
        .where((row) => row.or([row('expires_at', 'is', null), row('expires_at', '>', write.at)])),
    ),
    `code ${write.id} was used, has ended or has expired`,
  )
}
