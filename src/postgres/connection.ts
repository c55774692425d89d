// One connection from its first byte to its end, as a checklist: start-up, login, admission, dial, relay.

import type { X509Certificate } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { SecureContext } from 'node:tls'
import type { Grant } from '../access/grant.ts'
import type { Policy } from '../access/policy.ts'
import type { Clock } from '../clock.ts'
import { errorCodes, HalliganError, ProtocolViolation, safeError } from '../errors.ts'
import type { Identity } from '../identity/user.ts'
import { postgresLog } from '../log.ts'
import {
  encodeBackendKeyData,
  encodeErrorResponse,
  encodeNoticeResponse,
  encodeParameterStatus,
  encodeReadyForQuery,
} from '../pgwire/backend-encoding.ts'
import { tlsServerEndPoint } from '../pgwire/scram.ts'
import { passParameters } from '../pgwire/startup-parameters.ts'
import type { PassedParameters } from '../pgwire/startup-parameters.ts'
import type { ReportRefusal, SecretContract } from '../procedure/contract.ts'
import type { RiskyAction } from '../procedure/risky-action.ts'
import type { Admission, Admit } from '../session/admission.ts'
import type { AdmissionRequest } from '../session/opening.ts'
import { arrive } from './arrival.ts'
import type { Arrival } from './arrival.ts'
import type { CancelKeys } from './cancel.ts'
import { logIn } from './login.ts'
import type { LoggedIn } from './login.ts'
import { Relay } from './relay.ts'
import { dialPostgres } from './upstream.ts'
import type { PostgresDialPorts, PostgresUpstream } from './upstream.ts'

/** From the first byte to the proof: who does not speak gets no longer (PostgreSQL itself gives 60 s). */
const LOGIN_TIMEOUT_MS = 10_000

export interface ConnectionPorts extends PostgresDialPorts {
  readonly clock: Clock
  readonly secureContext: SecureContext
  readonly certificate: X509Certificate
  readonly secrets: SecretContract
  readonly admit: Admit
  readonly report: ReportRefusal
  /** What a person runs to get in, for the hint of a refusal. */
  readonly sshCommand: (user: string, target: string) => string
  /** What a grant's policy says of connections. */
  readonly policy: (grant: Grant) => Pick<Policy, 'channelBinding' | 'recording'>
  readonly cancelKeys: CancelKeys
  /** Told of statements that destroy something or hand out access. Must not throw. */
  readonly onRisky: (action: RiskyAction) => void
}

export interface Origin {
  /** Normalised. */
  readonly address: string
  /** Set where the connection came through a person's ssh: nobody else may log in on it. */
  readonly onlyFor: Identity | undefined
  /** Called when the connection is past its login. */
  readonly onLoggedIn: () => void
}

/** Serves one connection to its end. Never throws. */
export async function serveConnection(raw: Duplex, origin: Origin, ports: ConnectionPorts): Promise<void> {
  const deadline = ports.clock.after(LOGIN_TIMEOUT_MS, () => {
    ports.report({ protocol: 'postgres', login: '', address: origin.address, reason: 'timeout' })
    raw.destroy()
  })
  let stream = raw
  try {
    const arrival = await arrive(raw, ports.secureContext)
    if (arrival.kind !== 'gone') stream = arrival.stream
    if (arrival.kind === 'cancel') await cancel(arrival, origin, ports)
    if (arrival.kind !== 'startup') return
    const login = await authenticate(arrival, origin, ports)
    deadline.cancel()
    origin.onLoggedIn()
    await serveSession(arrival, login, ports)
  } catch (error) {
    refuse(stream, error, origin, ports)
  } finally {
    deadline.cancel()
    stream.end()
    if (!stream.writableFinished) ports.clock.after(1000, () => raw.destroy())
  }
}

type StartupArrival = Extract<Arrival, { kind: 'startup' }>

function authenticate(
  arrival: StartupArrival,
  { address, onlyFor }: Origin,
  ports: ConnectionPorts,
): Promise<LoggedIn> {
  return logIn({ ...arrival, address, onlyFor }, { ...ports, binding: tlsServerEndPoint(ports.certificate) })
}

async function serveSession(arrival: StartupArrival, login: LoggedIn, ports: ConnectionPorts): Promise<void> {
  const { stream } = arrival
  const settings = passParameters(arrival.message.parameters)
  const admission = await admitted(arrival, login, settings, ports)
  const gone = () => admission.end({ reason: 'client-closed', code: null, message: 'the client closed the connection' })
  stream.on('close', gone)
  const upstream = await dial(admission, settings, stream, ports)
  stream.off('close', gone)
  await relay(arrival, admission, upstream, settings, ports)
}

