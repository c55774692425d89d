// Keys of signed notes in C2SP's text form (c2sp.org/signed-note, "Verifier keys"), and the public key of an
// installation: what users pin. It is two such lines, the ledger's key and the genesis key of the epoch chain, because
// neither alone can rewrite the past: every checkpoint is signed with the first, every epoch leads back to the second.
import { hash, type KeyObject } from 'node:crypto'
import { HalliganError } from '../errors.ts'
import { privateKeyFromSeed, rawKeyBytes, rawPublicKey, signEd25519 } from './ed25519.ts'
import { decodeBase64 } from './base64.ts'

/** Ed25519 over the note text, as signed-note assigns it. */
const ed25519Type = 1

/** A pinned public key is two lines; anything longer is not one. */
const longestPublicKey = 4096

export interface VerifierKey {
  /** No spaces, no plus. For a log: its origin. */
  readonly name: string
  /** First four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ key). */
  readonly id: number
  /** 32 bytes, RFC 8032. */
  readonly publicKey: Buffer
}

export interface NoteSigner extends VerifierKey {
  sign(text: Uint8Array): Buffer
}

/** What verifiers pin: the two public keys of one installation. */
export interface InstallationKey {
  /** Signs checkpoints; its name is the ledger's origin, `halligan/<installation>`. */
  readonly log: VerifierKey
  /** Key of epoch 0; its name is the origin with `/epoch` behind it. */
  readonly genesis: VerifierKey
}

/** Origin line and key name of an installation's ledger. */
export function ledgerOrigin(installation: string): string {
  return `halligan/${installation}`
}

/** A verifier key from its raw parts. Throws `usage` when the name has spaces, a plus or control characters. */
export function verifierKey(name: string, publicKey: Uint8Array): VerifierKey {
  if (!isKeyName(name)) throw new HalliganError('usage', `no name for a key: ${JSON.stringify(name)}`)
  return { name, id: keyId(name, publicKey), publicKey: Buffer.from(publicKey) }
}

/** A signer under `name` from a 32-byte seed that the caller drew and keeps. */
export function noteSigner(name: string, seed: Uint8Array): NoteSigner {
  const key: KeyObject = privateKeyFromSeed(seed)
  return { ...verifierKey(name, rawPublicKey(key)), sign: (text) => signEd25519(key, text) }
}

/** `<name>+<id in hex>+<base64 of type and key>`. */
export function encodeVerifierKey(key: VerifierKey): string {
  const material = Buffer.concat([Buffer.of(ed25519Type), key.publicKey]).toString('base64')
  return `${key.name}+${key.id.toString(16).padStart(8, '0')}+${material}`
}

/** Reads a verifier key; undefined unless it is an Ed25519 key whose id belongs to it. */
export function parseVerifierKey(text: string): VerifierKey | undefined {
  const match = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(text)
  const [, name = '', id = '', base64 = ''] = match ?? []
  const material = decodeBase64(base64)
  if (!isKeyName(name) || material?.length !== 1 + rawKeyBytes || material[0] !== ed25519Type) return undefined
  const key = verifierKey(name, material.subarray(1))
  return key.id === Number.parseInt(id, 16) ? key : undefined
}

/** The text form users pin: the ledger's key, a newline, the genesis key of the epochs, a newline. */
export function encodeInstallationKey(key: InstallationKey): string {
  return `${encodeVerifierKey(key.log)}\n${encodeVerifierKey(key.genesis)}\n`
}

/** Reads what `encodeInstallationKey` wrote; any white space may part the two. Throws `usage` for anything else. */
export function parseInstallationKey(text: string): InstallationKey {
  const [log, genesis, ...more] =
    text.length > longestPublicKey
      ? []
      : text
          .trim()
          .split(/\s+/)
          .map((word) => parseVerifierKey(word))
  if (log === undefined || genesis === undefined || more.length > 0 || genesis.name !== epochKeyName(log.name))
    throw new HalliganError('usage', 'not a public key of Halligan', {
      hint: 'it is two lines, halligan/<installation>+… and halligan/<installation>/epoch+…, as demo.json and the web page show them',
    })
  return { log, genesis }
}

/** The installation's pinned key from its two raw public keys. */
export function installationKey(installation: string, log: Uint8Array, genesis: Uint8Array): InstallationKey {
  const origin = ledgerOrigin(installation)
  return { log: verifierKey(origin, log), genesis: verifierKey(epochKeyName(origin), genesis) }
}

function epochKeyName(origin: string): string {
  return `${origin}/epoch`
}

function keyId(name: string, publicKey: Uint8Array): number {
  const input = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(ed25519Type), publicKey])
  return hash('sha256', input, 'buffer').readUInt32BE(0)
}

/** signed-note: not empty, no Unicode spaces, no plus; control characters would break the line. */
export function isKeyName(name: string): boolean {
  return name !== '' && !/[\s+\u0085\p{C}]/u.test(name)
}
