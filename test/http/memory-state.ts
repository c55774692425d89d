// The state port in memory, for tests of what stands above it.

import type { Grant } from '../../src/access/grant.ts'
import type { AuditEvent } from '../../src/audit.ts'
import { HalliganError } from '../../src/errors.ts'
import type { SessionRecord } from '../../src/session/session.ts'
import type { Alert, Change, LedgerHead, OutboxRow, State, Write } from '../../src/session/state.ts'

type AlertRow = OutboxRow & { readonly acceptedAt: number | null; readonly receipt: string | null }

export class MemoryState implements State {
  readonly leavesWritten: AuditEvent[] = []
  readonly #grants = new Map<string, Grant>()
  readonly #sessions = new Map<string, SessionRecord>()
  readonly #totp = new Map<string, { secret: string; lastStep: number }>()
  readonly #alerts: AlertRow[] = []

  async commit(change: Change): Promise<LedgerHead> {
    for (const write of change.writes) this.#write(write)
    for (const alert of change.alerts ?? []) this.#alerts.unshift(rowOf(alert))
    this.leavesWritten.push(...change.leaves)
    return this.ledgerHead()
  }

  #write(write: Write): void {
    switch (write.kind) {
      case 'grant':
        this.#grants.set(write.grant.id, write.grant)
        return
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
      default:
        throw new Error(`no ${write.kind} in these tests`)
    }
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
      .sort((a, b) => b.requestedAt - a.requestedAt)
      .slice(0, filter.limit ?? Infinity)
  }

  async session(id: string): Promise<SessionRecord | undefined> {
    return this.#sessions.get(id)
  }

  async sessions(filter: Parameters<State['sessions']>[0]): Promise<SessionRecord[]> {
    return [...this.#sessions.values()]
      .filter((session) => filter.user === undefined || session.user === filter.user)
      .filter((session) => filter.grant === undefined || session.grant === filter.grant)
      .filter((session) => filter.states === undefined || filter.states.includes(session.state))
      .filter((session) => filter.before === undefined || session.openedAt < filter.before)
      .sort((a, b) => b.openedAt - a.openedAt || (a.id < b.id ? 1 : -1))
      .slice(0, filter.limit ?? Infinity)
  }

  async totp(user: string): Promise<{ secret: string; lastStep: number } | undefined> {
    return this.#totp.get(user)
  }

  async alerts(filter: { readonly limit: number }): Promise<AlertRow[]> {
    return this.#alerts.slice(0, filter.limit)
  }

  async ledgerHead(): Promise<LedgerHead> {
    return { size: this.leavesWritten.length, root: 'ab'.repeat(32) }
  }

  grantSecrets = async () => []
  outboxDue = async () => []
  leaves = async () => []
  leafHashes = async () => []
  setting = async () => undefined
  close = async () => {}
}

function rowOf(alert: Alert): AlertRow {
  return {
    ...alert,
    attempts: 1,
    nextAt: alert.at,
    lastError: null,
    acceptedAt: alert.at + 120,
    receipt: '200 OK msg_2Yb…',
  }
}
