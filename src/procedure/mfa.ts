// The second factor. One ceremony serves the emergency: for as long as the policy remembers, and within a grant until it
// ends, the same person with the same key from the same address is not asked again (design §5).

import type { Grant } from '../access/grant.ts'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import { CodeLockout, type CodeStanding } from '../identity/lockout.ts'
import { verifyTotp } from '../identity/totp.ts'
import type { Identity } from '../identity/user.ts'
import { sessionLog } from '../log.ts'
import type { Alert, State } from '../session/state.ts'
import type { MfaContract, MfaOutcome } from './contract.ts'

/** How long a ceremony opens what always needs a fresh one: approve, web, step-up (design §5). */
export const freshMs: number = 5 * 60_000

/** Ceremonies kept in memory; a restart forgets them and asks again. Far above people × keys × addresses in use. */
const MAX_CEREMONIES = 10_000

interface Ceremony {
  readonly at: number
  readonly method: 'totp' | 'recovery'
  /** Grants it has opened: there it counts until they end. */
  readonly grants: Set<string>
}

export interface MfaPorts {
  readonly clock: Clock
  readonly state: Pick<State, 'totp' | 'commit'>
  /** Alerts that a key may be stolen: wrong codes after a proven key. */
  readonly lockedOutAlerts: (identity: Identity) => readonly Alert[]
}

export class Mfa implements MfaContract {
  readonly #ports: MfaPorts
  readonly #lockout = new CodeLockout()
  /** By user, key and address; changed only by `verify`. */
  readonly #ceremonies = new Map<string, Ceremony>()
  /** By connection: an Identity object is made once per connection. Serves policies that remember nothing. */
  readonly #connections = new WeakMap<Identity, Ceremony>()

  constructor(ports: MfaPorts) {
    this.#ports = ports
  }

  isRemembered(identity: Identity, rememberMs: number): boolean {
    return this.#counting(identity, rememberMs) !== undefined
  }

  isRememberedFor(identity: Identity, grant: Grant, rememberMs: number): boolean {
    return this.ceremonyFor(identity, grant, rememberMs) !== undefined
  }

  /** True while a ceremony on this very connection, or one that is remembered, is not older than asked for. */
  counts(identity: Identity, withinMs: number): boolean {
    const here = this.#connections.get(identity)
    return (
      this.isRemembered(identity, withinMs) ||
      (here !== undefined && this.#isYounger(here, Math.max(withinMs, freshMs)))
    )
  }

  /** The method of the ceremony that counts for this grant, or undefined. A ceremony that opens a grant counts until its end. */
  ceremonyFor(identity: Identity, grant: Grant, rememberMs: number): string | undefined {
    const here = this.#connections.get(identity)
    const remembered = rememberMs > 0 ? this.#ceremonies.get(keyOf(identity)) : undefined
    const counting = [
      { ceremony: here, withinMs: Math.max(rememberMs, freshMs) },
      { ceremony: remembered, withinMs: rememberMs },
    ].find(
      ({ ceremony, withinMs }) =>
        ceremony?.grants.has(grant.id) === true || (ceremony !== undefined && this.#isYounger(ceremony, withinMs)),
    )
    counting?.ceremony?.grants.add(grant.id)
    return counting?.ceremony?.method
  }

  async verify(identity: Identity, code: string): Promise<MfaOutcome> {
    if (code.trim() === '')
      return refuse(
        'mfa_required',
        'no code was given',
        'connect from a terminal and type the code your authenticator shows',
      )
    const { clock, state } = this.#ports
    const user = identity.user.name
    const enrolled = await state.totp(user)
    if (enrolled === undefined)
      return refuse('not_enrolled', `${user} has no second factor enrolled`, 'ask an admin for an invite code')
    const gate = this.#lockout.beginCode(user, identity.fingerprint, clock.now())
    if (gate.kind === 'wait') return this.#refused(identity, 'locked-out', lockedOut(gate.waitMs))
    let settled: 'passed' | 'failed' | 'forgiven' = 'forgiven'
    try {
      const outcome = await this.#check(identity, enrolled, code.trim())
      if (outcome.kind === 'passed') settled = 'passed'
      else if (outcome.error.code === 'code_wrong') settled = 'failed'
      return outcome
    } finally {
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
  ): Promise<MfaOutcome> {
    const now = this.#ports.clock.now()
    const result = verifyTotp({ ...enrolled, code, now })
    switch (result.kind) {
      case 'ok':
        return this.#passed(identity, result.step)
      case 'replayed':
        return this.#refused(identity, 'replayed', replayed(result.nextInMs))
      case 'wrong': {
        const time = new Date(now).toISOString().slice(11, 19)
        return this.#refused(identity, 'wrong', new HalliganError('code_wrong', `wrong code (it is ${time} UTC here)`))
      }
    }
  }

  async #passed(identity: Identity, step: number): Promise<MfaOutcome> {
    const { clock, state } = this.#ports
    const user = identity.user.name
    const at = clock.now()
    try {
      await state.commit({
        at,
        // The step is spent before the code counts: of two connections with one code, one wins.
        writes: [{ kind: 'totp-step', user, step }],
        leaves: [
          { type: 'mfa-passed', user, method: 'totp', fingerprint: identity.fingerprint, address: identity.address },
        ],
      })
    } catch (error) {
      if (error instanceof HalliganError && error.code === 'conflict')
        return this.#refused(identity, 'replayed', replayed(30_000 - (at % 30_000)))
      throw error
    }
    const ceremony: Ceremony = { at, method: 'totp', grants: new Set() }
    this.#connections.set(identity, ceremony)
    this.#ceremonies.delete(keyOf(identity))
    this.#ceremonies.set(keyOf(identity), ceremony)
    const oldest = this.#ceremonies.size > MAX_CEREMONIES ? this.#ceremonies.keys().next().value : undefined
    if (oldest !== undefined) this.#ceremonies.delete(oldest)
    return { kind: 'passed', method: 'totp' }
  }

  async #refused(
    identity: Identity,
    reason: 'wrong' | 'replayed' | 'locked-out',
    error: HalliganError,
  ): Promise<MfaOutcome> {
    const { user, fingerprint, address } = identity
    await this.#ports.state.commit({
      at: this.#ports.clock.now(),
      writes: [],
      leaves: [{ type: 'mfa-refused', user: user.name, reason, fingerprint, address }],
    })
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

  #counting(identity: Identity, rememberMs: number): Ceremony | undefined {
    const ceremony = this.#ceremonies.get(keyOf(identity))
    return ceremony !== undefined && this.#isYounger(ceremony, rememberMs) ? ceremony : undefined
  }

  #isYounger(ceremony: Ceremony, withinMs: number): boolean {
    const ageMs = this.#ports.clock.now() - ceremony.at
    // One from the future is one from before a step back of the clock: it counts no more.
    return ageMs >= 0 && ageMs < withinMs
  }
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
