// Does this signature prove the key? The type inside the blob alone decides how it is checked: the algorithm named in a
// request and the one in the signature are chosen by the peer and must fit it. SHA-1 and DSA have no branch here.
import { createHash, createPublicKey, type KeyObject, verify, type webcrypto } from 'node:crypto'
import { ProtocolViolation } from '../errors.ts'
import { type EcdsaCurve, parseBlob, type PublicKey } from './public-key.ts'
import { SshReader } from './reader.ts'

/** What a signature says. The touch of an sk- key is in `userPresent`, its PIN or finger in `userVerified`. */
export type Proof =
  | { readonly kind: 'invalid'; readonly why: string }
  | { readonly kind: 'valid'; readonly authenticator: Authenticator | undefined }

/** What an authenticator states about one signature (WebAuthn §6.1 flags UP and UV, and its signature counter). */
export interface Authenticator {
  readonly userPresent: boolean
  readonly userVerified: boolean
  readonly counter: number
}

const curves: Record<EcdsaCurve, { readonly crv: string; readonly hash: string; readonly bytes: number }> = {
  nistp256: { crv: 'P-256', hash: 'sha256', bytes: 32 },
  nistp384: { crv: 'P-384', hash: 'sha384', bytes: 48 },
  nistp521: { crv: 'P-521', hash: 'sha512', bytes: 66 },
}

const rsaHashes: ReadonlyMap<string, string> = new Map([
  ['rsa-sha2-256', 'sha256'],
  ['rsa-sha2-512', 'sha512'],
])

/** Algorithm names that may sign for a key (RFC 8332 §3: an `ssh-rsa` key signs as rsa-sha2-256 or -512, never as ssh-rsa). */
export function signatureAlgorithms(key: PublicKey): readonly string[] {
  return key.kind === 'rsa' ? [...rsaHashes.keys()] : [key.type]
}

/**
 * Checks `signature` (string algorithm, string blob, for sk- keys byte flags and uint32 counter) by the key in `blob`
 * over `data`. `algorithm` is the one the request named. Throws ProtocolViolation when something is not of its form.
 */
export function verifySignature(blob: Buffer, algorithm: string, signature: Buffer, data: Buffer): Proof {
  const key = parseBlob(blob)
  const reader = new SshReader(signature)
  const signedAs = reader.name()
  if (signedAs !== algorithm) return invalid(`signed as ${signedAs}, announced as ${algorithm}`)
  if (!signatureAlgorithms(key).includes(signedAs))
    return invalid(`a key of type ${key.type} does not sign as ${signedAs}`)
  const value = reader.string()
  const isAuthenticator = key.kind === 'sk-ed25519' || key.kind === 'sk-ecdsa'
  const stated = isAuthenticator ? reader.rest() : undefined
  const authenticator = isAuthenticator ? readAuthenticator(reader) : undefined
  reader.end('signature')
  // An authenticator signs hashes and its own statement (OpenSSH PROTOCOL.u2f, "SSH U2F Signatures").
  const signed = 'application' in key && stated ? Buffer.concat([sha256(key.application), stated, sha256(data)]) : data
  return checkValue(key, signedAs, value, signed)
    ? { kind: 'valid', authenticator }
    : invalid('the signature does not verify')
}

function readAuthenticator(reader: SshReader): Authenticator {
  const flags = reader.byte()
  const counter = reader.uint32()
  return { userPresent: (flags & 1) !== 0, userVerified: (flags & 4) !== 0, counter }
}

function checkValue(key: PublicKey, algorithm: string, value: Buffer, data: Buffer): boolean {
  switch (key.kind) {
    case 'ed25519':
    case 'sk-ed25519':
      return value.length === 64 && verify(null, data, ed25519Key(key.point), value)
    case 'ecdsa':
    case 'sk-ecdsa':
      return verifyEcdsa(key.curve, key.point, value, data)
    case 'rsa':
      return verify(rsaHashes.get(algorithm), data, rsaKey(key.exponent, key.modulus), value)
  }
}

function verifyEcdsa(curve: EcdsaCurve, point: Buffer, value: Buffer, data: Buffer): boolean {
  const { hash, bytes } = curves[curve]
  const reader = new SshReader(value)
  const r = padded(reader.magnitude(), bytes)
  const s = padded(reader.magnitude(), bytes)
  reader.end('ECDSA signature')
  return verify(hash, data, { key: ecdsaKey(curve, point), dsaEncoding: 'ieee-p1363' }, Buffer.concat([r, s]))
}

function padded(magnitude: Buffer, length: number): Buffer {
  if (magnitude.length > length)
    throw new ProtocolViolation(`ECDSA number of ${magnitude.length} bytes on a curve of ${length}`)
  return Buffer.concat([Buffer.alloc(length - magnitude.length), magnitude])
}

/** The ed25519 key of RFC 8709 as node's key object. */
export function ed25519Key(point: Buffer): KeyObject {
  return imported({ kty: 'OKP', crv: 'Ed25519', x: point.toString('base64url') })
}

function ecdsaKey(curve: EcdsaCurve, point: Buffer): KeyObject {
  const { crv, bytes } = curves[curve]
  const x = point.subarray(1, 1 + bytes).toString('base64url')
  const y = point.subarray(1 + bytes).toString('base64url')
  return imported({ kty: 'EC', crv, x, y })
}

function rsaKey(exponent: Buffer, modulus: Buffer): KeyObject {
  return imported({ kty: 'RSA', e: exponent.toString('base64url'), n: modulus.toString('base64url') })
}

function imported(jwk: webcrypto.JsonWebKey): KeyObject {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' })
  } catch (cause) {
    throw new ProtocolViolation('the public key is not a point of its curve', { cause })
  }
}

function sha256(bytes: Buffer | string): Buffer {
  return createHash('sha256').update(bytes).digest()
}

function invalid(why: string): Proof {
  return { kind: 'invalid', why }
}