/** psql says nothing while it waits: only the end of its stream tells that nobody waits any more. */
async function admitted(
  { reader }: StartupArrival,
  login: LoggedIn,
  settings: PassedParameters,
  ports: ConnectionPorts,
): Promise<Admission> {
  const gone = new AbortController()
  const over = new AbortController()
  const watching = reader.isGone(over.signal).then((isGone) => {
    if (isGone) gone.abort()
  })
  try {
    return await ports.admit(requestOf(login, settings, gone.signal))
  } finally {
    over.abort()
    // The reader is for one at a time: the relay comes next.
    await watching
  }
}

function requestOf(login: LoggedIn, settings: PassedParameters, gone: AbortSignal): AdmissionRequest {
  return {
    identity: login.identity,
    via: { secret: login.secret, scram: login.mechanism },
    grant: login.grant.id,
    target: login.target,
    account: login.grant.account,
    database: login.database,
    protocol: 'postgres',
    what: { kind: 'sql', application: settings.application },
    gone,
  }
}

async function dial(
  admission: Admission,
  settings: PassedParameters,
  stream: Duplex,
  ports: ConnectionPorts,
): Promise<PostgresUpstream> {
  try {
    if (stream.destroyed) throw new HalliganError('unavailable', 'the client closed the connection')
    return await dialPostgres(ports, admission, { parameters: settings.passed, application: settings.application })
  } catch (error) {
    const { code, message } = safeError(error)
    admission.end({ reason: 'unreachable', code, message })
    throw error
  }
}

async function relay(
  { stream, reader }: StartupArrival,
  admission: Admission,
  upstream: PostgresUpstream,
  settings: PassedParameters,
  ports: ConnectionPorts,
): Promise<void> {
  const session = new Relay({
    clock: ports.clock,
    admission,
    client: stream,
    clientRest: reader.takeRest(),
    upstream,
    bulk: ports.policy(admission.grant).recording.files,
    onRisky: ports.onRisky,
  })
  const key = ports.cancelKeys.issue(() => session.cancel())
  try {
    stream.write(greeting(upstream, settings, admission.remarks, key))
    await session.run()
  } finally {
    ports.cancelKeys.release(key)
  }
}

function greeting(
  upstream: PostgresUpstream,
  { dropped }: PassedParameters,
  remarks: readonly string[],
  key: { readonly processId: number; readonly secretKey: Buffer },
): Buffer {
  const notPassed = `halligan does not pass on these start-up settings: ${dropped.join(', ')}`
  const warnings = [...(dropped.length === 0 ? [] : [notPassed]), ...remarks.map((line) => `halligan: ${line}`)]
  return Buffer.concat([
    ...upstream.notices,
    ...warnings.map((message) =>
      encodeNoticeResponse({ severity: 'WARNING', sqlstate: '01000', message: message.slice(0, 500) }),
    ),
    ...[...upstream.parameters].map(([name, value]) => encodeParameterStatus(name, value)),
    encodeBackendKeyData(key.processId, key.secretKey),
    encodeReadyForQuery('I'),
  ])
}

// Answers nothing, whatever becomes of it: so has PostgreSQL always done.
async function cancel(
  { processId, secretKey }: Extract<Arrival, { kind: 'cancel' }>,
  { address }: Origin,
  ports: ConnectionPorts,
): Promise<void> {
  try {
    if (await ports.cancelKeys.cancel({ processId, secretKey })) return
    ports.report({ protocol: 'postgres', login: '', address, reason: 'foreign-cancel-key' })
  } catch (error) {
    postgresLog.warn('postgres.cancel-failed', { address, error })
  }
}

function refuse(stream: Duplex, error: unknown, { address }: Origin, ports: ConnectionPorts): void {
  if (error instanceof ProtocolViolation) {
    postgresLog.info('postgres.malformed', { address, error })
    ports.report({ protocol: 'postgres', login: '', address, reason: 'malformed' })
    // What is no PostgreSQL gets no answer in it.
    stream.destroy()
    return
  }
  const { code, message, hint } = safeError(error)
  postgresLog.info('postgres.refused', { address, error })
  if (!stream.writable) return
  stream.write(encodeErrorResponse({ severity: 'FATAL', sqlstate: errorCodes[code].sqlstate, message, hint }))
}
