// Raw Ed25519 keys (RFC 8032: 32 bytes) to and from node's key objects. The DER prefixes are those of RFC 8410.
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { assert } from '../errors.ts'

export const rawKeyBytes: number = 32
export const signatureBytes: number = 64

const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex')
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')

/** The private key of a 32-byte seed. The caller draws the seed and keeps it. */
export function privateKeyFromSeed(seed: Uint8Array): KeyObject {
  assert(seed.length === rawKeyBytes, 'an Ed25519 seed has 32 bytes')
  return createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' })
}

/** The 32 bytes of the public key that belongs to a private (or public) key. */
export function rawPublicKey(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  return publicKey.export({ format: 'der', type: 'spki' }).subarray(-rawKeyBytes)
}

/** 64 bytes of signature over `message`. */
export function signEd25519(key: KeyObject, message: Uint8Array): Buffer {
  return sign(null, message, key)
}

/** Whether `signature` over `message` is by the raw public key. False for any malformed input. */
export function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== rawKeyBytes || signature.length !== signatureBytes) return false
  const key = createPublicKey({ key: Buffer.concat([spkiPrefix, publicKey]), format: 'der', type: 'spki' })
  return verify(null, message, key, signature)
}
