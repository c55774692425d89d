import { createHash, generateKeyPairSync, sign as signWith } from 'node:crypto'
import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { ProtocolViolation } from '../../src/errors.ts'
import { parseKeyLine } from '../../src/sshwire/public-key.ts'
import { mpint, SshReader, string, uint32 } from '../../src/sshwire/reader.ts'
import { verifySignature } from '../../src/sshwire/signature.ts'
import { keygen } from './keygen.ts'

const keys = keygen()
afterAll(() => keys.remove())
const publicBlob = (file: string) => parseKeyLine(readFileSync(`${file}.pub`, 'utf8')).blob
const algorithmOf = (signature: Buffer) => new SshReader(signature).name()

test.for([
  { name: 'ed25519', flags: ['-t', 'ed25519'] },
  { name: 'ecdsa-256', flags: ['-t', 'ecdsa', '-b', '256'] },
  { name: 'ecdsa-384', flags: ['-t', 'ecdsa', '-b', '384'] },
  { name: 'ecdsa-521', flags: ['-t', 'ecdsa', '-b', '521'] },
  { name: 'rsa', flags: ['-t', 'rsa', '-b', '3072'] },
])('a $name signature by ssh-keygen verifies, and only as it is', ({ name, flags }) => {
  const file = keys.make(name, ...flags)
  const other = publicBlob(keys.make(`${name}-other`, ...flags))
  const blob = publicBlob(file)
  for (const message of ['break the glass', '', 'x'.repeat(100_000)]) {
    const { signature, signed } = keys.sign(file, message)
    const algorithm = algorithmOf(signature)
    expect(verifySignature(blob, algorithm, signature, signed)).toEqual({ kind: 'valid', authenticator: undefined })
    expect(verifySignature(other, algorithm, signature, signed).kind).toBe('invalid')
    expect(verifySignature(blob, algorithm, signature, Buffer.concat([signed, Buffer.of(0)])).kind).toBe('invalid')
    expect(() => verifySignature(blob, algorithm, Buffer.concat([signature, Buffer.of(0)]), signed)).toThrow(
      ProtocolViolation,
    )
  }
})

test('an ECDSA signature whose numbers begin with zeros or high bits verifies', () => {
  const file = keys.make('ecdsa-many', '-t', 'ecdsa', '-b', '521')
  for (let count = 0; count < 12; count++) {
    const { signature, signed } = keys.sign(file, `message ${count}`)
    expect(verifySignature(publicBlob(file), algorithmOf(signature), signature, signed).kind).toBe('valid')
  }
})

test('no flipped bit of a signature verifies', () => {
  const file = keys.make('flipped', '-t', 'ed25519')
  const { signature, signed } = keys.sign(file, 'message')
  fc.assert(
    fc.property(fc.nat(signature.length * 8 - 1), (bit) => {
      const damaged = Buffer.from(signature)
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      try {
        expect(verifySignature(publicBlob(file), 'ssh-ed25519', damaged, signed).kind).toBe('invalid')
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolViolation)
      }
    }),
  )
})

test('the algorithm must be one of the key inside the blob', () => {
  const rsa = keys.make('rsa-2', '-t', 'rsa', '-b', '3072')
  const { signature, signed } = keys.sign(rsa, 'message')
  const value = new SshReader(signature, 4 + algorithmOf(signature).length).string()
  const claims = ['ssh-rsa', 'rsa-sha2-256', 'ssh-ed25519', 'ssh-dss', 'ssh-rsa-cert-v01@openssh.com']
  for (const claim of claims) {
    const relabelled = Buffer.concat([string(claim), string(value)])
    expect(verifySignature(publicBlob(rsa), claim, relabelled, signed).kind, claim).toBe('invalid')
  }
  expect(verifySignature(publicBlob(rsa), 'rsa-sha2-256', signature, signed).kind).toBe('invalid')
})

