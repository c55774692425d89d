// Who is this (RFC 4252)? A public key, proven by its signature; then, where the login names a target, the rounds of
// keyboard-interactive (RFC 4256): the code, and what breaking the glass needs to be told. Nothing here opens a target:
// the outcome is an identity and, at most, words for the channel; each channel is admitted by itself.
import type { AuthContext, KeyboardAuthContext } from 'ssh2'
import type { Grant } from '../access/grant.ts'
import type { Clock, Timer } from '../clock.ts'
import { type HalliganError, ProtocolViolation } from '../errors.ts'
import type { RefusalReason } from '../audit.ts'
import type { AddressDelay } from '../identity/lockout.ts'
import { mayComeFrom } from '../identity/drill.ts'
import type { Directory, Identity, User } from '../identity/user.ts'
import { sshLog } from '../log.ts'
import type { AccessContract, GrantAsk, MfaContract, ReportRefusal } from '../procedure/contract.ts'
import { type Login, loginName, type LoginNames, parseLogin } from '../sshwire/login.ts'
import { fingerprint } from '../sshwire/public-key.ts'
import { verifySignature } from '../sshwire/signature.ts'
import { type Ask, askCode, askStatement, requestGrant, type RoundOutcome } from './keyboard-interactive.ts'
import type { Prompt } from './prompt.ts'
import type { SignedRequest, Transport } from './transport.ts'

/** Keys an agent may offer before we hang up: people carry many. */
const MAX_ATTEMPTS = 24
/** From connecting to a proven key; a touch of a security key fits in. */
const FIRST_SIGNATURE_MS = 20_000
/** For one round of questions: find the phone, read the code, think of a reason. */
const ROUND_MS = 120_000

export interface UserauthPorts {
  readonly clock: Clock
  readonly directory: Directory
  readonly names: LoginNames
  readonly access: AccessContract
  readonly mfa: MfaContract
  readonly reportRefusal: ReportRefusal
  readonly addressDelay: AddressDelay
  /** The grant that waits for approval and would cover this: nothing is asked twice. */
  readonly waitingGrant: (identity: Identity, target: string, account: string | undefined) => Promise<Grant | undefined>
  /** What a request would become, in plain lines: shown before it is confirmed. */
  readonly describe: (identity: Identity, ask: GrantAsk) => Promise<readonly string[]>
}

/** What a connection may do once it is accepted. */
export interface Entry {
  readonly identity: Identity
  readonly login: Exclude<Login, { kind: 'malformed' }>
  /** Set when the login named a target and access was refused or failed: said on every channel. */
  readonly refusal: HalliganError | undefined
}

type TargetLogin = Extract<Login, { kind: 'target' }>

/** The authentication of one connection, from its first request to the last. */
export class Userauth {
  readonly #ports: UserauthPorts
  readonly #transport: Transport
  readonly #address: string
  readonly #accepted: (entry: Entry) => void
  #timer: Timer | undefined
  #attempts = 0
  #proven: { readonly identity: Identity; readonly login: Entry['login'] } | undefined
  /** A keyboard-interactive exchange is under way; changed only by `questions` and its end. */
  #isAsking = false
  /** The first key that proved nothing, until one does: what is left of who tried and went away. */
  #offered: { readonly login: string; readonly reason: RefusalReason; readonly fingerprint: string } | undefined
  /** Accepted, or its refusal reported: nothing is left to be said when the connection goes. */
  #isSettled = false

  /** `accepted` is called just before the client is told. */
  constructor(ports: UserauthPorts, transport: Transport, address: string, accepted: (entry: Entry) => void) {
    this.#ports = ports
    this.#transport = transport
    this.#address = address
    this.#accepted = accepted
    this.#deadline(FIRST_SIGNATURE_MS)
  }

