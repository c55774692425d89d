// The login name says who, as whom, and where: `alice+root@web-1`, `alice+web-1`, `root@web-1`, `web-1`, `alice`
// (design §6). Pure grammar; whether a target exists or a user may reach it is decided elsewhere, and said late.

/** The names that can stand in a login. Disjoint, and none holds a separator: the configuration guarantees it. */
export interface LoginNames {
  readonly users: ReadonlySet<string>
  readonly targets: ReadonlySet<string>
}

/**
 * What a login name means. `user` is undefined where the key alone says who it is. `target` may name nothing: an
 * unknown one must look like a refused one until identity and MFA are done.
 */
export type Login =
  | { readonly kind: 'user'; readonly user: string }
  | {
      readonly kind: 'target'
      readonly user: string | undefined
      readonly account: string | undefined
      readonly target: string
    }
  | { readonly kind: 'malformed'; readonly why: string }

/** Longest login taken; Linux stops at 32 characters, directories at 256. */
export const MAX_LOGIN_LENGTH = 256

/** `+` is ours; space, `:` and `#` are what other bastions taught their users. */
const separator = /[+ :#]/

/** Reads a login name. Never throws: anything that is not of the grammar is `malformed`, with the reason. */
export function parseLogin(login: string, names: LoginNames): Login {
  if (login.length === 0) return malformed('the login name is empty')
  if (login.length > MAX_LOGIN_LENGTH)
    return malformed(`the login name has ${login.length} characters, at most ${MAX_LOGIN_LENGTH} are taken`)
  // What is shown to approvers and written to terminals must not carry control, direction or look-alike characters.
  if (!/^[\x20-\x7e]+$/.test(login)) return malformed('the login name is not printable ASCII')
  const at = login.search(separator)
  return at < 0 ? parsePlace(undefined, login, names) : parsePlace(login.slice(0, at), login.slice(at + 1), names)
}

function parsePlace(user: string | undefined, place: string, names: LoginNames): Login {
  if (user === '') return malformed('there is no user in front of the separator')
  if (user?.includes('@')) return malformed('the user in front of the separator holds an @')
  const at = place.lastIndexOf('@')
  const account = at < 0 ? undefined : place.slice(0, at)
  const target = place.slice(at + 1)
  if (target === '') return malformed('there is no target behind the separator')
  if (separator.test(target) || target.includes('/')) return malformed('the target holds a separator')
  if (account === '') return malformed('there is no account in front of the @')
  if (user === undefined && account === undefined && names.users.has(target)) return { kind: 'user', user: target }
  return { kind: 'target', user, account, target }
}

/** The login in its full form: `alice+root@web-1`, `alice+web-1`, `alice`. `user` is who it turned out to be. */
export function loginName(user: string, login: Exclude<Login, { kind: 'malformed' }>): string {
  if (login.kind === 'user') return user
  return `${user}+${login.account === undefined ? '' : `${login.account}@`}${login.target}`
}

function malformed(why: string): Login {
  return { kind: 'malformed', why }
}
