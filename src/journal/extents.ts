// Where the lines of each session stand: runs of bytes of the segments, not single frames, so that memory grows with the
// journal's length and not with its events. A run holds other sessions' frames as well; its reader leaves them out.

export interface Extent {
  readonly segment: number
  readonly from: number
  /** Exclusive. */
  readonly to: number
}

/** A reader takes one run into memory at a time: it is no longer than this, or a single frame. */
const longestExtentBytes = 1 << 20
/** Frames further apart are not worth reading over. */
const widestGapBytes = 64 << 10

/** Extents per session. `note` is called in the order of the bytes. */
export class Extents {
  readonly #bySession = new Map<string, { segment: number; from: number; to: number; run: number }[]>()
  #run = 0

  /** A frame of `session` stands in `segment` from `from` to `to`. */
  note(session: string, segment: number, from: number, to: number): void {
    const extents = this.#bySession.get(session) ?? []
    if (extents.length === 0) this.#bySession.set(session, extents)
    const last = extents.at(-1)
    const joins =
      last?.segment === segment &&
      last.run === this.#run &&
      from - last.to <= widestGapBytes &&
      to - last.from <= longestExtentBytes
    if (joins) last.to = to
    else extents.push({ segment, from, to, run: this.#run })
  }

  /** What follows is no longer readable in one run with what came before: bytes between are damaged. */
  interrupt(): void {
    this.#run += 1
  }

  of(session: string): Extent[] {
    return (this.#bySession.get(session) ?? []).map(({ segment, from, to }) => ({ segment, from, to }))
  }

  /** The session is sealed: its lines are read from the archive now. */
  forget(session: string): void {
    this.#bySession.delete(session)
  }
}
