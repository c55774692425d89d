// Under whom the demo's servers and shells run: `nobody` where we are root (PostgreSQL refuses root, and a demo shell
// must not be one), otherwise ourselves. No account is ever created.
import { chownSync, lchownSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Account {
  /** For `spawn`: empty when children run as we do. */
  readonly ids: { readonly uid?: number; readonly gid?: number }
  /** Whether children run as another user than we do. */
  readonly isOther: boolean
}

/** 65534 on every Linux we know; /etc/passwd decides where it differs (macOS: -2). */
const NOBODY = 65_534

/** The account for the demo's children. */
export function demoAccount(): Account {
  if (process.getuid?.() !== 0) return { ids: {}, isOther: false }
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('nobody:'))
  const [, , uid = String(NOBODY), gid = String(NOBODY)] = line?.split(':') ?? []
  return { ids: { uid: Number(uid), gid: Number(gid) }, isOther: true }
}

/**
 * Makes a fresh folder of mode 0700 under the system's temporary directory, has `fill` put files into it, and gives it
 * to `account` with all that is in it. Nothing of ours writes there afterwards: as root it would follow whatever links
 * somebody else of that account may have put in the way.
 */
export async function temporaryFolder<T>(
  prefix: string,
  account: Account,
  fill: (folder: string) => T | Promise<T>,
): Promise<{ readonly folder: string; readonly filled: T }> {
  const folder = mkdtempSync(join(tmpdir(), `halligan-${prefix}-`))
  try {
    const filled = await fill(folder)
    giveTo(account, folder)
    return { folder, filled }
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

/** Makes `account` the owner of `path` and everything below it, `path` last; links are not followed. */
function giveTo(account: Account, path: string): void {
  const { uid, gid } = account.ids
  if (uid === undefined || gid === undefined) return
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true }))
    lchownSync(join(entry.parentPath, entry.name), uid, gid)
  chownSync(path, uid, gid)
}

/** Runs `act` without our supplementary groups, which a PTY's child would otherwise inherit beside its new uid. */
export function withoutGroups<T>(account: Account, act: () => T): T {
  if (!account.isOther || !process.getgroups || !process.setgroups) return act()
  const groups = process.getgroups()
  process.setgroups([])
  try {
    return act()
  } finally {
    process.setgroups(groups)
  }
}
