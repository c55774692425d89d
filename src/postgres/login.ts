// Who comes, proven: SCRAM with a grant secret over TLS, the one way in (design §7). Whatever is wrong (no such person,
// no such target, no live grant, another address, a wrong secret), the exchange and the answer are the same.

import type { Duplex } from 'node:stream'
import type { RefusalReason } from '../audit.ts'
import { HalliganError, ProtocolViolation } from '../errors.ts'
import type { Identity } from '../identity/user.ts'
import {
  encodeAuthenticationOk,
  encodeAuthenticationSasl,
  encodeAuthenticationSaslContinue,
  encodeAuthenticationSaslFinal,
  encodeNegotiateProtocolVersion,
} from '../pgwire/backend-encoding.ts'
import { FieldReader } from '../pgwire/fields.ts'
import { frontendType } from '../pgwire/message-type.ts'
import { ScramServer } from '../pgwire/scram-server.ts'
import type { ScramMechanism } from '../pgwire/scram.ts'
import { asksForReplication } from '../pgwire/startup-parameters.ts'
import type { StartupMessage } from '../pgwire/startup.ts'
import type { ReportRefusal, SecretContract, SecretLogin } from '../procedure/contract.ts'
import type { GrantSecret } from '../session/state.ts'
import type { Grant } from '../access/grant.ts'
import type { Policy } from '../access/policy.ts'
import type { Target } from '../target.ts'
import type { ByteReader } from './byte-reader.ts'

export interface LoginPorts {
  readonly secrets: SecretContract
  readonly report: ReportRefusal
  /** What a person runs to get in, for the hint. */
  readonly sshCommand: (user: string, target: string) => string
  /** tls-server-end-point data of our certificate. */
  readonly binding: Buffer | undefined
  /** What the grant's policy says of channel binding. */
  readonly policy: (grant: Grant) => Pick<Policy, 'channelBinding'>
}

export interface LoginAttempt {
  readonly stream: Duplex
  readonly reader: ByteReader
  readonly isSecure: boolean
  readonly message: StartupMessage
  readonly address: string
  /** The connection came through this person's ssh: nobody else may log in on it. */
  readonly onlyFor: Identity | undefined
}

export interface LoggedIn {
  readonly identity: Identity
  readonly grant: Grant
  readonly target: Target
  readonly database: string
  readonly secret: GrantSecret
  readonly mechanism: ScramMechanism
}

/** Longest name of a person or target that is looked at. */
const MAX_NAME = 128

/**
 * Authenticates one connection; AuthenticationOk has been sent when it resolves. Throws `denied`, `no_grant`,
 * `unavailable` (all to be shown), ProtocolViolation; each refusal of an attempt has been reported.
 */
export async function logIn(attempt: LoginAttempt, ports: LoginPorts): Promise<LoggedIn> {
  const login = readLogin(attempt)
  const refuse = (reason: RefusalReason) =>
    ports.report({
      protocol: 'postgres',
      login: printable(`${login.user}@${login.target}`),
      address: login.address,
      reason,
    })
  requireTls(attempt, () => refuse('cleartext'))
  refuseReplication(attempt.message)
  const { minorVersion, protocolOptions } = attempt.message
  if (minorVersion > 0 || protocolOptions.length > 0)
    attempt.stream.write(encodeNegotiateProtocolVersion(protocolOptions))
  const proof = await exchange(attempt, login, ports)
  if (proof.kind === 'refused') {
    refuse(proof.reason)
    throw noGrant(login, ports)
  }
  const used = await ports.secrets.use(proof.secret, login)
  if (used.target.kind !== 'postgres') throw noGrant(login, ports)
  const database = login.database ?? used.target.databases[0] ?? ''
  if (!used.target.databases.includes(database)) {
    refuse('no-grant')
    throw noGrant(login, ports)
  }
  if (proof.mechanism === 'SCRAM-SHA-256' && ports.policy(used.grant).channelBinding === 'require') throw unbound()
  attempt.stream.write(Buffer.concat([encodeAuthenticationSaslFinal(proof.serverFinal), encodeAuthenticationOk()]))
  return { ...used, database, secret: proof.secret, mechanism: proof.mechanism }
}

