// Which segments may become skeletons: those that are full, undamaged, and whose every session is sealed. It counts; the
// rewriting is in skeleton-file.ts.

export class Skeletons {
  /** By segment that holds lines: the sessions that are not sealed yet. */
  readonly #unsealed = new Map<number, Set<string>>()
  /** By session: the segments that hold lines of it. */
  readonly #segments = new Map<string, Set<number>>()
  /** Damaged, or not to be rewritten for another reason: left as they are. */
  readonly #whole = new Set<number>()

  /** A line of `session` stands in `segment`. */
  note(session: string, segment: number): void {
    const segments = this.#segments.get(session) ?? new Set()
    if (segments.has(segment)) return
    this.#segments.set(session, segments.add(segment))
    this.#unsealed.set(segment, (this.#unsealed.get(segment) ?? new Set()).add(session))
  }

  /** The session is sealed and proven: nothing reads its lines here any more. */
  forget(session: string): void {
    for (const segment of this.#segments.get(session) ?? []) this.#unsealed.get(segment)?.delete(session)
    this.#segments.delete(session)
  }

  /** The segment stays as it is. */
  keepWhole(segment: number): void {
    this.#whole.add(segment)
  }

  /** The segment is a skeleton. */
  done(segment: number): void {
    this.#unsealed.delete(segment)
  }

  /** One before `current` whose lines nobody needs any more, or undefined. */
  next(current: number): number | undefined {
    for (const [segment, sessions] of this.#unsealed)
      if (segment < current && sessions.size === 0 && !this.#whole.has(segment)) return segment
    return undefined
  }
}
