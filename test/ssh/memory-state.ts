// Durable state kept in memory: the writes that a session causes, with the store's compare-and-set.
import type { Grant } from '../../src/access/grant.ts'
import type { AuditEvent } from '../../src/audit.ts'
import { HalliganError } from '../../src/errors.ts'
import type { Change, State, Write } from '../../src/session/state.ts'

type Used = Pick<State, 'commit' | 'grant' | 'grants' | 'totp' | 'codes' | 'events' | 'sessions'>

export class MemoryState implements Used {
  readonly leaves: AuditEvent[] = []
  readonly #grants = new Map<string, Grant>()
  readonly #totp = new Map<string, { secret: string; lastStep: number }>()

  enrol(user: string, secret: string): void {
    this.#totp.set(user, { secret, lastStep: 0 })
  }

  commit(change: Change): Promise<{ size: number; root: string }> {
    try {
      for (const write of change.writes) this.#write(write)
      this.leaves.push(...change.leaves)
      return Promise.resolve({ size: this.leaves.length, root: '' })
    } catch (error) {
      return Promise.reject(error)
    }
  }

  grant(id: string): Promise<Grant | undefined> {
    return Promise.resolve(this.#grants.get(id))
  }

  grants(filter: Parameters<State['grants']>[0]): Promise<Grant[]> {
    const found = [...this.#grants.values()].filter(
      (grant) => (filter.user ?? grant.user) === grant.user && (filter.states?.includes(grant.state) ?? true),
    )
    return Promise.resolve(found)
  }

  totp(user: string): Promise<{ secret: string; lastStep: number } | undefined> {
    return Promise.resolve(this.#totp.get(user))
  }

  codes(): Promise<never[]> {
    return Promise.resolve([])
  }

  sessions(): Promise<never[]> {
    return Promise.resolve([])
  }

  events(): Promise<never[]> {
    return Promise.resolve([])
  }

  #write(write: Write): void {
    if (write.kind === 'grant') {
      if ((this.#grants.get(write.grant.id)?.version ?? null) !== write.expectVersion) throw conflict()
      this.#grants.set(write.grant.id, write.grant)
    }
    if (write.kind === 'totp-step') {
      const enrolled = this.#totp.get(write.user)
      if (enrolled === undefined || write.step <= enrolled.lastStep) throw conflict()
      enrolled.lastStep = write.step
    }
  }
}

function conflict(): HalliganError {
  return new HalliganError('conflict', 'somebody was faster')
}
