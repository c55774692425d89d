/**
 * How many stories are played at a time. They wait more than they work, for syncs, gates and one-time codes; with more at
 * once they would wait for each other's processor instead, and a story that measures a second would be late.
 */
const LANES = 3

export class Lanes {
  #free = LANES
  readonly #waiting: (() => void)[] = []

  /** Waits for a lane; disposing of it gives it to the next. */
  async enter(): Promise<Disposable> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    return { [Symbol.dispose]: () => this.#leave() }
  }

  #leave(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free++
    else next()
  }
}
