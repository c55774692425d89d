// The leg to a PostgreSQL server: TLS with the server's name verified, SCRAM with the stored credential, one connection
// per session. Nothing is dialled without an Admission, and an end of the session cancels the dial at any point.

import { connect as connectTcp } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import type { Clock } from '../clock.ts'
import { assert, HalliganError, ProtocolViolation } from '../errors.ts'
import { postgresLog } from '../log.ts'
import {
  decodeAuthentication,
  decodeBackendKeyData,
  decodeParameterStatus,
  decodeReadyForQuery,
  decodeReport,
} from '../pgwire/backend-decoding.ts'
import type { CancelKey } from '../pgwire/backend-decoding.ts'
import { encodeMessage } from '../pgwire/backend-encoding.ts'
import { FieldReader } from '../pgwire/fields.ts'
import {
  encodeCancelRequest,
  encodeSaslInitialResponse,
  encodeSaslResponse,
  encodeSslRequest,
  encodeStartupMessage,
} from '../pgwire/frontend-encoding.ts'
import { backendType } from '../pgwire/message-type.ts'
import { ScramClient } from '../pgwire/scram-client.ts'
import { tlsServerEndPoint } from '../pgwire/scram.ts'
import { applicationName } from '../pgwire/startup-parameters.ts'
import { Admission } from '../session/admission.ts'
import type { SessionEnd } from '../session/session.ts'
import type { PostgresTarget } from '../target.ts'
import { awaitEvent } from './await-event.ts'
import { ByteReader } from './byte-reader.ts'
import type { Message } from './byte-reader.ts'

/** From the first packet to a login: a target in trouble is told apart from one that is slow. */
const DIAL_TIMEOUT_MS = 15_000
/** A cancel is of use at once or not at all. */
const CANCEL_TIMEOUT_MS = 5_000
/** A target that has gone silent is noticed in minutes, not in the system's two hours. */
const KEEPALIVE_MS = 30_000
/** ParameterStatus and notices of one start-up; a server sends about fifteen. */
const MAX_STARTUP_MESSAGES = 200

const SSL_ACCEPTED = 0x53

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

async function secure(raw: Socket, target: PostgresTarget): Promise<TLSSocket> {
  await awaitEvent(raw, 'connect')
  raw.write(encodeSslRequest())
  const answer = await new ByteReader(raw).chunk()
  if (answer === undefined) throw new HalliganError('unreachable', `${target.name} closed the connection`)
  // CVE-2021-23222: nothing that came in clear may be taken for encrypted.
  if (answer.length > 1 || raw.readableLength > 0) throw new ProtocolViolation('bytes between answer and handshake')
  if (answer[0] !== SSL_ACCEPTED)
    throw new HalliganError('unreachable', `${target.name} does not offer TLS`, {
      hint: "tell Halligan's operator: the target needs ssl = on",
    })
  // `host` and `servername` both: the name is verified even where it is an address and no SNI is sent.
  const socket = connectTls({
    socket: raw,
    host: target.serverName,
    ...(/^[\d.]+$|:/.test(target.serverName) ? {} : { servername: target.serverName }),
    ca: target.ca,
    minVersion: 'TLSv1.2',
  })
  socket.on('error', (error) => postgresLog.info('postgres.upstream-error', { target: target.name, error }))
  await awaitEvent(socket, 'secureConnect')
  return socket
}

interface LoginContext {
  readonly target: PostgresTarget
  readonly password: string
  readonly admission: Admission
  readonly settings: ClientSettings
  readonly clock: Clock
}

async function logIn(socket: TLSSocket, context: LoginContext): Promise<PostgresUpstream> {
  const { admission, settings, target } = context
  const reader = new ByteReader(socket)
  socket.write(
    encodeStartupMessage([
      ['user', admission.account],
      ['database', admission.database ?? target.databases[0] ?? ''],
      ['application_name', applicationName(settings.application, admission.session.id)],
      ...settings.parameters,
    ]),
  )
  await authenticate(socket, reader, context)
  const started = await awaitReady(reader, target)
  return {
    ...started,
    socket,
    rest: reader.takeRest(),
    cancel: () => cancelUpstream(target, started.key, context.clock),
  }
}

