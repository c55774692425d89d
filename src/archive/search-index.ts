// Full text of sealed recordings, as the rest of Halligan sees it: a port over a worker that owns the index. Whatever
// happens to worker or index, it costs searches and nothing else.

import { Worker } from 'node:worker_threads'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { searchLog } from '../log.ts'
import type { SearchAsk, SearchFound } from '../procedure/search.ts'
import type { Seal } from '../session/session.ts'
import type {
  SearchCallName,
  SearchCalls,
  SearchIndexed,
  SearchWorkerMessage,
  SearchWorkerStart,
} from './search-message.ts'

/** A sealed recording, and by what it is found. */
export interface SearchRecording {
  readonly session: string
  readonly user: string
  readonly target: string
  readonly grant: string
  /** Ms. */
  readonly openedAt: number
  readonly seal: Seal
}

/** Searches that wait: a person waits for one, and each takes some ms. */
const MOST_PENDING = 64
/** A worker that was lost is begun anew, not more often than this. */
const RESTART_MS = 30_000
/** What the worker may hold in memory: one line of a recording is at most 64 MiB. */
const HEAP_MIB = 512

interface Pending {
  resolve(give: unknown): void
  reject(error: Error): void
}

export class SearchIndex {
  readonly #clock: Clock
  readonly #start: SearchWorkerStart
  readonly #pending = new Map<number, Pending>()
  #worker: Worker | undefined
  #startedUs = -Infinity
  #calls = 0
  #isClosed = false
  /** How often the worker ended by itself. */
  losses = 0
  /** Called when everything is to be indexed again. */
  onRenewed: () => void = () => undefined

  /** `file`: the database's path, made or thrown away as need be; `recordings`: the archive's directory. Never throws. */
  constructor(clock: Clock, start: SearchWorkerStart) {
    this.#clock = clock
    this.#start = start
  }

  /** Sessions among `recordings` that are not in the index as they were sealed. Rejects with `unavailable`. */
  async missing(recordings: readonly SearchRecording[]): Promise<ReadonlySet<string>> {
    return new Set(await this.#call('missing', recordings))
  }

  /** Verifies a recording and takes it in, whole or not at all. Rejects with `unavailable`. */
  async index(recording: SearchRecording): Promise<SearchIndexed> {
    return await this.#call('index', recording)
  }

  /** Nothing of the session is found any more. Rejects with `unavailable`. */
  async forget(session: string): Promise<void> {
    await this.#call('forget', session)
  }

  /** Rejects with `unavailable`. */
  async find(ask: SearchAsk): Promise<SearchFound> {
    return await this.#call('find', ask)
  }

  /** Ends at once: what was being taken in is not in the index, and is again at the next start. */
  async close(): Promise<void> {
    this.#isClosed = true
    const worker = this.#worker
    this.#lost(worker, 'halligan is stopping')
    await worker?.terminate()
  }

  #call<Name extends SearchCallName>(name: Name, take: SearchCalls[Name]['take']): Promise<SearchCalls[Name]['give']> {
    const worker = this.#running()
    if (worker === undefined) return Promise.reject(unavailable('the search index has failed'))
    if (this.#pending.size >= MOST_PENDING) return Promise.reject(unavailable(`${this.#pending.size} searches wait`))
    this.#calls += 1
    const call = this.#calls
    return new Promise<SearchCalls[Name]['give']>((resolve, reject) => {
      this.#pending.set(call, { resolve: (give) => resolve(give as SearchCalls[Name]['give']), reject })
      worker.postMessage({ call, name, take })
    })
  }

  #running(): Worker | undefined {
    if (this.#worker !== undefined || this.#isClosed) return this.#worker
    const nowUs = this.#clock.monotonicUs()
    if (nowUs - this.#startedUs < RESTART_MS * 1000) return undefined
    this.#startedUs = nowUs
    const worker = new Worker(new URL('./search-worker.ts', import.meta.url), {
      name: 'search',
      workerData: this.#start,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB },
    })
    this.#worker = worker
    worker.unref()
    worker.on('message', (message: SearchWorkerMessage) => this.#heard(message))
    worker.on('error', (error) => this.#lost(worker, String(error)))
    worker.on('exit', (code) => this.#lost(worker, `exit ${code}`))
    return worker
  }

  #heard(message: SearchWorkerMessage): void {
    if (message.kind === 'renewed') {
      searchLog.warn('search.index-renewed', { why: message.why })
      this.onRenewed()
      return
    }
    const pending = this.#pending.get(message.call)
    this.#pending.delete(message.call)
    if (message.ok) return pending?.resolve(message.give)
    searchLog.error('search.failed', { why: message.why })
    pending?.reject(unavailable('the search index did not answer'))
  }

  #lost(worker: Worker | undefined, why: string): void {
    if (this.#worker !== worker || worker === undefined) return
    if (!this.#isClosed) {
      this.losses += 1
      searchLog.error('search.worker-lost', { why })
    }
    this.#worker = undefined
    for (const pending of this.#pending.values()) pending.reject(unavailable('the search index has failed'))
    this.#pending.clear()
  }
}

function unavailable(what: string): HalliganError {
  return new HalliganError('unavailable', `nothing can be searched: ${what}`, {
    hint: 'try again in a minute; recordings can be seen all the same',
  })
}
