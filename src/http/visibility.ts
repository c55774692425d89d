// Who may see whose sessions and grants. What a person may not see reads like what does not exist.

import { overseers } from '../identity/overseer.ts'
import type { User } from '../identity/user.ts'

export { overseers }

/** True for people who see every session and grant. */
export function seesAll(user: User): boolean {
  return overseers.some((role) => user.roles.includes(role))
}

/** True when `user` may see what belongs to `owner`. */
export function maySee(user: User, owner: string): boolean {
  return user.name === owner || seesAll(user)
}
