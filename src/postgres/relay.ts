// A session's bytes between client and server, past authentication. Each piece of the client's stream waits until the
// record of every statement in it is durable, in order, and then goes on as it came; answers go on at once, their record
// being durable before the next statement goes on. What cannot be read or recorded ends the session.

import type { Duplex } from 'node:stream'
import type { Clock, Timer } from '../clock.ts'
import { errorCodes, ProtocolViolation } from '../errors.ts'
import { postgresLog } from '../log.ts'
import { encodeErrorResponse, encodeNoticeResponse } from '../pgwire/backend-encoding.ts'
import type { Report } from '../pgwire/backend-encoding.ts'
import type { ServerEvent } from '../pgwire/statement-event.ts'
import { maxInFlight, StatementTracker } from '../pgwire/tracker.ts'
import type { RiskyAction } from '../procedure/risky-action.ts'
import type { Admission } from '../session/admission.ts'
import type { SessionEnd } from '../session/session.ts'
import { HeldBytes } from './held-bytes.ts'
import { StatementRecord } from './statement-record.ts'
import type { PostgresUpstream } from './upstream.ts'

/** How long an ending session may take to bring the server's current message to its end, so that its reason can be told. */
const FAREWELL_MS = 300
/** Then, how long the client may take to read it. Both together stay well below one second. */
const CLOSE_MS = 300
/** COPY data that came while a line was on its way to the disk goes on as one piece with one line, up to here. */
const MAX_GATHERED_BYTES = 1 << 20
/** How long a slow client may take to read the last answers of a session that ended by itself. */
const LINGER_MS = 10_000

export interface RelayOptions {
  readonly clock: Clock
  readonly admission: Admission
  readonly client: Duplex
  /** What the client sent behind its login. */
  readonly clientRest: Buffer
  readonly upstream: PostgresUpstream
  readonly bulk: 'full' | 'hash'
  /** Told of statements that destroy something or hand out access; nothing waits for it. */
  readonly onRisky: (action: RiskyAction) => void
}

/** One relayed session. `run` starts it; it ends by the admission's signal, whoever asked for that. */
export class Relay {
  readonly #clock: Clock
  readonly #admission: Admission
  readonly #client: Duplex
  readonly #upstream: PostgresUpstream
  readonly #clientRest: Buffer
  readonly #record: StatementRecord
  readonly #tracker: StatementTracker
  readonly #held: HeldBytes
  /** COPY data without a line yet; never there while nothing is held, so a line that becomes durable takes it on. */
  #gathered: Buffer[] = []
  #gatheredBytes = 0
  #notices: Buffer[] = []
  #isClientGone = false
  #serverSaidFarewell = false
  #end: SessionEnd | undefined
  #hasSaidFarewell = false
  #timer: Timer | undefined
  readonly #done = Promise.withResolvers<void>()

