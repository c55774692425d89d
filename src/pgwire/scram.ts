// Keys of SCRAM-SHA-256 (RFC 5802 §3, RFC 7677) and the channel binding of RFC 5929 §4, shared by server and client side.

import { createHash, createHmac, pbkdf2 } from 'node:crypto'
import type { X509Certificate } from 'node:crypto'
import { promisify } from 'node:util'

export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS'

export const scramKeyBytes = 32

/** What a server keeps of a secret: it checks a proof with them, and cannot log in anywhere with them. */
export interface ScramKeys {
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

const derive = promisify(pbkdf2)

/** Hi() of RFC 5802: PBKDF2 with SHA-256. Runs off the event loop. */
export function saltPassword(password: string, salt: Buffer, iterations: number): Promise<Buffer> {
  return derive(preparePassword(password), salt, iterations, scramKeyBytes, 'sha256')
}

/** The keys of `password` under a salt and count. */
export async function deriveScramKeys(password: string, salt: Buffer, iterations: number): Promise<ScramKeys> {
  return keysOfSalted(await saltPassword(password, salt, iterations))
}

export function keysOfSalted(salted: Buffer): ScramKeys {
  return { storedKey: sha256(clientKey(salted)), serverKey: hmac(salted, 'Server Key') }
}

export function clientKey(salted: Buffer): Buffer {
  return hmac(salted, 'Client Key')
}

/** The form a PostgreSQL server stores and takes in `CREATE ROLE … PASSWORD`. */
export function formatScramVerifier(keys: ScramKeys, salt: Buffer, iterations: number): string {
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${keys.storedKey.toString('base64')}:${keys.serverKey.toString('base64')}`
}

export function hmac(key: Buffer, data: Buffer | string): Buffer {
  return createHmac('sha256', key).update(data).digest()
}

export function sha256(data: Buffer): Buffer {
  return createHash('sha256').update(data).digest()
}

/** Byte-wise exclusive or of two buffers of one length. */
export function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ (b[i] ?? 0)))
}

/**
 * `tls-server-end-point`: the certificate hashed with the hash of its own signature, SHA-256 in place of MD5 and SHA-1.
 * Undefined where the signature has no such hash (Ed25519, RSA-PSS with parameters): no channel binding then.
 */
export function tlsServerEndPoint(certificate: X509Certificate): Buffer | undefined {
  const algorithm = certificate.signatureAlgorithm?.toLowerCase() ?? ''
  const named =
    /sha-?(1|224|256|384|512)(?![\d/])/.exec(algorithm)?.[1] ?? (algorithm.includes('md5') ? '1' : undefined)
  if (named === undefined) return undefined
  return createHash(named === '1' ? 'sha256' : `sha${named}`)
    .update(certificate.raw)
    .digest()
}

/** Reads `base64` strictly: what does not encode back to itself is not it. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}

// Characters RFC 3454 B.1 maps to nothing, and C.1.2's spaces.
const MAPPED_TO_NOTHING = /\u00ad|\u034f|\u1806|[\u180b-\u180d]|[\u200b-\u200d]|\u2060|[\ufe00-\ufe0f]|\ufeff/g
const OTHER_SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g
const PROHIBITED =
  /[\u0000-\u001f\u007f-\u009f\u06dd\u070f\u180e\u2028\u2029\u206a-\u206f\ufff9-\uffff\ud800-\udfff\ue000-\uf8ff]/u

/** SASLprep (RFC 4013) as far as PostgreSQL goes: a password with prohibited characters is taken as it is. */
function preparePassword(password: string): string {
  if (/^[\x20-\x7e]*$/.test(password)) return password
  const prepared = password.replace(OTHER_SPACES, ' ').replace(MAPPED_TO_NOTHING, '').normalize('NFKC')
  return prepared === '' || PROHIBITED.test(prepared) ? password : prepared
}
