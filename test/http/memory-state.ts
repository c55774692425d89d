// The state port in memory, for tests of what stands above it.

import type { Grant } from '../../src/access/grant.ts'
import type { AuditEvent } from '../../src/audit.ts'
import { HalliganError } from '../../src/errors.ts'
import type { SessionRecord } from '../../src/session/session.ts'
import type {
  Alert,
  AlertRecord,
  Change,
  DrillRun,
  IssuedCode,
  LedgerEntry,
  LedgerHead,
  Lock,
  Revocation,
  State,
  View,
  Write,
} from '../../src/session/state.ts'

export class MemoryState implements State {
  readonly leavesWritten: AuditEvent[] = []
  readonly #grants = new Map<string, Grant>()
  readonly #sessions = new Map<string, SessionRecord>()
  readonly #totp = new Map<string, { secret: string; lastStep: number }>()
  readonly #alerts: AlertRecord[] = []
  readonly #locks = new Map<string, Lock>()
  readonly #codes = new Map<string, IssuedCode>()
  readonly #views: View[] = []
  readonly #drillRuns = new Map<string, DrillRun>()
  readonly #revocations = new Map<string, Revocation>()
  readonly #events: LedgerEntry[] = []
  readonly #settings = new Map<string, string>()

  async commit(change: Change): Promise<LedgerHead> {
    for (const write of change.writes) this.#write(write)
    for (const alert of change.alerts ?? []) this.#alerts.unshift(rowOf(alert))
    this.leavesWritten.push(...change.leaves)
    for (const event of change.leaves) this.#events.unshift({ index: this.#events.length, at: change.at, event })
    return this.ledgerHead()
  }

