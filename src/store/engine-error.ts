// What an engine's failure means to callers, in a form that crosses a thread.

import Database from 'better-sqlite3'
import { HalliganError, type ErrorCode } from '../errors.ts'

export interface Failure {
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string | undefined
  /** For the operator's log only. */
  readonly detail: string
  /** True when this connection can no longer be trusted to be durable. */
  readonly isFinal: boolean
}

/** Any error thrown while a call was carried out. Compare-and-set refusals pass as `conflict`, the rest is `store_failed`. */
export function failureOf(error: unknown): Failure {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
  if (error instanceof HalliganError)
    return { code: error.code, message: error.message, hint: error.hint, detail, isFinal: false }
  if (error instanceof Database.SqliteError) return { ...sqliteFailure(error), detail }
  return {
    code: 'store_failed',
    message: 'the state store failed',
    hint: "tell Halligan's operator; the log has the cause",
    detail,
    isFinal: false,
  }
}

/** The error a caller sees. */
export function errorOf(failure: Failure): HalliganError {
  return new HalliganError(failure.code, failure.message, { hint: failure.hint, cause: failure.detail })
}

/** The second: no room for the index of the write-ahead log. */
const diskFullCodes: ReadonlySet<string> = new Set(['SQLITE_FULL', 'SQLITE_IOERR_SHMSIZE'])

/** True when the disk, and nothing else, stood in the way. */
export function isDiskFull(error: unknown): boolean {
  return error instanceof Database.SqliteError && diskFullCodes.has(error.code)
}

function sqliteFailure(error: InstanceType<typeof Database.SqliteError>): Omit<Failure, 'detail'> {
  switch (error.code) {
    case 'SQLITE_CONSTRAINT_UNIQUE':
    case 'SQLITE_CONSTRAINT_PRIMARYKEY':
      return { code: 'conflict', message: `exists already: ${error.message}`, hint: undefined, isFinal: false }
    case 'SQLITE_CONSTRAINT_FOREIGNKEY':
      return {
        code: 'conflict',
        message: 'it refers to a grant or session that does not exist',
        hint: undefined,
        isFinal: false,
      }
    case 'SQLITE_FULL':
    case 'SQLITE_IOERR_SHMSIZE':
      return {
        code: 'store_failed',
        message: 'the disk of the state directory is full: nothing was written',
        hint: 'free space on it; nothing new opens until then',
        isFinal: false,
      }
    // Linux drops the pages of a failed sync and reports the next one as good: never sync this descriptor again.
    case 'SQLITE_IOERR_FSYNC':
    case 'SQLITE_IOERR_DIR_FSYNC':
    case 'SQLITE_CORRUPT':
    case 'SQLITE_NOTADB':
      return {
        code: 'store_failed',
        message: `the state database failed (${error.code})`,
        hint: 'look after the disk of the state directory, then restart Halligan; restore a backup if it is damaged',
        isFinal: true,
      }
    default:
      return {
        code: 'store_failed',
        message: `the state database failed (${error.code}): nothing was written`,
        hint: 'look after the state directory and its disk; the log has the cause',
        isFinal: false,
      }
  }
}
