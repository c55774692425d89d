// A server certificate and the CA that signed it, made without the openssl program. ECDSA P-256 with SHA-256: the hash of
// the signature is what tls-server-end-point binds SCRAM to (RFC 5929 §4.1), and libpq knows no Ed25519 there.
// The CA's private key is never given out: it signs this one certificate and is gone.
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import { HalliganError } from '../errors.ts'
import {
  bitString,
  booleanTrue,
  der,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  setOf,
  time,
  utf8String,
} from './der.ts'

const DAY_MS = 86_400_000
/** RFC 5280 appendix A: ub-common-name. */
const LONGEST_COMMON_NAME = 64
/** RFC 1035 §2.3.4. */
const LONGEST_DNS_NAME = 253
/** A machine whose clock is behind by less than this still accepts a certificate made now. */
const BACKDATED_MS = DAY_MS

export interface CertificateRequest {
  /** Subject of the server certificate; the CA is called the same with ` CA` behind it. 1 to 61 characters. */
  readonly commonName: string
  /** DNS names and IP addresses that clients may verify against (`verify-full`). */
  readonly altNames: readonly string[]
  /** Wall clock, ms since the epoch. */
  readonly now: number
  /** Days both certificates are valid from `now`. */
  readonly validDays: number
}

/** PEM texts: the server certificate, its private key (PKCS #8), and the CA certificate that clients trust. */
export interface ServerCertificate {
  readonly cert: string
  readonly key: string
  readonly ca: string
}

/**
 * Makes a CA, and a server certificate signed by it (RFC 5280 profile).
 * Throws `config_invalid` when a name does not fit a certificate.
 */
export function selfSigned(request: CertificateRequest): ServerCertificate {
  const { commonName, altNames } = request
  const caName = `${commonName} CA`
  if (commonName === '' || caName.length > LONGEST_COMMON_NAME)
    throw new HalliganError('config_invalid', `common name ${JSON.stringify(commonName)} does not fit a certificate`, {
      hint: `use 1 to ${LONGEST_COMMON_NAME - 3} characters`,
    })
  const authority = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const server = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const authorityKeyId = keyIdentifier(authority.publicKey)
  const common = { issuer: caName, issuerKey: authority.privateKey, now: request.now, validDays: request.validDays }

  const ca = certificate({
    ...common,
    subject: caName,
    subjectKey: authority.publicKey,
    extensions: [
      critical(oid.basicConstraints, sequence(booleanTrue(), integer(Buffer.from([0])))),
      critical(oid.keyUsage, bitString(Buffer.from([0b0000_0100]), 2)), // keyCertSign
      extension(oid.subjectKeyIdentifier, octetString(authorityKeyId)),
    ],
  })
  const cert = certificate({
    ...common,
    subject: commonName,
    subjectKey: server.publicKey,
    extensions: [
      critical(oid.basicConstraints, sequence()),
      critical(oid.keyUsage, bitString(Buffer.from([0b1000_0000]), 7)), // digitalSignature
      extension(oid.extendedKeyUsage, sequence(objectIdentifier(oid.serverAuth))),
      extension(oid.subjectKeyIdentifier, octetString(keyIdentifier(server.publicKey))),
      extension(oid.authorityKeyIdentifier, sequence(der(0x80, authorityKeyId))),
      extension(oid.subjectAltName, sequence(...altNames.map(generalName))),
    ],
  })
  return { cert, key: server.privateKey.export({ type: 'pkcs8', format: 'pem' }), ca }
}

const oid = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
} as const

interface CertificateParts {
  readonly issuer: string
  readonly issuerKey: KeyObject
  readonly subject: string
  readonly subjectKey: KeyObject
  readonly now: number
  readonly validDays: number
  readonly extensions: readonly Buffer[]
}

function certificate(parts: CertificateParts): string {
  const algorithm = sequence(objectIdentifier(oid.ecdsaWithSha256))
  const unsigned = sequence(
    der(0xa0, integer(Buffer.from([2]))), // version 3
    integer(randomBytes(16)),
    algorithm,
    name(parts.issuer),
    sequence(time(parts.now - BACKDATED_MS), time(parts.now + parts.validDays * DAY_MS)),
    name(parts.subject),
    parts.subjectKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...parts.extensions)),
  )
  const signature = sign('sha256', unsigned, { key: parts.issuerKey, dsaEncoding: 'der' })
  return pem(sequence(unsigned, algorithm, bitString(signature)))
}

function name(commonName: string): Buffer {
  return sequence(setOf(sequence(objectIdentifier(oid.commonName), utf8String(commonName))))
}

function extension(id: string, value: Buffer): Buffer {
  return sequence(objectIdentifier(id), octetString(value))
}

function critical(id: string, value: Buffer): Buffer {
  return sequence(objectIdentifier(id), booleanTrue(), octetString(value))
}

/** RFC 7093 §2, method 1: the leftmost 160 bits of the SHA-256 of the public key. */
function keyIdentifier(key: KeyObject): Buffer {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 20)
}

/** GeneralName of RFC 5280 §4.2.1.6: iPAddress [7] or dNSName [2]. */
function generalName(altName: string): Buffer {
  const version = isIP(altName)
  if (version === 4) return der(0x87, Buffer.from(altName.split('.').map(Number)))
  if (version === 6 && !altName.includes('%')) return der(0x87, ipv6Octets(altName))
  if (altName.length > LONGEST_DNS_NAME || !/^[A-Za-z0-9*_]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/.test(altName))
    throw new HalliganError('config_invalid', `${JSON.stringify(altName)} is neither a DNS name nor an IP address`, {
      hint: 'write an international name in its xn-- form',
    })
  return der(0x82, Buffer.from(altName, 'latin1'))
}

/** The 16 octets of an address that `isIP` called version 6. */
function ipv6Octets(address: string): Buffer {
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address)
  const [a = 0, b = 0, c = 0, d = 0] = (dotted?.slice(1) ?? []).map(Number)
  const plain = dotted
    ? `${address.slice(0, dotted.index)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
    : address
  const [head = '', tail] = plain.split('::')
  const words = (text: string) => (text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16)))
  const before = words(head)
  const after = tail === undefined ? [] : words(tail)
  const all = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after]
  return Buffer.from(all.flatMap((word) => [word >> 8, word & 0xff]))
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