async function authenticate(socket: TLSSocket, reader: ByteReader, { password, target }: LoginContext): Promise<void> {
  const certificate = socket.getPeerX509Certificate()
  const scram = new ScramClient({ password, binding: certificate && tlsServerEndPoint(certificate) })
  const ask = async () => {
    const message = await expectMessage(reader, backendType.Authentication, target)
    return decodeAuthentication(fieldsOf(message))
  }
  const offer = await ask()
  const initial = offer.kind === 'sasl' ? scram.initial(offer.mechanisms) : undefined
  if (initial === undefined) throw noScram(target)
  socket.write(encodeSaslInitialResponse(initial.mechanism, initial.data))
  const challenge = await ask()
  if (challenge.kind !== 'sasl-continue') throw new ProtocolViolation('no SCRAM challenge')
  socket.write(encodeSaslResponse(await scram.final(challenge.data)))
  const outcome = await ask()
  if (outcome.kind !== 'sasl-final') throw new ProtocolViolation('no SCRAM outcome')
  scram.verify(outcome.data)
  const end = await ask()
  if (end.kind !== 'ok') throw new ProtocolViolation('no end of authentication')
}

async function awaitReady(
  reader: ByteReader,
  target: PostgresTarget,
): Promise<{ parameters: Map<string, string>; notices: Buffer[]; key: CancelKey | undefined }> {
  const parameters = new Map<string, string>()
  const notices: Buffer[] = []
  let key: CancelKey | undefined
  for (let i = 0; i < MAX_STARTUP_MESSAGES; i++) {
    const message = await reader.message()
    switch (message.type) {
      case backendType.ParameterStatus: {
        const { name, value } = decodeParameterStatus(fieldsOf(message))
        parameters.set(name, value)
        break
      }
      case backendType.BackendKeyData:
        key = decodeBackendKeyData(fieldsOf(message))
        break
      case backendType.NoticeResponse:
        notices.push(encodeMessage(message.type, message.body))
        break
      case backendType.ReadyForQuery:
        decodeReadyForQuery(fieldsOf(message))
        return { parameters, notices, key }
      default:
        throw unexpected(message, target)
    }
  }
  throw new ProtocolViolation('a start-up without end')
}

async function expectMessage(reader: ByteReader, type: number, target: PostgresTarget): Promise<Message> {
  const message = await reader.message()
  if (message.type !== type) throw unexpected(message, target)
  return message
}

function fieldsOf({ body }: Message): FieldReader {
  return new FieldReader().over(body, 0, body.length)
}

function unexpected(message: Message, target: PostgresTarget): Error {
  if (message.type !== backendType.ErrorResponse)
    return new ProtocolViolation(`server message 0x${message.type.toString(16)} in start-up`)
  const { sqlstate, message: text } = decodeReport(fieldsOf(message))
  return new HalliganError('unreachable', `${target.name} refused the connection: ${text} (${sqlstate})`)
}

function noScram(target: PostgresTarget): HalliganError {
  return new HalliganError('unreachable', `${target.name} does not ask for SCRAM`, {
    hint: "tell Halligan's operator: pg_hba.conf of the target must say scram-sha-256 for this host",
  })
}

function noCredential(target: PostgresTarget, account: string): HalliganError {
  return new HalliganError('unreachable', `halligan has no credential for ${account} on ${target.name}`, {
    hint: "tell Halligan's operator: the secrets lack it",
  })
}

function dialError(error: unknown, target: PostgresTarget): HalliganError {
  if (error instanceof HalliganError) return error
  const code = (error as NodeJS.ErrnoException).code
  const why =
    error instanceof ProtocolViolation ? 'it does not speak as a PostgreSQL server does' : (code ?? 'the dial failed')
  return new HalliganError('unreachable', `${target.name} cannot be reached: ${why}`, { cause: error })
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
