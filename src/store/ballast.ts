// A file that only takes space (design §8): when the disk is full it is deleted, so that the last writes, leaves and alerts fit.

import { randomBytes } from 'node:crypto'
import { existsSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { storeLog } from '../log.ts'

/** A commit takes some 20 KiB of log, so about 200: enough to end every session and tell everyone. */
export const defaultBallastBytes: number = 4 << 20

/** The ballast is laid only where it takes less than a quarter of what is free. */
const leastFreeFactor = 4

export class Ballast {
  readonly #file: string
  readonly #sizeBytes: number

  constructor(databaseFile: string, sizeBytes: number) {
    this.#file = `${databaseFile}-ballast`
    this.#sizeBytes = sizeBytes
  }

  /** Lays the file where it is missing and there is room. Never throws: it is a precaution. */
  lay(): void {
    if (this.#sizeBytes === 0 || existsSync(this.#file)) return
    try {
      const { bavail, bsize } = statfsSync(dirname(this.#file))
      if (bavail * bsize < leastFreeFactor * this.#sizeBytes) return
      // Random, as a file system that compresses would store zeros in no space at all.
      writeFileSync(this.#file, randomBytes(this.#sizeBytes), { mode: 0o600 })
    } catch (error) {
      storeLog.warn('store.ballast-not-laid', { file: this.#file, error })
      rmSync(this.#file, { force: true })
    }
  }

  /** Gives its space back, if it is there. */
  drop(): void {
    if (!existsSync(this.#file)) return
    rmSync(this.#file, { force: true })
    storeLog.error('store.ballast-dropped', { file: this.#file })
  }
}
