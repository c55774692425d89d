// lock, unlock, locks: the red button and its smaller ones. Locking only takes access away and needs a remembered second
// factor; giving it back needs a code typed on this very connection.

import type { Command } from 'commander'
import { HalliganError } from '../errors.ts'
import type { Identity } from '../identity/user.ts'
import { lock, scopeOf, unlock } from '../procedure/lock.ts'
import { lockedError, type Locks, type LockScope } from '../session/locks.ts'
import { joined, print, requireCode, type Run } from './run.ts'
import { span, table } from './table.ts'

/** How long a ceremony counts for what only takes access away. */
const TAKE_AWAY_MS = 10 * 60_000

/** No ceremony of another connection counts. */
const THIS_CONNECTION = 0

interface LockOptions {
  readonly all?: boolean
  readonly reason: string
  readonly json?: boolean
}

export function addLockCommands(root: Command, run: Run): void {
  const both = (name: 'lock' | 'unlock', description: string) =>
    root
      .command(name)
      .description(description)
      .argument('[kind]', 'user or target')
      .argument('[name]', 'whom or what')
      .option('--all', 'everything')
      .requiredOption('--reason <text...>', 'why, for the people who are told', joined)
      .option('--json', 'as JSON')
  both('lock', 'take access away at once: from a user, to a target, or from everyone (--all)').action(
    async (kind: string | undefined, name: string | undefined, options: LockOptions) => {
      const scope = named(kind, name, options)
      mustBeAdmin(run)
      await requireCode(run, TAKE_AWAY_MS)
      mustBeAdmin(run)
      const locked = await lock(run.ports.end, scope, run.caller.identity.user.name, options.reason)
      const text = `${said(scope)} is locked: ${locked.sessions} sessions ended, ${locked.grants} grants revoked\n`
      print(run, options.json, locked, text)
    },
  )
  both('unlock', 'give access back: people have to break the glass again').action(
    async (kind: string | undefined, name: string | undefined, options: LockOptions) => {
      const scope = named(kind, name, options)
      mustBeAdmin(run)
      await requireCode(run, THIS_CONNECTION)
      mustBeAdmin(run)
      await unlock(run.ports.end, scope, run.caller.identity.user.name, options.reason)
      print(run, options.json, { scope }, `${said(scope)} is unlocked\n`)
    },
  )
  root
    .command('locks')
    .description('what is locked, by whom and why')
    .option('--json', 'as JSON')
    .action((options: { json?: boolean }) => list(run, options.json))
}

/** Why this person may not run this command now; undefined: they may. Under a lock of everything an admin may unlock. */
export function lockRefusal(locks: Locks, { user }: Identity, argv: readonly string[]): HalliganError | undefined {
  const own = locks.of(`user:${user.name}`)
  if (own !== undefined) return lockedError(own)
  const all = locks.of('all')
  if (all === undefined || (argv[0] === 'unlock' && user.roles.includes('admin'))) return undefined
  return lockedError(all)
}

function named(kind: string | undefined, name: string | undefined, { all }: LockOptions): LockScope {
  if (all === true && kind === undefined) return scopeOf('all', undefined)
  if (all === true) throw new HalliganError('usage', '--all is everything: name nothing else')
  return scopeOf(kind === 'all' ? '' : (kind ?? ''), name)
}

/** Asked first, to save a code, and again behind the code: at a prompt one may sit until the role is gone. */
function mustBeAdmin(run: Run): void {
  const { user } = run.caller.identity
  if (!user.roles.includes('admin') || user.isDrill === true)
    throw new HalliganError('denied', `${user.name} is no admin`, { hint: 'call one' })
}

function said(scope: LockScope): string {
  return scope === 'all' ? 'everything' : scope.replace(':', ' ')
}

function list(run: Run, json: boolean | undefined): void {
  const locks = run.ports.end.registry.locks.all()
  const now = run.ports.clock.now()
  const rows = locks.map(({ scope, by, at, reason }) => [scope, by, `${span(now - at)} ago`, reason])
  print(run, json, locks, table(['LOCKED', 'BY', 'SINCE', 'WHY'], rows, 'nothing is locked'))
}
