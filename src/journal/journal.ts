// The write-ahead journal as its callers see it (design §8). This side only queues, hands over and answers: the lines
// are built, hashed and written by the writer in its own thread. One round trip, one write, one sync per batch.

import { mkdir } from 'node:fs/promises'
import type { Clock } from '../clock.ts'
import { assert, HalliganError } from '../errors.ts'
import { journalLog } from '../log.ts'
import { encodeLine, type LineBody, maxLineBytes, type Stream } from '../recording/event-line.ts'
import type { Journal, JournalEntry } from '../session/recorder.ts'
import type { FileSystem } from './file-port.ts'
import type { EntryMessage, FromWriter, Head, ToWriter } from './messages.ts'
import type { Extent } from './extents.ts'
import { readLines } from './read-lines.ts'
import type { Recovery } from './recovery.ts'
import { segmentBounds } from './segment-file.ts'
import { type WriterLink, writerInThisThread, writerInWorker } from './writer-link.ts'

export interface JournalOptions {
  /** Made when missing, 0700. One process owns it: the caller holds the lock. */
  readonly dir: string
  /** 64 KiB to 1 GiB. */
  readonly segmentBytes: number
  /** The present epoch's private key, 0600; never in a backup. */
  readonly epochKeyFile: string
  readonly clock: Clock
  /** For tests: the writer runs in this thread, on these files. */
  readonly fileSystem?: FileSystem
}

export interface OpenJournal extends Journal {
  /** What the start found; the caller seals, alerts and tells the ledger. */
  readonly recovery: Recovery
  /** Resolves at the first failure, also when nobody was appending; every session must end then. */
  readonly failed: Promise<HalliganError>
  /** The session is sealed and proven: its lines here are needed no longer. */
  forget(session: string): void
}

/** All that may wait for the disk: relays stop at 1 MiB each long before; beyond, the caller is cut and not the machine. */
const mostPendingBytes = 512 << 20
/** One entry's bytes: as base64 or JSON's longest escapes they still make a line. */
export const mostEntryBytes: number = 8 << 20

/**
 * Opens the journal: recovers what a crash left and starts the writer. Rejects with `journal_failed` when the disk does
 * not take it; damage found is in `recovery` and rejects nothing.
 */
export async function openJournal(options: JournalOptions): Promise<OpenJournal> {
  const { dir, segmentBytes, epochKeyFile, clock, fileSystem } = options
  const { leastBytes, mostBytes } = segmentBounds
  assert(segmentBytes >= leastBytes && segmentBytes <= mostBytes, 'a segment has 64 KiB to 1 GiB')
  const times = { monotonicUs: clock.monotonicUs(), wallMs: clock.now() }
  const setup = { directory: dir, segmentBytes, epochKeyFile, times }
  if (fileSystem === undefined) await mkdir(dir, { recursive: true, mode: 0o700 })
  const link = fileSystem === undefined ? writerInWorker(setup) : writerInThisThread(setup, fileSystem)
  const journal = await WorkerJournal.start(link, dir, clock)
  for (const damage of journal.recovery.damage) journalLog.warn('journal.damaged', { ...damage })
  return journal
}

interface Pending {
  readonly bytes: number
  resolve(): void
  reject(error: HalliganError): void
}

interface Request {
  readonly kind: ToWriter['kind']
  resolve(answer: FromWriter): void
  reject(error: HalliganError): void
}

class WorkerJournal implements OpenJournal {
  readonly recovery: Recovery
  readonly failed: Promise<HalliganError>
  readonly #link: WriterLink
  readonly #directory: string
  readonly #clock: Clock
  /** Handed over or about to be, in order; those before `#settled` are settled. */
  #pending: Pending[] = []
  #settled = 0
  #pendingBytes = 0
  /** Not posted yet: all of one turn of the loop go in one message. */
  #outgoing: { readonly entry: EntryMessage; readonly bytes: Uint8Array }[] = []
  readonly #requests = new Map<number, Request>()
  #nextId = 0
  #head: Head
  /**
   * Sessions are sealed side by side, so that one may ask with an older head than another has: each record signs the
   * newest, which holds the older. Only of this run: a ledger that was put back must show.
   */
  #newestLedger: { readonly size: number; readonly root: string } = { size: 0, root: '' }
  #failure: HalliganError | null = null
  #announceFailure: (error: HalliganError) => void = () => {}
  #isClosed = false

