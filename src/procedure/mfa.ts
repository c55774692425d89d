// The second factor. One ceremony serves the emergency: for as long as the policy remembers, and within a grant until it
// ends, the same person with the same key from the same address is not asked again (design §5).

import type { Grant } from '../access/grant.ts'
import type { Policy } from '../access/policy.ts'
import type { AuditEvent, CodePurpose } from '../audit.ts'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { CodeLockout, type CodeStanding } from '../identity/lockout.ts'
import { looksLikeRecoveryCode, verifyRecoveryCode } from '../identity/recovery-code.ts'
import { verifyTotp } from '../identity/totp.ts'
import type { Identity } from '../identity/user.ts'
import { sessionLog } from '../log.ts'
import type { Alert, IssuedCode, State, Write } from '../session/state.ts'
import type { CodeUse, MfaContract, MfaOutcome } from './contract.ts'
import { RefusedCodes } from './refused-codes.ts'
import { Vouchings } from './vouching.ts'

/** How long a ceremony opens what always needs a fresh one: approve, web, step-up (design §5). */
export const freshMs: number = 5 * 60_000

/** Ceremonies kept in memory; a restart forgets them and asks again. Far above people × keys × addresses in use. */
const MAX_CEREMONIES = 10_000

type Methods = Policy['mfa']['methods']

/** What counts where no policy says: any factor of one's own. */
const OWN_FACTORS: Methods = ['totp', 'fido2', 'recovery']

interface Ceremony {
  readonly at: number
  readonly method: 'totp' | 'recovery'
  /** Grants it has opened: there it counts until they end. */
  readonly grants: Set<string>
}

/** What breaks the glass: a factor of one's own, or a voucher's code. */
export type Opener =
  | { readonly method: 'totp' | 'recovery' }
  | { readonly method: 'vouched'; readonly by: string; readonly code: string }

export interface MfaPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'totp' | 'commit' | 'codes'>
  /** Alerts that a key may be stolen: wrong codes after a proven key. */
  readonly lockedOutAlerts: (identity: Identity) => readonly Alert[]
  /** Tells the person that one of their recovery codes was used. */
  readonly codeUsedAlerts: (identity: Identity, left: number) => readonly Alert[]
  /** False when this voucher is locked, gone, or has lost the role: their codes are dead. */
  readonly mayVouch: (name: string) => boolean
  readonly nudge: () => void
}

export class Mfa implements MfaContract {
  readonly #ports: MfaPorts
  readonly #lockout = new CodeLockout()
  readonly #refusedCodes = new RefusedCodes()
  /** By user, key and address; changed only by `verify`. */
  readonly #ceremonies = new Map<string, Ceremony>()
  /** By connection: an Identity object is made once per connection. Serves policies that remember nothing. */
  readonly #connections = new WeakMap<Identity, Ceremony>()
  readonly #vouchings: Vouchings

  constructor(ports: MfaPorts) {
    this.#ports = ports
    this.#vouchings = new Vouchings(ports.clock, ports.mayVouch)
  }

  isRemembered(identity: Identity, rememberMs: number, methods: Methods = OWN_FACTORS): boolean {
    return (
      this.#counting(identity, rememberMs, methods) !== undefined || this.#vouchings.unspent(identity) !== undefined
    )
  }

  isRememberedFor(identity: Identity, grant: Grant, rememberMs: number, methods: Methods = OWN_FACTORS): boolean {
    return this.ceremonyFor(identity, grant, rememberMs, methods) !== undefined
  }

  /**
   * True while a ceremony on this very connection, or one that is remembered, is not older than asked for. Only factors of
   * one's own: nobody vouches for what needs a fresh one.
   */
  counts(identity: Identity, withinMs: number, methods: Methods = OWN_FACTORS): boolean {
    return this.#own(identity, withinMs, methods) !== undefined
  }

