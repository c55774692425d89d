// Which program answers the demo target's sftp subsystem: the system's own where OpenSSH's is installed, else ours.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Account } from './account.ts'

export type SftpChoice = 'system' | 'own'

export interface SftpProgram {
  readonly program: string
  readonly args: readonly string[]
}

/** Where Debian, Fedora, Arch, Alpine and macOS keep it. */
const systemPlaces = [
  '/usr/lib/openssh/sftp-server',
  '/usr/libexec/openssh/sftp-server',
  '/usr/lib/ssh/sftp-server',
  '/usr/libexec/sftp-server',
]

/** Chooses the sftp server; ours is copied to `folder` (and Node with it where `account` cannot reach ours). */
export function sftpProgram(folder: string, account: Account, choice: SftpChoice): SftpProgram {
  const system = choice === 'system' ? systemPlaces.find(isProgram) : undefined
  if (system !== undefined) return { program: system, args: [] }
  const copy = join(folder, 'sftp')
  mkdirSync(copy)
  for (const name of ['sftp-server.ts', 'sftp-wire.ts']) copyFileSync(join(import.meta.dirname, name), join(copy, name))
  writeFileSync(join(copy, 'package.json'), '{"type":"module"}\n')
  const script = join(copy, 'sftp-server.ts')
  // A Node below a private home cannot be run by nobody.
  if (!account.isOther || spawnSync(process.execPath, ['--version'], { ...account.ids, cwd: '/' }).status === 0)
    return { program: process.execPath, args: [script] }
  const program = join(copy, 'node')
  copyFileSync(process.execPath, program, constants.COPYFILE_FICLONE)
  return { program, args: [script] }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
