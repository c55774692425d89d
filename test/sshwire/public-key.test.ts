import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { HalliganError, ProtocolViolation } from '../../src/errors.ts'
import { fingerprint, parseBlob, parseKeyLine } from '../../src/sshwire/public-key.ts'
import { mpint, string } from '../../src/sshwire/reader.ts'
import { keygen } from './keygen.ts'

const keys = keygen()
afterAll(() => keys.remove())

const point = (size: number) => Buffer.concat([Buffer.of(4), Buffer.alloc(size - 1, 7)])
const skEd25519 = Buffer.concat([string('sk-ssh-ed25519@openssh.com'), string(Buffer.alloc(32, 1)), string('ssh:')])
const skEcdsa = Buffer.concat([
  string('sk-ecdsa-sha2-nistp256@openssh.com'),
  string('nistp256'),
  string(point(65)),
  string('ssh:'),
])

test.for([
  { name: 'ed25519', flags: ['-t', 'ed25519'], kind: 'ed25519' },
  { name: 'ecdsa 256', flags: ['-t', 'ecdsa', '-b', '256'], kind: 'ecdsa' },
  { name: 'ecdsa 384', flags: ['-t', 'ecdsa', '-b', '384'], kind: 'ecdsa' },
  { name: 'ecdsa 521', flags: ['-t', 'ecdsa', '-b', '521'], kind: 'ecdsa' },
  { name: 'rsa 3072', flags: ['-t', 'rsa', '-b', '3072'], kind: 'rsa' },
])('a $name key has the fingerprint that ssh-keygen prints', ({ name, flags, kind }) => {
  const file = keys.make(name, ...flags)
  const { key, fingerprint: print, comment } = parseKeyLine(readFileSync(`${file}.pub`, 'utf8'))
  expect(key.kind).toBe(kind)
  expect(comment).toBe(`${name} of the tests`)
  expect(keys.run('-l', '-f', `${file}.pub`)).toContain(` ${print} `)
})

test('keys of authenticators are read with their application', () => {
  expect(parseBlob(skEd25519)).toMatchObject({ kind: 'sk-ed25519', application: 'ssh:' })
  expect(parseBlob(skEcdsa)).toMatchObject({ kind: 'sk-ecdsa', application: 'ssh:', curve: 'nistp256' })
})

test('an RSA key below 3072 bits is refused with its size', () => {
  const file = keys.make('weak', '-t', 'rsa', '-b', '2048')
  expect(() => parseKeyLine(readFileSync(`${file}.pub`, 'utf8'))).toThrow(/2048 bits/)
})

test('a user certificate is refused as one, not as garbage', () => {
  const authority = keys.make('authority', '-t', 'ed25519')
  const user = keys.make('user', '-t', 'ed25519')
  keys.run('-q', '-s', authority, '-I', 'alice', '-n', 'alice', `${user}.pub`)
  expect(() => parseKeyLine(readFileSync(`${user}-cert.pub`, 'utf8'))).toThrow(/certificates are not accepted yet/)
})

test('blobs that are not exactly a key are refused', () => {
  const modulus = Buffer.alloc(384, 255)
  const cases = {
    empty: Buffer.alloc(0),
    'trailing byte': Buffer.concat([skEd25519, Buffer.of(0)]),
    'short point': Buffer.concat([string('ssh-ed25519'), string(Buffer.alloc(31))]),
    'wrong curve': Buffer.concat([string('ecdsa-sha2-nistp256'), string('nistp384'), string(point(65))]),
    'compressed point': Buffer.concat([string('ecdsa-sha2-nistp256'), string('nistp256'), string(Buffer.alloc(33, 2))]),
    'even exponent': Buffer.concat([string('ssh-rsa'), mpint(Buffer.of(4)), mpint(modulus)]),
    'exponent of one': Buffer.concat([string('ssh-rsa'), mpint(Buffer.of(1)), mpint(modulus)]),
    'endless exponent': Buffer.concat([string('ssh-rsa'), mpint(Buffer.alloc(9, 255)), mpint(modulus)]),
    'huge modulus': Buffer.concat([string('ssh-rsa'), mpint(Buffer.of(3)), mpint(Buffer.alloc(2049, 255))]),
    DSA: string('ssh-dss'),
  }
  for (const [name, blob] of Object.entries(cases)) expect(() => parseBlob(blob), name).toThrow(ProtocolViolation)
})

test('lines that are not one plain key are refused as configuration', () => {
  const good = readFileSync(`${keys.make('good', '-t', 'ed25519')}.pub`, 'utf8').trim()
  const [, base64 = ''] = good.split(' ')
  const cases = {
    empty: '',
    'options in front': `from="10.0.0.0/8" ${good}`,
    'type differs': good.replace('ssh-ed25519', 'ssh-rsa'),
    'broken base64': `ssh-ed25519 ${base64.slice(0, -3)}`,
    'not base64': 'ssh-ed25519 !!!!',
    'only a type': 'ssh-ed25519',
  }
  for (const [name, line] of Object.entries(cases)) {
    expect(() => parseKeyLine(line), name).toThrow(expect.objectContaining({ code: 'config_invalid' }))
  }
})

test('any bytes are a key or a violation', () => {
  const prefixes = ['ssh-ed25519', 'ssh-rsa', 'ecdsa-sha2-nistp521', 'sk-ssh-ed25519@openssh.com', '']
  fc.assert(
    fc.property(fc.constantFrom(...prefixes), fc.uint8Array({ maxLength: 200 }), (type, rest) => {
      const blob = Buffer.concat([type === '' ? Buffer.alloc(0) : string(type), Buffer.from(rest)])
      try {
        parseBlob(blob)
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolViolation)
      }
      expect(fingerprint(blob)).toMatch(/^SHA256:[A-Za-z0-9+/]{43}$/)
    }),
  )
})

test('any line is a key or a configuration error', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (line) => {
      try {
        parseKeyLine(line)
      } catch (error) {
        expect(error).toBeInstanceOf(HalliganError)
      }
    }),
  )
})
