// Reads who has an enrolled second factor without opening the state: for `halligan doctor`, beside a running Halligan. The
// secrets themselves stay sealed and unread.

import { HalliganError } from '../errors.ts'
import { errorOf, failureOf } from './engine-error.ts'
import { Engine, sql } from './engine.ts'

/** The names. Throws `store_failed` where the database cannot be read. */
export function readEnrolled(file: string): string[] {
  let engine: Engine | undefined
  try {
    engine = new Engine(file, { readonly: true })
    return [...engine.iterate(sql.selectFrom('totp').select('user_name as user'))].map(({ user }) => user)
  } catch (error) {
    const failure = failureOf(error)
    throw new HalliganError('store_failed', `the state cannot be read: ${failure.message}`, { cause: errorOf(failure) })
  } finally {
    engine?.close()
  }
}