  /** What breaks the glass for this person under a policy's rule, or undefined. A voucher's code counts under any. */
  async opener(identity: Identity, { rememberMs, methods }: Policy['mfa']): Promise<Opener | undefined> {
    const own = this.#own(identity, rememberMs, methods)
    if (own !== undefined) return { method: own.method }
    const code = this.#vouchings.unspent(identity)
    return code === undefined ? undefined : { method: 'vouched', by: code.by, code: code.id }
  }

  /** False when what was to break the glass is a voucher's code that has run out, is spent, or counts no more. */
  stillOpens(identity: Identity, opener: Opener): boolean {
    return opener.method !== 'vouched' || this.#vouchings.unspent(identity)?.id === opener.code
  }

  /** What was opened and how is written: a voucher's code has found its one grant. */
  opened(identity: Identity, grant: Grant, opener: Opener): void {
    if (opener.method === 'vouched') this.#vouchings.opened(identity, opener.code, grant.id)
  }

  /**
   * The method of the ceremony that counts for this grant, or undefined. A ceremony that opens a grant counts until its
   * end; a voucher's code counts for the one grant it opened, whatever the policy remembers.
   */
  ceremonyFor(
    identity: Identity,
    grant: Grant,
    rememberMs: number,
    methods: Methods = OWN_FACTORS,
  ): string | undefined {
    const here = this.#connections.get(identity)
    const remembered = rememberMs > 0 ? this.#ceremonies.get(keyOf(identity)) : undefined
    const counting = [
      { ceremony: here, withinMs: Math.max(rememberMs, freshMs) },
      { ceremony: remembered, withinMs: rememberMs },
    ].find(
      ({ ceremony, withinMs }) =>
        ceremony !== undefined &&
        methods.includes(ceremony.method) &&
        (ceremony.grants.has(grant.id) || this.#isYounger(ceremony, withinMs)),
    )
    counting?.ceremony?.grants.add(grant.id)
    if (counting?.ceremony !== undefined) return counting.ceremony.method
    return this.#vouchings.covers(identity, grant.id) ? 'vouched' : undefined
  }

  async verify(identity: Identity, typed: string, use: CodeUse = { kind: 'fresh' }): Promise<MfaOutcome> {
    const code = typed.trim()
    if (code === '')
      return refuse(
        'mfa_required',
        'no code was given',
        'connect from a terminal and type the code your authenticator shows',
      )
    const { clock, state } = this.#ports
    const user = identity.user.name
    const isIssued = looksLikeRecoveryCode(code)
    const enrolled = isIssued ? undefined : await state.totp(user)
    if (!isIssued && enrolled === undefined)
      return refuse('not_enrolled', `${user} has no second factor enrolled`, 'ask an admin for an invite code')
    const gate = this.#lockout.beginCode(user, identity.fingerprint, clock.now())
    // Codes of 80 bits cannot be guessed: a wait keeps nobody from theirs, and what is wrong stays refused by the wait.
    if (gate.kind === 'wait' && !isIssued) return this.#refused(identity, 'locked-out', lockedOut(gate.waitMs))
    let settled: 'passed' | 'failed' | 'forgiven' = 'forgiven'
    try {
      const outcome =
        enrolled === undefined
          ? await this.#checkIssued(identity, code, use)
          : await this.#check(identity, enrolled, code, use)
      if (outcome.kind === 'passed') settled = 'passed'
      else if (gate.kind === 'wait') return { kind: 'refused', error: lockedOut(gate.waitMs) }
      else if (outcome.error.code === 'code_wrong') settled = 'failed'
      return outcome
    } finally {
      // What was looked at during a wait is no further attempt, unless it was right.
      if (gate.kind === 'go' || settled === 'passed')
        this.#alertWhenLocked(
          identity,
          this.#lockout.settleCode(user, identity.fingerprint, settled, clock.now()),
          settled,
        )
    }
  }

