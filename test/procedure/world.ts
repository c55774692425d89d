import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeLeaf, type AuditEvent } from '../../src/audit.ts'
import type { Policy } from '../../src/access/policy.ts'
import { buildDirectory } from '../../src/identity/directory.ts'
import { LiveDirectory } from '../../src/identity/live-directory.ts'
import { newTotpSecret, totpCode } from '../../src/identity/totp.ts'
import type { Identity, Role, User } from '../../src/identity/user.ts'
import { Access } from '../../src/procedure/access.ts'
import { codeUsedAlerts, mayVouch, type VouchPorts } from '../../src/procedure/bypass.ts'
import type { Check } from '../../src/procedure/check.ts'
import { expireGrant } from '../../src/procedure/end.ts'
import { Mfa } from '../../src/procedure/mfa.ts'
import { RequestClock } from '../../src/procedure/request-clock.ts'
import type { ReviewPorts } from '../../src/procedure/review.ts'
import { ReviewDebts } from '../../src/procedure/review-debt.ts'
import { Secrets } from '../../src/procedure/secrets.ts'
import type { DecisionPorts } from '../../src/procedure/waiting.ts'
import { Registry } from '../../src/session/registry.ts'
import { openState, type StoredState } from '../../src/store/state.ts'
import type { Target } from '../../src/target.ts'
import { FakeClock } from '../support/clock.ts'

export const web1: Target = {
  kind: 'ssh',
  name: 'web-1',
  labels: {},
  accounts: ['deploy'],
  host: '127.0.0.1',
  port: 22,
  hostKeys: [],
  credential: 'web-1-key',
}

export const orders: Target = {
  kind: 'postgres',
  name: 'orders',
  labels: {},
  accounts: ['app_readonly', 'app_readwrite'],
  host: '127.0.0.1',
  port: 5432,
  databases: ['shop', 'analytics'],
  ca: '',
  serverName: 'localhost',
  credentials: {},
}

/** A policy for alice; reading is at once, writing needs a lead. */
export function policyOf(over: Partial<Policy> = {}): Policy {
  return {
    name: 'emergency',
    hash: 'a'.repeat(64),
    who: { groups: ['oncall'], users: [] },
    targets: { names: ['web-1', 'orders'], labels: {} },
    accounts: ['deploy', 'app_readonly', 'app_readwrite'],
    scope: { databases: [], schemas: [], commands: [], files: true },
    triggers: [{ name: 'customer-impact' }],
    reason: { minLength: 5, incident: null },
    from: [],
    windows: [],
    onCall: null,
    duration: { defaultMs: 30 * 60_000, maxMs: 2 * 3_600_000, extensions: { count: 0, self: false } },
    mfa: { methods: ['totp'], rememberMs: 10 * 60_000 },
    approval: [
      {
        when: { account: 'app_readwrite' },
        required: 1,
        from: { groups: ['leads'], roles: [] },
        override: { afterMs: 120_000, reasonMinLength: 40 },
      },
      { when: {}, required: 0, from: { groups: [], roles: [] }, override: null },
    ],
    alerts: { channels: ['desk'], gate: null },
    review: { withinMs: 8 * 3_600_000, by: { groups: ['security'], roles: [] }, checklist: [], escalate: null },
    recording: { resultRows: 0, files: 'hash' },
    channelBinding: 'prefer',
    overlaps: [],
    ...over,
  }
}

function user(name: string, groups: readonly string[], roles: readonly Role[]): User {
  return {
    name,
    groups,
    roles,
    keys: [
      { fingerprint: `SHA256:${name}`, type: 'ssh-ed25519', blob: Buffer.from(name).toString('base64'), comment: name },
    ],
  }
}

export const people = [
  user('alice', ['oncall'], ['engineer']),
  user('bob', ['leads'], ['approver']),
  user('carol', ['leads'], ['approver']),
  user('dave', ['oncall', 'leads'], ['engineer', 'approver']),
  user('rita', ['security'], ['reviewer']),
  user('sam', ['security'], ['reviewer']),
  user('adam', [], ['admin']),
]

/** Use-cases over the real store, on a clock that the test moves. */
export class ProcedureWorld implements AsyncDisposable {
  readonly clock = new FakeClock()
  readonly registry: Registry
  readonly mfa: Mfa
  readonly access: Access
  readonly debts: ReviewDebts
  readonly review: ReviewPorts
  /** Findings to give when a recording is to be opened, by session. */
  readonly findings = new Map<string, string>()
  /** Configured checks, by name. */
  readonly checks = new Map<string, Check>()
  readonly secrets: Secrets
  readonly end: DecisionPorts
  readonly vouch: VouchPorts
  /** When a channel took the approvers' alert, by grant: none did until a test says so. */
  readonly announced = new Map<string, number>()
  /** The people as they are now; a test may replace them. */
  readonly directory = new LiveDirectory(buildDirectory(people))
  readonly state: StoredState
  readonly #folder: string
  readonly #totp = new Map<string, string>()

