// A bastion's PostgreSQL side in this process: real admission, registry, secrets and recorder over a journal and a state
// in memory, in front of a real server.
import { randomBytes } from 'node:crypto'
import type { Grant } from '../../src/access/grant.ts'
import { systemClock } from '../../src/clock.ts'
import type { Clock } from '../../src/clock.ts'
import type { RefusalReason } from '../../src/audit.ts'
import type { Identity, User } from '../../src/identity/user.ts'
import { selfSigned } from '../../src/pgwire/certificate.ts'
import { PostgresServer } from '../../src/postgres/server.ts'
import type { RiskyAction } from '../../src/procedure/risky-action.ts'
import { Secrets } from '../../src/procedure/secrets.ts'
import { admit } from '../../src/session/admission.ts'
import { Live } from '../../src/session/live.ts'
import { Registry } from '../../src/session/registry.ts'
import { openRecorder } from '../../src/session/session-recorder.ts'
import type { SessionEnd } from '../../src/session/session.ts'
import type { Change, GrantSecret } from '../../src/session/state.ts'
import type { PostgresTarget } from '../../src/target.ts'
import { grantOf } from '../support/grant.ts'
import { cleanEnv } from '../support/terminal.ts'
import { MemoryJournal } from './memory-journal.ts'
import type { RealPostgres } from './real-postgres.ts'

const alice: User = { name: 'alice', groups: ['oncall'], roles: ['engineer'], keys: [] }
const identity: Identity = { user: alice, fingerprint: 'SHA256:alice', address: '127.0.0.1' }

export interface WorldOptions {
  readonly files?: 'full' | 'hash'
  readonly channelBinding?: 'prefer' | 'require'
  readonly clock?: Clock
  readonly target?: Partial<PostgresTarget>
}

export class World {
  readonly journal = new MemoryJournal()
  readonly refusals: { login: string; reason: RefusalReason }[] = []
  readonly ended: SessionEnd[] = []
  readonly risky: RiskyAction[] = []
  readonly registry: Registry
  readonly grant: Grant
  readonly target: PostgresTarget
  readonly identity = identity
  readonly #secrets: Secrets
  readonly server: PostgresServer
  port = 0
  readonly ca: string
  readonly #rows = new Map<string, GrantSecret>()

  private constructor(postgres: RealPostgres, options: WorldOptions) {
    const clock = options.clock ?? systemClock()
    this.target = {
      kind: 'postgres',
      name: 'orders',
      labels: {},
      accounts: [postgres.account],
      host: postgres.host,
      port: postgres.port,
      databases: [postgres.database],
      ca: postgres.ca,
      serverName: 'localhost',
      credentials: { [postgres.account]: 'orders-app' },
      ...options.target,
    }
    this.grant = grantOf(clock.now(), { target: 'orders', account: postgres.account, databases: [postgres.database] })
    this.registry = new Registry(clock, () => {})
    this.registry.track(this.grant)
    const commit = async (change: Change) => {
      for (const write of change.writes) this.#write(write)
      return { size: 0, root: '' }
    }
    const grantSecrets = async (grant: string) => [...this.#rows.values()].filter((row) => row.grant === grant)
    this.#secrets = new Secrets({
      clock,
      state: { commit, grantSecrets },
      registry: this.registry,
      directory: {
        byName: (name) => (name === 'alice' ? alice : undefined),
        byFingerprint: () => undefined,
        all: () => [alice],
      },
      target: (name) => (name === 'orders' ? this.target : undefined),
      saltKey: randomBytes(32),
      ceremony: () => 'totp',
    })
    const { cert, key, ca } = selfSigned({
      commonName: 'bastion',
      altNames: ['localhost'],
      now: Date.now(),
      validDays: 2,
    })
    this.ca = ca
    this.server = new PostgresServer({
      clock,
      cert,
      key,
      secrets: this.#secrets,
      password: (credential) => (credential === 'orders-app' ? postgres.password : undefined),
      policy: () => ({
        channelBinding: options.channelBinding ?? 'prefer',
        recording: { resultRows: 0, files: options.files ?? 'hash' },
      }),
      onRisky: (action) => this.risky.push(action),
      report: ({ login, reason }) => this.refusals.push({ login, reason }),
      sshCommand: (user, target) => `eval "$(ssh ${user}+${target}@bastion env)" && psql`,
      admit: (request) =>
        admit(
          {
            clock,
            state: { commit },
            registry: this.registry,
            ceremony: () => 'totp',
            checkSpace: async () => {},
            openRecorder: (session, header, onFailure) =>
              openRecorder({ session: session.id, header, journal: this.journal, clock, live: new Live(), onFailure }),
            onEnded: async (_session, end) => {
              this.ended.push(end)
            },
            onRecorderFailure: () => {},
            openedAlerts: () => [],
            gate: () => Promise.resolve({ kind: 'open' }),
          },
          request,
        ),
    })
  }

  static async start(postgres: RealPostgres, options: WorldOptions = {}): Promise<World> {
    const world = new World(postgres, options)
    world.port = (await world.server.listen(0, '127.0.0.1')).port
    return world
  }

  #write(write: Change['writes'][number]): void {
    if (write.kind === 'grant-secret') this.#rows.set(write.secret.id, write.secret)
    if (write.kind === 'grant-secret-used') this.#update(write.id, { usedAt: write.at })
  }

  #update(id: string, change: Partial<GrantSecret>): void {
    const row = this.#rows.get(id)
    if (row !== undefined) this.#rows.set(id, { ...row, ...change })
  }

  /** Mints a grant secret for alice. */
  async secret(): Promise<string> {
    return (await this.#secrets.issue(identity, this.grant, { database: null, rotate: false })).secret
  }

  /** The environment `env` prints, for real clients. */
  async env(more: Record<string, string> = {}): Promise<Record<string, string>> {
    return cleanEnv({
      PGHOST: '127.0.0.1',
      PGPORT: String(this.port),
      PGUSER: 'alice',
      PGPASSWORD: more['PGPASSWORD'] ?? (await this.secret()),
      PGDATABASE: 'orders',
      PGSSLMODE: 'require',
      PGCHANNELBINDING: 'require',
      PGSSLROOTCERT: 'halligan-none',
      PGCONNECT_TIMEOUT: '10',
      ...more,
    })
  }

  /** Ends the grant as the registry does at expiry, revocation or kill. */
  end(end: SessionEnd): void {
    this.registry.endGrant(this.grant.id, end)
  }

  async stop(): Promise<void> {
    this.journal.release()
    this.registry.close({ reason: 'shutdown', code: 'unavailable', message: 'halligan stops' })
    await this.server.close()
  }
}
