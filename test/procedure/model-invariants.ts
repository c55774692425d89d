// What must hold whatever people, time and chance do: asked of memory, rows and ledger after each step, by rules written
// here anew and not by those under test.

import { expect } from 'vitest'
import type { Grant, GrantState } from '../../src/access/grant.ts'
import { decodeLeaf, type AuditEvent } from '../../src/audit.ts'
import { sweep } from '../../src/procedure/sweep.ts'
import { RuleReplay } from '../../src/recording/rule-replay.ts'
import { maxMs, required, type Account, type ModelWorld } from './model-actions.ts'

/** Where a grant may be found after any number of steps. */
const reachable: Readonly<Record<GrantState, readonly GrantState[]>> = {
  requested: ['requested', 'active', 'denied', 'lapsed', 'awaiting-review', 'reviewed'],
  active: ['active', 'awaiting-review', 'reviewed'],
  denied: ['denied'],
  lapsed: ['lapsed'],
  'awaiting-review': ['awaiting-review', 'reviewed'],
  reviewed: ['reviewed', 'awaiting-review'],
}

type Leaf = AuditEvent & { readonly at: number }

export class Invariants {
  readonly #model: ModelWorld
  readonly #rules = new RuleReplay()
  readonly #leaves: Leaf[] = []
  readonly #seen = new Map<string, Grant>()
  /** When a grant was first seen open (µs that no clock step moves). */
  readonly #openedUs = new Map<string, number>()
  #asked = 0

  constructor(model: ModelWorld) {
    this.#model = model
  }

  async check(): Promise<void> {
    const { world } = this.#model
    // Within a second of whatever happened: the registry looks at its deadlines five times in that.
    world.clock.advance(400)
    await this.#model.settled()
    await this.#readLedger()
    const grants = await world.state.grants({})
    this.#nothingIsOpenThatShouldNotBe(grants)
    this.#answersWereRight()
    for (const grant of grants) {
      this.#wentForward(grant)
      wasDecidedRightly(grant)
      wasJudgedRightly(grant)
      this.#agreesWithItsLeaves(grant)
    }
    expect(grants.length).toBe(this.#count('grant-requested'))
    // A voucher's code opens one grant.
    expect(grants.filter(({ vouchedBy }) => vouchedBy !== null).length).toBe(this.#count('code-used'))
    await this.#locksAgree()
  }

  /** Once all is quiet: what is not open is written as ended, and everything that was used waits for its review or had it. */
  async checkAtEnd(): Promise<void> {
    const { world } = this.#model
    world.clock.advance(20_000)
    await sweep(world.end)
    await this.check()
    for (const grant of await world.state.grants({})) {
      if (grant.state === 'active') expect(world.registry.live(grant.id), `${grant.id} is open`).toBeDefined()
      if (grant.activatedAt !== null && grant.state !== 'active')
        expect(grant.state === 'reviewed' ? grant.review : grant.reviewDueAt, `${grant.id} is reviewed`).not.toBeNull()
    }
    expect(this.#rules.openSessions.length).toBe(world.registry.sessions().length)
  }

  #nothingIsOpenThatShouldNotBe(grants: readonly Grant[]): void {
    const { registry, clock } = this.#model.world
    const rows = new Map(grants.map((grant) => [grant.id, grant]))
    for (const { id } of registry.liveGrants()) {
      const row = rows.get(id)
      if (row === undefined) throw new Error(`grant ${id} is open and in no row`)
      expect(row.state, `the row of ${id}, which is open`).toBe('active')
      expect(clock.now(), `${id} is open by the wall clock`).toBeLessThan(row.expiresAt ?? 0)
      const opened = this.#openedUs.get(id) ?? clock.monotonicUs()
      this.#openedUs.set(id, opened)
      expect((clock.monotonicUs() - opened) / 1000, `${id} is open for longer than any grant`).toBeLessThanOrEqual(
        maxMs,
      )
      for (const scope of ['all', `user:${row.user}`, `target:${row.target}`])
        expect(registry.locks.of(scope), `${id} is open under a lock`).toBeUndefined()
    }
    for (const { id, grant } of registry.sessions())
      expect(registry.live(grant), `session ${id} runs under grant ${grant}`).toBeDefined()
    for (const admission of this.#model.admissions)
      if (registry.live(admission.grant.id) === undefined) expect(admission.signal.aborted).toBe(true)
  }

  /** Overdue reviews, denials and locks stand in the way of the next request. */
  #answersWereRight(): void {
    for (const { grant, hadOverdue, wasDenied, wasLocked, isNew } of this.#model.asked.slice(this.#asked)) {
      expect(wasLocked, `${grant.id} was given under a lock`).toBe(false)
      if (!isNew) continue
      if (hadOverdue || wasDenied || required[grant.account as Account] > 0)
        expect(grant.state, `${grant.id} had to wait`).toBe('requested')
    }
    this.#asked = this.#model.asked.length
  }

  #wentForward(grant: Grant): void {
    const before = this.#seen.get(grant.id)
    this.#seen.set(grant.id, grant)
    if (before === undefined) return
    expect(reachable[before.state], `${grant.id} was ${before.state}`).toContain(grant.state)
    expect(grant.version).toBeGreaterThanOrEqual(before.version)
    if (grant.version === before.version || before.state === 'denied' || before.state === 'lapsed')
      expect(grant).toEqual(before)
    if (before.activatedAt !== null) expect(grant.activatedAt).toBe(before.activatedAt)
    expect(grant.approvals.slice(0, before.approvals.length)).toEqual(before.approvals)
  }

  #agreesWithItsLeaves(grant: Grant): void {
    const of = <T extends AuditEvent['type']>(type: T): Extract<Leaf, { type: T }>[] =>
      this.#leaves.filter(
        (leaf): leaf is Extract<Leaf, { type: T }> => leaf.type === type && 'grant' in leaf && leaf.grant === grant.id,
      )
    expect(of('grant-requested')).toHaveLength(1)
    expect(of('grant-requested')[0]?.vouchedBy ?? null).toBe(grant.vouchedBy)
    expect(of('grant-approved').map(({ by }) => by)).toEqual(grant.approvals.map(({ by }) => by))
    expect(of('grant-denied')).toHaveLength(grant.state === 'denied' ? 1 : 0)
    expect(of('grant-overridden')).toHaveLength(grant.override === null ? 0 : 1)
    // Never two winners.
    expect(of('grant-activated')).toHaveLength(grant.activatedAt === null ? 0 : 1)
    expect(of('grant-extended').map(({ by, expiresAt }) => [by, expiresAt])).toEqual(
      grant.extensions.map(({ by, expiresAt }) => [by, expiresAt]),
    )
    const ends = of('grant-ended').map(({ how }) => how)
    expect(ends).toEqual(grant.state === 'lapsed' ? ['lapsed'] : grant.end === null ? [] : [grant.end.how])
    const judges = [...grant.earlierReviews, ...(grant.review === null ? [] : [grant.review])].map(({ by }) => by)
    expect(of('grant-reviewed').map(({ by }) => by)).toEqual(judges)
    expect(of('review-reopened')).toHaveLength(grant.earlierReviews.length)
  }

  async #locksAgree(): Promise<void> {
    const { state, registry } = this.#model.world
    const scopes = new Set<string>()
    for (const leaf of this.#leaves) {
      if (leaf.type === 'locked') scopes.add(leaf.scope)
      if (leaf.type === 'unlocked') scopes.delete(leaf.scope)
    }
    const sorted = (of: Iterable<string>) => [...of].sort()
    expect(sorted(registry.locks.all().map(({ scope }) => scope))).toEqual(sorted(scopes))
    expect(sorted((await state.locks()).map(({ scope }) => scope))).toEqual(sorted(scopes))
  }

  async #readLedger(): Promise<void> {
    const { state } = this.#model.world
    const from = this.#leaves.length
    const { size } = await state.ledgerHead()
    for (const [offset, leaf] of (await state.leaves(from, size)).entries()) {
      expect(this.#rules.take(from + offset, leaf)).toEqual([])
      this.#leaves.push(decodeLeaf(leaf))
    }
  }

  #count(type: AuditEvent['type']): number {
    return this.#leaves.filter((leaf) => leaf.type === type).length
  }
}

