// The state as the rest of Halligan sees it: the port of session/state.ts over a worker that owns the database.

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { Grant } from '../access/grant.ts'
import type { CodePurpose } from '../audit.ts'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { storeLog } from '../log.ts'
import { hashBytes } from '../ledger/merkle.ts'
import { consistencyNodes, inclusionNodes } from '../ledger/stored-tree.ts'
import type { SessionRecord } from '../session/session.ts'
import type {
  AlertRecord,
  Change,
  DrillRun,
  GrantSecret,
  IssuedCode,
  LedgerEntry,
  LedgerHead,
  Lock,
  OutboxRow,
  Revocation,
  State,
  View,
} from '../session/state.ts'
import { defaultBallastBytes } from './ballast.ts'
import { errorOf } from './engine-error.ts'
import {
  mostRowsPerPage,
  type Integrity,
  type Page,
  type PageEnd,
  type ViewRow,
  type WorkerReady,
  type WorkerStart,
} from './message.ts'
import { rowToCode, rowToDrillRun, rowToEntry, rowToLock, rowToRevocation, rowToView } from './procedure-row.ts'
import { changeToRows, rowToAlert, rowToGrant, rowToGrantSecret, rowToSession, rowToTotpSecret } from './row.ts'
import { SealedColumns } from './sealed-column.ts'
import { WorkerLink } from './worker-link.ts'

export interface StateOptions {
  /** Path of the database; made with its directory where it is missing. */
  readonly file: string
  readonly clock: Clock
  /** 32 bytes that seal the secrets in the database. */
  readonly keyEncryptionKey: Uint8Array
  /** Space kept back for the moment the disk is full; 0: none. */
  readonly ballastBytes?: number
}

/** State, and whether the ledger's rows still give the root that the last commit left. */
export interface StoredState extends State {
  readonly integrity: Integrity
}

/**
 * Opens the state in a worker thread of its own. A damaged ledger opens, with `integrity` naming the problem.
 * Throws `store_failed`: wrong key, a newer schema, a file that is not Halligan's, a failing disk.
 */
export async function openState(options: StateOptions): Promise<StoredState> {
  const cells = new SealedColumns(options.keyEncryptionKey)
  const start: WorkerStart = {
    file: options.file,
    keyCheck: new Uint8Array(cells.keyCheck),
    ballastBytes: options.ballastBytes ?? defaultBallastBytes,
    startedAt: options.clock.now(),
  }
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { name: 'state', workerData: start })
  const ready = await firstMessage(worker)
  if (ready.kind === 'refused') {
    await worker.terminate()
    throw errorOf(ready.failure)
  }
  if (ready.integrity !== 'ok') storeLog.error('store.ledger-damaged', ready.integrity)
  return new WorkerState(new WorkerLink(worker, options.clock), cells, ready.integrity)
}

async function firstMessage(worker: Worker): Promise<WorkerReady> {
  const opening = new AbortController()
  try {
    const [ready] = await Promise.race([
      once(worker, 'message', { signal: opening.signal }),
      once(worker, 'exit', { signal: opening.signal }).then(([code]) => {
        throw new HalliganError('store_failed', `the state worker exited with code ${code} before it was open`)
      }),
    ])
    return ready as WorkerReady
  } finally {
    opening.abort()
  }
}

class WorkerState implements StoredState {
  readonly integrity: Integrity
  readonly #link: WorkerLink
  readonly #cells: SealedColumns

  constructor(link: WorkerLink, cells: SealedColumns, integrity: Integrity) {
    this.#link = link
    this.#cells = cells
    this.integrity = integrity
  }

  async commit(change: Change): Promise<LedgerHead> {
    return await this.#link.call('commit', changeToRows(change, this.#cells))
  }

  async grant(id: string): Promise<Grant | undefined> {
    const row = await this.#link.call('grant', id)
    return row === undefined ? undefined : rowToGrant(row)
  }

  async grants({ user, states, since, before, limit }: Parameters<State['grants']>[0]): Promise<Grant[]> {
    const rows = await allPages(
      limit,
      (after: PageEnd | undefined, limit) => this.#link.call('grants', { user, states, since, before, after, limit }),
      (row) => ({ at: row.requested_at, position: row.position }),
    )
    return rows.map(rowToGrant)
  }

  async session(id: string): Promise<SessionRecord | undefined> {
    const row = await this.#link.call('session', id)
    return row === undefined ? undefined : rowToSession(row)
  }

  async sessions(filter: Parameters<State['sessions']>[0]): Promise<SessionRecord[]> {
    const { user, grant, states, before, after: from } = filter
    const rows = await allPages(
      filter.limit,
      (after: PageEnd | undefined, limit) =>
        this.#link.call('sessions', { user, grant, states, before, from, after, limit }),
      (row) => ({ at: row.opened_at, position: row.position }),
    )
    return rows.map(rowToSession)
  }

