// How far a cut tail could go unnoticed: the window that the configuration promises, and the one that is true now, by what
// was acknowledged last. Only places outside the machine count.

import type { AnchorPlace, AnchorRecord } from './anchor-record.ts'

export interface AnchorPlaceStatus {
  readonly name: string
  readonly outside: boolean
  readonly everyMs: number
  /** The newest checkpoint it acknowledged: leaves, and when it was signed (ms); null: none yet. */
  readonly newest: { readonly size: number; readonly at: number } | null
  /** What the last attempt failed with; null: it did not. */
  readonly error: string | null
  /** Since when (ms) it is known to fail. */
  readonly failingSince: number | null
  /** It held a checkpoint that this ledger does not contain. */
  readonly isContradicted: boolean
}

export interface AnchorStatus {
  /** Ms: the window while everything works; null: no place is outside, and nothing is promised. */
  readonly promisedMs: number | null
  /**
   * Ms: how far back events go that no place outside has acknowledged. A tail cut off within it cannot be told from a
   * crash. 0: everything is outside; null: nothing ever was.
   */
  readonly windowMs: number | null
  readonly places: readonly AnchorPlaceStatus[]
}

interface Known {
  readonly place: AnchorPlace
  readonly record: AnchorRecord
  readonly since: number | null
  readonly error: string | null
}

/** As it stands at `now` (ms). */
export function statusOf(known: readonly Known[], now: number): AnchorStatus {
  const outside = known.filter(({ place }) => place.anchor.outside)
  const windows = outside.flatMap(({ record, since }) => {
    if (record.acknowledged === null) return []
    return since === null ? [0] : [Math.max(0, now - since)]
  })
  return {
    promisedMs: outside.length === 0 ? null : Math.min(...outside.map(({ place }) => place.everyMs)),
    windowMs: windows.length === 0 ? null : Math.min(...windows),
    places: known.map(({ place: { anchor, everyMs }, record, error }) => ({
      name: anchor.name,
      outside: anchor.outside,
      everyMs,
      newest: record.acknowledged && { size: record.acknowledged.size, at: record.acknowledged.at },
      error,
      failingSince: record.failingSince,
      isContradicted: record.contradicted !== null,
    })),
  }
}