test('SHA-1 does not verify even when the signature is right', () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 })
  const { n = '', e = '' } = publicKey.export({ format: 'jwk' })
  const numbers = [mpint(Buffer.from(e, 'base64url')), mpint(Buffer.from(n, 'base64url'))]
  const blob = Buffer.concat([string('ssh-rsa'), ...numbers])
  const data = Buffer.from('message')
  const signature = (algorithm: string, hash: string) =>
    Buffer.concat([string(algorithm), string(signWith(hash, data, privateKey))])
  expect(verifySignature(blob, 'rsa-sha2-256', signature('rsa-sha2-256', 'sha256'), data).kind).toBe('valid')
  expect(verifySignature(blob, 'rsa-sha2-512', signature('rsa-sha2-512', 'sha512'), data).kind).toBe('valid')
  expect(verifySignature(blob, 'ssh-rsa', signature('ssh-rsa', 'sha1'), data).kind).toBe('invalid')
})

/** An authenticator in software, as OpenSSH's PROTOCOL.u2f describes what one signs. */
function authenticator(flags: number, counter: number, application = 'ssh:') {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const point = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
  const type = 'sk-ssh-ed25519@openssh.com'
  const blob = Buffer.concat([string(type), string(point), string(application)])
  const hash = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest()
  const stated = Buffer.concat([Buffer.of(flags), uint32(counter)])
  const sign = (data: Buffer) => {
    const value = signWith(null, Buffer.concat([hash(application), stated, hash(data)]), privateKey)
    return Buffer.concat([string(type), string(value), stated])
  }
  return { type, blob, sign }
}

test('touch, verification and counter of an authenticator are told', () => {
  const data = Buffer.from('message')
  const cases = [
    { flags: 0, userPresent: false, userVerified: false },
    { flags: 1, userPresent: true, userVerified: false },
    { flags: 5, userPresent: true, userVerified: true },
  ]
  for (const { flags, userPresent, userVerified } of cases) {
    const { type, blob, sign } = authenticator(flags, 4711)
    expect(verifySignature(blob, type, sign(data), data)).toEqual({
      kind: 'valid',
      authenticator: { userPresent, userVerified, counter: 4711 },
    })
  }
})

test('flags and counter of an authenticator are signed with the rest', () => {
  const data = Buffer.from('message')
  const { type, blob, sign } = authenticator(1, 1)
  const raised = sign(data)
  raised[raised.length - 5] = 5
  expect(verifySignature(blob, type, raised, data).kind).toBe('invalid')
  expect(() => verifySignature(blob, type, sign(data).subarray(0, -1), data)).toThrow(ProtocolViolation)
  expect(() => verifySignature(blob, type, Buffer.concat([sign(data), Buffer.of(0)]), data)).toThrow(ProtocolViolation)
})

test('a point that is not on its curve is a violation', () => {
  const point = Buffer.concat([Buffer.of(4), Buffer.alloc(64, 7)])
  const blob = Buffer.concat([string('ecdsa-sha2-nistp256'), string('nistp256'), string(point)])
  const signature = Buffer.concat([
    string('ecdsa-sha2-nistp256'),
    string(Buffer.concat([mpint(Buffer.of(1)), mpint(Buffer.of(1))])),
  ])
  expect(() => verifySignature(blob, 'ecdsa-sha2-nistp256', signature, Buffer.alloc(0))).toThrow(ProtocolViolation)
})

test('any bytes are a verdict or a violation', () => {
  const file = keys.make('fuzz', '-t', 'ecdsa')
  const blobs = [publicBlob(file), publicBlob(keys.make('fuzz-ed', '-t', 'ed25519')), authenticator(1, 1).blob]
  fc.assert(
    fc.property(fc.constantFrom(...blobs), fc.uint8Array({ maxLength: 120 }), fc.boolean(), (blob, raw, framed) => {
      const type = new SshReader(blob).name()
      const signature = framed ? Buffer.concat([string(type), string(Buffer.from(raw))]) : Buffer.from(raw)
      try {
        expect(verifySignature(blob, type, signature, Buffer.alloc(1)).kind).toBe('invalid')
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolViolation)
      }
    }),
  )
})
