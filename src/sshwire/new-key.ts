// New Ed25519 keys in OpenSSH's own private key format (OpenSSH PROTOCOL.key), without a passphrase: who holds the file
// holds the key. ssh2 makes them too, but drops a zero at the front of one public key in 256, and nobody reads that key.
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { assert } from '../errors.ts'
import { string, uint32 } from './reader.ts'

const type = 'ssh-ed25519'
/** RFC 8032: seed and point. */
const partBytes = 32
/** The cipher "none" still has blocks. */
const blockBytes = 8
/** As ssh-keygen wraps its lines. */
const lineLength = 70

export interface NewKey {
  /** The text of an OpenSSH private key file. */
  readonly privateKey: string
  /** `ssh-ed25519 BASE64`, and the comment if there is one. */
  readonly publicKey: string
}

/** Makes a key pair. `comment`: one line of text for whoever looks at the key. */
export function newEd25519Key(comment = ''): NewKey {
  const { d = '', x = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' })
  const [seed, point] = [Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')]
  assert(seed.length === partBytes && point.length === partBytes, 'both halves of an Ed25519 key have 32 bytes')
  const blob = Buffer.concat([string(type), string(point)])
  const publicKey = [type, blob.toString('base64'), comment].filter((word) => word !== '').join(' ')
  return { privateKey: privateFile(blob, seed, point, comment), publicKey }
}

function privateFile(blob: Buffer, seed: Buffer, point: Buffer, comment: string): string {
  // Twice the same number: how a reader knows that it has decrypted with the right passphrase.
  const check = randomBytes(4)
  const secret = Buffer.concat([check, check, blob, string(Buffer.concat([seed, point])), string(comment)])
  const padding = Buffer.from(Array.from({ length: -secret.length & (blockBytes - 1) }, (_, index) => index + 1))
  const noPassphrase = [string('none'), string('none'), string('')]
  const bytes = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    ...noPassphrase,
    uint32(1),
    string(blob),
    string(Buffer.concat([secret, padding])),
  ])
  const lines = bytes.toString('base64').match(new RegExp(`.{1,${lineLength}}`, 'g')) ?? []
  return ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----', ''].join('\n')
}
