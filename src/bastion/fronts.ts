// The listeners. The last thing to be opened and the first to be closed.

import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { Reading } from '../config/reading.ts'
import type { Secrets } from '../config/secrets.ts'
import { startHttp, type HttpServer } from '../http/server.ts'
import type { FileSystem } from '../journal/file-port.ts'
import { AddressDelay } from '../identity/lockout.ts'
import type { Identity } from '../identity/user.ts'
import { mayExtend, mayRevoke } from '../access/extension.ts'
import type { Grant } from '../access/grant.ts'
import type { Anchoring } from '../procedure/anchoring.ts'
import type { DrillContract } from '../procedure/drill.ts'
import { endGrant, killSession } from '../procedure/end.ts'
import { extend } from '../procedure/extend.ts'
import { lock, unlock } from '../procedure/lock.ts'
import { offerFor, offerLines } from '../procedure/offer.ts'
import { RiskyActions } from '../procedure/risky-action.ts'
import { waitingOn } from '../procedure/waiting.ts'
import { PostgresServer } from '../postgres/server.ts'
import { dialCommand } from '../pty/upstream.ts'
import type { Admit } from '../session/admission.ts'
import { listenSsh } from '../ssh/server.ts'
import { sshDialer } from '../ssh/upstream.ts'
import { commandsFor } from './commands.ts'
import type { Durable } from './durable.ts'
import { passwordOf, type Inside } from './inside.ts'
import type { Sealer } from './sealer.ts'

export interface Address {
  readonly host: string
  readonly port: number
}

export interface Fronts {
  readonly ssh: Address
  readonly postgres: Address
  readonly web: HttpServer
}

export interface FrontOptions {
  readonly config: Config
  readonly secrets: Secrets
  readonly clock: Clock
  /** Folder of the built page. */
  readonly webRoot: string
  /** Folder of the stories that drills play; without it there are none. */
  readonly stories?: string
  /** Reads the configuration anew, for taking up what changed; without it nothing is taken up. */
  readonly read?: () => Reading
  /** For tests: the files the journal writes to; the machine's own without it. */
  readonly journalFiles?: FileSystem
}

/** Opens the three ports; ssh last, since its commands point at the others. Throws a listener's own error. */
export async function openFronts(
  options: FrontOptions,
  durable: Durable,
  inside: Inside,
  sealer: Sealer,
  opened: AsyncDisposableStack,
  drills: DrillContract,
  anchors: Anchoring,
): Promise<Fronts> {
  const risky = riskyActions(options.clock, durable, inside)
  const postgres = await openPostgres(options, durable, inside, risky)
  opened.defer(() => postgres.close())
  const web = await openWeb(options, durable, inside, sealer, drills, anchors)
  opened.defer(() => web.close())
  durable.page.url ??= web.url
  const ssh = await openSsh(options, durable, inside, risky, {
    postgres: reachable(options.config, postgres),
    web,
    drills,
  })
  opened.defer(() => ssh.close())
  const place = ({ host, port }: Address): Address => ({ host, port })
  return { ssh: place(ssh), postgres: place(postgres), web }
}

function riskyActions(clock: Clock, { state, outbox }: Durable, { access, current }: Inside): RiskyActions {
  return new RiskyActions({
    clock,
    state,
    policy: (grant) => access.policy(grant),
    get channels() {
      return current.channels
    },
    nudge: () => outbox.nudge(),
  })
}

/** A command that its grant's scope does not open is told of, and refused as before. */
function tellingRefusals({ admit, registry }: Inside, risky: RiskyActions): Admit {
  return async (request) => {
    const grant = registry.live(request.grant)
    try {
      return await admit(request)
    } catch (error) {
      if (grant?.user === request.identity.user.name) risky.refused(grant, request.what)
      throw error
    }
  }
}

async function openPostgres(
  { config, clock }: FrontOptions,
  { installation }: Durable,
  inside: Inside,
  risky: RiskyActions,
): Promise<Address & { close(): Promise<void> }> {
  const server = new PostgresServer({
    cert: installation.postgres.cert,
    key: installation.postgres.key,
    clock,
    admit: inside.admit,
    secrets: inside.secrets,
    report: inside.refusals.report,
    password: (credential) => passwordOf(inside.current, credential),
    sshCommand: (user, target) => `ssh ${user}+${target}@${config.hostname} dsn`,
    policy: (grant) => inside.access.policy(grant) ?? policyGone,
    onRisky: risky.tell,
  })
  const { host, port } = config.listen.postgres
  const bound = await server.listen(port, host)
  return { host, port: bound.port, close: () => server.close() }
}