  #write(write: Write): void {
    switch (write.kind) {
      case 'grant': {
        const { grant, expectVersion } = write
        if (expectVersion !== null && this.#grants.get(grant.id)?.version !== expectVersion)
          throw new HalliganError('conflict', `grant ${grant.id} was changed by somebody else`)
        this.#grants.set(grant.id, grant)
        return
      }
      case 'session-open':
        this.#sessions.set(write.session.id, write.session)
        return
      case 'session-ended':
        this.#change(write.id, { state: 'ended', endedAt: write.endedAt, end: write.end })
        return
      case 'session-sealed':
        this.#change(write.id, { state: 'sealed', seal: write.seal })
        return
      case 'totp-enrolled':
        this.#totp.set(write.user, { secret: write.secret, lastStep: -1 })
        return
      case 'totp-step': {
        const row = this.#totp.get(write.user)
        if (row === undefined || row.lastStep >= write.step) throw new HalliganError('conflict', 'step spent')
        row.lastStep = write.step
        return
      }
      case 'lock':
        this.#locks.set(write.lock.scope, write.lock)
        return
      case 'unlock':
        if (!this.#locks.delete(write.scope)) throw new HalliganError('conflict', 'not locked')
        return
      case 'code-issued':
        this.#codes.set(write.code.id, write.code)
        return
      case 'code-used':
        if (!this.#codes.delete(write.id)) throw new HalliganError('conflict', 'code used')
        return
      case 'codes-ended':
        for (const { id, user, purpose } of this.#codes.values())
          if (user === write.user && purpose === write.purpose) this.#codes.delete(id)
        return
      case 'view':
        this.#views.push(write.view)
        return
      case 'drill-run':
        this.#drillRuns.set(write.run.id, write.run)
        return
      case 'revocation-queued':
        this.#revocations.set(write.revocation.id, write.revocation)
        return
      case 'alert-accepted':
        return this.#changeAlert(write.id, { acceptedAt: write.at, receipt: write.receipt, deadAt: null })
      case 'alert-failed':
        return this.#changeAlert(write.id, { ...untaken, nextAt: write.nextAt, lastError: write.error })
      case 'alert-dead':
        return this.#changeAlert(write.id, { ...untaken, deadAt: write.at, lastError: write.error })
      case 'alert-retried':
        if ((this.#alerts.find(({ id }) => id === write.id)?.deadAt ?? null) === null)
          throw new HalliganError('conflict', `alert ${write.id} is unknown or not given up`)
        return this.#changeAlert(write.id, { deadAt: null, attempts: 0, nextAt: 0 })
      case 'setting':
        this.#settings.set(write.name, write.value)
        return
      // Nobody has a secret here, so none is left to end.
      case 'grant-secrets-ended':
        return
      case 'grant-secret':
      case 'grant-secret-used':
      case 'grant-secret-ended':
      case 'revocation-failed':
      case 'revocation-done':
        throw new Error(`no ${write.kind} in these tests`)
    }
  }

  #changeAlert(id: string, part: Partial<AlertRecord>): void {
    const index = this.#alerts.findIndex((alert) => alert.id === id)
    const alert = this.#alerts[index]
    if (alert === undefined) throw new HalliganError('conflict', `no alert ${id}`)
    this.#alerts[index] = { ...alert, ...part }
  }

  #change(id: string, part: Partial<SessionRecord>): void {
    const session = this.#sessions.get(id)
    if (session === undefined) throw new HalliganError('conflict', `no session ${id}`)
    this.#sessions.set(id, { ...session, ...part })
  }

  async grant(id: string): Promise<Grant | undefined> {
    return this.#grants.get(id)
  }

  async grants(filter: Parameters<State['grants']>[0]): Promise<Grant[]> {
    return [...this.#grants.values()]
      .filter((grant) => filter.user === undefined || grant.user === filter.user)
      .filter((grant) => filter.states === undefined || filter.states.includes(grant.state))
      .filter((grant) => isWithin(grant.requestedAt, filter))
      .sort((a, b) => b.requestedAt - a.requestedAt)
      .slice(0, filter.limit ?? Infinity)
  }

  async session(id: string): Promise<SessionRecord | undefined> {
    return this.#sessions.get(id)
  }

  async sessions(filter: Parameters<State['sessions']>[0]): Promise<SessionRecord[]> {
    const sessions = [...this.#sessions.values()]
      .filter((session) => filter.user === undefined || session.user === filter.user)
      .filter((session) => filter.grant === undefined || session.grant === filter.grant)
      .filter((session) => filter.states === undefined || filter.states.includes(session.state))
      .filter((session) => filter.before === undefined || session.openedAt < filter.before)
      .sort((a, b) => b.openedAt - a.openedAt || (a.id < b.id ? 1 : -1))
    const from = filter.after === undefined ? 0 : sessions.findIndex(({ id }) => id === filter.after) + 1
    return sessions.slice(from).slice(0, filter.limit ?? Infinity)
  }

  async totp(user: string): Promise<{ secret: string; lastStep: number } | undefined> {
    return this.#totp.get(user)
  }

  async alerts(filter: Parameters<State['alerts']>[0]): Promise<AlertRecord[]> {
    return this.#alerts
      .filter(({ payload }) => filter.grant === undefined || payload['grant'] === filter.grant)
      .filter(({ type }) => filter.type === undefined || type === filter.type)
      .filter(({ deadAt }) => filter.isDead === undefined || (deadAt !== null) === filter.isDead)
      .filter(({ at }) => isWithin(at, filter))
      .slice(0, filter.limit)
  }

  async locks(): Promise<Lock[]> {
    return [...this.#locks.values()]
  }

  async codes(user: string, purpose: IssuedCode['purpose']): Promise<IssuedCode[]> {
    return [...this.#codes.values()].filter((code) => code.user === user && code.purpose === purpose).toReversed()
  }

  async views(sessions: readonly string[]): Promise<View[]> {
    return this.#views.filter(({ session }) => sessions.includes(session))
  }

  async drillRuns(filter: Parameters<State['drillRuns']>[0]): Promise<DrillRun[]> {
    return [...this.#drillRuns.values()]
      .filter(({ name }) => filter.name === undefined || name === filter.name)
      .filter(({ startedAt }) => filter.since === undefined || startedAt >= filter.since)
      .sort((a, b) => b.startedAt - a.startedAt)
      .slice(0, filter.limit)
  }

  async revocations({ limit }: { readonly limit: number }): Promise<Revocation[]> {
    return [...this.#revocations.values()].sort((a, b) => a.nextAt - b.nextAt).slice(0, limit)
  }

  async events(filter: Parameters<State['events']>[0]): Promise<LedgerEntry[]> {
    return this.#events
      .filter(({ event }) => filter.types === undefined || filter.types.includes(event.type))
      .filter(({ at }) => isWithin(at, filter))
      .filter(({ index }) => filter.below === undefined || index < filter.below)
      .slice(0, filter.limit)
  }

  async setting(name: string): Promise<string | undefined> {
    return this.#settings.get(name)
  }

  async ledgerHead(): Promise<LedgerHead> {
    return { size: this.leavesWritten.length, root: 'ab'.repeat(32) }
  }

  grantSecrets = async () => []
  outboxDue = async () => this.#alerts.filter(({ acceptedAt, deadAt }) => acceptedAt === null && deadAt === null)
  leaves = async () => []
  inclusionProof = async () => []
  consistencyProof = async () => []
  close = async () => {}
}

/** Of an alert that no channel has taken: here they are born taken. */
const untaken = { acceptedAt: null, receipt: null } as const

function isWithin(at: number, bounds: { readonly since?: number; readonly before?: number }): boolean {
  return at >= (bounds.since ?? -Infinity) && at < (bounds.before ?? Infinity)
}

function rowOf(alert: Alert): AlertRecord {
  return {
    ...alert,
    attempts: 1,
    nextAt: alert.at,
    lastError: null,
    acceptedAt: alert.at + 120,
    deadAt: null,
    receipt: '200 OK msg_2Yb…',
  }
}
