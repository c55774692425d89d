// The search index's worker thread: reads sealed recordings, verifies each, and puts what it holds into the database, a
// little at a time; answers searches in between. It never runs while it could hold up anyone: all it does is off the main
// loop, and it rests as long as it works.

import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as rest } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'
import { assert, HalliganError, ProtocolViolation } from '../errors.ts'
import { exportLines } from '../recording/exported-line.ts'
import { SearchEntries } from '../recording/search-entry.ts'
import { SearchDatabase } from './search-database.ts'
import type { SearchRecording } from './search-index.ts'
import type {
  SearchCallMessage,
  SearchCallName,
  SearchCalls,
  SearchIndexed,
  SearchWorkerMessage,
  SearchWorkerStart,
} from './search-message.ts'
import { VerifiedRecording } from './verified-recording.ts'

/** Works this long (ms), then rests as long: half a core at most, and a search waits no longer than this. */
const WORK_MS = 20
/** Below this share of the file system nothing is indexed: what is left is for recordings. */
const FLOOR = 0.1
/** A disk that damages every index it is given has more to worry about. */
const MOST_RENEWALS = 3

class SearchWorker {
  readonly #start: SearchWorkerStart
  readonly #tell: (message: SearchWorkerMessage) => void
  #database: SearchDatabase
  #renewals = 0
  #writes: Promise<void> = Promise.resolve()

  constructor(start: SearchWorkerStart, tell: (message: SearchWorkerMessage) => void) {
    this.#start = start
    this.#tell = tell
    const { database, renewed } = SearchDatabase.open(start.file)
    this.#database = database
    if (renewed !== null) tell({ kind: 'renewed', why: renewed })
  }

  async answer(message: SearchCallMessage): Promise<void> {
    const { call } = message
    try {
      this.#tell({ kind: 'answer', call, ok: true, give: await this.#give(message) })
    } catch (error) {
      this.#tell({ kind: 'answer', call, ok: false, why: error instanceof Error ? error.message : String(error) })
      if (isDamage(error)) this.#renew(error)
    }
  }

  async #give({ name, take }: SearchCallMessage): Promise<SearchCalls[SearchCallName]['give']> {
    switch (name) {
      case 'missing':
        return this.#database.missing(take)
      case 'index':
        return this.#inTurn(() => this.#index(take))
      case 'find':
        return this.#database.find(take)
      case 'forget':
        return this.#inTurn(async () => {
          this.#database.forget(take)
          return null
        })
    }
  }

  /** Writes come one after the other: a recording's entries are one transaction. */
  #inTurn<T>(write: () => Promise<T>): Promise<T> {
    const written = this.#writes.then(write)
    this.#writes = written.then(
      () => undefined,
      () => undefined,
    )
    return written
  }

  async #index(recording: SearchRecording): Promise<SearchIndexed> {
    await this.#checkRoom()
    try {
      const verified = await VerifiedRecording.open(this.#start.recordings, recording.seal)
      try {
        return await this.#take(recording, verified)
      } finally {
        await verified.close()
      }
    } catch (error) {
      const isRecording = error instanceof HalliganError || error instanceof ProtocolViolation
      if (!isRecording) throw error
      return { kind: 'refused', why: error.message }
    }
  }

  async #checkRoom(): Promise<void> {
    const { bavail, blocks } = await statfs(dirname(this.#start.file))
    if (blocks > 0 && bavail / blocks < FLOOR) throw new Error('too little space is left on the file system')
  }

  async #take(recording: SearchRecording, verified: VerifiedRecording): Promise<SearchIndexed> {
    const intake = this.#database.begin(recording)
    try {
      const entries = new SearchEntries()
      let since = performance.now()
      for await (const some of exportLines(verified.lines(), entries)) {
        for (const entry of some) intake.add(entry)
        if (performance.now() - since < WORK_MS) continue
        await rest(WORK_MS)
        await this.#checkRoom()
        since = performance.now()
      }
      intake.keep()
      return { kind: 'indexed', entries: intake.entries, isCut: entries.isCut }
    } finally {
      intake.drop()
    }
  }

  /** Throws when there can be no index: the thread ends, and the main side says so. */
  #renew(cause: unknown): void {
    if (this.#renewals >= MOST_RENEWALS) throw cause
    this.#renewals += 1
    this.#database.close()
    SearchDatabase.remove(this.#start.file)
    this.#database = SearchDatabase.open(this.#start.file).database
    this.#tell({ kind: 'renewed', why: cause instanceof Error ? cause.message : String(cause) })
  }
}

/** Errors of a question are none of the file's: whoever asks must not be able to have the index thrown away. */
function isDamage(error: unknown): boolean {
  if (!(error instanceof Database.SqliteError)) return false
  return /^SQLITE_(CORRUPT|NOTADB)/.test(error.code) || /^(no such table|vtable constructor failed)/.test(error.message)
}

const port = parentPort
assert(port !== null, 'search-worker.ts runs as a worker thread')
const worker = new SearchWorker(workerData as SearchWorkerStart, (message) => port.postMessage(message))
port.on('message', (message: SearchCallMessage) => void worker.answer(message))
