// What people and time do to grants, as data: one action, or several that begin at the same moment. The use-cases are the
// real ones, over the real store; only the recording of a session is not written anywhere.

import { isLive, type Grant, type GrantState } from '../../src/access/grant.ts'
import { reviewStanding, DEFAULT_CHECKLIST } from '../../src/access/review.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { HalliganError } from '../../src/errors.ts'
import type { Identity } from '../../src/identity/user.ts'
import { approve, deny, override } from '../../src/procedure/approve.ts'
import { issueBypass } from '../../src/procedure/bypass.ts'
import { takeBack } from '../../src/procedure/end.ts'
import { extend } from '../../src/procedure/extend.ts'
import { liftDenial } from '../../src/procedure/lift.ts'
import { checkedScope, lock, unlock, type LockPorts } from '../../src/procedure/lock.ts'
import { reopenReview, review } from '../../src/procedure/review.ts'
import { sweepReviews } from '../../src/procedure/review-late.ts'
import { sweep } from '../../src/procedure/sweep.ts'
import { admit, type Admission, type AdmissionPorts } from '../../src/session/admission.ts'
import type { LockScope } from '../../src/session/locks.ts'
import { orders, policyOf, ProcedureWorld, web1 } from './world.ts'

export type Person = 'alice' | 'bob' | 'carol' | 'dave' | 'rita' | 'sam' | 'adam'
export type Engineer = 'alice' | 'dave'
export type Account = 'deploy' | 'app_readonly' | 'app_readwrite'

/** What somebody does to a grant: the `nth` of those it fits, or with `any` of all there are. */
export interface Deed {
  readonly kind: 'approve' | 'deny' | 'override' | 'end' | 'extend' | 'review' | 'reopen' | 'open' | 'lift'
  readonly by: Person
  readonly nth: number
  readonly any: boolean
}

export type Action =
  | { readonly kind: 'request'; readonly who: Engineer; readonly account: Account }
  | { readonly kind: 'vouched'; readonly who: Engineer; readonly by: Person; readonly account: Account }
  | Deed
  | { readonly kind: 'lock' | 'unlock'; readonly scope: LockScope }
  | { readonly kind: 'sweep' }

export type Step =
  | { readonly kind: 'at-once'; readonly actions: readonly Action[] }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'step'; readonly ms: number }

const fits: Readonly<Record<Deed['kind'], readonly GrantState[]>> = {
  approve: ['requested'],
  deny: ['requested'],
  override: ['requested'],
  end: ['active'],
  extend: ['active'],
  open: ['active'],
  review: ['awaiting-review'],
  reopen: ['reviewed'],
  lift: ['denied'],
}

/** Refusals that are answers; anything else is a fault of ours. */
const answers: ReadonlySet<ErrorCode> = new Set([
  'conflict',
  'denied',
  'not_found',
  'usage',
  'approval_pending',
  'no_grant',
  'grant_expired',
  'mfa_required',
  'code_wrong',
  'code_replayed',
  'locked_out',
  'killed',
])

const why = 'nobody answers the phone and customers cannot pay'

/** Two must agree on writing; reading and shells are at once; the overdue and the denied wait. */
const policy = policyOf({
  duration: { defaultMs: 30 * 60_000, maxMs: 50 * 60_000, extensions: { count: 2, self: true } },
  approval: [
    {
      when: { account: 'app_readwrite' },
      required: 2,
      from: { groups: ['leads'], roles: [] },
      override: { afterMs: 120_000, reasonMinLength: 40 },
    },
    { when: {}, required: 0, from: { groups: [], roles: [] }, override: null },
  ],
})

export const maxMs: number = policy.duration.maxMs
export const required: Readonly<Record<Account, number>> = { deploy: 0, app_readonly: 0, app_readwrite: 2 }

/** What stood in the way from the asking to the answer, and what they got at once. */
export interface Asked {
  readonly grant: Grant
  readonly hadOverdue: boolean
  readonly wasDenied: boolean
  readonly wasLocked: boolean
  readonly isNew: boolean
}

export class ModelWorld implements AsyncDisposable {
  readonly world: ProcedureWorld
  readonly admissions: Admission[] = []
  /** Every request that was answered with a grant. */
  readonly asked: Asked[] = []
  readonly #locks: LockPorts
  readonly #ports: AdmissionPorts

  private constructor(world: ProcedureWorld) {
    this.world = world
    this.#locks = { ...world.end, state: world.state, knows: () => true }
    this.#ports = admissionPorts(world)
  }

