// Logging in to a PostgreSQL server: TLS with the server's name verified, SCRAM with a stored credential, up to its first
// ReadyForQuery. Who may do that, and for what, is the business of those who call: a session's dialer, and maintenance.

import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { HalliganError, ProtocolViolation } from '../errors.ts'
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
  encodeSaslInitialResponse,
  encodeSaslResponse,
  encodeSslRequest,
  encodeStartupMessage,
} from '../pgwire/frontend-encoding.ts'
import { backendType } from '../pgwire/message-type.ts'
import { ScramClient } from '../pgwire/scram-client.ts'
import { tlsServerEndPoint } from '../pgwire/scram.ts'
import type { PostgresTarget } from '../target.ts'
import { awaitEvent } from './await-event.ts'
import { ByteReader } from './byte-reader.ts'
import type { Message } from './byte-reader.ts'

/** ParameterStatus and notices of one start-up; a server sends about fifteen. */
const MAX_STARTUP_MESSAGES = 200

const SSL_ACCEPTED = 0x53

export interface ServerLogin {
  readonly target: PostgresTarget
  readonly account: string
  readonly database: string
  readonly password: string
  /** At most 63 printable bytes. */
  readonly applicationName: string
  /** Further start-up settings. */
  readonly parameters: ReadonlyMap<string, string>
}

/** What a server said until it was ready for a first statement. */
export interface Greeting {
  /** ParameterStatus by name. */
  readonly parameters: ReadonlyMap<string, string>
  /** Notices of its start-up, as messages. */
  readonly notices: readonly Buffer[]
  /** Its process and how to cancel what that runs; undefined when the server does not say. */
  readonly key: CancelKey | undefined
}

/** Asks for TLS on a connection being made and verifies the server's name. Throws `unreachable`, ProtocolViolation, and the socket's own error. */
export async function secure(raw: Socket, target: PostgresTarget): Promise<TLSSocket> {
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

/** Logs in and reads up to ReadyForQuery. Throws `unreachable` with what the server said, and ProtocolViolation. */
export async function logInTo(socket: TLSSocket, reader: ByteReader, login: ServerLogin): Promise<Greeting> {
  socket.write(
    encodeStartupMessage([
      ['user', login.account],
      ['database', login.database],
      ['application_name', login.applicationName],
      ...login.parameters,
    ]),
  )
  await authenticate(socket, reader, login)
  return awaitReady(reader, login.target)
}

async function authenticate(socket: TLSSocket, reader: ByteReader, { password, target }: ServerLogin): Promise<void> {
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

async function awaitReady(reader: ByteReader, target: PostgresTarget): Promise<Greeting> {
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

/** The fields of a message. */
export function fieldsOf({ body }: Message): FieldReader {
  return new FieldReader().over(body, 0, body.length)
}

/** What a message that does not belong here means: the server's own refusal, or nonsense. */
export function unexpected(message: Message, target: PostgresTarget): Error {
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

export function noCredential(target: PostgresTarget, account: string): HalliganError {
  return new HalliganError('unreachable', `halligan has no credential for ${account} on ${target.name}`, {
    hint: "tell Halligan's operator: the secrets lack it",
  })
}

/** Whatever went wrong on the way, as an `unreachable` for people. */
export function dialError(error: unknown, target: PostgresTarget): HalliganError {
  if (error instanceof HalliganError) return error
  const code = (error as NodeJS.ErrnoException).code
  const why =
    error instanceof ProtocolViolation ? 'it does not speak as a PostgreSQL server does' : (code ?? 'the dial failed')
  return new HalliganError('unreachable', `${target.name} cannot be reached: ${why}`, { cause: error })
}
