// What is locked, in memory: asked at every door without waiting for the disk. Taking access away acts here first and is
// written after; giving it back is written first.

import { HalliganError } from '../errors.ts'
import type { Lock } from './state.ts'

/** `user:alice`, `target:web-1` or `all`. */
export type LockScope = `user:${string}` | `target:${string}` | 'all'

/** Tells of a lock that has just come into force, or, with `lock` undefined, gone. Must not throw. */
export type LockListener = (scope: string, lock: Lock | undefined) => void

export class Locks {
  /** By scope; changed only by `add` and `remove`. */
  readonly #locks = new Map<string, Lock>()
  readonly #listeners = new Set<LockListener>()
  /** The last write that was queued. */
  #writing: Promise<unknown> = Promise.resolve()

  /** From now on nobody passes; a lock of the same scope is replaced. */
  add(lock: Lock): void {
    this.#locks.set(lock.scope, lock)
    for (const listener of this.#listeners) listener(lock.scope, lock)
  }

  remove(scope: string): void {
    if (!this.#locks.delete(scope)) return
    for (const listener of this.#listeners) listener(scope, undefined)
  }

  /** Runs `write` when every earlier one has ended: the rows take the order in which memory changed. */
  inTurn<T>(write: () => Promise<T>): Promise<T> {
    const turn = this.#writing.then(write, write)
    this.#writing = turn.catch(() => undefined)
    return turn
  }

  /** Oldest first. */
  all(): readonly Lock[] {
    return [...this.#locks.values()]
  }

  of(scope: string): Lock | undefined {
    return this.#locks.get(scope)
  }

  /** The lock that stands in this person's way, to this target when one is named; the widest first. */
  on(user: string, target?: string): Lock | undefined {
    return (
      this.#locks.get('all') ??
      this.#locks.get(`user:${user}`) ??
      (target === undefined ? undefined : this.#locks.get(`target:${target}`))
    )
  }

  /** Calls `listener` at each change from now on; the returned function ends it. */
  watch(listener: LockListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}

/** True when what `user` has on `target` falls under a lock of `scope`. */
export function isUnder(scope: string, user: string, target: string): boolean {
  return scope === 'all' || scope === `user:${user}` || scope === `target:${target}`
}

/** The refusal a lock gives: who, why, and what to do. */
export function lockedError(lock: Lock): HalliganError {
  const what = lock.scope === 'all' ? 'halligan is' : `${lock.scope.replace(':', ' ')} is`
  return new HalliganError('denied', `${what} locked by ${lock.by}: ${lock.reason}`, {
    hint: lock.scope === 'all' ? 'an admin unlocks it: ssh ADMIN@BASTION unlock --all' : 'an admin can unlock it',
  })
}