  static async open(): Promise<ModelWorld> {
    return new ModelWorld(await ProcedureWorld.open([policy]))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.world.registry.endAll({ reason: 'shutdown', code: null, message: 'test over' })
    await Promise.all(this.admissions.map(({ ended }) => ended))
    await this.world[Symbol.asyncDispose]()
  }

  /** Takes one step and waits until everything that it set going is written. */
  async take(step: Step): Promise<void> {
    if (step.kind === 'pass') this.world.clock.advance(step.ms)
    else if (step.kind === 'step') this.world.clock.step(step.ms)
    else await this.#atOnce(step.actions)
    await this.settled()
  }

  /** Nothing writes any more. */
  async settled(): Promise<void> {
    // Answers of the store come in turn: what hangs on one more of them has written by the next.
    for (let quiet = 0, size = -1; quiet < 4;) {
      const head = await this.world.state.ledgerHead()
      quiet = head.size === size ? quiet + 1 : 0
      ;({ size } = head)
    }
  }

  async #atOnce(actions: readonly Action[]): Promise<void> {
    // Codes first: what begins at once must not wait for them.
    const prepared: (() => Promise<unknown>)[] = []
    for (const action of actions) prepared.push(await this.#prepared(action))
    const outcomes = await Promise.allSettled(prepared.map((begin) => begin()))
    for (const outcome of outcomes) if (outcome.status === 'rejected') mustBeAnswer(outcome.reason)
  }

  async #prepared(action: Action): Promise<() => Promise<unknown>> {
    const { world } = this
    switch (action.kind) {
      case 'request': {
        const identity = await this.#proven(action.who)
        return identity === undefined ? nothing : () => this.#request(identity, action.account)
      }
      case 'vouched': {
        const identity = world.as(action.who, '10.9.9.9')
        try {
          const { code } = await issueBypass(world.vouch, world.as(action.by), action.who, why)
          const outcome = await world.mfa.verify(identity, code, { kind: 'grant', methods: ['totp'] })
          if (outcome.kind !== 'passed') mustBeAnswer(outcome.error)
        } catch (error) {
          mustBeAnswer(error)
          return nothing
        }
        return () => this.#request(identity, action.account)
      }
      case 'lock':
        return () => lock(this.#locks, action.scope, 'adam', 'laptop stolen')
      case 'unlock':
        return () => unlock(this.#locks, this.#lockedScope(action.scope), 'adam', 'found again')
      case 'sweep':
        return async () => {
          await sweep(world.end)
          await sweepReviews(world.review)
        }
      default: {
        const grant = await this.#pick(action)
        if (grant === undefined) return nothing
        if (action.kind === 'review') await this.#watch(grant, action.by)
        return () => this.#do(action, grant)
      }
    }
  }

  #do({ kind, by }: Deed, grant: Grant): Promise<unknown> {
    const { world } = this
    const identity = world.as(by)
    switch (kind) {
      case 'approve':
        return approve(world.end, identity, grant.id, 'go ahead')
      case 'deny':
        return deny(world.end, identity, grant.id, 'not now')
      case 'lift':
        return liftDenial(world.end, identity, grant, 'a mistake')
      case 'override':
        return override(world.end, identity, grant.id, why)
      case 'end':
        return takeBack(world.end, identity.user, grant.id, 'done')
      case 'extend':
        return extend(world.end, identity, grant.id, why)
      case 'review':
        return review(world.review, identity.user, grant.id, judgement)
      case 'reopen':
        return reopenReview(world.review, identity.user, grant.id, 'new facts')
      case 'open':
        return this.#open(grant)
    }
  }

