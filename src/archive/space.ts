// Room to record in. As it gets scarce, what may wait is refused first: transfers, then new sessions; at the last the
// session that writes most is ended, so that all others can be recorded to theirs. Looked at by the clock and when a
// session opens, never for a byte that passes.

import { statfs } from 'node:fs/promises'
import { HalliganError } from '../errors.ts'

/** What a file system has, in bytes. */
export interface Space {
  readonly leftBytes: number
  readonly totalBytes: number
}

/** `low`: no transfers. `lowest`: no new session either. `last`: who writes most is ended. */
export type SpaceLevel = 'ample' | 'low' | 'lowest' | 'last'

/** Shares of the file system, 0 to 1; 0 turns a floor off. */
export interface Floors {
  readonly bulkBelow: number
  readonly sessionsBelow: number
  readonly endBelow: number
}

/**
 * However large the disk is, a floor asks for no more than this: four recordings of the greatest size, one, and a few
 * segments of the journal. A fifth of a large disk is more than anybody writes before somebody has looked.
 */
const MOST_BYTES = { bulkBelow: 16 * 1024 ** 3, sessionsBelow: 4 * 1024 ** 3, endBelow: 512 * 1024 ** 2 } as const

/** A floor is left when there is so much more than it asks for: space that goes up and down is told of once. */
const HYSTERESIS = 1.25

const LEVELS = [
  { level: 'last', floor: 'endBelow' },
  { level: 'lowest', floor: 'sessionsBelow' },
  { level: 'low', floor: 'bulkBelow' },
] as const

const RANK: Readonly<Record<SpaceLevel, number>> = { ample: 0, low: 1, lowest: 2, last: 3 }

/** What the file system that holds `directory` has left for us. */
export async function freeSpace(directory: string): Promise<Space> {
  const { bavail, blocks, bsize } = await statfs(directory)
  return { leftBytes: bavail * bsize, totalBytes: blocks * bsize }
}

export interface SpaceWatchOptions {
  readonly measure: () => Promise<Space>
  /** As configured now. */
  readonly floors: () => Floors
  /** Called when it has become scarcer than it was told before. Must not throw. */
  readonly onScarcer: (level: SpaceLevel, space: Space) => void
}

export class SpaceWatch {
  readonly #options: SpaceWatchOptions
  #level: SpaceLevel = 'ample'
  #space: Space = { leftBytes: 0, totalBytes: 0 }

  constructor(options: SpaceWatchOptions) {
    this.#options = options
  }

  /** Looks anew; gives the level. Throws what the system says. */
  async look(): Promise<SpaceLevel> {
    this.#space = await this.#options.measure()
    const before = this.#level
    this.#level = levelOf(this.#space, this.#options.floors(), before)
    if (RANK[this.#level] > RANK[before]) this.#options.onScarcer(this.#level, this.#space)
    return this.#level
  }

  /** Looks anew; throws `unavailable` when there is too little left for a new session. */
  async checkNewSession(): Promise<void> {
    if (RANK[await this.look()] < RANK.lowest) return
    throw new HalliganError('unavailable', `no room to record: ${this.#left()} left for recordings`, {
      hint: "tell Halligan's operator; sessions that run go on while the reserve lasts",
    })
  }

  /** Why bulk data is refused, by the last look; undefined while there is room. */
  bulkRefusal(): HalliganError | undefined {
    if (this.#level === 'ample') return undefined
    return new HalliganError('recorder_failed', `no room for transfers: ${this.#left()} left for recordings`, {
      hint: "tell Halligan's operator; what is typed and queried is still recorded, and goes on",
    })
  }

  #left(): string {
    return `${Math.floor(this.#space.leftBytes / 1024)} KiB`
  }
}

/** The scarcest floor that applies; one that applied before does until there is clearly more. Pure. */
export function levelOf({ leftBytes, totalBytes }: Space, floors: Floors, before: SpaceLevel): SpaceLevel {
  // Some file systems do not say how large they are.
  if (totalBytes === 0) return 'ample'
  const reached = LEVELS.find(({ level, floor }) => {
    const line = Math.min(floors[floor] * totalBytes, MOST_BYTES[floor])
    return leftBytes < line * (RANK[before] >= RANK[level] ? HYSTERESIS : 1)
  })
  return reached?.level ?? 'ample'
}
