// What is in force now. The rooms ask here each time instead of keeping what they were given at the start, so that one
// assignment replaces policies, people, targets, channels and secrets together.

import type { Policy } from '../access/policy.ts'
import type { Config } from '../config/config.ts'
import type { Secrets } from '../config/secrets.ts'
import { buildDirectory } from '../identity/directory.ts'
import { LiveDirectory } from '../identity/live-directory.ts'
import type { Directory, Identity } from '../identity/user.ts'

/** A configuration that was not taken up. */
export interface RefusedConfiguration {
  /** Ms. */
  readonly at: number
  /** Empty where the file could not be read. */
  readonly sha256: string
  readonly problem: string
}

export class Current {
  /** Its users read what is in force, on connections that are open too. */
  readonly directory: LiveDirectory
  #config: Config
  #secrets: Secrets
  /** The newest file that was not taken up; null when the one in force is the newest. Changed by `reload.ts`. */
  refused: RefusedConfiguration | null = null
  /** Policies of this and earlier configurations, by hash: what a grant was made under stays readable. */
  readonly #policies = new Map<string, Policy>()

  /** Throws `config_invalid` when two users share a name or a key. */
  constructor(config: Config, secrets: Secrets) {
    this.directory = new LiveDirectory(peopleOf(config))
    this.#config = config
    this.#secrets = secrets
    this.know(config.policies)
  }

  /** Read it each time: another one may be in force a moment later. */
  get config(): Config {
    return this.#config
  }

  get secrets(): Secrets {
    return this.#secrets
  }

  /** Names of every channel. */
  get channels(): readonly string[] {
    return this.#config.channels.map(({ name }) => name)
  }

  /** The policy of that hash, in force or not; undefined when it has never been seen here. */
  policyOf(hash: string): Policy | undefined {
    return this.#policies.get(hash)
  }

  /** Takes note of policies that grants may have been made under. */
  know(policies: readonly Policy[]): void {
    for (const policy of policies) this.#policies.set(policy.hash, policy)
  }

  /** True while the person is known and the key they came with is still theirs. */
  knows({ user, fingerprint }: Pick<Identity, 'user' | 'fingerprint'>): boolean {
    if (user.isDisabled === true) return false
    return fingerprint === 'web' || user.keys.some((key) => key.fingerprint === fingerprint)
  }

  /** From now on this is in force, everywhere at once. Throws `config_invalid` before anything has changed. */
  replace(config: Config, secrets: Secrets): void {
    const people = peopleOf(config)
    this.know(config.policies)
    this.#config = config
    this.#secrets = secrets
    this.directory.replace(people)
  }
}

/** Whoever is disabled is not known: their login reads like that of a stranger. */
function peopleOf(config: Config): Directory {
  return buildDirectory(config.users.filter(({ isDisabled }) => isDisabled !== true))
}
