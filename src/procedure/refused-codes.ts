// How many refused codes become leaves one by one. Whoever holds a key may try for ever, slowed but not stopped; the
// ledger is kept for ever, so what comes faster is counted.

/** Leaves per minute for one person and key: typing errors fit, and so do the tries before a wait. */
const PER_MINUTE = 10
const MINUTE_MS = 60_000
/** People times keys in use, with much room; the oldest is forgotten first. */
const MAX_KEYS = 10_000

interface Counted {
  minute: number
  written: number
  unwritten: number
}

export class RefusedCodes {
  readonly #keys = new Map<string, Counted>()

  /**
   * Whether this refusal is written, and how many before it were not; `undefined`: it is counted only. `key` names person
   * and key, `at` in ms.
   */
  take(key: string, at: number): { readonly unwritten: number } | undefined {
    const minute = Math.floor(at / MINUTE_MS)
    const counted = this.#keys.get(key) ?? { minute, written: 0, unwritten: 0 }
    this.#keys.delete(key)
    this.#keys.set(key, counted)
    const [oldest] = this.#keys.keys()
    if (this.#keys.size > MAX_KEYS && oldest !== undefined) this.#keys.delete(oldest)
    // Another minute, also one that a step of the clock brought back.
    if (counted.minute !== minute) Object.assign(counted, { minute, written: 0 })
    if (counted.written >= PER_MINUTE) {
      counted.unwritten++
      return undefined
    }
    const { unwritten } = counted
    counted.written++
    counted.unwritten = 0
    return { unwritten }
  }
}
