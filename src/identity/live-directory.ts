// The people known, while the configuration changes under those who are connected. What is handed out for a person reads
// what is in force at the moment it is read: whoever left is in no group and has no role from then on, on every
// connection that is open. A person who comes back under the name is somebody else.

import type { Directory, User } from './user.ts'

/** A directory whose people can be replaced; its users are the same objects for as long as they are known. */
export class LiveDirectory implements Directory {
  #people: Directory
  /** By name; changed only here. What is dropped from it is disabled for ever. */
  readonly #seen = new Map<string, User>()
  readonly #listeners = new Set<() => void>()

  constructor(people: Directory) {
    this.#people = people
  }

  byName(name: string): User | undefined {
    return this.#people.byName(name) === undefined ? undefined : this.#live(name)
  }

  byFingerprint(fingerprint: string): ReturnType<Directory['byFingerprint']> {
    const found = this.#people.byFingerprint(fingerprint)
    return found === undefined ? undefined : { user: this.#live(found.user.name), key: found.key }
  }

  all(): readonly User[] {
    return this.#people.all().map(({ name }) => this.#live(name))
  }

  /** From now on these are the people; those who are missing are disabled wherever they are. */
  replace(people: Directory): void {
    for (const name of this.#seen.keys()) if (people.byName(name) === undefined) this.#seen.delete(name)
    this.#people = people
    for (const listener of this.#listeners) listener()
  }

  /** Calls `listener`, which must not throw, after each change; the returned function ends it. */
  watch(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #live(name: string): User {
    const seen = this.#seen.get(name)
    if (seen !== undefined) return seen
    const now = (): User | undefined => (this.#seen.get(name) === live ? this.#people.byName(name) : undefined)
    const live: User = {
      name,
      get groups() {
        return now()?.groups ?? []
      },
      get roles() {
        return now()?.roles ?? []
      },
      get keys() {
        return now()?.keys ?? []
      },
      get isDisabled() {
        return now() === undefined
      },
    }
    this.#seen.set(name, live)
    return live
  }
}
