// A recorder whose disk is the test's: it can be slow, held, or full.
import { HalliganError } from '../../src/errors.ts'
import type { EventCode } from '../../src/recording/event-line.ts'
import type { Recorder } from '../../src/session/recorder.ts'

export type Recorded =
  | { readonly kind: 'bytes' | 'bulk'; readonly stream: 'i' | 'o' | 'e'; readonly bytes: Buffer }
  | { readonly kind: 'fact'; readonly code: EventCode; readonly data: unknown }

export class MemoryRecorder implements Recorder {
  readonly session: string
  readonly events: Recorded[] = []
  /** Set: nothing is durable until `release`. */
  isHeld = false
  pendingBytes = 0
  #held: (() => void)[] = []
  #failure: HalliganError | undefined
  readonly #onFailure: (error: Error) => void

  constructor(session: string, onFailure: (error: Error) => void) {
    this.session = session
    this.#onFailure = onFailure
  }

  bytes(stream: 'i' | 'o' | 'e', bytes: Uint8Array): Promise<void> {
    return this.#append({ kind: 'bytes', stream, bytes: Buffer.from(bytes) })
  }

  bulk(stream: 'i' | 'o' | 'e', bytes: Uint8Array): Promise<void> {
    return this.#append({ kind: 'bulk', stream, bytes: Buffer.from(bytes) })
  }

  fact(code: EventCode, data: unknown): Promise<void> {
    return this.#append({ kind: 'fact', code, data })
  }

  /** The disk is full from now on. */
  fail(): void {
    this.#failure = new HalliganError('recorder_failed', 'the journal did not take it: ENOSPC')
    this.release()
  }

  release(): void {
    this.isHeld = false
    for (const resolve of this.#held.splice(0)) resolve()
  }

  /** All bytes of one stream that were written down. */
  stream(stream: 'i' | 'o' | 'e'): Buffer {
    return Buffer.concat(
      this.events.flatMap((event) => ('stream' in event && event.stream === stream ? [event.bytes] : [])),
    )
  }

  facts(code: EventCode): unknown[] {
    return this.events.flatMap((event) => (event.kind === 'fact' && event.code === code ? [event.data] : []))
  }

  async #append(event: Recorded): Promise<void> {
    if (this.isHeld) await new Promise<void>((resolve) => this.#held.push(resolve))
    if (this.#failure !== undefined) {
      this.#onFailure(this.#failure)
      throw this.#failure
    }
    this.events.push(event)
  }
}
