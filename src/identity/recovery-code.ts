// Recovery codes: what gets a person in whose phone is gone. Each opens once; only hashes are kept. With 80 random bits
// a plain SHA-256 is enough: there is nothing to guess, so nothing to slow down.

import { createHash, timingSafeEqual } from 'node:crypto'

/** Crockford's base32: no I, L, O or U, so that a code read aloud or from paper comes back the same. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** 16 characters of 5 bits: 80 bits, above the 64 that design §5 asks for. */
const CODE_LENGTH = 16
const GROUP_LENGTH = 4
const CANONICAL = new RegExp(`^[${ALPHABET}]{${CODE_LENGTH}}$`)

/** How many are handed out at once: enough for a year of lost phones, few enough for one sheet. */
export const RECOVERY_CODES = 10

/** `count` codes such as `7KQ2-M9XD-04TB-ZC5N`. `randomBytes` gives that many random bytes. */
export function newRecoveryCodes(randomBytes: (count: number) => Uint8Array, count: number = RECOVERY_CODES): string[] {
  return Array.from({ length: count }, () => {
    // 32 divides 256: the low five bits of a random byte are uniform.
    const characters = [...randomBytes(CODE_LENGTH)].map((byte) => ALPHABET[byte % ALPHABET.length] ?? '')
    return characters.join('').replace(new RegExp(`.{${GROUP_LENGTH}}(?=.)`, 'g'), (group) => `${group}-`)
  })
}

/** SHA-256 (hex) of a code, bound to its user: what the store keeps. Spelling as for `verifyRecoveryCode`. */
export function hashRecoveryCode(user: string, code: string): string {
  return digest(user, canonical(code) ?? '').toString('hex')
}

/** True when the text could be a recovery code: 16 characters of the alphabet once dashes and spaces are gone. */
export function looksLikeRecoveryCode(text: string): boolean {
  return canonical(text) !== undefined
}

/**
 * Which of `hashes` the typed code opens, or undefined. Case, dashes, spaces and the usual misreadings (O, I, L) do not
 * matter. Takes as long for a wrong code as for a right one; the caller removes the hash by compare-and-set.
 */
export function verifyRecoveryCode(user: string, code: string, hashes: readonly string[]): string | undefined {
  const given = canonical(code)
  const digested = digest(user, given ?? '')
  let found: string | undefined
  for (const hash of hashes) {
    const kept = Buffer.from(hash, 'hex')
    if (kept.length === digested.length && timingSafeEqual(kept, digested)) found = hash
  }
  return given === undefined ? undefined : found
}

function digest(user: string, code: string): Buffer {
  return createHash('sha256').update(`halligan/recovery-code/1\0${user}\0${code}`).digest()
}

function canonical(text: string): string | undefined {
  // Bounded before any work: nobody types more than this.
  if (text.length > 64) return undefined
  const code = text.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1')
  return CANONICAL.test(code) ? code : undefined
}
