// dsn, env, web: ways in that are not a shell. What they print is a secret: it is never recorded nor logged.

import type { Command } from 'commander'
import type { Grant } from '../access/grant.ts'
import { errorCodes, HalliganError } from '../errors.ts'
import { dsn, envLines, type PostgresLogin } from '../procedure/dsn.ts'
import { freshMs } from '../procedure/mfa.ts'
import { breakGlass } from './request-command.ts'
import { askCode, requireCode, type Run } from './run.ts'

interface LoginOptions {
  readonly account?: string
  readonly database?: string
  readonly rotate?: boolean
  readonly verifyFull?: boolean
}

export function addConnectCommands(root: Command, run: Run): void {
  const login = (name: string, description: string, format: (login: PostgresLogin) => string): void => {
    root
      .command(name)
      .description(description)
      .argument('[target]', 'the PostgreSQL target; the one your login named when left out')
      .option('--account <role>', 'role on the target')
      .option('--database <name>', "another database than the target's first")
      .option('--rotate', 'end every other secret of the grant')
      .option('--verify-full', 'name the CA file instead of relying on channel binding')
      .action((target: string | undefined, options: LoginOptions) => postgresLogin(run, target, options, format))
  }
  login(
    'dsn',
    'a connection URI for psql and tools (visible to other users of your machine when on a command line)',
    (it) => `${dsn(it)}\n`,
  )
  login('env', 'shell lines for: eval "$(ssh USER+TARGET@BASTION env)" && psql', envLines)
  root
    .command('web')
    .description('a one-time link to the page, for 60 seconds')
    .action(() => web(run))
}

async function postgresLogin(
  run: Run,
  named: string | undefined,
  options: LoginOptions,
  format: (login: PostgresLogin) => string,
): Promise<void> {
  const { ports, caller, io } = run
  const target = named ?? caller.target
  if (target === undefined) throw new HalliganError('usage', 'which target?', { hint: 'see: targets' })
  const known = ports.access.target(target)
  if (
    known !== undefined &&
    known.kind !== 'postgres' &&
    ports.access.preview(caller.identity, { target }).kind !== 'deny'
  )
    throw new HalliganError('usage', `${target} is no PostgreSQL target`, {
      hint: `connect with ssh ${caller.identity.user.name}+${target}@BASTION`,
    })
  const grant = await liveOrNew(run, target, options.account ?? caller.account)
  if (grant.state !== 'active') {
    io.stderr(
      `halligan: request ${grant.id} waits for approval\nhint: run the same command again when it is approved\n`,
    )
    run.exit = errorCodes.approval_pending.exit
    return
  }
  if (ports.postgres === null) throw new HalliganError('unavailable', 'this bastion serves no PostgreSQL port')
  await requireCodeFor(run, grant)
  const database = options.database ?? null
  const { secret, ended } = await ports.secrets.issue(caller.identity, grant, {
    database,
    rotate: options.rotate === true,
  })
  if (ended > 0) io.stderr(`halligan: ${ended} older secret${ended === 1 ? '' : 's'} of ${grant.id} ended\n`)
  const caFile = options.verifyFull === true ? ports.postgresCaFile : null
  const name = database === null ? target : `${target}/${database}`
  io.stdout(format({ ...ports.postgres, user: caller.identity.user.name, secret, database: name, caFile }))
}

async function liveOrNew(run: Run, target: string, account: string | undefined): Promise<Grant> {
  const live = await run.ports.access.liveGrant(run.caller.identity, target, account)
  return live ?? breakGlass(run, { target, account })
}

async function requireCodeFor(run: Run, grant: Grant): Promise<void> {
  const { access } = run.ports
  if (access.ceremony(run.caller.identity, grant) !== undefined) return
  await askCode(run, { kind: 'grant', methods: access.policy(grant)?.mfa.methods ?? [] })
}

async function web(run: Run): Promise<void> {
  const { issueLink } = run.ports
  if (issueLink === null) throw new HalliganError('unavailable', 'this bastion serves no page')
  await requireCode(run, freshMs)
  const { user, address } = run.caller.identity
  run.io.stdout(`${await issueLink(user.name, address)}\n`)
}
