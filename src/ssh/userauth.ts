// Who is this (RFC 4252)? A public key, proven by its signature; then, where the login names a target, the rounds of
// keyboard-interactive (RFC 4256): the code, and what breaking the glass needs to be told. Nothing here opens a target:
// the outcome is an identity and, at most, words for the channel; each channel is admitted by itself.
import type { AuthContext, KeyboardAuthContext } from 'ssh2'
import type { Grant } from '../access/grant.ts'
import type { Clock, Timer } from '../clock.ts'
import { HalliganError, ProtocolViolation, safeError } from '../errors.ts'
import type { RefusalReason } from '../audit.ts'
import type { AddressDelay } from '../identity/lockout.ts'
import type { Directory, Identity, User } from '../identity/user.ts'
import { sshLog } from '../log.ts'
import type { AccessContract, GrantAsk, MfaContract, ReportRefusal } from '../procedure/contract.ts'
import { type Login, parseLogin, type LoginNames } from '../sshwire/login.ts'
import { fingerprint } from '../sshwire/public-key.ts'
import { verifySignature } from '../sshwire/signature.ts'
import { breakGlassPrompts, codePrompt, type Prompt, readAnswers } from './prompt.ts'
import type { SignedRequest, Transport } from './transport.ts'

/** Keys an agent may offer before we hang up: people carry many. */
const MAX_ATTEMPTS = 24
/** From connecting to a proven key; a touch of a security key fits in. */
const FIRST_SIGNATURE_MS = 20_000
/** For one round of questions: find the phone, read the code, think of a reason. */
const ROUND_MS = 120_000
/** Codes asked for in one exchange. */
const MAX_CODES = 3
/** Times the break-glass questions are asked again when the answers do not do. */
const MAX_STATEMENTS = 3

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
}

