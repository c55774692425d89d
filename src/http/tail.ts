// Every line of a session in order, from its first to its last as it becomes durable: the backlog from disk, then live,
// with neither gap nor duplicate. Whoever reads slowly reads from disk again; nobody is waited for and nothing piles up.

import { decodeLine, encodeLine } from '../recording/event-line.ts'
import type { LineBody } from '../recording/event-line.ts'
import type { LiveEvent } from '../session/live.ts'
import { TAIL_QUEUE_BYTES, TAIL_QUEUE_EVENTS } from './limits.ts'
import type { HttpPorts } from './ports.ts'
import { openLines } from './recording-lines.ts'

export type TailItem =
  /** `atUs`: µs since the header line; `line`: as recorded, without its newline. */
  | { readonly kind: 'line'; readonly seq: number; readonly atUs: number; readonly line: Buffer }
  /** The backlog has been given; what follows happens now. Once, also when the session had ended. */
  | { readonly kind: 'caught-up' }

export type TailPorts = Pick<HttpPorts, 'state' | 'live' | 'feed' | 'recordings'>

/**
 * Follows `session` until it has ended and its last line was given, or `signal` aborts. Throws `not_found`,
 * `recording_altered`, `store_failed`.
 */
export async function* tail(ports: TailPorts, session: string, signal: AbortSignal): AsyncGenerator<TailItem> {
  const inbox = new Inbox(ports, session, signal)
  try {
    const place = { next: 0, atUs: 0 }
    let caughtUp = false
    while (!signal.aborted) {
      // Asked before reading: all that was durable when it ended is then in what is read.
      const before = (await ports.state.session(session))?.state
      yield* backlog(ports, session, place, signal)
      if (!caughtUp) yield { kind: 'caught-up' }
      caughtUp = true
      if (before === 'open') yield* fresh(inbox, place)
      // Sealed while it was read: what the journal no longer had is in the file.
      else if ((await ports.state.session(session))?.state === before) return
    }
  } finally {
    inbox.close()
  }
}

interface Place {
  next: number
  atUs: number
}

async function* backlog(
  ports: TailPorts,
  session: string,
  place: Place,
  signal: AbortSignal,
): AsyncGenerator<TailItem> {
  const lines = await openLines(ports, session)
  for await (const { seq, line } of lines(place.next)) {
    if (signal.aborted) return
    if (seq < place.next) continue
    const event = decodeLine(line)
    if (event.kind === 'event') place.atUs += Math.round(event.interval * 1e6)
    place.next = seq + 1
    yield { kind: 'line', seq, atUs: place.atUs, line }
  }
}

/** Live events that follow on; ends at a gap (then the backlog has them), at the session's end, or when aborted. */
async function* fresh(inbox: Inbox, place: Place): AsyncGenerator<TailItem> {
  for (;;) {
    const event = await inbox.take()
    if (event === undefined || event.seq > place.next) return
    if (event.seq < place.next) continue
    const interval = Math.max(0, event.sinceOpenUs - place.atUs) / 1e6
    place.atUs = Math.max(place.atUs, event.sinceOpenUs)
    place.next = event.seq + 1
    yield { kind: 'line', seq: event.seq, atUs: place.atUs, line: encodeLine(interval, event.body) }
  }
}

/** Live events of one session on their way to one tail: bounded, emptied and marked as a gap when it overflows. */
class Inbox {
  readonly #events: LiveEvent[] = []
  readonly #unwatch: (() => void)[]
  readonly #signal: AbortSignal
  #bytes = 0
  #hasGap = false
  #isOver = false
  #wake: (() => void) | undefined

  constructor(ports: TailPorts, session: string, signal: AbortSignal) {
    this.#signal = signal
    const onAbort = () => this.#wake?.()
    signal.addEventListener('abort', onAbort, { once: true })
    this.#unwatch = [
      () => signal.removeEventListener('abort', onAbort),
      ports.live.watch(session, (event) => this.#push(event)),
      ports.feed.watch((event) => {
        if (event.topic !== 'sessions' || event.id !== session || event.what === 'opened') return
        this.#isOver = true
        this.#wake?.()
      }),
    ]
  }

  /** The next event; undefined when the backlog must be read again (gap, end) or the reader is gone. */
  async take(): Promise<LiveEvent | undefined> {
    for (;;) {
      if (this.#hasGap) {
        this.#hasGap = false
        return undefined
      }
      const event = this.#events.shift()
      if (event !== undefined) {
        this.#bytes -= sizeOf(event.body)
        return event
      }
      if (this.#isOver || this.#signal.aborted) return undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
  }

  close(): void {
    for (const unwatch of this.#unwatch) unwatch()
  }

  #push(event: LiveEvent): void {
    this.#events.push(event)
    this.#bytes += sizeOf(event.body)
    if (this.#events.length > TAIL_QUEUE_EVENTS || this.#bytes > TAIL_QUEUE_BYTES) {
      this.#events.length = 0
      this.#bytes = 0
      this.#hasGap = true
    }
    this.#wake?.()
  }
}

/** About what an event holds in memory; a fact counts its own texts. */
function sizeOf(body: LineBody): number {
  if (body.kind === 'bytes' || body.kind === 'bulk') return body.bytes.length
  const data: unknown = body.kind === 'fact' ? body.data : body.header
  if (typeof data === 'string') return data.length
  if (typeof data !== 'object' || data === null) return 64
  return Object.values(data).reduce<number>((sum, value) => sum + (typeof value === 'string' ? value.length : 64), 64)
}
