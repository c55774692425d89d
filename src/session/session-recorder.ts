// The recorder of one session: numbers its lines, gives them their times, keeps characters whole, and tells watchers
// what is durable. It forwards nothing and decides nothing; its first failure is its last word. A session that has
// written as much as one may is over as well, but is still allowed to say so.

import type { Clock, Timer } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { EventCode, LineBody, Stream } from '../recording/event-line.ts'
import { lineSize } from './line-size.ts'
import type { Live } from './live.ts'
import type { Journal, Recorder } from './recorder.ts'
import { splitCharacterBytes, pieces } from './whole-characters.ts'

export interface RecorderOptions {
  /** The session's id. */
  readonly session: string
  /** The asciicast v3 header: who, how, where, why. */
  readonly header: Readonly<Record<string, unknown>>
  readonly journal: Journal
  readonly clock: Clock
  readonly live: Live
  /** What the session may write, in bytes before they are lines (`lineSize`); absent: as much as the disk takes. */
  readonly maxBytes?: number
  /** Why bulk is refused at this moment, with `recorder_failed`; undefined or absent: it is not. */
  readonly bulkRefusal?: () => HalliganError | undefined
  /** Told of all that is written, near enough. */
  readonly onWritten?: (bytes: number) => void
  /** Called once, at the first failure or at the limit, with `recorder_failed`. */
  readonly onFailure: OnRecorderFailure
}

/**
 * `full`: the session has written as much as one may. `no-room`: its transfer was refused. Its last lines are recorded
 * all the same then.
 */
export type OnRecorderFailure = (error: HalliganError, why: 'failed' | 'full' | 'no-room') => void

/** The first part of a split character waits so long for the second; a person does not notice. */
const characterWaitMs = 5
/** A line of text or base64 of it stays below a frame of the sealed file (64 KiB). */
const longestPieceBytes = 32 << 10
/** A transfer gets so far when there is little room: a small file at night is worth it (design §8, where bulk begins). */
const bulkAfterBytes = 1 << 20
/** The wall clock may be off so far from the monotonic one before the recording says so. */
const clockStepMs = 2000

/** Resolves when the header line is durable; rejects with `recorder_failed`. */
export async function openRecorder(options: RecorderOptions): Promise<Recorder> {
  const recorder = new SessionRecorder(options)
  await recorder.open(options.header)
  return recorder
}

interface Held {
  readonly stream: Stream
  readonly bytes: Buffer
  readonly timer: Timer
  /** Settles with the line that takes the bytes in. */
  readonly durable: PromiseWithResolvers<void>
}

class SessionRecorder implements Recorder {
  readonly session: string
  readonly #journal: Journal
  readonly #clock: Clock
  readonly #live: Live
  readonly #onFailure: OnRecorderFailure
  readonly #maxBytes: number
  readonly #bulkRefusal: () => HalliganError | undefined
  readonly #onWritten: (bytes: number) => void
  readonly #openedUs: number
  #seq = 0
  #lastUs: number
  /** What the wall clock showed when the monotonic one stood at 0, ms. */
  #wallBaseMs: number
  #held: Held | null = null
  #pendingBytes = 0
  #writtenBytes = 0
  /** Whole bulk since another fact than its hashes: of one file, one COPY. */
  #bulkBytes = 0
  /** Nothing is forwarded any more; `#isFull` says whether last words are still taken. */
  #failure: HalliganError | null = null
  #isFull = false

  constructor({ session, journal, clock, live, maxBytes, bulkRefusal, onWritten, onFailure }: RecorderOptions) {
    this.session = session
    this.#journal = journal
    this.#clock = clock
    this.#live = live
    this.#onFailure = onFailure
    this.#maxBytes = maxBytes ?? Number.POSITIVE_INFINITY
    this.#bulkRefusal = bulkRefusal ?? (() => undefined)
    this.#onWritten = onWritten ?? (() => {})
    this.#openedUs = Math.round(clock.monotonicUs())
    this.#lastUs = this.#openedUs
    this.#wallBaseMs = clock.now() - this.#openedUs / 1000
  }

  get pendingBytes(): number {
    return this.#pendingBytes
  }

  async open(header: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#record({ kind: 'header', header })
  }

