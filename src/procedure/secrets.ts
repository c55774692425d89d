// The grant secret: psql's one way in. 256 bits, shown once; only its SCRAM keys are kept. Every secret of one user and
// target has one salt, derived, so that a name that does not exist answers as one that does.

import { createHmac, randomBytes } from 'node:crypto'
import { admitsFrom } from '../access/network.ts'
import type { Grant } from '../access/grant.ts'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { Directory, Identity } from '../identity/user.ts'
import { deriveScramKeys } from '../pgwire/scram.ts'
import type { Registry } from '../session/registry.ts'
import type { GrantSecret, State } from '../session/state.ts'
import type { Target } from '../target.ts'
import type { SecretContract, SecretLogin } from './contract.ts'

/** PostgreSQL's own default; the secret has 256 bits, so that no count could make guessing it harder. */
const ITERATIONS = 4096

/** A secret that was never used is dead after this. */
const FIRST_USE_MS = 10 * 60_000

/** Live secrets of one grant; a fifth ends the oldest. */
const MAX_SECRETS = 4

/** Connections one grant may have open: a few tools with a pool each. */
const MAX_CONNECTIONS = 20

export interface SecretPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'commit' | 'grantSecrets'>
  readonly registry: Registry
  readonly directory: Directory
  readonly target: (name: string) => Target | undefined
  /** Salts come from it; it opens nothing. */
  readonly saltKey: Buffer
  readonly ceremony: (identity: Identity, grant: Grant) => string | undefined
}

export class Secrets implements SecretContract {
  readonly #ports: SecretPorts

  constructor(ports: SecretPorts) {
    this.#ports = ports
  }

  /**
   * Mints a secret for a live grant; with `rotate` every other one of the grant ends. Throws `mfa_required`, `no_grant`, `denied`.
   * The fifth live one ends the oldest.
   */
  async issue(
    identity: Identity,
    grant: Grant,
    options: { database: string | null; rotate: boolean },
  ): Promise<{ secret: string; ended: number }> {
    const { clock, state, registry } = this.#ports
    const mfa = this.#ports.ceremony(identity, grant)
    if (mfa === undefined)
      throw new HalliganError('mfa_required', 'a grant secret needs your second factor', {
        hint: 'connect from a terminal and type your code',
      })
    if (grant.user !== identity.user.name || registry.live(grant.id) === undefined)
      throw new HalliganError('no_grant', `grant ${grant.id} is not live`)
    const database = this.#coveredDatabase(grant, options.database)
    const at = clock.now()
    const secret = randomBytes(32).toString('base64url')
    const { salt, iterations } = this.scram(identity.user.name, grant.target)
    const keys = await deriveScramKeys(secret, salt, iterations)
    const id = `k${randomBytes(9).toString('hex')}`
    const live = (await state.grantSecrets(grant.id))
      .filter((other) => isUsable(other, at))
      .sort((a, b) => a.createdAt - b.createdAt)
    const ending = options.rotate ? live : live.slice(0, Math.max(0, live.length - (MAX_SECRETS - 1)))
    const row: GrantSecret = {
      id,
      grant: grant.id,
      user: identity.user.name,
      target: grant.target,
      database,
      from: identity.address,
      salt,
      iterations,
      ...keys,
      createdAt: at,
      firstUseBy: at + FIRST_USE_MS,
      usedAt: null,
      endedAt: null,
      mfa,
      fingerprint: identity.fingerprint,
    }
    await state.commit({
      at,
      writes: [
        ...ending.map((other) => ({ kind: 'grant-secret-ended', id: other.id, at }) as const),
        { kind: 'grant-secret', secret: row },
      ],
      leaves: [{ type: 'secret-issued', grant: grant.id, secret: id, address: identity.address }],
    })
    return { secret, ended: ending.length }
  }

  scram(user: string, target: string): { readonly salt: Buffer; readonly iterations: number } {
    const salt = createHmac('sha256', this.#ports.saltKey).update(`${user}\0${target}`).digest().subarray(0, 16)
    return { salt, iterations: ITERATIONS }
  }

  async candidates(login: SecretLogin): Promise<readonly GrantSecret[]> {
    const { clock, state, registry } = this.#ports
    const grants = registry.liveGrants().filter((grant) => grant.user === login.user && grant.target === login.target)
    const secrets = (await Promise.all(grants.map((grant) => state.grantSecrets(grant.id)))).flat()
    const database = this.#database(login.target, login.database)
    return secrets.filter(
      (secret) =>
        isUsable(secret, clock.now()) && secret.database === database && admitsFrom([secret.from], login.address),
    )
  }

  async use(
    secret: GrantSecret,
    login: SecretLogin,
  ): Promise<{ readonly identity: Identity; readonly grant: Grant; readonly target: Target }> {
    const { clock, state, registry, directory } = this.#ports
    const grant = registry.live(secret.grant)
    const user = directory.byName(secret.user)
    const target = this.#ports.target(secret.target)
    if (grant === undefined || user === undefined || target === undefined)
      throw new HalliganError('no_grant', `grant ${secret.grant} is not live`)
    const open = registry
      .sessions()
      .filter((session) => session.grant === grant.id && session.protocol === 'postgres').length
    if (open >= MAX_CONNECTIONS)
      throw new HalliganError('unavailable', `grant ${grant.id} has ${open} connections open`, {
        hint: `close some: at most ${MAX_CONNECTIONS} at a time`,
      })
    if (secret.usedAt === null) {
      const at = clock.now()
      await state.commit({ at, writes: [{ kind: 'grant-secret-used', id: secret.id, at }], leaves: [] })
    }
    return { identity: { user, fingerprint: secret.fingerprint, address: login.address }, grant, target }
  }

  /** The database a secret is for. Throws `denied` for one that the target or the grant does not have. */
  #coveredDatabase(grant: Grant, named: string | null): string {
    const target = this.#ports.target(grant.target)
    const known = target?.kind === 'postgres' ? target.databases : []
    const covered = known.filter((name) => grant.databases.length === 0 || grant.databases.includes(name))
    const database = this.#database(grant.target, named)
    if (!covered.includes(database))
      throw new HalliganError('denied', `grant ${grant.id} does not cover database ${JSON.stringify(database)}`, {
        hint: `databases it covers: ${covered.join(', ') || '(none)'}`,
      })
    return database
  }

  #database(target: string, named: string | null): string {
    const known = this.#ports.target(target)
    return named ?? (known?.kind === 'postgres' ? (known.databases[0] ?? '') : '')
  }
}

function isUsable(secret: GrantSecret, now: number): boolean {
  return secret.endedAt === null && (secret.usedAt !== null || now <= secret.firstUseBy)
}