/** The database a client names is `target` or `target/database`. */
function readLogin({ message, address }: LoginAttempt): SecretLogin {
  const user = message.parameters.get('user') ?? ''
  if (user === '') throw new ProtocolViolation('start-up without a user')
  const named = message.parameters.get('database') ?? user
  const slash = named.indexOf('/')
  const target = slash < 0 ? named : named.slice(0, slash)
  return { user, target, database: slash < 0 ? null : named.slice(slash + 1), address }
}

function requireTls(attempt: LoginAttempt, report: () => void): void {
  if (attempt.isSecure) return
  report()
  throw new HalliganError('denied', 'halligan takes connections over TLS only', {
    hint: 'add sslmode=require to the connection',
  })
}

function refuseReplication(message: StartupMessage): void {
  if (!asksForReplication(message.parameters)) return
  throw new HalliganError('denied', 'replication does not go through halligan', {
    hint: 'leave out the replication parameter',
  })
}

function noGrant(login: SecretLogin, ports: LoginPorts): HalliganError {
  return new HalliganError('no_grant', 'no live grant and secret for this user, target and address', {
    hint: `get in with: ${ports.sshCommand(hintName(login.user, 'USER'), hintName(login.target, 'TARGET'))}`,
  })
}

function unbound(): HalliganError {
  return new HalliganError('denied', 'the policy of this grant takes channel binding only', {
    hint: 'add channel_binding=require; a driver that does not know it cannot be used here',
  })
}

// The hint is made to be pasted into a shell: a name from the wire stands in it only when it is plain.
function hintName(name: string, otherwise: string): string {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name) ? name : otherwise
}

type Exchange =
  | {
      readonly kind: 'proven'
      readonly secret: GrantSecret
      readonly mechanism: ScramMechanism
      readonly serverFinal: Buffer
    }
  | { readonly kind: 'refused'; readonly reason: RefusalReason }

async function exchange(attempt: LoginAttempt, login: SecretLogin, ports: LoginPorts): Promise<Exchange> {
  const { binding, secrets } = ports
  const scram = new ScramServer({ ...secrets.scram(login.user, login.target), binding })
  attempt.stream.write(encodeAuthenticationSasl(scram.mechanisms()))
  const initial = initialResponse(await saslMessage(attempt.reader))
  attempt.stream.write(encodeAuthenticationSaslContinue(scram.first(initial.mechanism, initial.data)))
  const final = await saslMessage(attempt.reader)
  const candidates = mayTry(attempt, login) ? await secrets.candidates(login) : []
  const proof = scram.final(final, candidates)
  if (proof.kind === 'refused') return { kind: 'refused', reason: candidates.length === 0 ? 'no-grant' : 'bad-secret' }
  return { kind: 'proven', secret: proof.keys, mechanism: proof.mechanism, serverFinal: proof.serverFinal }
}

function mayTry({ onlyFor }: LoginAttempt, login: SecretLogin): boolean {
  if (login.user.length > MAX_NAME || login.target.length > MAX_NAME) return false
  return onlyFor === undefined || onlyFor.user.name === login.user
}

async function saslMessage(reader: ByteReader): Promise<Buffer> {
  const { type, body } = await reader.message()
  if (type !== frontendType.PasswordMessage) throw new ProtocolViolation('something else than a SASL message')
  return body
}

function initialResponse(body: Buffer): { readonly mechanism: string; readonly data: Buffer } {
  const fields = new FieldReader().over(body, 0, body.length)
  const mechanism = fields.latin1()
  const length = fields.int32()
  const data = fields.take(length)
  fields.finish('SASLInitialResponse')
  return { mechanism, data }
}

function printable(text: string): string {
  return text.slice(0, MAX_NAME).replace(/[^\x20-\x7e]/g, '?')
}
