// The journal's port in memory: durability as a switch, so that tests can look at what waits for it.
import { HalliganError } from '../../src/errors.ts'
import type { LineBody } from '../../src/recording/event-line.ts'
import type { Journal, JournalEntry } from '../../src/session/recorder.ts'

export class MemoryJournal implements Journal {
  readonly entries: JournalEntry[] = []
  #waiting: PromiseWithResolvers<void>[] = []
  #isHeld = false
  #failure: HalliganError | undefined
  #watchers: (() => void)[] = []

  append(entry: JournalEntry): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    this.entries.push(entry)
    for (const watcher of this.#watchers.splice(0)) watcher()
    if (!this.#isHeld) return new Promise((resolve) => setImmediate(resolve))
    const waiting = Promise.withResolvers<void>()
    this.#waiting.push(waiting)
    return waiting.promise
  }

  /** From now on nothing becomes durable. */
  hold(): void {
    this.#isHeld = true
  }

  /** What was held is durable now, and so is what follows. */
  release(): void {
    this.#isHeld = false
    for (const waiting of this.#waiting.splice(0)) waiting.resolve()
  }

  /** The disk is full, for what waits and for ever after. */
  fail(): void {
    this.#failure = new HalliganError('journal_failed', 'no space left on device')
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#failure)
  }

  facts(session?: string): { code: string; data: Record<string, unknown> }[] {
    return this.entries
      .filter((entry) => session === undefined || entry.session === session)
      .flatMap(({ body }) => (body.kind === 'fact' ? [fact(body)] : []))
  }

  bulk(): Buffer {
    return Buffer.concat(this.entries.flatMap(({ body }) => (body.kind === 'bulk' ? [body.bytes] : [])))
  }

  header(): Record<string, unknown> {
    const body = this.entries.find((entry) => entry.body.kind === 'header')?.body
    return body?.kind === 'header' ? body.header : {}
  }

  /** Resolves when `found` gives something for the facts so far. */
  async until<Value>(
    found: (facts: ReturnType<MemoryJournal['facts']>) => Value | undefined,
    timeoutMs = 10_000,
  ): Promise<Value> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const value = found(this.facts())
      if (value !== undefined) return value
      const left = deadline - Date.now()
      if (left <= 0) throw new Error(`not recorded in time: ${JSON.stringify(this.facts().slice(-10))}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#watchers.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  async *lines(): AsyncGenerator<never> {
    // Sealing is not the business of these tests.
  }

  head() {
    return { seq: 0, head: '' }
  }

  async epoch(): Promise<void> {}

  async close(): Promise<void> {}
}

// As a reader of the recording gets it: what is undefined is not there.
function fact(body: Extract<LineBody, { kind: 'fact' }>) {
  return { code: body.code, data: JSON.parse(JSON.stringify(body.data)) as Record<string, unknown> }
}