  async #request(identity: Identity, account: Account): Promise<void> {
    const { world } = this
    const user = identity.user.name
    const target = account === 'deploy' ? 'web-1' : 'orders'
    const before = await world.state.grants({ user })
    const first = await this.#inTheWay(user, target, account)
    const grant = await world.access.request(identity, { target, account, trigger: 'customer-impact', reason: why })
    // What somebody took out of the way in the same moment, such as by a review, may have been gone when it was decided.
    const last = await this.#inTheWay(user, target, account)
    this.asked.push({
      grant,
      hadOverdue: first.hadOverdue && last.hadOverdue,
      wasDenied: first.wasDenied && last.wasDenied,
      wasLocked: first.wasLocked && last.wasLocked,
      isNew: !before.some(({ id }) => id === grant.id),
    })
  }

  async #inTheWay(
    user: string,
    target: string,
    account: string,
  ): Promise<Pick<Asked, 'hadOverdue' | 'wasDenied' | 'wasLocked'>> {
    const { state, clock, registry } = this.world
    const own = await state.grants({ user })
    return {
      hadOverdue: own.some((grant) => reviewStanding(grant, clock.now()).kind === 'overdue'),
      wasDenied: await this.#isDenied(own, target, account),
      wasLocked: registry.locks.on(user, target) !== undefined,
    }
  }

  /** Denied within four hours, and nobody has taken that back since: read from the ledger, newest leaf first. */
  async #isDenied(own: readonly Grant[], target: string, account: string): Promise<boolean> {
    const { state, clock } = this.world
    const denied = own.filter(
      (grant) => grant.state === 'denied' && grant.target === target && grant.account === account,
    )
    const user = own[0]?.user
    for (const { event, at } of await state.events({ types: ['grant-denied', 'denial-lifted'], limit: 500 })) {
      if (event.type === 'denial-lifted' && event.user === user && event.target === target && event.account === account)
        return false
      if (event.type === 'grant-denied' && denied.some(({ id }) => id === event.grant))
        return clock.now() - at < 4 * 3_600_000
    }
    return false
  }

  /** What is locked, if anything is: nobody tries for long to unlock what is not. */
  #lockedScope(otherwise: LockScope): LockScope {
    const [lock] = this.world.registry.locks.all()
    return lock === undefined ? otherwise : checkedScope(lock.scope)
  }

  async #open(grant: Grant): Promise<void> {
    const identity = this.world.as(grant.user, grant.vouchedBy === null ? undefined : '10.9.9.9')
    const admission = await admit(this.#ports, {
      identity,
      via: 'ceremony',
      grant: grant.id,
      target: grant.target === 'web-1' ? web1 : orders,
      account: grant.account,
      database: grant.target === 'web-1' ? null : 'shop',
      protocol: grant.target === 'web-1' ? 'ssh' : 'postgres',
      what: { kind: 'shell', term: { type: 'xterm', cols: 80, rows: 24 } },
    })
    this.admissions.push(admission)
  }

  /** A connection whose code has just been given; undefined when it was not taken, such as after the clock went back. */
  async #proven(name: Person): Promise<Identity | undefined> {
    try {
      return await this.world.proven(name)
    } catch (error) {
      mustBeAnswer(error)
      return undefined
    }
  }

  async #pick({ kind, nth, any }: Deed): Promise<Grant | undefined> {
    const found = await this.world.state.grants(any ? {} : { states: fits[kind] })
    return found[nth % Math.max(1, found.length)]
  }

  /** The reviewer has seen every recording whole. */
  async #watch(grant: Grant, user: Person): Promise<void> {
    const { state, clock } = this.world
    const at = clock.now()
    const sessions = await state.sessions({ grant: grant.id })
    await state.commit({
      at,
      writes: sessions.map(({ id }) => ({ kind: 'view', view: { session: id, user, at, share: 1 } })),
      leaves: [],
    })
  }
}

const judgement = {
  verdict: 'emergency',
  findings: 'restarted the service, nothing else',
  followUps: [],
  checklist: DEFAULT_CHECKLIST.map((question) => ({ question, answer: 'yes' as const })),
} as const

const nothing = async (): Promise<void> => {}

function mustBeAnswer(error: unknown): void {
  if (!(error instanceof HalliganError) || !answers.has(error.code)) throw error
}

/** Sessions are admitted as ever, and sealed as soon as they have ended. */
function admissionPorts(world: ProcedureWorld): AdmissionPorts {
  const { clock, state, registry } = world
  const file = { root: 'ab'.repeat(32), lines: 1, firstSeq: 0, lastSeq: 0, sizeBytes: 1, sha256: 'cd'.repeat(32) }
  return {
    clock,
    state,
    registry,
    ceremony: (identity, grant) => (isLive(grant, clock.now()) ? `of ${identity.user.name}` : undefined),
    openRecorder: async (session) => ({
      session: session.id,
      bytes: nothing,
      bulk: nothing,
      fact: nothing,
      pendingBytes: 0,
    }),
    checkSpace: nothing,
    openedAlerts: () => [],
    gate: async () => ({ kind: 'open' }),
    onEnded: async ({ id }, end, at) => {
      const seal = { ...file, file: `${id}.cast.zst`, state: 'complete' } as const
      await state.commit({
        at,
        writes: [
          { kind: 'session-ended', id, endedAt: at, end },
          { kind: 'session-sealed', id, seal },
        ],
        leaves: [{ type: 'session-sealed', session: id, ...seal, endReason: end.reason }],
      })
    },
    onRecorderFailure: () => {},
  }
}