  /** The connection is gone: no timer, no answer. Who tried and did not get in leaves a trace, once. */
  stop(): void {
    this.#timer?.cancel()
    if (this.#isSettled) return
    const { identity, login } = this.#proven ?? {}
    if (identity !== undefined && login !== undefined)
      this.#refused(loginName(identity.user.name, login), 'no-second-factor', identity.fingerprint)
    else if (this.#offered !== undefined)
      this.#refused(this.#offered.login, this.#offered.reason, this.#offered.fingerprint)
  }

  /** Takes one authentication request and answers it. Never throws. */
  async handle(context: AuthContext): Promise<void> {
    try {
      await this.#decide(context)
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) sshLog.error('ssh.userauth-failed', { address: this.#address, error })
      else this.#refused(context.username, 'malformed')
      this.#transport.end()
    }
  }

  async #decide(context: AuthContext): Promise<void> {
    switch (context.method) {
      case 'none':
        return context.reject(['publickey'])
      case 'publickey':
        return this.#publicKey(context)
      case 'keyboard-interactive':
        if (this.#proven !== undefined && !this.#isAsking) return this.#questions(context, this.#proven)
        return this.#reject(context)
      default:
        return this.#reject(context)
    }
  }

  async #publicKey(context: Extract<AuthContext, { method: 'publickey' }>): Promise<void> {
    // The first proven key binds the connection: no other may take its place.
    if (this.#proven !== undefined) return context.reject(['keyboard-interactive'])
    const login = parseLogin(context.username, this.#ports.names)
    if (login.kind === 'malformed') return this.#refuse(context, 'malformed')
    const user = this.#ownerOf(context.key.data, login)
    const signed = context.signature === undefined ? undefined : this.#transport.signedRequest()
    if (signed === undefined) {
      if (context.signature !== undefined) return this.#reject(context)
      // RFC 4252 §7: a query proves nothing; nobody is bound or counted as a person here.
      if (user !== undefined) return context.accept()
      this.#offered ??= {
        login: context.username,
        reason: this.#strangeness(login),
        fingerprint: fingerprint(context.key.data),
      }
      return this.#reject(context)
    }
    if (user === undefined) return this.#refuse(context, this.#strangeness(login), fingerprint(context.key.data))
    if (!isProven(signed, context)) return this.#refuse(context, 'bad-signature', fingerprint(context.key.data))
    const identity: Identity = { user, fingerprint: fingerprint(signed.blob), address: this.#address }
    this.#proven = { identity, login }
    this.#timer?.cancel()
    if (await this.#hasQuestions(identity, login)) return this.#nextRound(context)
    this.#accept(context, { identity, login, refusal: await this.#activate(identity, login) })
  }

  /** Whose key it is, if the login does not say somebody else. */
  #ownerOf(blob: Buffer, login: Entry['login']): User | undefined {
    const owner = this.#ports.directory.byFingerprint(fingerprint(blob))
    if (owner === undefined || !Buffer.from(owner.key.blob, 'base64').equals(blob)) return undefined
    if (!mayComeFrom(owner.user, this.#address)) return undefined
    return login.user === undefined || login.user === owner.user.name ? owner.user : undefined
  }

  #strangeness({ user }: Entry['login']): RefusalReason {
    return user !== undefined && this.#ports.directory.byName(user) === undefined ? 'unknown-user' : 'unknown-key'
  }

  #nextRound(context: AuthContext): void {
    this.#deadline(ROUND_MS)
    context.reject(['keyboard-interactive'], true)
  }

  /** A login without a target asks on the channel what its command needs; one with a target asks here. */
  async #hasQuestions(identity: Identity, login: Entry['login']): Promise<boolean> {
    if (login.kind === 'user') return false
    if (!(await this.#hasSecondFactor(identity, login))) return true
    if (await this.#hasGrant(identity, login)) return false
    return this.#ports.access.preview(identity, askOf(login)).kind === 'incomplete'
  }

  async #hasSecondFactor(identity: Identity, login: TargetLogin): Promise<boolean> {
    const { access, mfa } = this.#ports
    const rememberMs = access.rememberMs(identity, login.target, login.account)
    const methods = access.methods(identity, login.target, login.account)
    const grant = await this.#liveGrant(identity, login)
    return grant === undefined
      ? mfa.isRemembered(identity, rememberMs, methods)
      : mfa.isRememberedFor(identity, grant, rememberMs, methods)
  }

  #liveGrant(identity: Identity, login: TargetLogin): ReturnType<AccessContract['liveGrant']> {
    return this.#ports.access.liveGrant(identity, login.target, login.account)
  }

  /** A grant that is live, or on its way. */
  async #hasGrant(identity: Identity, login: TargetLogin): Promise<boolean> {
    if (await this.#liveGrant(identity, login)) return true
    return (await this.#ports.waitingGrant(identity, login.target, login.account)) !== undefined
  }

  async #questions(context: KeyboardAuthContext, proven: { identity: Identity; login: Entry['login'] }): Promise<void> {
    const { identity, login } = proven
    if (login.kind === 'user') return this.#accept(context, { identity, login, refusal: undefined })
    if (++this.#attempts > MAX_ATTEMPTS) return this.#transport.end()
    this.#isAsking = true
    context.on('abort', () => {
      this.#isAsking = false
    })
    const outcome = await this.#rounds(identity, login, (prompts) => this.#ask(context, prompts))
    switch (outcome.kind) {
      case 'gone':
        return undefined
      case 'failed':
        return this.#giveUp(context)
      case 'refused':
        return this.#accept(context, { identity, login, refusal: outcome.error })
      case 'done':
        return this.#accept(context, { identity, login, refusal: undefined })
    }
  }

  async #rounds(identity: Identity, login: TargetLogin, ask: Ask): Promise<RoundOutcome> {
    if (!(await this.#hasSecondFactor(identity, login))) {
      const methods = this.#ports.access.methods(identity, login.target, login.account)
      const code = await askCode(this.#ports, identity, ask, { kind: 'grant', methods })
      if (code.kind !== 'done') return code
    }
    if (await this.#hasGrant(identity, login)) return { kind: 'done' }
    return askStatement(this.#ports, identity, askOf(login), ask)
  }

  /** One round. */
  async #ask(context: KeyboardAuthContext, prompts: readonly Prompt[]): Promise<readonly string[] | 'gone'> {
    this.#deadline(ROUND_MS)
    const answers = await new Promise<readonly string[] | 'gone'>((resolve) => {
      context.prompt([...prompts], '', '', (result: string[] | Error) =>
        resolve(Array.isArray(result) ? result : 'gone'),
      )
    })
    this.#timer?.cancel()
    return this.#transport.isClosed ? 'gone' : answers
  }

  /** Nothing is open to ask: a login that names the target breaks the glass as it is. */
  async #activate(identity: Identity, login: Entry['login']): Promise<HalliganError | undefined> {
    if (login.kind === 'user' || (await this.#hasGrant(identity, login))) return undefined
    const outcome = await requestGrant(this.#ports.access, identity, askOf(login))
    return outcome.kind === 'refused' ? outcome.error : undefined
  }

  #accept(context: AuthContext, entry: Entry): void {
    this.#timer?.cancel()
    this.#isAsking = false
    if (this.#transport.isClosed) return
    this.#isSettled = true
    this.#accepted(entry)
    context.accept()
  }

  #giveUp(context: AuthContext): void {
    this.#refused(context.username, 'no-second-factor')
    context.reject([])
    this.#transport.end()
  }

  /** Refuses an attempt to enter: a leaf, and the next answers to this address take longer. */
  async #refuse(context: AuthContext, reason: RefusalReason, key?: string): Promise<void> {
    this.#refused(context.username, reason, key)
    const delayMs = this.#ports.addressDelay.fail(this.#address, this.#ports.clock.now())
    if (delayMs > 0) await new Promise<void>((resolve) => this.#ports.clock.after(delayMs, resolve))
    this.#reject(context)
  }

  #refused(login: string, reason: RefusalReason, key?: string): void {
    this.#isSettled = true
    const shown = { protocol: 'ssh', login: login.slice(0, 256), address: this.#address, reason } as const
    this.#ports.reportRefusal(key === undefined ? shown : { ...shown, fingerprint: key })
  }

  #reject(context: AuthContext): void {
    if (this.#transport.isClosed) return
    if (++this.#attempts > MAX_ATTEMPTS) return this.#transport.end()
    context.reject([this.#proven === undefined ? 'publickey' : 'keyboard-interactive'])
  }

  #deadline(afterMs: number): void {
    this.#timer?.cancel()
    this.#timer = this.#ports.clock.after(afterMs, () => {
      this.#refused(this.#proven?.identity.user.name ?? '', 'timeout')
      this.#transport.end()
    })
  }
}

function isProven(signed: SignedRequest, context: Extract<AuthContext, { method: 'publickey' }>): boolean {
  // The library and we must have read the same key, or what it built to be signed is not what we check.
  if (!signed.blob.equals(context.key.data) || context.blob === undefined) return false
  const proof = verifySignature(signed.blob, signed.algorithm, signed.signature, context.blob)
  // A security key that was not touched proves that malware sits on the machine it is plugged into, nothing more.
  return proof.kind === 'valid' && proof.authenticator?.userPresent !== false
}

function askOf(login: TargetLogin): GrantAsk {
  return { target: login.target, account: login.account }
}
