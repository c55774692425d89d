// The main thread's end of a worker: numbers the calls, matches the answers, and fails every call once the worker is gone.

import type { Worker } from 'node:worker_threads'
import type { Clock, Timer } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { storeLog } from '../log.ts'
import { errorOf } from './engine-error.ts'
import { mostPendingCalls, type AnswerMessage, type CallName, type Calls } from './message.ts'

interface Pending {
  readonly name: CallName
  resolve(give: unknown): void
  reject(error: Error): void
}

/** A database that does not close within this has lost its disk: shutdown goes on without it. */
const longestCloseMs = 10_000

export class WorkerLink {
  readonly #worker: Worker
  readonly #clock: Clock
  readonly #pending = new Map<number, Pending>()
  #calls = 0
  /** Why no call can succeed any more. */
  #gone: HalliganError | undefined
  #closed: Promise<void> | undefined

  /** `worker` answers `CallMessage`s from now on. */
  constructor(worker: Worker, clock: Clock) {
    this.#worker = worker
    this.#clock = clock
    worker.on('message', (answer: AnswerMessage) => this.#settle(answer))
    worker.on('messageerror', (error) => this.#fail(error))
    worker.on('error', (error: Error) => this.#fail(error))
    worker.on('exit', (code) => this.#fail(new Error(`the state worker exited with code ${code}`)))
  }

  /** Rejects with `conflict` or `store_failed`. */
  call<Name extends CallName>(name: Name, take: Calls[Name]['take']): Promise<Calls[Name]['give']> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone)
    // Whoever asks a thousand questions must not keep an end, or a leaf, from being written.
    const most = name === 'commit' || name === 'close' ? mostPendingCalls : mostPendingCalls / 2
    if (this.#pending.size >= most)
      return Promise.reject(
        new HalliganError('store_failed', `${this.#pending.size} calls wait for the state store`, {
          hint: 'its disk is too slow or stuck; try again in a moment',
        }),
      )
    this.#calls += 1
    const call = this.#calls
    return new Promise<Calls[Name]['give']>((resolve, reject) => {
      this.#worker.postMessage({ call, name, take })
      this.#pending.set(call, { name, resolve: (give) => resolve(give as Calls[Name]['give']), reject })
    })
  }

  /** Ends the worker after all calls before; waits `longestCloseMs` at most. Every later call fails. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    if (this.#gone !== undefined) return
    const exited = new Promise<void>((resolve) => this.#worker.once('exit', () => resolve()))
    const asked = this.call('close', null)
    this.#gone = new HalliganError('store_failed', 'the state is closed')
    let timer: Timer | undefined
    const late = new Promise<void>((resolve) => {
      timer = this.#clock.after(longestCloseMs, resolve)
    })
    try {
      await Promise.race([asked.then(() => exited), late])
    } finally {
      timer?.cancel()
      await this.#worker.terminate()
    }
  }

  #settle(answer: AnswerMessage): void {
    const pending = this.#pending.get(answer.call)
    if (pending === undefined) return
    this.#pending.delete(answer.call)
    if (answer.ok) return pending.resolve(answer.give)
    const { code, message, detail } = answer.failure
    if (code !== 'conflict') storeLog.error('store.call-failed', { call: pending.name, failure: code, message, detail })
    pending.reject(errorOf(answer.failure))
  }

  #fail(cause: Error): void {
    if (this.#gone === undefined) storeLog.error('store.worker-lost', { error: cause })
    this.#gone ??= new HalliganError('store_failed', 'the state worker has ended', {
      hint: 'restart Halligan; its log says why the worker ended',
      cause,
    })
    for (const pending of this.#pending.values()) pending.reject(this.#gone)
    this.#pending.clear()
  }
}
