// Which real programs this machine has. `npm test` (scripts/test.ts) prints and, where it may, installs what is missing;
// a test that needs one says `test.runIf(has('psql'))`.
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { postgresPackage } from '../../src/demo/postgres-binaries.ts'

interface Group {
  /** Programs that must all be found. */
  readonly programs: readonly string[]
  /** Whether `--version` must work too: Debian's wrappers are there without what they wrap. */
  readonly areWrapped?: boolean
  /** Debian packages that bring them. */
  readonly packages: readonly string[]
}

export const groups = {
  ssh: { programs: ['ssh', 'scp', 'sftp', 'ssh-keygen'], packages: ['openssh-client'] },
  sshd: { programs: ['sshd'], packages: ['openssh-server'] },
  psql: { programs: ['psql'], areWrapped: true, packages: ['postgresql-client'] },
  pgbench: { programs: ['pgbench'], areWrapped: true, packages: ['postgresql'] },
  chromium: { programs: ['chromium'], packages: ['chromium'] },
  zstd: { programs: ['zstd'], packages: ['zstd'] },
  strace: { programs: ['strace'], packages: ['strace'] },
  // Comes with npm, where the registry has it for this platform.
  postgres: { programs: [], packages: [] },
} as const satisfies Record<string, Group>

export type GroupName = keyof typeof groups

/** Where Debian keeps servers that are not on an ordinary user's PATH, and PostgreSQL its versions' own programs. */
const FURTHER_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/sbin']

/** Absolute path of a program on the PATH or in a system folder, or undefined. */
export function programPath(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...FURTHER_FOLDERS]
  return folders.map((folder) => join(folder, name)).find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Whether the group's programs are here, looked up now. */
export function isPresent(name: GroupName): boolean {
  if (name === 'postgres') return postgresPackage() !== undefined
  const { programs, areWrapped }: Group = groups[name]
  return programs.every((program) => {
    const path = programPath(program)
    return path !== undefined && (areWrapped !== true || spawnSync(path, ['--version']).status === 0)
  })
}

/** Names of the groups that are not here. */
export function missingGroups(): GroupName[] {
  return (Object.keys(groups) as GroupName[]).filter((name) => !isPresent(name))
}

/** Comma-separated names of the groups that this run leaves out; set by scripts/test.ts, looked up where it is not. */
const leftOut = process.env['HALLIGAN_TEST_LEFT_OUT']?.split(',') ?? missingGroups()

/** Whether tests of this group (or of all these groups) run here. */
export function has(...names: readonly GroupName[]): boolean {
  return names.every((name) => !leftOut.includes(name))
}
