// The writer behind its message port: takes everything that is waiting as one batch, answers in order. It serves a
// worker's port, and in tests a port in the same thread with another file system.

import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { dropBallast } from './ballast.ts'
import { type FileSystem, systemCode } from './file-port.ts'
import type { JournalWriter } from './journal-writer.ts'
import type { FromWriter, ToWriter, WriterSetup } from './messages.ts'
import type { Recovery } from './recovery.ts'
import { SkeletonFile } from './skeleton-file.ts'
import { startWriter } from './start-writer.ts'

/** Messages taken at once; what is left makes the next batch. */
const mostMessagesAtOnce = 1024

/** Starts the writer, says `ready` or `failed`, and serves until `close`. */
export function serveWriter(port: MessagePort, files: FileSystem, setup: WriterSetup): void {
  const say = (message: FromWriter): void => port.postMessage(message)
  let started: { writer: JournalWriter; recovery: Recovery }
  try {
    started = startWriter(files, setup)
  } catch (error) {
    say(failure(error))
    port.close()
    return
  }
  const service = new WriterService(port, files, setup.directory, started.writer)
  say({ kind: 'ready', recovery: started.recovery, head: started.writer.head() })
  port.on('message', (first: ToWriter) => service.take(first))
  service.prepareSpare()
}

class WriterService {
  readonly #port: MessagePort
  readonly #files: FileSystem
  readonly #directory: string
  readonly #writer: JournalWriter
  #state: 'open' | 'failed' | 'closed' = 'open'
  #isPreparing = false
  /** The skeleton being written. */
  #skeleton: SkeletonFile | null = null
  readonly #durable = (count: number): void => this.#say({ kind: 'durable', count, head: this.#writer.head() })

  constructor(port: MessagePort, files: FileSystem, directory: string, writer: JournalWriter) {
    this.#port = port
    this.#files = files
    this.#directory = directory
    this.#writer = writer
  }

  /** Everything that waits behind `first` goes with it: one write, one sync. */
  take(first: ToWriter): void {
    let message: ToWriter | undefined = first
    for (let taken = 1; message !== undefined; taken++) {
      this.#guard(message)
      message =
        taken < mostMessagesAtOnce ? (receiveMessageOnPort(this.#port)?.message as ToWriter | undefined) : undefined
    }
    this.#try(() => this.#writer.flush(this.#durable))
    this.prepareSpare()
  }

  /** The next segment is made ahead, then old ones are reduced: one small step a turn, and not in front of what waits. */
  prepareSpare(): void {
    if (this.#isPreparing || this.#state !== 'open') return
    this.#isPreparing = true
    setImmediate(() => {
      this.#isPreparing = false
      this.#try(() => {
        if (this.#writer.prepareSpare() || this.#reduce()) this.prepareSpare()
      })
    })
  }

  /**
   * One step of making a skeleton, when there is one to make; whether there was. What goes wrong costs nobody anything:
   * the segment stays as it is.
   */
  #reduce(): boolean {
    const segment = this.#skeleton?.number ?? this.#writer.nextSkeleton()
    if (segment === undefined) return false
    try {
      this.#skeleton ??= new SkeletonFile(this.#files, this.#directory, segment)
      if (!this.#skeleton.step()) return true
      this.#skeleton = null
      this.#writer.skeletonOver(segment, true)
      this.#say({ kind: 'skeleton', segment, problem: null })
    } catch (error) {
      const problem = [failure(error).message, ...this.#abandonSkeleton()].join('; then ')
      this.#writer.skeletonOver(segment, false)
      this.#say({ kind: 'skeleton', segment, problem })
    }
    return true
  }

  /** Gives what went wrong. */
  #abandonSkeleton(): string[] {
    const skeleton = this.#skeleton
    this.#skeleton = null
    try {
      skeleton?.abandon()
      return []
    } catch (error) {
      return [failure(error).message]
    }
  }

  #guard(message: ToWriter): void {
    // What is durable can be read, and the journal closed, also after a failure.
    if (message.kind === 'append' || message.kind === 'epoch') this.#try(() => this.#write(message))
    else {
      this.#try(() => this.#writer.flush(this.#durable))
      this.#answer(message)
    }
  }

  #write(message: Extract<ToWriter, { kind: 'append' | 'epoch' }>): void {
    if (message.kind === 'append') {
      let at = 0
      for (const entry of message.entries) {
        this.#writer.append(entry, new Uint8Array(message.bytes, at, entry.length), this.#durable)
        at += entry.length
      }
      return
    }
    this.#writer.flush(this.#durable)
    this.#writer.epoch(message.ledger, message.times)
    this.#say({ kind: 'epoch', id: message.id, head: this.#writer.head() })
  }

  #answer(message: Exclude<ToWriter, { kind: 'append' | 'epoch' }>): void {
    switch (message.kind) {
      case 'extents':
        this.#say({ kind: 'extents', id: message.id, extents: this.#writer.extents(message.session) })
        return
      case 'forget':
        this.#writer.forget(message.session)
        return
      case 'close':
        this.#close()
        return
    }
  }

  #try(run: () => void): void {
    if (this.#state !== 'open') return
    try {
      run()
    } catch (error) {
      this.#fail(error)
    }
  }

  /** The first failure: room for others, last words for the sessions, and nothing is written ever after. */
  #fail(error: unknown): void {
    this.#state = 'failed'
    const message = failure(error)
    // A system's message may hold a path: the recording gets its code.
    const reason = `the recorder failed${message.system === '' ? '' : `: ${message.system}`}`
    const attempts: (() => void)[] = [() => this.#writer.lastWords(reason)]
    if (message.system === 'ENOSPC') {
      attempts.unshift(
        () => dropBallast(this.#files, this.#directory),
        () => this.#writer.releaseSpace(),
      )
    }
    const also = attempts.flatMap((attempt) => {
      try {
        attempt()
        return []
      } catch (second) {
        return [failure(second).message]
      }
    })
    this.#say(also.length === 0 ? message : { ...message, message: `${message.message}; then ${also.join('; ')}` })
  }

  #close(): void {
    this.#state = 'closed'
    for (const problem of this.#abandonSkeleton()) this.#say({ kind: 'skeleton', segment: 0, problem })
    try {
      this.#writer.close()
    } catch (error) {
      this.#say(failure(error))
    }
    this.#say({ kind: 'closed' })
    this.#port.close()
  }

  #say(message: FromWriter): void {
    this.#port.postMessage(message)
  }
}

function failure(error: unknown): Extract<FromWriter, { kind: 'failed' }> {
  const message = error instanceof Error ? error.message : String(error)
  return { kind: 'failed', message, system: systemCode(error) }
}
