// Who may see whose sessions and grants. What a person may not see reads like what does not exist.

import type { Role, User } from '../identity/user.ts'

/** Roles that see everybody's sessions and grants; everyone else sees their own. */
export const overseers: readonly Role[] = ['reviewer', 'admin', 'auditor']

/** True for people who see every session and grant. */
export function seesAll(user: User): boolean {
  return overseers.some((role) => user.roles.includes(role))
}

/** True when `user` may see what belongs to `owner`. */
export function maySee(user: User, owner: string): boolean {
  return user.name === owner || seesAll(user)
}