  async #check(
    identity: Identity,
    enrolled: { readonly secret: string; readonly lastStep: number },
    code: string,
    use: CodeUse,
  ): Promise<MfaOutcome> {
    const now = this.#ports.clock.now()
    if (use.kind === 'grant' && !use.methods.includes('totp'))
      return refuse('mfa_required', 'this policy takes no authenticator codes', factorHint(use.methods))
    const result = verifyTotp({ ...enrolled, code, now })
    switch (result.kind) {
      case 'ok':
        return this.#passed(identity, 'totp', { kind: 'totp-step', user: identity.user.name, step: result.step })
      case 'replayed':
        return this.#refused(identity, 'replayed', replayed(result.nextInMs))
      case 'wrong':
        return this.#wrong(identity)
    }
  }

  /** A code as Halligan hands them out: a recovery code of one's own, or one of somebody who vouches. */
  async #checkIssued(identity: Identity, typed: string, use: CodeUse): Promise<MfaOutcome> {
    const own = await this.#issued(identity.user.name, 'recovery', typed)
    if (own.code !== undefined) {
      if (use.kind === 'grant' && !use.methods.includes('recovery'))
        return refuse('mfa_required', 'this policy takes no recovery codes', factorHint(use.methods))
      const { id } = own.code
      return this.#passed(identity, 'recovery', { kind: 'code-used', id, at: this.#ports.clock.now() }, own.left)
    }
    const { code } = await this.#issued(identity.user.name, 'bypass', typed)
    if (code === undefined) return this.#wrong(identity)
    if (!this.#vouchings.isAlive(code))
      return this.#refused(
        identity,
        'wrong',
        new HalliganError('code_wrong', `the code ${code.by} gave you counts no more`, {
          hint: 'ask another approver or admin for a new one: ssh BOB@BASTION bypass YOU',
        }),
      )
    if (use.kind !== 'grant')
      return refuse(
        'mfa_required',
        `${code.by} vouched for one grant of yours; this needs a factor of your own`,
        `the code is not spent: connect to the target and type it there`,
      )
    return this.#vouch(identity, code)
  }

  /** Not spent here: the grant it opens spends it, in its own transaction. */
  async #vouch(identity: Identity, code: IssuedCode): Promise<MfaOutcome> {
    const { user, fingerprint, address } = identity
    const { clock, state } = this.#ports
    await state.commit({
      at: clock.now(),
      writes: [],
      leaves: [{ type: 'mfa-passed', user: user.name, method: 'vouched', fingerprint, address }],
    })
    this.#vouchings.typed(identity, code)
    return { kind: 'passed', method: 'vouched' }
  }

  async #issued(
    user: string,
    purpose: CodePurpose,
    typed: string,
  ): Promise<{ readonly code: IssuedCode | undefined; readonly left: number }> {
    const codes = await this.#ports.state.codes(user, purpose)
    const hashes = codes.map(({ hash }) => hash)
    const hash = verifyRecoveryCode(user, typed, hashes)
    return { code: codes.find((code) => code.hash === hash), left: codes.length - 1 }
  }

  /** `spend` is written before the code counts: of two connections with one code, one wins. */
  async #passed(
    identity: Identity,
    method: Ceremony['method'],
    spend: Extract<Write, { kind: 'totp-step' | 'code-used' }>,
    codesLeft = 0,
  ): Promise<MfaOutcome> {
    const { clock, state, codeUsedAlerts, nudge } = this.#ports
    const { fingerprint, address } = identity
    const user = identity.user.name
    const at = clock.now()
    const leaves: AuditEvent[] = [{ type: 'mfa-passed', user, method, fingerprint, address }]
    if (spend.kind === 'code-used')
      leaves.unshift({ type: 'code-used', code: spend.id, purpose: 'recovery', user, address })
    const alerts = spend.kind === 'code-used' ? codeUsedAlerts(identity, codesLeft) : []
    try {
      await state.commit({ at, writes: [spend], leaves, alerts })
    } catch (error) {
      if (error instanceof HalliganError && error.code === 'conflict')
        return this.#refused(
          identity,
          'replayed',
          method === 'totp' ? replayed(30_000 - (at % 30_000)) : new HalliganError('code_replayed', 'already used'),
        )
      throw error
    }
    if (alerts.length > 0) nudge()
    const ceremony: Ceremony = { at, method, grants: new Set() }
    this.#connections.set(identity, ceremony)
    this.#ceremonies.delete(keyOf(identity))
    this.#ceremonies.set(keyOf(identity), ceremony)
    const oldest = this.#ceremonies.size > MAX_CEREMONIES ? this.#ceremonies.keys().next().value : undefined
    if (oldest !== undefined) this.#ceremonies.delete(oldest)
    return { kind: 'passed', method }
  }

  #wrong(identity: Identity): Promise<MfaOutcome> {
    const time = new Date(this.#ports.clock.now()).toISOString().slice(11, 19)
    return this.#refused(identity, 'wrong', new HalliganError('code_wrong', `wrong code (it is ${time} UTC here)`))
  }

  async #refused(
    identity: Identity,
    reason: 'wrong' | 'replayed' | 'locked-out',
    error: HalliganError,
  ): Promise<MfaOutcome> {
    const { user, fingerprint, address } = identity
    const at = this.#ports.clock.now()
    const taken = this.#refusedCodes.take(`${user.name} ${fingerprint}`, at)
    if (taken !== undefined) {
      const counted = taken.unwritten === 0 ? {} : { unwritten: taken.unwritten }
      const leaf = { type: 'mfa-refused' as const, user: user.name, reason, fingerprint, address, ...counted }
      await this.#ports.state.commit({ at, writes: [], leaves: [leaf] })
    }
    return { kind: 'refused', error }
  }

  /** The attempt that begins a wait tells the person and the security channel; the wait itself needs no disk. */
  #alertWhenLocked(identity: Identity, standing: CodeStanding, settled: 'passed' | 'failed' | 'forgiven'): void {
    if (settled !== 'failed' || !standing.alert) return
    const { clock, state, lockedOutAlerts } = this.#ports
    state
      .commit({ at: clock.now(), writes: [], leaves: [], alerts: lockedOutAlerts(identity) })
      .catch((error: unknown) => {
        sessionLog.error('mfa.alert-not-written', { user: identity.user.name, error })
      })
  }

  #counting(identity: Identity, rememberMs: number, methods: Methods): Ceremony | undefined {
    const ceremony = this.#ceremonies.get(keyOf(identity))
    const isTaken = ceremony !== undefined && methods.includes(ceremony.method)
    return isTaken && this.#isYounger(ceremony, rememberMs) ? ceremony : undefined
  }

  #own(identity: Identity, withinMs: number, methods: Methods): Ceremony | undefined {
    const here = this.#connections.get(identity)
    const isHere = here !== undefined && methods.includes(here.method)
    if (isHere && this.#isYounger(here, Math.max(withinMs, freshMs))) return here
    return this.#counting(identity, withinMs, methods)
  }

  #isYounger(ceremony: Ceremony, withinMs: number): boolean {
    const ageMs = this.#ports.clock.now() - ceremony.at
    // One from the future is one from before a step back of the clock: it counts no more.
    return ageMs >= 0 && ageMs < withinMs
  }
}

/** What to do where a policy takes these factors and no other. */
export function factorHint(methods: Methods): string {
  const names = methods.map((method) => factors[method])
  return `connect from a terminal and type ${names.join(' or ')}`
}

const factors: Readonly<Record<Methods[number], string>> = {
  totp: 'the code your authenticator shows',
  fido2: 'the PIN of your security key',
  recovery: 'one of your recovery codes',
}

function keyOf({ user, fingerprint, address }: Identity): string {
  return `${user.name} ${fingerprint} ${address}`
}

function refuse(code: 'mfa_required' | 'not_enrolled', message: string, hint: string): MfaOutcome {
  return { kind: 'refused', error: new HalliganError(code, message, { hint }) }
}

function replayed(nextInMs: number): HalliganError {
  return new HalliganError('code_replayed', `already used, next in ${Math.max(1, Math.ceil(nextInMs / 1000))} s`)
}

function lockedOut(waitMs: number): HalliganError {
  return new HalliganError('locked_out', `too many wrong codes with this key: wait ${Math.ceil(waitMs / 60_000)} min`, {
    hint: 'your other keys still work; if this was not you, the key may be stolen: tell your security channel',
  })
}