/** What a connection may do once it is accepted. */
export interface Entry {
  readonly identity: Identity
  readonly login: Exclude<Login, { kind: 'malformed' }>
  /** Set when the login named a target and access was refused or failed: said on every channel. */
  readonly refusal: HalliganError | undefined
}

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

  /** `accepted` is called just before the client is told. */
  constructor(ports: UserauthPorts, transport: Transport, address: string, accepted: (entry: Entry) => void) {
    this.#ports = ports
    this.#transport = transport
    this.#address = address
    this.#accepted = accepted
    this.#deadline(FIRST_SIGNATURE_MS)
  }

  /** The connection is gone: no timer, no answer. */
  stop(): void {
    this.#timer?.cancel()
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
    const signed = this.#transport.signedRequest()
    if (signed === undefined) {
      // RFC 4252 §7: a query proves nothing; nobody is bound or counted as a person here.
      if (user === undefined) return this.#reject(context)
      return context.accept()
    }
    if (user === undefined) return this.#refuse(context, 'unknown-key', context.key.data)
    if (!isProven(signed, context)) return this.#refuse(context, 'bad-signature', context.key.data)
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
    return login.user === undefined || login.user === owner.user.name ? owner.user : undefined
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

  async #hasSecondFactor(identity: Identity, login: Extract<Login, { kind: 'target' }>): Promise<boolean> {
    const { access, mfa } = this.#ports
    const rememberMs = access.rememberMs(identity, login.target, login.account)
    const grant = await this.#liveGrant(identity, login)
    return grant === undefined
      ? mfa.isRemembered(identity, rememberMs)
      : mfa.isRememberedFor(identity, grant, rememberMs)
  }

  #liveGrant(identity: Identity, login: Extract<Login, { kind: 'target' }>): ReturnType<AccessContract['liveGrant']> {
    return this.#ports.access.liveGrant(identity, login.target, login.account)
  }

  /** A grant that is live, or on its way. */
  async #hasGrant(identity: Identity, login: Extract<Login, { kind: 'target' }>): Promise<boolean> {
    if (await this.#liveGrant(identity, login)) return true
    return (await this.#ports.waitingGrant(identity, login.target, login.account)) !== undefined
  }

  async #questions(context: KeyboardAuthContext, proven: { identity: Identity; login: Entry['login'] }): Promise<void> {
    const { identity, login } = proven
    if (login.kind === 'user') return this.#accept(context, { identity, login, refusal: undefined })
    this.#isAsking = true
    context.on('abort', () => {
      this.#isAsking = false
    })
    const refusal = (await this.#hasSecondFactor(identity, login)) ? undefined : await this.#askCode(context, identity)
    if (refusal === 'gone') return
    if (refusal === 'failed') return this.#giveUp(context)
    if (refusal !== undefined) return this.#accept(context, { identity, login, refusal })
    const outcome = (await this.#hasGrant(identity, login))
      ? undefined
      : await this.#askStatement(context, identity, askOf(login))
    if (outcome === 'gone') return
    this.#accept(context, { identity, login, refusal: outcome })
  }

  /** Undefined: the second factor is given. `failed`: wrong codes. An error: why no code helps now. */
  async #askCode(
    context: KeyboardAuthContext,
    identity: Identity,
  ): Promise<HalliganError | 'gone' | 'failed' | undefined> {
    let complaint: string | undefined
    let last: HalliganError | undefined
    for (let asked = 0; asked < MAX_CODES; asked++) {
      const answers = await this.#ask(context, codePrompt(complaint))
      if (answers === 'gone') return 'gone'
      const outcome = await this.#ports.mfa.verify(identity, answers[0] ?? '')
      if (outcome.kind === 'passed') return undefined
      last = outcome.error
      complaint = last.message
      if (last.code !== 'code_wrong' && last.code !== 'code_replayed' && last.code !== 'mfa_required') return last
      // Who cannot be asked answers twice with nothing: say why on the channel instead of asking for ever.
      if (last.code === 'mfa_required' && asked > 0) return last
    }
    return last?.code === 'mfa_required' ? last : 'failed'
  }

  /** Asks what the decision misses and breaks the glass. Undefined: granted, or waiting for approval. */
  async #askStatement(
    context: KeyboardAuthContext,
    identity: Identity,
    first: GrantAsk,
  ): Promise<HalliganError | 'gone' | undefined> {
    let ask = first
    for (let asked = 0; ; asked++) {
      const decision = this.#ports.access.preview(identity, ask)
      if (decision.kind !== 'incomplete') return this.#request(identity, ask)
      if (asked === MAX_STATEMENTS)
        return new HalliganError('usage', decision.message, { hint: requestHint(identity, first) })
      const answers = await this.#ask(
        context,
        breakGlassPrompts(decision, first.target, asked === 0 ? undefined : decision.message),
      )
      if (answers === 'gone') return 'gone'
      const next = readAnswers(decision, answers, ask)
      if (next === undefined) {
        return new HalliganError('no_grant', `the glass on ${first.target} was not broken: nothing was answered`, {
          hint: requestHint(identity, first),
        })
      }
      ask = next
    }
  }

  async #activate(identity: Identity, login: Entry['login']): Promise<HalliganError | undefined> {
    if (login.kind === 'user' || (await this.#hasGrant(identity, login))) return undefined
    return this.#request(identity, askOf(login))
  }

  async #request(identity: Identity, ask: GrantAsk): Promise<HalliganError | undefined> {
    try {
      await this.#ports.access.request(identity, ask)
      return undefined
    } catch (error) {
      if (!(error instanceof HalliganError)) sshLog.error('ssh.request-failed', { user: identity.user.name, error })
      return safeError(error)
    }
  }

  /** One round. `gone`: the client began something else or went away. */
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

  #accept(context: AuthContext, entry: Entry): void {
    this.#timer?.cancel()
    this.#isAsking = false
    if (this.#transport.isClosed) return
    this.#accepted(entry)
    context.accept()
  }

  #giveUp(context: AuthContext): void {
    this.#refused(context.username, 'no-second-factor')
    context.reject([])
    this.#transport.end()
  }

  /** Refuses an attempt to enter: a leaf, and the next answers to this address take longer. */
  async #refuse(context: AuthContext, reason: RefusalReason, blob?: Buffer): Promise<void> {
    this.#refused(context.username, reason, blob)
    const delayMs = this.#ports.addressDelay.fail(this.#address, this.#ports.clock.now())
    if (delayMs > 0) await new Promise<void>((resolve) => this.#ports.clock.after(delayMs, resolve))
    this.#reject(context)
  }

  #refused(login: string, reason: RefusalReason, blob?: Buffer): void {
    const shown = { protocol: 'ssh', login: login.slice(0, 256), address: this.#address, reason } as const
    this.#ports.reportRefusal(blob === undefined ? shown : { ...shown, fingerprint: fingerprint(blob) })
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

function askOf(login: Extract<Login, { kind: 'target' }>): GrantAsk {
  return { target: login.target, account: login.account }
}

function requestHint(identity: Identity, ask: GrantAsk): string {
  return `connect from a terminal, or run: ssh ${identity.user.name}@BASTION request ${ask.target} --reason '...'`
}
