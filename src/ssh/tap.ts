// One direction of a relay: what comes in is recorded, and goes on in the same order once it is durable. While the disk
// works, what arrives is gathered into one line, so that a slow disk makes longer lines instead of a longer queue.

import { ProtocolViolation } from '../errors.ts'
import { joinedPiece } from '../session/joined-piece.ts'

/** Lines on their way to the disk at a time: half a window, in reads of a socket (64 KiB each). */
const MAX_IN_FLIGHT = 16
/** Steps waiting for the disk: the window does not hold them back, and nobody resizes or signals faster. */
const MAX_STEPS = 1024

export type Stream = 'i' | 'o' | 'e'

/** Where a tap leads. */
export interface TapEnds {
  /** Most bytes one line may take now; asked before each. */
  readonly maxLineBytes: (stream: Stream) => number
  /** Resolves when the bytes are durable. */
  readonly record: (stream: Stream, chunks: readonly Buffer[]) => Promise<void>
  /** Takes durable bytes on; `done` when they have left. */
  readonly forward: (stream: Stream, bytes: Buffer, done: () => void) => void
  /** The bytes have left: their room is free again. */
  readonly credit: (count: number) => void
  /** The first failure to record; nothing is forwarded from then on. */
  readonly failed: (error: unknown) => void
}

type Entry =
  | { readonly kind: 'bytes'; readonly stream: Stream; readonly bytes: Buffer }
  | { readonly kind: 'step'; readonly record: () => Promise<void>; readonly act: () => void }

interface Line {
  readonly entries: readonly Entry[]
  isDurable: boolean
}

export class Tap {
  readonly #ends: TapEnds
  #arrived: Entry[] = []
  /** In order; only durable ones at the front go on. */
  #lines: Line[] = []
  #inFlight = 0
  #steps = 0
  #isScheduled = false
  #isStopped = false

  constructor(ends: TapEnds) {
    this.#ends = ends
  }

  /** Bytes of the source. */
  push(stream: Stream, bytes: Buffer): void {
    this.#add({ kind: 'bytes', stream, bytes })
  }

  /** Something that is not bytes, at its place among them: `act` runs when what `record` gave is durable. */
  step(record: () => Promise<void>, act: () => void): void {
    if (this.#isStopped) return
    if (++this.#steps > MAX_STEPS) {
      this.stop()
      return this.#ends.failed(new ProtocolViolation(`more than ${MAX_STEPS} requests wait for the disk`))
    }
    this.#add({ kind: 'step', record, act })
  }

  /** Forwards nothing any more; what was pushed and not forwarded is credited. */
  stop(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    const dropped = [...this.#lines.flatMap((line) => line.entries), ...this.#arrived]
    this.#lines = []
    this.#arrived = []
    for (const entry of dropped) if (entry.kind === 'bytes') this.#ends.credit(entry.bytes.length)
  }

  #add(entry: Entry): void {
    if (this.#isStopped) {
      if (entry.kind === 'bytes') this.#ends.credit(entry.bytes.length)
      return
    }
    this.#arrive(entry)
    if (this.#isScheduled) return
    // What one read of the socket brought is one line.
    this.#isScheduled = true
    queueMicrotask(() => {
      this.#isScheduled = false
      this.#record()
    })
  }

  #arrive(entry: Entry): void {
    const last = this.#arrived.at(-1)
    const joined =
      entry.kind === 'bytes' && last?.kind === 'bytes' && last.stream === entry.stream
        ? joinedPiece(last.bytes, entry.bytes, this.#ends.maxLineBytes(entry.stream))
        : undefined
    if (joined === undefined || entry.kind !== 'bytes') this.#arrived.push(entry)
    else this.#arrived[this.#arrived.length - 1] = { ...entry, bytes: joined }
  }

  #record(): void {
    while (!this.#isStopped && this.#inFlight < MAX_IN_FLIGHT && this.#arrived.length > 0) {
      const line: Line = { entries: this.#nextEntries(), isDurable: false }
      this.#lines.push(line)
      this.#inFlight++
      this.#write(line.entries).then(
        () => {
          this.#inFlight--
          line.isDurable = true
          this.#forward()
          this.#record()
        },
        (error: unknown) => {
          if (this.#isStopped) return
          this.stop()
          this.#ends.failed(error)
        },
      )
    }
  }

  /** Either one step, or as many bytes of one stream as make one line. */
  #nextEntries(): readonly Entry[] {
    const [first] = this.#arrived
    if (first === undefined || first.kind === 'step') return this.#arrived.splice(0, 1)
    const limit = this.#ends.maxLineBytes(first.stream)
    let [count, size] = [0, 0]
    for (const entry of this.#arrived) {
      if (entry.kind === 'step' || entry.stream !== first.stream || (count > 0 && size + entry.bytes.length > limit))
        break
      size += entry.bytes.length
      count++
    }
    return this.#arrived.splice(0, count)
  }

  #write(entries: readonly Entry[]): Promise<void> {
    const [first] = entries
    if (first === undefined) return Promise.resolve()
    if (first.kind === 'step') return first.record()
    return this.#ends.record(
      first.stream,
      entries.flatMap((entry) => (entry.kind === 'bytes' ? [entry.bytes] : [])),
    )
  }

  #forward(): void {
    while (this.#lines[0]?.isDurable) {
      const line = this.#lines.shift()
      for (const entry of line?.entries ?? []) {
        if (entry.kind === 'step') {
          this.#steps--
          entry.act()
        } else this.#ends.forward(entry.stream, entry.bytes, () => this.#ends.credit(entry.bytes.length))
      }
    }
  }
}