  constructor(options: RelayOptions) {
    this.#clock = options.clock
    this.#admission = options.admission
    this.#client = options.client
    this.#clientRest = options.clientRest
    this.#upstream = options.upstream
    this.#record = new StatementRecord({
      clock: options.clock,
      recorder: options.admission.recorder,
      bulk: options.bulk,
      onFailure: (error) => this.#recorderFailed(error),
      onRisky: (what, statement) => {
        const { session, grant } = options.admission
        options.onRisky({ session, grant, what, statement })
      },
    })
    this.#tracker = new StatementTracker({
      onClient: (event) => this.#record.client(event),
      onServer: (event) => this.#serverEvent(event),
      clientEncoding: options.upstream.parameters.get('client_encoding') ?? 'UTF8',
    })
    this.#held = new HeldBytes((chunks, lastId) => this.#forward(chunks, lastId))
  }

  /** Relays until the session ends; resolves when both sockets are closed. Never throws. */
  run(): Promise<void> {
    const { signal } = this.#admission
    this.#listen()
    if (signal.aborted) this.#ended(signal.reason as SessionEnd)
    else signal.addEventListener('abort', () => this.#ended(signal.reason as SessionEnd), { once: true })
    this.#admission.onNotice((text) => this.#notice(text))
    if (this.#upstream.rest.length > 0) this.#fromServer(this.#upstream.rest)
    if (this.#clientRest.length > 0) this.#fromClient(this.#clientRest)
    return this.#done.promise
  }

  /** A CancelRequest with this session's key: recorded, then passed on for it. */
  async cancel(): Promise<void> {
    if (this.#end !== undefined) return
    await this.#record.cancel()
    await this.#upstream.cancel()
  }

  #listen(): void {
    const { socket } = this.#upstream
    this.#client.on('data', (chunk: Buffer) => this.#fromClient(chunk))
    this.#client.on('end', () => this.#clientEnded())
    this.#client.on('close', () => this.#clientEnded())
    this.#client.on('drain', () => this.#resume())
    socket.on('data', (chunk: Buffer) => this.#fromServer(chunk))
    socket.on('close', () => this.#upstreamClosed())
    socket.on('drain', () => this.#resume())
  }

  #fromClient(chunk: Buffer): void {
    if (this.#end !== undefined) return
    try {
      this.#tracker.takeClient(chunk)
    } catch (error) {
      return this.#violation(error, 'client')
    }
    this.#gathered.push(chunk)
    this.#gatheredBytes += chunk.length
    if (this.#held.isEmpty || !this.#record.hasCopyDataOnly || this.#gatheredBytes >= MAX_GATHERED_BYTES) this.#hold()
    if (!this.#mustPauseClient()) return
    this.#client.pause()
    this.#resumeWhenRecorded()
  }

  /** What was gathered gets its line, or its place behind what is held. */
  #hold(): void {
    const [first] = this.#gathered
    if (first === undefined) return
    const bytes = this.#gathered.length === 1 ? first : Buffer.concat(this.#gathered, this.#gatheredBytes)
    this.#gathered = []
    this.#gatheredBytes = 0
    this.#held.push(bytes, this.#tracker.clientSettled, this.#tracker.lastId, this.#record.takeDurable())
  }

  #forward(chunks: readonly Buffer[], lastId: number): void {
    const { socket } = this.#upstream
    if (this.#end !== undefined || !socket.writable) return
    this.#tracker.forwarded(lastId, this.#clock.monotonicUs())
    if (chunks.length === 1) socket.write(chunks[0] as Buffer)
    else if (chunks.length > 1) socket.write(Buffer.concat(chunks))
    this.#hold()
    this.#resume()
    if (this.#isClientGone && this.#held.isEmpty) socket.end()
  }

  #fromServer(chunk: Buffer): void {
    if (this.#end !== undefined) return this.#toBoundary(chunk)
    try {
      this.#tracker.takeServer(chunk, this.#clock.monotonicUs())
    } catch (error) {
      return this.#violation(error, 'server')
    }
    if (!this.#isClientGone) this.#client.write(chunk)
    if (this.#notices.length > 0) this.#tellNotices()
    if (this.#mustPauseServer()) {
      this.#upstream.socket.pause()
      this.#resumeWhenRecorded()
    } else if (this.#client.isPaused()) this.#resume()
  }

  #serverEvent(event: ServerEvent): void {
    if (event.kind === 'error' && (event.severity === 'FATAL' || event.severity === 'PANIC'))
      this.#serverSaidFarewell = true
    if (event.kind === 'done' && event.error?.severity === 'FATAL') this.#serverSaidFarewell = true
    this.#record.server(event)
  }

  #mustPauseClient(): boolean {
    return (
      this.#upstream.socket.writableNeedDrain ||
      this.#held.isFull ||
      this.#tracker.inFlight > maxInFlight ||
      this.#record.isBehind
    )
  }

  #mustPauseServer(): boolean {
    return (this.#client.writableNeedDrain && !this.#isClientGone) || this.#record.isBehind
  }

  #resumeWhenRecorded(): void {
    this.#record.latest.then(
      () => this.#resume(),
      () => {
        // `onFailure` has been told: the session ends.
      },
    )
  }

  // Called wherever a reason to pause may have gone: after a drain, after a line became durable, after answers.
  #resume(): void {
    if (this.#end !== undefined) return
    const { socket } = this.#upstream
    if (this.#client.isPaused() && !this.#mustPauseClient()) this.#client.resume()
    if (socket.isPaused() && !this.#mustPauseServer()) socket.resume()
  }

  // What the client sent before it went still takes effect, as it would without us; its answers are only recorded.
  #clientEnded(): void {
    if (this.#client.destroyed && this.#end !== undefined) return this.#close()
    if (this.#isClientGone) return
    this.#isClientGone = true
    this.#resume()
    if (this.#held.isEmpty && this.#end === undefined) this.#upstream.socket.end()
  }

  #upstreamClosed(): void {
    if (this.#end !== undefined) return this.#close()
    const { target } = this.#admission
    const hasClientLeft = this.#isClientGone || this.#tracker.clientHasSaidFarewell
    if (hasClientLeft || this.#serverSaidFarewell) {
      this.#finish(
        hasClientLeft
          ? { reason: 'client-closed', code: null, message: 'the client closed the connection' }
          : { reason: 'upstream-closed', code: null, message: `${target.name} ended the connection` },
      )
    } else
      this.#finish({ reason: 'upstream-closed', code: 'unreachable', message: `${target.name} closed the connection` })
  }

  #violation(error: unknown, side: 'client' | 'server'): void {
    const session = this.#admission.session.id
    if (error instanceof ProtocolViolation) {
      postgresLog.info('postgres.violation', { session, side, what: error.message })
      this.#finish({
        reason: 'protocol-violation',
        code: null,
        message: `the ${side} broke the protocol: ${error.message}`,
      })
    } else {
      postgresLog.error('postgres.relay-failed', { session, side, error })
      this.#finish({ reason: 'protocol-violation', code: 'internal', message: 'internal error' })
    }
  }

  #recorderFailed(error: unknown): void {
    if (this.#end !== undefined) return
    postgresLog.error('postgres.recorder-failed', { session: this.#admission.session.id, error })
    this.#finish({
      reason: 'recorder-failed',
      code: 'recorder_failed',
      message: 'this session can no longer be recorded',
    })
  }

  // The admission's signal comes back to `#ended`, before its last lines are recorded.
  #finish(end: SessionEnd): void {
    this.#admission.end(end)
  }

  #ended(end: SessionEnd): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#gathered = []
    this.#client.pause()
    if (this.#tracker.inFlight > 0 && !this.#upstream.socket.destroyed) this.#cancelRunning()
    if (this.#tracker.serverIsBetweenMessages || this.#upstream.socket.destroyed) this.#farewell()
    else {
      this.#timer = this.#clock.after(FAREWELL_MS, () => this.#close())
      this.#upstream.socket.resume()
    }
    this.#tracker.close()
    // Before the session's last lines, which follow at once.
    this.#record.flush()
  }

  // A backend that runs a query does not notice that its client has gone.
  #cancelRunning(): void {
    this.#upstream.cancel().catch((error: unknown) => {
      postgresLog.warn('postgres.cancel-failed', { session: this.#admission.session.id, error })
    })
  }

  // The session is over, but the client stands inside a message: only its rest goes on, then the reason.
  #toBoundary(chunk: Buffer): void {
    if (this.#hasSaidFarewell) return
    const end = this.#tracker.serverBoundary(chunk)
    this.#client.write(end === undefined ? chunk : chunk.subarray(0, end))
    if (end !== undefined) this.#farewell()
  }

  #farewell(): void {
    this.#hasSaidFarewell = true
    this.#timer?.cancel()
    this.#upstream.socket.destroy()
    const report = farewell(this.#end)
    if (report !== undefined && this.#client.writable && !this.#serverSaidFarewell)
      this.#client.write(encodeErrorResponse(report))
    this.#timer = this.#clock.after(report === undefined ? LINGER_MS : CLOSE_MS, () => this.#close())
    this.#client.end()
    // Unread bytes of the client would turn the close into a reset, and that would cost it our last words.
    this.#client.resume()
    if (this.#client.destroyed) this.#close()
  }

  #close(): void {
    this.#timer?.cancel()
    this.#upstream.socket.destroy()
    this.#client.destroy()
    this.#done.resolve()
  }

  #notice(text: string): void {
    if (this.#end !== undefined) return
    this.#notices.push(encodeNoticeResponse({ severity: 'WARNING', sqlstate: '01000', message: text }))
    this.#tellNotices()
  }

  // Only between two messages of the server is there room for one of ours.
  #tellNotices(): void {
    if (!this.#tracker.serverIsBetweenMessages || this.#isClientGone) return
    for (const notice of this.#notices) this.#client.write(notice)
    this.#notices = []
  }
}

/** What the client is told of the end; undefined for an ordinary one. */
function farewell(end: SessionEnd | undefined): Report | undefined {
  if (end === undefined || end.reason === 'client-closed') return undefined
  if (end.reason === 'protocol-violation') return { severity: 'FATAL', sqlstate: '08P01', message: end.message }
  if (end.code === null && end.reason === 'upstream-closed') return undefined
  const sqlstate = end.code === null ? '57P01' : errorCodes[end.code].sqlstate
  return { severity: 'FATAL', sqlstate, message: end.message }
}
