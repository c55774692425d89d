// The state's worker thread: owns the database and answers one call after the other, so that the main loop never waits
// for the disk.

import { parentPort, workerData } from 'node:worker_threads'
import { assert } from '../errors.ts'
import type { LedgerHead } from '../session/state.ts'
import { Ballast } from './ballast.ts'
import { openDatabase } from './database.ts'
import { errorOf, failureOf, isDiskFull, type Failure } from './engine-error.ts'
import type { Engine } from './engine.ts'
import { LedgerTable } from './ledger-table.ts'
import type {
  AnswerMessage,
  CallMessage,
  CallName,
  Calls,
  ChangeRows,
  Integrity,
  WorkerReady,
  WorkerStart,
} from './message.ts'
import { readEvents } from './event-query.ts'
import { readAlerts, readOutboxDue } from './outbox-query.ts'
import { readCodes, readDrillRuns, readLocks, readRevocations, readViews } from './procedure-query.ts'
import {
  readGrant,
  readGrants,
  readGrantSecrets,
  readLeaves,
  readSession,
  readSessions,
  readSetting,
  readTotp,
} from './query.ts'
import { commitChange } from './transaction.ts'

/** The write-ahead log goes into the database after this many commits: a few MiB, read back in no time at start. */
const commitsPerCheckpoint = 256

class StateWorker {
  readonly #engine: Engine
  readonly #ledger: LedgerTable
  readonly #ballast: Ballast
  readonly integrity: Integrity
  /** Set by a failure after which nothing that this connection says is durable. */
  #ended: Failure | undefined
  #commits = 0

  constructor(start: WorkerStart) {
    this.#ballast = new Ballast(start.file, start.ballastBytes)
    const dropBallast = () => this.#ballast.drop()
    this.#engine = withRoom([dropBallast], () => openDatabase(start.file, start.keyCheck))
    const { ledger, integrity } = withRoom([dropBallast], () => LedgerTable.open(this.#engine, start.startedAt))
    this.#ledger = ledger
    this.integrity = integrity
    this.#ballast.lay()
  }

  attempt(message: CallMessage): AnswerMessage {
    try {
      if (this.#ended !== undefined && message.name !== 'close') throw errorOf(this.#ended)
      return { call: message.call, ok: true, give: this.#answer(message) }
    } catch (error) {
      return { call: message.call, ok: false, failure: this.#failed(error) }
    }
  }

  /** After an answer has gone out, so that nobody waits for it. */
  checkpoint(): void {
    if (this.#commits < commitsPerCheckpoint || this.#ended !== undefined) return
    this.#commits = 0
    try {
      this.#engine.pragma('wal_checkpoint(PASSIVE)')
      this.#ballast.lay()
    } catch (error) {
      this.#failed(error)
    }
  }

  #answer({ name, take }: CallMessage): Calls[CallName]['give'] {
    switch (name) {
      case 'commit':
        return this.#commit(take)
      case 'grant':
        return readGrant(this.#engine, take)
      case 'grants':
        return readGrants(this.#engine, take)
      case 'session':
        return readSession(this.#engine, take)
      case 'sessions':
        return readSessions(this.#engine, take)
      case 'totp':
        return readTotp(this.#engine, take)
      case 'grant-secrets':
        return readGrantSecrets(this.#engine, take)
      case 'outbox-due':
        return readOutboxDue(this.#engine, take)
      case 'alerts':
        return readAlerts(this.#engine, take)
      case 'locks':
        return readLocks(this.#engine, take)
      case 'codes':
        return readCodes(this.#engine, take)
      case 'views':
        return readViews(this.#engine, take)
      case 'drill-runs':
        return readDrillRuns(this.#engine, take)
      case 'revocations':
        return readRevocations(this.#engine, take)
      case 'events':
        return readEvents(this.#engine, take)
      case 'ledger-head':
        return this.#ledger.head()
      case 'leaves':
        return readLeaves(this.#engine, take)
      case 'proof':
        return this.#ledger.proof(take)
      case 'setting':
        return readSetting(this.#engine, take)
      case 'close':
        this.#engine.close()
        return null
    }
  }

  #commit(change: ChangeRows): LedgerHead {
    this.#commits += 1
    // First the ballast's space, then what the log holds twice.
    return withRoom([() => this.#ballast.drop(), () => this.#emptyLog()], () =>
      commitChange(this.#engine, this.#ledger, change),
    )
  }

  /** Moves the write-ahead log into the database and cuts it, as far as there is room. */
  #emptyLog(): void {
    try {
      this.#engine.pragma('wal_checkpoint(TRUNCATE)')
    } catch (error) {
      if (!isDiskFull(error)) throw error
    }
  }

  #failed(error: unknown): Failure {
    const failure = failureOf(error)
    if (failure.isFinal) this.#ended = failure
    return failure
  }
}

/** Work that meets a full disk was rolled back: it runs again after each way of making room, and then fails. */
function withRoom<T>(waysToMakeRoom: readonly (() => void)[], work: () => T): T {
  for (const makeRoom of waysToMakeRoom)
    try {
      return work()
    } catch (error) {
      if (!isDiskFull(error)) throw error
      makeRoom()
    }
  return work()
}

const port = parentPort
assert(port !== null, 'worker.ts runs as a worker thread')
try {
  const worker = new StateWorker(workerData as WorkerStart)
  port.on('message', (message: CallMessage) => {
    port.postMessage(worker.attempt(message))
    worker.checkpoint()
    if (message.name === 'close') port.close()
  })
  port.postMessage({ kind: 'open', integrity: worker.integrity } satisfies WorkerReady)
} catch (error) {
  port.postMessage({ kind: 'refused', failure: failureOf(error) } satisfies WorkerReady)
}
