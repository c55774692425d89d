// SSH public keys: the blob (RFC 4253 §6.6, RFC 5656, RFC 8709, OpenSSH PROTOCOL.u2f), the line a user pastes into the
// configuration, and the fingerprint as ssh-keygen prints it. What kind a key is, only its blob says.
import { createHash } from 'node:crypto'
import { HalliganError, ProtocolViolation } from '../errors.ts'
import { SshReader } from './reader.ts'

/** Shorter RSA moduli are refused: NIST SP 800-57 gives 2048 bits no future beyond 2030. */
export const MIN_RSA_BITS = 3072
/** Longer ones only cost time: OpenSSH makes none above 16384. */
export const MAX_RSA_BITS = 16384
/** OpenSSL itself takes no larger exponent beside a large modulus. */
const MAX_RSA_EXPONENT_BYTES = 8
const MAX_BLOB_BYTES = 16 * 1024

export type EcdsaCurve = 'nistp256' | 'nistp384' | 'nistp521'

/** A key's numbers, told apart by the type inside the blob. `sk` keys carry the application they sign for. */
export type PublicKey =
  | { readonly kind: 'ed25519'; readonly type: 'ssh-ed25519'; readonly point: Buffer }
  | {
      readonly kind: 'ecdsa'
      readonly type: `ecdsa-sha2-${EcdsaCurve}`
      readonly curve: EcdsaCurve
      readonly point: Buffer
    }
  | { readonly kind: 'rsa'; readonly type: 'ssh-rsa'; readonly exponent: Buffer; readonly modulus: Buffer }
  | {
      readonly kind: 'sk-ed25519'
      readonly type: 'sk-ssh-ed25519@openssh.com'
      readonly point: Buffer
      readonly application: string
    }
  | {
      readonly kind: 'sk-ecdsa'
      readonly type: 'sk-ecdsa-sha2-nistp256@openssh.com'
      readonly curve: 'nistp256'
      readonly point: Buffer
      readonly application: string
    }

/** A key as somebody wrote it down: its blob, what is in it, and the words behind it. */
export interface NamedKey {
  readonly key: PublicKey
  readonly blob: Buffer
  readonly fingerprint: string
  readonly comment: string
}

const coordinateBytes: Record<EcdsaCurve, number> = { nistp256: 32, nistp384: 48, nistp521: 66 }

/** Reads a public key blob whole. Throws ProtocolViolation: unknown type, certificate, weak or malformed numbers, trailing bytes. */
export function parseBlob(blob: Buffer): PublicKey {
  if (blob.length > MAX_BLOB_BYTES) throw new ProtocolViolation(`public key of ${blob.length} bytes`)
  const reader = new SshReader(blob)
  const key = parseNumbers(reader.name(), reader)
  reader.end('public key')
  return key
}

function parseNumbers(type: string, reader: SshReader): PublicKey {
  switch (type) {
    case 'ssh-ed25519':
      return { kind: 'ed25519', type, point: ed25519Point(reader) }
    case 'ecdsa-sha2-nistp256':
      return { kind: 'ecdsa', type, curve: 'nistp256', point: ecdsaPoint(reader, 'nistp256') }
    case 'ecdsa-sha2-nistp384':
      return { kind: 'ecdsa', type, curve: 'nistp384', point: ecdsaPoint(reader, 'nistp384') }
    case 'ecdsa-sha2-nistp521':
      return { kind: 'ecdsa', type, curve: 'nistp521', point: ecdsaPoint(reader, 'nistp521') }
    case 'ssh-rsa':
      return { kind: 'rsa', type, ...rsaNumbers(reader) }
    case 'sk-ssh-ed25519@openssh.com':
      return { kind: 'sk-ed25519', type, point: ed25519Point(reader), application: application(reader) }
    case 'sk-ecdsa-sha2-nistp256@openssh.com':
      return {
        kind: 'sk-ecdsa',
        type,
        curve: 'nistp256',
        point: ecdsaPoint(reader, 'nistp256'),
        application: application(reader),
      }
    default:
      throw new ProtocolViolation(refusal(type))
  }
}