/** For a grant whose policy has left the configuration: nothing is recorded less because of it. */
const policyGone = { channelBinding: 'require', recording: { resultRows: 0, files: 'full' } } as const

function openWeb(
  { config, clock, webRoot }: FrontOptions,
  durable: Durable,
  inside: Inside,
  sealer: Sealer,
  drills: DrillContract,
  anchors: Anchoring,
): Promise<HttpServer> {
  const { state, feed, installation } = durable
  const { web } = config.listen
  return startHttp({
    host: web.host,
    port: web.port,
    installation: installation.name,
    webRoot,
    origins: web.url === null ? [] : [web.url],
    trustedProxies: web.trustedProxies,
    ports: {
      clock,
      directory: inside.directory,
      watchPeople: (listener) => inside.current.directory.watch(listener),
      mfa: inside.mfa,
      state,
      live: inside.live,
      feed,
      recordings: sealer,
      reviews: inside.review,
      explanation: inside.explanation,
      alerts: { clock, state, nudge: () => durable.outbox.nudge() },
      requests: { decisions: inside.end, offers: inside.offers, access: inside.access },
      reports: inside.reports,
      search: inside.search,
      drills,
      anchors,
      sessions: { kill: (session, by, reason) => killSession(inside.end, session, by, reason) },
      grants: {
        end: async (grant, how, by, reason) => {
          await endGrant(inside.end, grant, how, by, reason)
        },
        extend: (grant, by, reason, durationMs) => extend(inside.end, by, grant, reason, durationMs),
        mayRevoke: (user, grant) => mayRevoke(inside.access.policy(grant), grant, user),
        mayExtend: (user, grant) => {
          const policy = inside.access.policy(grant.policy)
          return policy?.hash === grant.policyHash && mayExtend(policy, grant, user)
        },
      },
      locks: {
        held: inside.registry.locks,
        lock: (scope, by, reason) => lock(inside.end, scope, by, reason),
        unlock: (scope, by, reason) => unlock(inside.end, scope, by, reason),
      },
      leaf: async (events) => {
        await state.commit({ at: clock.now(), writes: [], leaves: events })
      },
      reportRefusal: inside.refusals.report,
    },
  })
}

function openSsh(
  { config, clock }: FrontOptions,
  durable: Durable,
  inside: Inside,
  risky: RiskyActions,
  places: { readonly postgres: Address; readonly web: HttpServer; readonly drills: DrillContract },
) {
  const { current, access, mfa, directory, refusals } = inside
  const dialSsh = sshDialer({ clock, privateKey: (credential) => current.secrets.read(credential) })
  return listenSsh({
    ...config.listen.ssh,
    hostKeys: [durable.installation.sshHostKey],
    ports: {
      clock,
      directory,
      names: {
        get users() {
          return new Set([...current.config.users.map((user) => user.name), ...inside.drill.directory.made])
        },
        get targets() {
          return new Set(current.config.targets.map((target) => target.name))
        },
      },
      access,
      mfa,
      admit: tellingRefusals(inside, risky),
      reportRefusal: refusals.report,
      addressDelay: new AddressDelay(),
      waitingGrant: (identity, target, account) => waitingGrant(durable, identity, target, account),
      grant: (id) => durable.state.grant(id),
      waiting: (grant) => waitingOn(inside.end, grant),
      waits: inside.waits,
      describe: async (identity, ask) => offerLines(await offerFor(inside.offers, identity, ask)),
      runCommand: commandsFor(clock, durable, inside, {
        postgres: places.postgres,
        issueLink: (user, address) => places.web.issueLink(user, address),
        drills: places.drills,
      }),
      dial: (target) => (target.kind === 'command' ? dialCommand : dialSsh),
      bulk: (grant) => access.policy(grant)?.recording.files ?? 'full',
    },
  })
}

async function waitingGrant(
  { state }: Durable,
  identity: Identity,
  target: string,
  account: string | undefined,
): Promise<Grant | undefined> {
  const waiting = await state.grants({ user: identity.user.name, states: ['requested'], limit: 100 })
  return waiting.find((grant) => grant.target === target && (account === undefined || grant.account === account))
}

/** Where people reach a port: by the configured name, or on loopback as it is. */
function reachable(config: Config, { host, port }: Address): Address {
  const isLoopback = host === '127.0.0.1' || host === '::1'
  return { host: isLoopback ? host : config.hostname, port }
}
