// One process per state directory. Node has no flock, so an empty SQLite database is held in an exclusive transaction: its
// kernel lock (fcntl) goes with the process, however that ends. Nothing else in this process may open that file: closing
// any descriptor of a file drops the process's fcntl locks on it. Who holds it is told by a file beside it.

import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { HalliganError } from '../errors.ts'
import { storeLog } from '../log.ts'

export interface HeldDirectory {
  readonly directory: string
  /** Lets another process in. Harmless when called twice. */
  release(): void
}

/** By real path. A handle collected as garbage would close its descriptor and drop the lock, so they are kept here. */
const held = new Map<string, Database.Database>()

/**
 * Makes `directory` (0700) where it is missing and holds it for this process until `release` or the process ends.
 * Throws `state_locked`, naming the owner, when another one holds it (or this one does already), `store_failed` when
 * the directory cannot be used.
 */
export function holdStateDirectory(directory: string): HeldDirectory {
  const path = prepare(directory)
  if (held.has(path)) throw lockedBy(String(process.pid), directory)
  const lockFile = join(directory, 'lock')
  const ownerFile = join(directory, 'owner.pid')
  const database = acquire(lockFile, ownerFile, directory)
  held.set(path, database)
  tellOwner(ownerFile)
  return {
    directory,
    release: () => {
      if (held.get(path) !== database) return
      held.delete(path)
      rmSync(ownerFile, { force: true })
      database.close()
    },
  }
}

/** Makes the directory and closes it to others; gives its real path. */
function prepare(directory: string): string {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    // The sticky bit marks a directory shared by many, such as /tmp: closing it would break the machine.
    const { mode, uid } = statSync(directory)
    if ((mode & 0o1000) !== 0) throw new Error('the directory is shared (sticky bit)')
    // Root may close a directory that somebody else made beforehand, and its owner would open it again and read the keys.
    if (uid !== process.geteuid?.()) throw new Error(`the directory belongs to uid ${uid}`)
    chmodSync(directory, 0o700)
    return realpathSync(directory)
  } catch (cause) {
    throw new HalliganError('store_failed', `cannot use ${directory} as state directory`, {
      hint: 'it must be a directory of its own that belongs to the user running Halligan',
      cause,
    })
  }
}

function acquire(lockFile: string, ownerFile: string, directory: string): Database.Database {
  let database: Database.Database | undefined
  try {
    // Made with its mode first: SQLite would make it by the umask. This process does not hold it, so no lock is lost here.
    closeSync(openSync(lockFile, 'a', 0o600))
    database = new Database(lockFile, { timeout: 0 })
    database.pragma('locking_mode = EXCLUSIVE')
    database.exec('BEGIN EXCLUSIVE')
    return database
  } catch (cause) {
    database?.close()
    if (cause instanceof Database.SqliteError && cause.code.startsWith('SQLITE_BUSY'))
      throw lockedBy(readOwner(ownerFile), directory)
    throw new HalliganError('store_failed', `cannot lock state directory ${directory}`, {
      hint: `check that ${lockFile} is an empty file that belongs to the user running Halligan`,
      cause,
    })
  }
}

function lockedBy(pid: string, directory: string): HalliganError {
  return new HalliganError('state_locked', `state directory ${directory} is in use by process ${pid}`, {
    hint: `stop that Halligan (kill ${pid}), or give this one a directory of its own with --state`,
  })
}

function readOwner(ownerFile: string): string {
  try {
    const pid = readFileSync(ownerFile, 'utf8').trim()
    return /^\d{1,10}$/.test(pid) ? pid : 'unknown'
  } catch (error) {
    storeLog.warn('store.owner-unreadable', { file: ownerFile, error })
    return 'unknown'
  }
}

/** Only information: a full disk must not keep Halligan from starting. */
function tellOwner(ownerFile: string): void {
  try {
    writeFileSync(ownerFile, `${process.pid}\n`, { mode: 0o600 })
  } catch (error) {
    storeLog.warn('store.owner-not-written', { file: ownerFile, error })
  }
}
