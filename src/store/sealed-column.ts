// Secrets at rest: a cell is AES-256-GCM (NIST SP 800-38D) under a key derived from the key-encryption key, with its
// table, row and column as associated data, so that a cell moved or altered does not open. Format: 1 | nonce | ciphertext | tag.

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import { assert, HalliganError } from '../errors.ts'

export interface Cell {
  readonly table: string
  readonly row: string
  readonly column: string
}

export const keyEncryptionKeyBytes: number = 32
const format = 1
const nonceBytes = 12
const tagBytes = 16

export class SealedColumns {
  readonly #key: Buffer
  readonly #check: Buffer

  /** `keyEncryptionKey` is 32 random bytes; the caller may wipe them afterwards. */
  constructor(keyEncryptionKey: Uint8Array) {
    assert(keyEncryptionKey.length === keyEncryptionKeyBytes, 'the key-encryption key has 32 bytes')
    this.#key = derive(keyEncryptionKey, 'halligan/column/1')
    this.#check = derive(keyEncryptionKey, 'halligan/key-check/1')
  }

  /** Says which key this is without giving anything of it away; kept beside the cells. */
  get keyCheck(): Buffer {
    return Buffer.from(this.#check)
  }

  seal(cell: Cell, plaintext: Uint8Array): Buffer {
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: tagBytes })
    cipher.setAAD(associatedData(cell))
    const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()])
    return Buffer.concat([Buffer.of(format), nonce, ciphertext, cipher.getAuthTag()])
  }

  /** Throws `store_failed` when the cell was altered or belongs elsewhere. */
  open(cell: Cell, sealed: Uint8Array): Buffer {
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength)
    if (bytes.length < 1 + nonceBytes + tagBytes || bytes[0] !== format) throw notOurs(cell)
    const nonce = bytes.subarray(1, 1 + nonceBytes)
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: tagBytes })
    decipher.setAAD(associatedData(cell))
    decipher.setAuthTag(bytes.subarray(-tagBytes))
    try {
      return Buffer.concat([decipher.update(bytes.subarray(1 + nonceBytes, -tagBytes)), decipher.final()])
    } catch (cause) {
      throw notOurs(cell, cause)
    }
  }
}

/** Whether a kept check value belongs to this key. */
export function isSameKey(kept: Uint8Array, given: Uint8Array): boolean {
  return kept.length === given.length && timingSafeEqual(kept, given)
}

function derive(key: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), purpose, 32))
}

/** JSON of an array keeps the three parts apart, whatever characters they hold. */
function associatedData({ table, row, column }: Cell): Buffer {
  return Buffer.from(JSON.stringify([table, row, column]))
}

function notOurs({ table, row, column }: Cell, cause?: unknown): HalliganError {
  return new HalliganError('store_failed', `secret ${table}.${column} of ${row} was altered or moved in the database`, {
    hint: 'somebody wrote to the state database: investigate, then enrol or issue it anew',
    cause,
  })
}