  static async start(link: WriterLink, directory: string, clock: Clock): Promise<WorkerJournal> {
    const first = await new Promise<FromWriter>((resolve) => link.listen(resolve))
    if (first.kind === 'ready') return new WorkerJournal(link, directory, clock, first)
    await link.ended
    throw failureOf(first.kind === 'failed' ? first : { message: `writer began with ${first.kind}`, system: '' })
  }

  private constructor(
    link: WriterLink,
    directory: string,
    clock: Clock,
    ready: Extract<FromWriter, { kind: 'ready' }>,
  ) {
    this.#link = link
    this.#directory = directory
    this.#clock = clock
    this.recovery = ready.recovery
    this.#head = ready.head
    this.failed = new Promise((resolve) => {
      this.#announceFailure = resolve
    })
    link.listen((message) => this.#take(message))
    void link.ended.then(() => this.#stop(new HalliganError('journal_failed', 'the journal is closed')))
  }

  async append(entry: JournalEntry): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    const { message, bytes } = messageOf(entry)
    if (this.#pendingBytes + bytes.length > mostPendingBytes) {
      throw new HalliganError('journal_failed', `more than ${mostPendingBytes} bytes wait for the disk`)
    }
    await new Promise<void>((resolve, reject) => {
      this.#pending.push({ bytes: bytes.length, resolve, reject })
      this.#pendingBytes += bytes.length
      if (this.#outgoing.push({ entry: message, bytes }) === 1) queueMicrotask(() => this.#handOver())
    })
  }

  async *lines(session: string): AsyncGenerator<{ readonly seq: number; readonly line: Buffer }> {
    const answer = await this.#request((id) => ({ kind: 'extents', id, session }))
    const extents: readonly Extent[] = answer.kind === 'extents' ? answer.extents : []
    yield* readLines(this.#directory, session, extents)
  }

  head(): Head {
    return this.#head
  }

  async epoch(ledger: { readonly size: number; readonly root: string }): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    assert(
      /^[0-9a-f]{64}$/.test(ledger.root) && Number.isSafeInteger(ledger.size),
      'a ledger head is a size and a root',
    )
    const times = { monotonicUs: this.#clock.monotonicUs(), wallMs: this.#clock.now() }
    if (ledger.size >= this.#newestLedger.size) this.#newestLedger = ledger
    const newest = this.#newestLedger
    await this.#request((id) => ({ kind: 'epoch', id, times, ledger: newest }))
  }

  forget(session: string): void {
    this.#post({ kind: 'forget', session })
  }

  async close(): Promise<void> {
    this.#post({ kind: 'close' })
    await this.#link.ended
  }

  /** Copies the bytes of all waiting entries into one buffer and gives that away: the callers still need theirs. */
  #handOver(): void {
    const outgoing = this.#outgoing
    this.#outgoing = []
    if (outgoing.length === 0 || this.#failure !== null) return
    const bytes = new Uint8Array(outgoing.reduce((sum, { bytes }) => sum + bytes.length, 0))
    let at = 0
    for (const { bytes: part } of outgoing) {
      bytes.set(part, at)
      at += part.length
    }
    const entries = outgoing.map(({ entry }) => entry)
    this.#link.post({ kind: 'append', entries, bytes: bytes.buffer }, [bytes.buffer])
  }

  #post(message: ToWriter): void {
    // Entries appended before are handed over before.
    this.#handOver()
    if (!this.#link.hasEnded()) this.#link.post(message, [])
  }

  async #request(message: (id: number) => ToWriter): Promise<FromWriter> {
    if (this.#link.hasEnded()) throw this.#failure ?? new HalliganError('journal_failed', 'the journal is closed')
    const id = this.#nextId++
    return await new Promise((resolve, reject) => {
      const question = message(id)
      this.#requests.set(id, { kind: question.kind, resolve, reject })
      this.#post(question)
    })
  }

  #take(message: FromWriter): void {
    switch (message.kind) {
      case 'durable':
        this.#head = message.head
        this.#settle(message.count)
        return
      case 'failed':
        this.#fail(failureOf(message))
        return
      case 'epoch':
        this.#head = message.head
        this.#requests.get(message.id)?.resolve(message)
        this.#requests.delete(message.id)
        return
      case 'extents':
        this.#requests.get(message.id)?.resolve(message)
        this.#requests.delete(message.id)
        return
      case 'skeleton':
        if (message.problem === null) journalLog.info('journal.skeleton', { segment: message.segment })
        else journalLog.warn('journal.no-skeleton', { segment: message.segment, problem: message.problem })
        return
      case 'closed':
        this.#isClosed = true
        return
      case 'ready':
        return
    }
  }

  #settle(count: number): void {
    for (let n = 0; n < count; n++) {
      const pending = this.#pending[this.#settled++]
      assert(pending !== undefined, 'the writer confirms no more than was handed over')
      this.#pendingBytes -= pending.bytes
      pending.resolve()
    }
    // Amortised: the settled half is dropped at once.
    if (this.#settled * 2 < this.#pending.length) return
    this.#pending = this.#pending.slice(this.#settled)
    this.#settled = 0
  }

  #fail(error: HalliganError): void {
    // The thread ends after it was told to: no failure.
    if (this.#failure !== null || this.#isClosed) return
    journalLog.error('journal.failed', { error, cause: error.cause })
    this.#stop(error)
    this.#announceFailure(error)
  }

  /** Nothing that waits will become durable. What is durable can be asked for until the thread has ended. */
  #stop(error: HalliganError): void {
    this.#failure ??= error
    const pending = this.#pending.slice(this.#settled)
    this.#pending = []
    this.#settled = 0
    this.#pendingBytes = 0
    this.#outgoing = []
    for (const { reject } of pending) reject(this.#failure)
    for (const [id, { kind, reject }] of this.#requests) {
      if (kind !== 'epoch' && !this.#link.hasEnded()) continue
      this.#requests.delete(id)
      reject(this.#failure)
    }
  }
}

/** Facts and headers become lines here, so that what is no JSON is the caller's error alone. */
function messageOf(entry: JournalEntry): { message: EntryMessage; bytes: Uint8Array } {
  const { session, seq, monotonicUs, wallMs, interval, body } = entry
  assert(/^[\x21-\x7e]{1,16}$/.test(session), `session id ${JSON.stringify(session)} is ASCII of 1 to 16 bytes`)
  for (const time of [seq, monotonicUs, wallMs * 1000]) {
    assert(Number.isSafeInteger(time) && time >= 0, `${time} is a whole number below 2^53`)
  }
  const { form, stream, bytes } = contentOf(interval, body)
  assert(bytes.length <= (form === 'line' ? maxLineBytes : mostEntryBytes), `${bytes.length} bytes make a line`)
  const isExit = body.kind === 'fact' && body.code === 'x'
  return { message: { session, seq, monotonicUs, wallMs, interval, length: bytes.length, form, stream, isExit }, bytes }
}

function contentOf(
  interval: number,
  body: LineBody,
): { form: EntryMessage['form']; stream: Stream; bytes: Uint8Array } {
  assert(interval >= 0 && interval <= 3e9, `an interval of ${interval} s is possible`)
  if (body.kind === 'bytes' || body.kind === 'bulk') return { form: body.kind, stream: body.stream, bytes: body.bytes }
  return { form: 'line', stream: 'o', bytes: encodeLine(interval, body) }
}

function failureOf({ message, system }: { readonly message: string; readonly system: string }): HalliganError {
  const hint =
    system === 'ENOSPC'
      ? 'free space on the file system of the journal, then start Halligan again'
      : 'look at the disk of the journal and the log, then start Halligan again'
  const why = system === 'ENOSPC' ? ': the disk is full (ENOSPC)' : system === '' ? '' : `: ${system}`
  return new HalliganError('journal_failed', `the journal cannot be written${why}`, { hint, cause: new Error(message) })
}
