// The people known, found by name or by the fingerprint of a key. One key belongs to one person: were it two people's,
// the recording could not say who was there.

import { HalliganError } from '../errors.ts'
import { nameKey } from './name.ts'
import type { Directory, User, UserKey } from './user.ts'

/** Two users that cannot both be in one directory, and why. */
export type DirectoryConflict =
  | { readonly kind: 'name'; readonly first: User; readonly second: User }
  | { readonly kind: 'key'; readonly first: User; readonly second: User; readonly fingerprint: string }

/** Everything that keeps these users from being one directory, in their order; empty when they are. */
export function directoryConflicts(users: readonly User[]): DirectoryConflict[] {
  const names = new Map<string, User>()
  const keys = new Map<string, User>()
  const conflicts: DirectoryConflict[] = []
  for (const second of users) {
    const namesake = names.get(nameKey(second.name))
    if (namesake === undefined) names.set(nameKey(second.name), second)
    else conflicts.push({ kind: 'name', first: namesake, second })
    for (const { fingerprint } of second.keys) {
      const first = keys.get(fingerprint)
      if (first === undefined) keys.set(fingerprint, second)
      else conflicts.push({ kind: 'key', first, second, fingerprint })
    }
  }
  return conflicts
}

/** Builds the directory. Throws `config_invalid` when a name or a key occurs twice. */
export function buildDirectory(users: readonly User[]): Directory {
  const [conflict] = directoryConflicts(users)
  if (conflict !== undefined) throw new HalliganError('config_invalid', describeConflict(conflict))
  const people = Object.freeze([...users])
  const byName = new Map(people.map((user) => [user.name, user]))
  const byFingerprint = new Map<string, { readonly user: User; readonly key: UserKey }>()
  for (const user of people) for (const key of user.keys) byFingerprint.set(key.fingerprint, { user, key })
  return {
    byName: (name) => byName.get(name),
    byFingerprint: (fingerprint) => byFingerprint.get(fingerprint),
    all: () => people,
  }
}

/** One line that says which users clash and over what. */
export function describeConflict(conflict: DirectoryConflict): string {
  const { first, second } = conflict
  if (conflict.kind === 'name')
    return first.name === second.name
      ? `two users are called "${first.name}"`
      : `users "${first.name}" and "${second.name}" differ in case only`
  return first.name === second.name
    ? `user "${first.name}" lists key ${conflict.fingerprint} twice`
    : `key ${conflict.fingerprint} belongs to users "${first.name}" and "${second.name}"`
}
