// What a grant's scope opens of an SSH server or a command target. With a list of commands there is nothing else: no
// shell, no other command line, files only where the scope says so, and no environment that makes another of it. Refused
// before anything is dialled.

import type { Grant } from '../access/grant.ts'
import { HalliganError } from '../errors.ts'
import type { SessionSubject } from './session.ts'

/** What a hint may list; a policy with more says how many more. */
const MAX_LISTED = 10

/** The refusal, `denied` with what may be run; undefined: the scope opens it. */
export function scopeProblem(grant: Grant, what: SessionSubject): HalliganError | undefined {
  if (grant.commands.length === 0) return undefined
  switch (what.kind) {
    case 'exec':
      return isListed(grant, what.command) ? undefined : refused(grant, 'does not open this command')
    case 'shell':
      return refused(grant, 'opens no shell')
    case 'subsystem':
      if (what.name !== 'sftp') return refused(grant, `does not open the subsystem ${JSON.stringify(what.name)}`)
      return grant.files ? undefined : refused(grant, 'opens no files')
    // Databases have their own scope: roles, not command lines.
    case 'sql':
      return undefined
  }
}

/** What a client may say about its language. */
const LOCALE = /^(LANG|LC_[A-Z]+)$/

/**
 * The environment a client may send along: beside a list of commands its language alone, since `BASH_ENV` and its like
 * make another command of the very same line.
 */
export function scopedEnvironment<Value>(
  grant: Grant,
  environment: readonly (readonly [name: string, value: Value])[],
): readonly (readonly [name: string, value: Value])[] {
  return grant.commands.length === 0 ? environment : environment.filter(([name]) => LOCALE.test(name))
}

/**
 * The very command line, byte for byte: a space more is another command. What was no UTF-8 was read with U+FFFD in its
 * place, and stands for many command lines: it is none of the listed ones.
 */
function isListed({ commands }: Grant, command: string): boolean {
  return commands.includes(command) && !command.includes('\ufffd')
}

function refused({ id, commands, files }: Grant, what: string): HalliganError {
  const listed = commands.slice(0, MAX_LISTED).join('; ')
  const more = commands.length > MAX_LISTED ? ` and ${commands.length - MAX_LISTED} more` : ''
  return new HalliganError('denied', `grant ${id} ${what}`, {
    hint: `it opens exactly: ${listed}${more}${files ? '; and sftp' : ''}`,
  })
}
