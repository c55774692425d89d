// Reads what places acknowledged without opening the state: for `halligan verify --all` and `halligan doctor`, beside a
// running Halligan. It is what the ledger says of itself; the proof is what the places hold.

import { decodeLeaf, type AuditEvent } from '../audit.ts'
import { HalliganError } from '../errors.ts'
import { errorOf, failureOf } from './engine-error.ts'
import { Engine, sql } from './engine.ts'

/** Acknowledgements looked at for the newest of each place: more than a few places make in an hour. */
const mostLookedAt = 1000

export interface AnchoredLeaf {
  readonly anchor: string
  readonly outside: boolean
  /** Leaves of the checkpoint. */
  readonly size: number
  /** When it was acknowledged (ms). */
  readonly at: number
}

/** The newest acknowledgement of each place, the newest first. Throws `store_failed` where the database cannot be read. */
export function readAnchored(file: string): AnchoredLeaf[] {
  return reading(file, (engine) => {
    const query = sql
      .selectFrom('ledger')
      .select('leaf')
      .where('event_type', '=', 'anchor-acknowledged' satisfies AuditEvent['type'])
      .orderBy('position', 'desc')
      .limit(mostLookedAt)
    const newest = new Map<string, AnchoredLeaf>()
    for (const { leaf } of engine.iterate(query)) {
      const event = decodeLeaf(Buffer.from(leaf))
      if (event.type !== 'anchor-acknowledged' || newest.has(event.anchor)) continue
      const { anchor, outside, size, at } = event
      newest.set(anchor, { anchor, outside, size, at })
    }
    return [...newest.values()]
  })
}

/** A setting; undefined where there is none. Throws likewise. */
export function readSetting(file: string, name: string): string | undefined {
  return reading(
    file,
    (engine) => engine.get(sql.selectFrom('settings').select('value').where('name', '=', name))?.value,
  )
}

function reading<T>(file: string, read: (engine: Engine) => T): T {
  let engine: Engine | undefined
  try {
    engine = new Engine(file, { readonly: true })
    return read(engine)
  } catch (error) {
    const failure = failureOf(error)
    throw new HalliganError('store_failed', `the state cannot be read: ${failure.message}`, { cause: errorOf(failure) })
  } finally {
    engine?.close()
  }
}
