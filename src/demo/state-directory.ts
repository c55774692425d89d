// Where a demo keeps its state when nobody says: below the checkout, or, where that is another user's, in a directory of
// our own under the system's temporary one.

import { accessSync, constants, lstatSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { HalliganError } from '../errors.ts'

/**
 * The absolute path of the directory, which exists then, 0700; `temporary` is the system's temporary one. Throws
 * `unavailable` when there is none we may use.
 */
export function demoStateDirectory(given: string | undefined, temporary: string = tmpdir()): string {
  if (given !== undefined) return made(resolve(given))
  const below = resolve('.halligan', 'demo')
  try {
    const directory = made(below)
    accessSync(directory, constants.W_OK)
    return directory
  } catch (error) {
    if (!isRefusal(error)) throw error
  }
  const own = made(join(temporary, `halligan-demo-${process.geteuid?.() ?? 'user'}`))
  const { uid, mode } = lstatSync(own)
  // Anyone may have made a directory of that name there before us.
  const isOurs = lstatSync(own).isDirectory() && uid === (process.geteuid?.() ?? uid) && (mode & 0o077) === 0
  if (isOurs) return own
  throw new HalliganError('unavailable', `${own} is not ours alone`, { hint: 'name another directory: --state DIR' })
}

function made(directory: string): string {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  return directory
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && ['EACCES', 'EPERM', 'EROFS'].includes(String(error.code))
}