function refusal(type: string): string {
  if (type.endsWith('-cert-v01@openssh.com')) return `user certificates are not accepted yet (${type})`
  if (type === 'ssh-dss') return 'DSA keys are not accepted'
  return `unknown public key type ${type}`
}

function ed25519Point(reader: SshReader): Buffer {
  const point = reader.string()
  if (point.length !== 32) throw new ProtocolViolation(`ed25519 public key of ${point.length} bytes`)
  return point
}

function ecdsaPoint(reader: SshReader, curve: EcdsaCurve): Buffer {
  const named = reader.name()
  if (named !== curve) throw new ProtocolViolation(`key on curve ${named} claims to be on ${curve}`)
  const point = reader.string()
  // RFC 5656 §3.1: only the uncompressed form; whether it lies on the curve is checked when it is first used.
  if (point.length !== 1 + 2 * coordinateBytes[curve] || point[0] !== 4) {
    throw new ProtocolViolation(`point of ${point.length} bytes is not an uncompressed one of ${curve}`)
  }
  return point
}

function rsaNumbers(reader: SshReader): { exponent: Buffer; modulus: Buffer } {
  const exponent = reader.magnitude()
  const modulus = reader.magnitude()
  const bits = bitLength(modulus)
  if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS) {
    throw new ProtocolViolation(`RSA key of ${bits} bits, ${MIN_RSA_BITS} to ${MAX_RSA_BITS} are accepted`)
  }
  const last = exponent.at(-1) ?? 0
  if (exponent.length > MAX_RSA_EXPONENT_BYTES || !(last & 1) || (exponent.length === 1 && last < 3)) {
    throw new ProtocolViolation('RSA exponent is even, below 3 or longer than 8 bytes')
  }
  return { exponent, modulus }
}

function bitLength(magnitude: Buffer): number {
  const [first = 0] = magnitude
  return magnitude.length === 0 ? 0 : magnitude.length * 8 - Math.clz32(first) + 24
}

function application(reader: SshReader): string {
  return reader.string(1024).toString('utf8')
}

/** `SHA256:` and the unpadded base64 of the blob's hash, as `ssh-keygen -l` prints it. */
export function fingerprint(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`
}

/**
 * Reads one line `type base64 [comment]`, as in authorized_keys or a .pub file. Options in front are refused, not
 * ignored: a `from=` somebody relies on must not vanish. Throws HalliganError `config_invalid`.
 */
export function parseKeyLine(line: string): NamedKey {
  const [type = '', base64 = '', ...words] = line.trim().split(/[ \t]+/)
  if (!/^[A-Za-z0-9@.-]+$/.test(type) || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64))
    throw badLine('is not `type base64 [comment]`')
  const blob = Buffer.from(base64, 'base64')
  // Buffer.from skips what it cannot decode; a key that does not come back is not what was written.
  if (blob.toString('base64').replace(/=+$/, '') !== base64.replace(/=+$/, '')) throw badLine('holds broken base64')
  const key = parseNamed(blob)
  if (key.type !== type) throw badLine(`says ${type} but holds a key of type ${key.type}`)
  return { key, blob, fingerprint: fingerprint(blob), comment: words.join(' ') }
}

function parseNamed(blob: Buffer): PublicKey {
  try {
    return parseBlob(blob)
  } catch (cause) {
    if (cause instanceof ProtocolViolation) throw badLine(`is refused: ${cause.message}`, cause)
    throw cause
  }
}

function badLine(what: string, cause?: unknown): HalliganError {
  return new HalliganError('config_invalid', `the public key line ${what}`, {
    cause,
    hint: 'paste the one line of a .pub file without options; ssh-keygen -t ed25519 makes a good one',
  })
}