  private constructor(state: StoredState, clock: FakeClock, folder: string, policies: readonly Policy[]) {
    this.state = state
    this.clock = clock
    this.#folder = folder
    const channels = ['desk']
    this.registry = new Registry(clock, (grant) => expireGrant(this.end, grant))
    this.mfa = new Mfa({
      clock,
      state,
      lockedOutAlerts: () => [
        { id: `a-${clock.now()}`, channel: 'desk', type: 'user.locked-out', at: clock.now(), payload: {} },
      ],
      codeUsedAlerts: (identity, left) => codeUsedAlerts(identity, left, channels, clock.now()),
      mayVouch: (name) => mayVouch({ directory: this.directory, locks: this.registry.locks }, name),
      nudge: () => {},
    })
    this.debts = new ReviewDebts({
      clock,
      state,
      policy: (name) => this.access.policy(name),
      directory: this.directory,
    })
    this.access = new Access({
      clock,
      state,
      registry: this.registry,
      mfa: this.mfa,
      policies,
      targets: [web1, orders],
      channels,
      debts: this.debts,
      check: (name) => this.checks.get(name),
      nudge: () => {},
    })
    this.end = {
      clock,
      state,
      registry: this.registry,
      policy: (name) => this.access.policy(name),
      channels,
      nudge: () => {},
      directory: this.directory,
      events: (filter) => state.events(filter),
      requestClock: new RequestClock(clock),
      announcedAt: async (grant) => this.announced.get(grant.id) ?? null,
    }
    this.vouch = {
      clock,
      state,
      directory: this.directory,
      locks: this.registry.locks,
      channels,
      nudge: () => {},
    }
    this.review = {
      clock,
      state,
      policy: (name) => this.access.policy(name),
      directory: this.directory,
      channels,
      nudge: () => {},
      debts: this.debts,
      finding: async ({ id }) => this.findings.get(id) ?? null,
    }
    this.secrets = new Secrets({
      clock,
      state,
      registry: this.registry,
      directory: buildDirectory(people),
      target: (name) => this.access.target(name),
      saltKey: Buffer.alloc(32, 7),
      ceremony: (identity, grant) => this.access.ceremony(identity, grant),
    })
  }

  static async open(policies: readonly Policy[] = [policyOf()]): Promise<ProcedureWorld> {
    const folder = mkdtempSync(join(tmpdir(), 'halligan-procedure-'))
    const clock = new FakeClock()
    const state = await openState({
      file: join(folder, 'halligan.db'),
      clock,
      keyEncryptionKey: randomBytes(32),
      ballastBytes: 0,
    })
    const world = new ProcedureWorld(state, clock, folder, policies)
    for (const { name } of people) await world.#enrol(name)
    return world
  }

  /** A connection of that person: a new Identity object, as a front end makes. */
  as(name: string, address = '10.0.0.1'): Identity {
    const person = people.find((one) => one.name === name)
    if (person === undefined) throw new Error(`no ${name}`)
    return { user: person, fingerprint: `SHA256:${name}`, address }
  }

  code(name: string): string {
    return totpCode(this.#totp.get(name) ?? '', this.clock.now())
  }

  /** A connection whose second factor has just been given. */
  async proven(name: string, address?: string): Promise<Identity> {
    const identity = this.as(name, address)
    this.clock.advance(30_000)
    const outcome = await this.mfa.verify(identity, this.code(name))
    if (outcome.kind !== 'passed') throw outcome.error
    return identity
  }

  async leaves<T extends AuditEvent['type']>(type: T): Promise<Extract<AuditEvent, { type: T }>[]> {
    const { size } = await this.state.ledgerHead()
    const all = (await this.state.leaves(0, size)).map(decodeLeaf)
    return all.filter((leaf): leaf is typeof leaf & Extract<AuditEvent, { type: T }> => leaf.type === type)
  }

  async #enrol(name: string): Promise<void> {
    const secret = newTotpSecret()
    this.#totp.set(name, secret)
    await this.state.commit({
      at: this.clock.now(),
      writes: [{ kind: 'totp-enrolled', user: name, secret }],
      leaves: [],
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.registry.close({ reason: 'shutdown', code: null, message: 'test over' })
    await this.state.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
