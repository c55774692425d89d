// The private key of the present epoch: one 0600 file of a 32-byte seed. Turning to the next key: next key durable in
// `<file>.next`, record durable, old key overwritten, `<file>.next` renamed over it. A crash at any point leaves the key
// that the newest record names in one of the two files. It never leaves the writer's thread.

import { type KeyObject, randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import { privateKeyFromSeed, rawKeyBytes, rawPublicKey } from '../ledger/ed25519.ts'
import { type FileSystem, readUpTo, syncDirectory, systemCode, writeAll, writeDurably } from './file-port.ts'

export class EpochKey {
  readonly #files: FileSystem
  readonly #path: string
  #key: KeyObject

  private constructor(files: FileSystem, path: string, key: KeyObject) {
    this.#files = files
    this.#path = path
    this.#key = key
  }

  /** The key whose public half the journal expects, or null when neither file holds it. */
  static find(files: FileSystem, path: string, expected: Buffer): EpochKey | null {
    const holds = (file: string): KeyObject | null => {
      const key = readKey(files, file)
      return key !== null && rawPublicKey(key).equals(expected) ? key : null
    }
    const present = holds(path)
    if (present !== null) {
      removeIfThere(files, nextPath(path))
      return new EpochKey(files, path, present)
    }
    const next = holds(nextPath(path))
    if (next === null) return null
    const found = new EpochKey(files, path, next)
    found.#retireOld()
    return found
  }

  /** A first key: for a new journal, or when the present one is lost. What lay there before is destroyed. */
  static create(files: FileSystem, path: string): EpochKey {
    files.makeDirectory(dirname(path))
    removeIfThere(files, nextPath(path))
    const created = new EpochKey(files, path, writeKey(files, nextPath(path)))
    created.#retireOld()
    return created
  }

  get publicKey(): Buffer {
    return rawPublicKey(this.#key)
  }

  /** `record(nextPublicKey, presentKey)` makes the epoch record durable; after it the next key is the present one. */
  turn(record: (nextPublicKey: Buffer, key: KeyObject) => void): void {
    removeIfThere(this.#files, nextPath(this.#path))
    const next = writeKey(this.#files, nextPath(this.#path))
    record(rawPublicKey(next), this.#key)
    this.#key = next
    this.#retireOld()
  }

  /** Best effort: a flash disk may keep the old block, a heap its copy. SECURITY says so. */
  #retireOld(): void {
    const files = this.#files
    if (exists(files, this.#path)) {
      const fd = files.open(this.#path, 'update')
      try {
        writeAll(files, fd, Buffer.alloc(rawKeyBytes), 0)
        files.sync(fd)
      } finally {
        files.close(fd)
      }
    }
    files.rename(nextPath(this.#path), this.#path)
    syncDirectory(files, dirname(this.#path))
  }
}

function nextPath(path: string): string {
  return `${path}.next`
}

function writeKey(files: FileSystem, path: string): KeyObject {
  const seed = randomBytes(rawKeyBytes)
  writeDurably(files, dirname(path), path, seed)
  const key = privateKeyFromSeed(seed)
  seed.fill(0)
  return key
}

function readKey(files: FileSystem, path: string): KeyObject | null {
  if (!exists(files, path)) return null
  const fd = files.open(path, 'read')
  try {
    const seed = readUpTo(files, fd, rawKeyBytes + 1, 0)
    return seed.length === rawKeyBytes ? privateKeyFromSeed(seed) : null
  } finally {
    files.close(fd)
  }
}

function exists(files: FileSystem, path: string): boolean {
  try {
    files.close(files.open(path, 'read'))
    return true
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw error
  }
}

function removeIfThere(files: FileSystem, path: string): void {
  if (exists(files, path)) files.unlink(path)
}
