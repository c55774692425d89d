// Recorded time and played time. With pauses cut short the player's clock runs apart from the record's; this maps both
// ways, so that what stands beside the player follows it and a click finds its moment.

export interface Playback {
  /** Events for the player: [ms, code, data]. */
  readonly events: readonly [number, 'o' | 'r' | 'm', unknown][]
  /** Seconds. */
  readonly duration: number
  toPlayed(recordedS: number): number
  toRecorded(playedS: number): number
}

interface Cut {
  /** Where in the record the pause ends (s), and how much has been cut up to there (s). */
  readonly at: number
  readonly cut: number
}

/** Lays events out for playing, no pause longer than `idleLimitS` (undefined: as it was). */
export function layOut(
  events: readonly { readonly at: number; readonly code: 'o' | 'r' | 'm'; readonly data: unknown }[],
  endS: number,
  idleLimitS: number | undefined,
): Playback {
  const cuts: Cut[] = []
  const played: [number, 'o' | 'r' | 'm', unknown][] = []
  let last = 0
  let cut = 0
  const place = (at: number): number => {
    const extra = idleLimitS === undefined ? 0 : at - last - idleLimitS
    if (extra > 0) {
      cut += extra
      cuts.push({ at, cut })
    }
    last = at
    return at - cut
  }
  for (const { at, code, data } of events) played.push([place(at) * 1000, code, data])
  const duration = place(Math.max(endS, last))
  // The player needs an end it can run to, also when the last thing that happened was silence.
  played.push([duration * 1000, 'o', ''])
  return {
    events: played,
    duration,
    toPlayed: (recordedS) => {
      const before = cutBefore(cuts, recordedS)
      const next = cuts[before + 1]
      const shifted = recordedS - (cuts[before]?.cut ?? 0)
      // Inside a pause that was cut: at most its end.
      return next === undefined ? shifted : Math.min(shifted, next.at - next.cut)
    },
    toRecorded: (playedS) => {
      let low = 0
      for (const { at, cut: sum } of cuts) {
        if (at - sum > playedS) break
        low = sum
      }
      return playedS + low
    },
  }
}

/** Index of the last cut at or before `at`; -1: none. */
function cutBefore(cuts: readonly Cut[], at: number): number {
  let low = 0
  let high = cuts.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((cuts[middle]?.at ?? 0) <= at) low = middle + 1
    else high = middle
  }
  return low - 1
}