  async bytes(stream: Stream, bytes: Uint8Array): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    await this.#counted(bytes.length, this.#text(stream, bytes))
  }

  async bulk(stream: Stream, bytes: Uint8Array): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    this.#letGo()
    this.#bulkBytes += bytes.length
    this.#mustHaveRoom(this.#bulkBytes)
    const lines: Promise<void>[] = []
    for (let at = 0; at < bytes.length; at += longestPieceBytes) {
      lines.push(this.#record({ kind: 'bulk', stream, bytes: bytes.subarray(at, at + longestPieceBytes) }))
    }
    await this.#counted(bytes.length, Promise.all(lines))
  }

  async fact(code: EventCode, data: unknown): Promise<void> {
    if (this.#failure !== null && !(this.#isFull && isLastWord(code, data))) throw this.#failure
    this.#letGo()
    if (code === 'h') this.#mustHaveRoom(hashedBytes(data))
    else this.#bulkBytes = 0
    await this.#record({ kind: 'fact', code, data })
  }

  async #counted(bytes: number, durable: Promise<unknown>): Promise<void> {
    this.#pendingBytes += bytes
    try {
      await durable
    } finally {
      this.#pendingBytes -= bytes
    }
  }

  /** Records all of the bytes but the beginning of a character at their end, which waits for its rest. */
  async #text(stream: Stream, bytes: Uint8Array): Promise<void> {
    const held = this.#takeHeld(stream)
    const whole = held === null ? bytes : Buffer.concat([held.bytes, bytes])
    const end = whole.length - splitCharacterBytes(whole)
    const lines = [...pieces(whole.subarray(0, end), longestPieceBytes)].map((piece) =>
      this.#record({ kind: 'bytes', stream, bytes: piece }),
    )
    if (end < whole.length) lines.push(this.#hold(stream, whole.subarray(end), end === 0 ? held : null))
    if (held !== null && lines[0] !== undefined && end > 0) {
      // What was held stands in the first line.
      held.timer.cancel()
      lines[0].then(held.durable.resolve, held.durable.reject)
    }
    await Promise.all(lines)
  }

  /** The bytes held of this stream; those of another go out first, so that lines keep the order of the calls. */
  #takeHeld(stream: Stream): Held | null {
    if (this.#held?.stream !== stream) this.#letGo()
    const held = this.#held
    this.#held = null
    return held
  }

  /** `before`: the same character is still not whole and keeps its deadline and its promise. */
  #hold(stream: Stream, bytes: Uint8Array, before: Held | null): Promise<void> {
    const durable = before?.durable ?? Promise.withResolvers<void>()
    const timer = before?.timer ?? this.#clock.after(characterWaitMs, () => this.#letGo())
    this.#held = { stream, bytes: Buffer.from(bytes), timer, durable }
    return durable.promise
  }

  /** The rest did not come: what there is of the character is recorded as raw bytes. */
  #letGo(): void {
    const held = this.#held
    if (held === null) return
    this.#held = null
    held.timer.cancel()
    const { stream, bytes, durable } = held
    this.#record({ kind: 'bytes', stream, bytes }).then(durable.resolve, durable.reject)
  }

  async #record(body: LineBody): Promise<void> {
    const monotonicUs = Math.round(this.#clock.monotonicUs())
    const wallMs = Math.round(this.#clock.now())
    const byMs = Math.round(wallMs - monotonicUs / 1000 - this.#wallBaseMs)
    if (Math.abs(byMs) <= clockStepMs) {
      await this.#append(monotonicUs, wallMs, body)
      return
    }
    this.#wallBaseMs += byMs
    const step: LineBody = { kind: 'fact', code: 'n', data: { kind: 'clock', wallMs, byMs } }
    await Promise.all([this.#append(monotonicUs, wallMs, step), this.#append(monotonicUs, wallMs, body)])
  }

  async #append(monotonicUs: number, wallMs: number, body: LineBody): Promise<void> {
    const { session } = this
    const isLast = body.kind === 'fact' && isLastWord(body.code, body.data)
    if (!isLast) this.#count(body)
    const seq = this.#seq++
    const interval = (monotonicUs - this.#lastUs) / 1e6
    this.#lastUs = monotonicUs
    try {
      await this.#journal.append({ session, seq, monotonicUs, wallMs, interval, body })
    } catch (error) {
      throw this.#fail(error)
    }
    // A line that became durable beside one that did not is not forwarded either: the session is over.
    if (this.#failure !== null && !(this.#isFull && isLast)) throw this.#failure
    this.#live.publish({ session, seq, sinceOpenUs: monotonicUs - this.#openedUs, body })
  }

  /** Throws when the line would be beyond the limit: then it gets no number, and neither does anything but last words. */
  #count(body: LineBody): void {
    if (this.#failure !== null) throw this.#failure
    const size = lineSize(body)
    if (this.#writtenBytes + size > this.#maxBytes) throw this.#end(tooMuch(this.#maxBytes), 'full')
    this.#writtenBytes += size
    this.#onWritten(size)
  }

  /** A transfer goes no further than its first megabyte when there is little room; throws then. */
  #mustHaveRoom(transferBytes: number): void {
    if (transferBytes <= bulkAfterBytes) return
    const refusal = this.#bulkRefusal()
    if (refusal !== undefined) throw this.#end(refusal, 'no-room')
  }

  #end(failure: HalliganError, why: 'full' | 'no-room'): HalliganError {
    this.#failure = failure
    this.#isFull = true
    this.#onFailure(failure, why)
    return failure
  }

  #fail(cause: unknown): HalliganError {
    if (this.#failure !== null) return this.#failure
    const known = cause instanceof HalliganError ? cause : undefined
    const why = known === undefined ? '' : `: ${known.message}`
    this.#failure = new HalliganError('recorder_failed', `this session can no longer be recorded${why}`, {
      hint: `tell the operator of Halligan: ${known?.hint ?? 'the log has the cause'}`,
      cause,
    })
    this.#onFailure(this.#failure, 'failed')
    return this.#failure
  }
}

/** Why the session ended and with which status, and what the clock did before: written also beyond the limit. */
function isLastWord(code: EventCode, data: unknown): boolean {
  if (code === 'x') return true
  const { kind } = (data ?? {}) as { readonly kind?: unknown }
  return code === 'n' && (kind === 'end' || kind === 'clock')
}

/** How far a transfer has come, by its `h` line. */
function hashedBytes(data: unknown): number {
  const { offset, length } = (data ?? {}) as { readonly offset?: unknown; readonly length?: unknown }
  return typeof offset === 'number' && typeof length === 'number' ? offset + length : 0
}

function tooMuch(maxBytes: number): HalliganError {
  const most = sizeText(maxBytes)
  return new HalliganError('recorder_failed', `this session has written ${most}, the most kept of one; connect again`, {
    hint: 'the grant goes on, and what was done until here is recorded',
  })
}

/** As it is configured: `4 GiB`. */
function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'] as const
  let power = 0
  while (power < units.length - 1 && bytes % 1024 ** (power + 1) === 0) power++
  return `${bytes / 1024 ** power} ${units[power]}`
}