/** Enough people, none of them the one who asked or who vouched, or the owner's own override. */
function wasDecidedRightly({ id, user, vouchedBy, account, approvals, override, activatedAt, rule }: Grant): void {
  const names = approvals.map(({ by }) => by)
  expect(new Set(names).size, `${id} is approved by different people`).toBe(names.length)
  for (const name of names) {
    expect(name, `${id} is approved by somebody else`).not.toBe(user)
    expect(name, `${id} is approved by who vouched`).not.toBe(vouchedBy)
    expect(['bob', 'carol', 'dave']).toContain(name)
  }
  expect(vouchedBy).not.toBe(user)
  if (override !== null) expect(override.by).toBe(user)
  if (activatedAt === null) return
  const isStricter = rule.includes('+')
  const needed = Math.max(required[account as Account], isStricter ? 1 : 0)
  if (override === null) expect(names.length, `${id} was agreed to`).toBeGreaterThanOrEqual(needed)
  expect(names.length, `${id} was not agreed to after it was active`).toBeLessThanOrEqual(needed)
}

/** Nobody judges what they had a part in, not even a verdict that was taken back. */
function wasJudgedRightly(grant: Grant): void {
  const { id, user, vouchedBy, approvals, extensions, review, earlierReviews, activatedAt, expiresAt } = grant
  const party = [user, vouchedBy, ...approvals.map(({ by }) => by), ...extensions.map(({ by }) => by)]
  for (const verdict of [...earlierReviews, ...(review === null ? [] : [review])]) {
    expect(party, `${id} is judged by who took part`).not.toContain(verdict.by)
    expect(['rita', 'sam']).toContain(verdict.by)
  }
  if (activatedAt !== null) expect(expiresAt).toBeLessThanOrEqual(activatedAt + maxMs)
}
