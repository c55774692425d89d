// People made for one rehearsal (design §10): they exist in this process's memory, for one story of one run, and are
// gone with it or with the process. Nothing of them is ever written where a later start could read it.

import { HalliganError } from '../errors.ts'
import { LOOPBACK } from './address.ts'
import { nameKey } from './name.ts'
import type { Directory, Role, User, UserKey } from './user.ts'

/** A drill's person. When they have left, whatever still holds the object sees nobody. */
export class DrillUser implements User {
  readonly name: string
  readonly isDrill = true
  readonly #groups: readonly string[]
  readonly #roles: readonly Role[]
  readonly #keys: readonly UserKey[]
  #isGone = false

  constructor(name: string, groups: readonly string[], roles: readonly Role[], keys: readonly UserKey[]) {
    this.name = name
    this.#groups = groups
    this.#roles = roles
    this.#keys = keys
  }

  get groups(): readonly string[] {
    return this.#isGone ? [] : this.#groups
  }

  get roles(): readonly Role[] {
    return this.#isGone ? [] : this.#roles
  }

  get keys(): readonly UserKey[] {
    return this.#isGone ? [] : this.#keys
  }

  get isDisabled(): boolean {
    return this.#isGone
  }

  /** For ever. */
  leave(): void {
    this.#isGone = true
  }
}

/** The people of the configuration and, while a story runs, those made for it. */
export class DrillDirectory implements Directory {
  readonly #people: Directory
  /** By name; changed only by `enter` and `leave`. */
  readonly #made = new Map<string, DrillUser>()

  constructor(people: Directory) {
    this.#people = people
  }

  byName(name: string): User | undefined {
    return this.#people.byName(name) ?? this.#made.get(name)
  }

  byFingerprint(fingerprint: string): ReturnType<Directory['byFingerprint']> {
    const person = this.#people.byFingerprint(fingerprint)
    if (person !== undefined) return person
    for (const user of this.#made.values()) {
      const key = user.keys.find((one) => one.fingerprint === fingerprint)
      if (key !== undefined) return { user, key }
    }
    return undefined
  }

  /** People only: lists of who can come in do not count those who are made for a rehearsal. */
  all(): readonly User[] {
    return this.#people.all()
  }

  /** Names of those who are here for a story. */
  get made(): readonly string[] {
    return [...this.#made.keys()]
  }

  /** Lets them in, all or none. Throws `conflict` when one has the name of somebody who is known. */
  enter(users: readonly DrillUser[]): void {
    const taken = new Set([...this.#people.all(), ...this.#made.values()].map(({ name }) => nameKey(name)))
    const double = users.find(({ name }) => taken.has(nameKey(name)))
    if (double !== undefined) throw new HalliganError('conflict', `there is somebody called ${double.name} already`)
    for (const user of users) this.#made.set(user.name, user)
  }

  /** Lets them out: from now on they are nobody, on connections that are open too. */
  leave(users: readonly DrillUser[]): void {
    for (const user of users) {
      user.leave()
      if (this.#made.get(user.name) === user) this.#made.delete(user.name)
    }
  }
}

/** Whether a person may come from this (normalised) address: a drill's person from this machine alone. */
export function mayComeFrom(user: User, address: string): boolean {
  return user.isDrill !== true || address === LOOPBACK
}

/** What a drill's person may say over ssh: the verbs of the stories, and nothing that outlives them. */
const drillCommands: ReadonlySet<string> = new Set([
  'whoami',
  'targets',
  'grants',
  'request',
  'dsn',
  'extend',
  'end',
  'approve',
  'deny',
  'revoke',
  'review',
])

/** Whether a drill's person may run a command of that name. */
export function isDrillCommand(name: string): boolean {
  return drillCommands.has(name)
}
