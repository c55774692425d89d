// The leg to a PostgreSQL server: TLS with the server's name verified, SCRAM with the stored credential, one connection
// per session. Nothing is dialled without an Admission, and an end of the session cancels the dial at any point.

import { connect as connectTcp } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Clock } from '../clock.ts'
import { assert, HalliganError } from '../errors.ts'
import { postgresLog } from '../log.ts'
import type { CancelKey } from '../pgwire/backend-decoding.ts'
import { encodeCancelRequest } from '../pgwire/frontend-encoding.ts'
import { applicationName } from '../pgwire/startup-parameters.ts'
import { Admission } from '../session/admission.ts'
import type { SessionEnd } from '../session/session.ts'
import type { PostgresTarget } from '../target.ts'
import { ByteReader } from './byte-reader.ts'
import { dialError, logInTo, noCredential, secure } from './server-login.ts'

/** From the first packet to a login: a target in trouble is told apart from one that is slow. */
const DIAL_TIMEOUT_MS = 15_000
/** A cancel is of use at once or not at all. */
const CANCEL_TIMEOUT_MS = 5_000
/** A target that has gone silent is noticed in minutes, not in the system's two hours. */
const KEEPALIVE_MS = 30_000

export interface PostgresDialPorts {
  readonly clock: Clock
  /** The password a target's `credentials` name for an account; undefined when there is none. */
  readonly password: (credential: string) => string | undefined
}

/** What the client asked for at start-up, as far as it goes on. */
export interface ClientSettings {
  readonly parameters: ReadonlyMap<string, string>
  readonly application: string
}

/** A session on the server, ready for its first statement. */
export interface PostgresUpstream {
  readonly socket: TLSSocket
  /** What the server reported: ParameterStatus by name. */
  readonly parameters: ReadonlyMap<string, string>
  /** Notices of its start-up, as messages. */
  readonly notices: readonly Buffer[]
  /** Bytes behind its first ReadyForQuery. */
  readonly rest: Buffer
  /** Asks the server to cancel what runs; resolves when it has taken the request, rejects `unreachable`. */
  cancel(): Promise<void>
}

/**
 * Logs in to the admission's target. Throws `unreachable` (with what the server said), or the admission's own end when
 * that comes first.
 */
export async function dialPostgres(
  ports: PostgresDialPorts,
  admission: Admission,
  settings: ClientSettings,
): Promise<PostgresUpstream> {
  Admission.assertMinted(admission)
  const { target, signal } = admission
  assert(target.kind === 'postgres', `${target.name} is a postgres target`)
  throwIfEnded(signal)
  const raw = connectTcp({ host: target.host, port: target.port, noDelay: true })
  raw.on('error', (error) => postgresLog.info('postgres.upstream-error', { session: admission.session.id, error }))
  const cancelDial = () => raw.destroy()
  signal.addEventListener('abort', cancelDial)
  const timeout = ports.clock.after(DIAL_TIMEOUT_MS, cancelDial)
  try {
    raw.setKeepAlive(true, KEEPALIVE_MS)
    const socket = await secure(raw, target)
    const password = ports.password(target.credentials[admission.account] ?? '')
    if (password === undefined) throw noCredential(target, admission.account)
    return await logIn(socket, { target, password, admission, settings, clock: ports.clock })
  } catch (error) {
    raw.destroy()
    throwIfEnded(signal)
    throw dialError(error, target)
  } finally {
    timeout.cancel()
    signal.removeEventListener('abort', cancelDial)
  }
}

function throwIfEnded(signal: AbortSignal): void {
  if (!signal.aborted) return
  const end = signal.reason as SessionEnd
  throw new HalliganError(end.code ?? 'unavailable', end.message)
}

interface LoginContext {
  readonly target: PostgresTarget
  readonly password: string
  readonly admission: Admission
  readonly settings: ClientSettings
  readonly clock: Clock
}

async function logIn(socket: TLSSocket, context: LoginContext): Promise<PostgresUpstream> {
  const { admission, settings, target, password } = context
  const reader = new ByteReader(socket)
  const { key, ...started } = await logInTo(socket, reader, {
    target,
    password,
    account: admission.account,
    database: admission.database ?? target.databases[0] ?? '',
    applicationName: applicationName(settings.application, admission.session.id),
    parameters: settings.parameters,
  })
  // A statement may outlive our connection there; the grant's end looks for this process.
  if (key !== undefined) admission.reached(key.processId)
  return { ...started, socket, rest: reader.takeRest(), cancel: () => cancelUpstream(target, key, context.clock) }
}

// A connection of its own, as "Canceling Requests" has it; encrypted, so that the key is not shown to the network.
async function cancelUpstream(target: PostgresTarget, key: CancelKey | undefined, clock: Clock): Promise<void> {
  if (key === undefined) return
  const raw = connectTcp({ host: target.host, port: target.port, noDelay: true })
  raw.on('error', (error) => postgresLog.info('postgres.cancel-failed', { target: target.name, error }))
  const timeout = clock.after(CANCEL_TIMEOUT_MS, () => raw.destroy())
  try {
    const socket = await secure(raw, target)
    socket.write(encodeCancelRequest(key.processId, key.secretKey))
    socket.resume()
    // The server closes when it has passed the cancel on, as often as not without the forms of TLS.
    await new Promise<void>((resolve) => socket.once('close', () => resolve()))
  } catch (error) {
    throw dialError(error, target)
  } finally {
    timeout.cancel()
    raw.destroy()
  }
}
