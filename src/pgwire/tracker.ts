// Follows one PostgreSQL session past authentication on exactly the bytes that are forwarded: what the client asked, in
// the order of sending, and what became of it, in the order of replies. It keeps no socket and no clock.
//
// Known limit: a DO block or function that runs DEALLOCATE and PREPARE by dynamic SQL changes what a name means without a
// word on the wire; the record then names the statement that the wire last gave that name.

import type { TransactionStatus } from './backend-decoding.ts'
import { ClientSide } from './client-side.ts'
import { FrameScanner } from './frame.ts'
import { backendHandling, frontendHandling } from './message-type.ts'
import { ReplyQueue } from './reply-queue.ts'
import { ServerSide } from './server-side.ts'
import type { ClientEvent, ServerEvent } from './statement-event.ts'

/** A client that pipelines this many messages is not read from until answers have come: memory stays bounded. */
export const maxInFlight: number = 65_536

export interface TrackerOptions {
  /** Told during `takeClient`: to be durable before the bytes go on. */
  readonly onClient: (event: ClientEvent) => void
  /** Told during `takeServer`, `close`, and for ignored messages during `takeClient`. */
  readonly onServer: (event: ServerEvent) => void
  /** As the server reported it at start-up. */
  readonly clientEncoding: string
  /** Largest message told as one event; longer ones come as `part` events. */
  readonly maxWholeBytes?: number
}

/** Every method that takes bytes throws ProtocolViolation where they make no sense; the session must end then. */
export class StatementTracker {
  readonly #queue = new ReplyQueue()
  readonly #client: ClientSide
  readonly #server: ServerSide
  readonly #clientScanner: FrameScanner
  readonly #serverScanner: FrameScanner

  constructor(options: TrackerOptions) {
    this.#server = new ServerSide(this.#queue, options.onServer, options.clientEncoding)
    this.#client = new ClientSide({
      queue: this.#queue,
      onEvent: options.onClient,
      onSkipped: (id) => options.onServer({ kind: 'skipped', id }),
      clientEncoding: () => this.#server.clientEncoding,
    })
    const bound = options.maxWholeBytes === undefined ? {} : { maxWholeBytes: options.maxWholeBytes }
    this.#clientScanner = new FrameScanner(frontendHandling, this.#client, bound)
    this.#serverScanner = new FrameScanner(backendHandling, this.#server, bound)
  }

  /** Takes the next bytes from the client. What of them may go on stands in `clientSettled`. */
  takeClient(chunk: Buffer): void {
    this.#clientScanner.scan(chunk)
    this.#client.flush()
  }

  /** Offset in the client's stream below which everything has been told; bytes above it are an unfinished message. */
  get clientSettled(): number {
    return this.#clientScanner.settled
  }

  /** The client has sent Terminate: that the server closes is its wish. */
  get clientHasSaidFarewell(): boolean {
    return this.#client.hasSaidFarewell
  }

  /** Id of the newest client event: what `forwarded` takes when the bytes behind it have gone on. */
  get lastId(): number {
    return this.#client.lastId
  }

  /** Everything up to event `lastId` went on to the server at `nowUs` (monotonic). */
  forwarded(lastId: number, nowUs: number): void {
    this.#queue.forwarded(lastId, nowUs)
  }

  /** Takes the next bytes from the server, which came at `nowUs` (monotonic). */
  takeServer(chunk: Buffer, nowUs: number): void {
    this.#server.begin(nowUs)
    this.#serverScanner.scan(chunk)
    this.#server.flush()
  }

  /** True when the server stands between two messages: only there may a message of ours be put in. */
  get serverIsBetweenMessages(): boolean {
    return this.#serverScanner.isBetweenMessages
  }

  /**
   * Where in `chunk`, the server's next bytes, the message it stands in ends; undefined: not in this chunk. Used once a
   * session is over and nothing is tracked any more.
   */
  serverBoundary(chunk: Buffer): number | undefined {
    return this.#serverScanner.boundary(chunk)
  }

  /** Messages the server has not answered yet; above `maxInFlight` the client must wait. */
  get inFlight(): number {
    return this.#queue.length
  }

  get transactionStatus(): TransactionStatus {
    return this.#server.transactionStatus
  }

  /** The connection to the server is gone: tells what stays unknown and what was rolled back. */
  close(): void {
    this.#server.close()
  }
}