  async totp(user: string): ReturnType<State['totp']> {
    const row = await this.#link.call('totp', user)
    if (row === undefined) return undefined
    return { secret: rowToTotpSecret(user, row.secret, this.#cells), lastStep: row.last_step }
  }

  async grantSecrets(grant: string): Promise<GrantSecret[]> {
    const rows = await allPages(
      undefined,
      (after: number | undefined) => this.#link.call('grant-secrets', { grant, after: after ?? 0 }),
      (row) => row.position,
    )
    return rows.map((row) => rowToGrantSecret(row, this.#cells))
  }

  async outboxDue(now: number, limit: number): Promise<OutboxRow[]> {
    // One page is enough: what did not fit is due again at the next look.
    const { rows } = await this.#link.call('outbox-due', { now, limit })
    return rows.map(rowToAlert)
  }

  async alerts(filter: Parameters<State['alerts']>[0]): Promise<AlertRecord[]> {
    const { grant, type, isDead, since, before } = filter
    const rows = await allPages(
      filter.limit,
      (below: number | undefined, limit) =>
        this.#link.call('alerts', { grant, type, isDead, since, before, below, limit }),
      (row) => row.position,
    )
    return rows.map(rowToAlert)
  }

  async locks(): Promise<Lock[]> {
    const rows = await allPages(
      undefined,
      (after: string | undefined) => this.#link.call('locks', { after: after ?? '' }),
      (row) => row.scope,
    )
    return rows.map(rowToLock)
  }

  async codes(user: string, purpose: CodePurpose): Promise<IssuedCode[]> {
    const rows = await allPages(
      undefined,
      (below: number | undefined) => this.#link.call('codes', { user, purpose, below }),
      (row) => row.position,
    )
    return rows.map(rowToCode)
  }

  async views(sessions: readonly string[]): Promise<View[]> {
    const rows: ViewRow[] = []
    for (let from = 0; from < sessions.length; from += mostRowsPerPage) {
      const some = sessions.slice(from, from + mostRowsPerPage)
      rows.push(
        ...(await allPages(
          undefined,
          (after: number | undefined) => this.#link.call('views', { sessions: some, after: after ?? 0 }),
          (row) => row.position,
        )),
      )
    }
    return rows.sort((a, b) => a.position - b.position).map(rowToView)
  }

  async drillRuns({ limit, name, since }: Parameters<State['drillRuns']>[0]): Promise<DrillRun[]> {
    const rows = await allPages(
      limit,
      (after: PageEnd | undefined, limit) => this.#link.call('drill-runs', { name, since, after, limit }),
      (row) => ({ at: row.started_at, position: row.position }),
    )
    return rows.map(rowToDrillRun)
  }

  async revocations({ limit }: Parameters<State['revocations']>[0]): Promise<Revocation[]> {
    const rows = await allPages(
      limit,
      (after: PageEnd | undefined, limit) => this.#link.call('revocations', { after, limit }),
      (row) => ({ at: row.next_at, position: row.position }),
    )
    return rows.map(rowToRevocation)
  }

  async events(filter: Parameters<State['events']>[0]): Promise<LedgerEntry[]> {
    const { types, since, before } = filter
    const rows = await allPages(
      filter.limit,
      (below: number | undefined, limit) =>
        this.#link.call('events', { types, since, before, below: below ?? filter.below, limit }),
      (row) => row.position,
    )
    return rows.map(rowToEntry)
  }

  async ledgerHead(): Promise<LedgerHead> {
    return await this.#link.call('ledger-head', null)
  }

  async leaves(from: number, to: number): Promise<Buffer[]> {
    const leaves: Buffer[] = []
    while (from + leaves.length < to) {
      const { rows } = await this.#link.call('leaves', { from: from + leaves.length, to })
      leaves.push(...rows.map(bufferOf))
    }
    return leaves
  }

  async inclusionProof(index: number, size: number): Promise<Buffer[]> {
    return hashesOf(await this.#link.call('proof', { size, parts: inclusionNodes(index, size) }))
  }

  async consistencyProof(first: number, size: number): Promise<Buffer[]> {
    return hashesOf(await this.#link.call('proof', { size, parts: consistencyNodes(first, size) }))
  }

  async setting(name: string): Promise<string | undefined> {
    return await this.#link.call('setting', name)
  }

  async close(): Promise<void> {
    await this.#link.close()
  }
}

/** Reads pages until the list ends or `limit` rows are there. `endOf` says where the next page starts. */
async function allPages<Row, End>(
  limit: number | undefined,
  read: (after: End | undefined, limit: number) => Promise<Page<Row>>,
  endOf: (row: Row) => End,
): Promise<Row[]> {
  const rows: Row[] = []
  for (;;) {
    const wanted = Math.min(mostRowsPerPage, (limit ?? Infinity) - rows.length)
    const last = rows.at(-1)
    const page = await read(last === undefined ? undefined : endOf(last), wanted)
    rows.push(...page.rows)
    if (page.rows.length === 0 || (!page.more && page.rows.length < wanted)) return rows
    if (limit !== undefined && rows.length >= limit) return rows
  }
}

function hashesOf(bytes: Uint8Array): Buffer[] {
  const page = bufferOf(bytes)
  return Array.from({ length: page.length / hashBytes }, (_, index) =>
    page.subarray(index * hashBytes, (index + 1) * hashBytes),
  )
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
