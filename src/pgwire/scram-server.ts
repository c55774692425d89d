// The server's side of SCRAM-SHA-256 and -PLUS (RFC 5802, RFC 7677, PostgreSQL "SASL Authentication"). One salt, several
// secrets: the salt goes out before anyone knows which secret is meant, so the proof is tried against each. With no
// secret at all the same exchange runs against keys nobody has: a stranger learns nothing from it.

import { randomBytes, timingSafeEqual } from 'node:crypto'
import { ProtocolViolation } from '../errors.ts'
import { decodeBase64, hmac, scramKeyBytes, sha256, xor } from './scram.ts'
import type { ScramKeys, ScramMechanism } from './scram.ts'

const NONCE_BYTES = 18
/** Longest nonce taken from a client; libpq sends 24 characters. */
const MAX_CLIENT_NONCE = 512
/** Proofs tried at each login, real and made-up together: as many as a grant has secrets, so that time tells nothing. */
const TRIED_KEYS = 4

export interface ScramServerOptions {
  readonly salt: Buffer
  readonly iterations: number
  /** The tls-server-end-point data of our certificate; undefined: no TLS or no such hash, so PLUS is not offered. */
  readonly binding: Buffer | undefined
  /** Offer and take PLUS alone. */
  readonly requireBinding?: boolean
  /** Our part of the nonce, printable ASCII without a comma; handed in where a published vector pins it. */
  readonly nonce?: () => string
}

export type ScramProof<Keys extends ScramKeys> =
  | { readonly kind: 'proven'; readonly keys: Keys; readonly mechanism: ScramMechanism; readonly serverFinal: Buffer }
  | { readonly kind: 'refused' }

/** One exchange: `mechanisms`, `first`, `final`, each once. Throws ProtocolViolation on a malformed or downgraded message. */
export class ScramServer {
  readonly #options: ScramServerOptions
  #mechanism: ScramMechanism = 'SCRAM-SHA-256'
  #gs2Header = ''
  #clientFirstBare = ''
  #serverFirst = ''
  #nonce = ''

  constructor(options: ScramServerOptions) {
    this.#options = options
  }

  /** What AuthenticationSASL offers, strongest first. */
  mechanisms(): readonly ScramMechanism[] {
    if (this.#options.binding === undefined) return this.#options.requireBinding ? [] : ['SCRAM-SHA-256']
    return this.#options.requireBinding ? ['SCRAM-SHA-256-PLUS'] : ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256']
  }

  /** Takes client-first and gives server-first. */
  first(mechanism: string, data: Buffer): Buffer {
    const offered = this.mechanisms().find((name) => name === mechanism)
    if (offered === undefined)
      throw new ProtocolViolation(`mechanism ${JSON.stringify(mechanism.slice(0, 40))} was not offered`)
    this.#mechanism = offered
    const parsed = /^(n|y|p=([A-Za-z0-9.-]+)),(a=[^,]*)?,((m=)?[^\0]*)$/s.exec(data.toString('utf8'))
    if (parsed === null) throw new ProtocolViolation('malformed client-first-message')
    const [, flag = '', bindingName, authzid, bare = '', extension] = parsed
    if (authzid !== undefined) throw new ProtocolViolation('SCRAM authorization identity is not supported')
    if (extension !== undefined) throw new ProtocolViolation('mandatory SCRAM extension is not supported')
    this.#checkBindingFlag(flag, bindingName)
    const clientNonce = /^n=[^,]*,r=([\x21-\x2b\x2d-\x7e]+)(,.*)?$/s.exec(bare)?.[1]
    if (clientNonce === undefined || clientNonce.length > MAX_CLIENT_NONCE)
      throw new ProtocolViolation('malformed client nonce')
    this.#gs2Header = `${flag},,`
    this.#clientFirstBare = bare
    this.#nonce = clientNonce + (this.#options.nonce?.() ?? randomBytes(NONCE_BYTES).toString('base64'))
    this.#serverFirst = `r=${this.#nonce},s=${this.#options.salt.toString('base64')},i=${this.#options.iterations}`
    return Buffer.from(this.#serverFirst)
  }

  // RFC 5802 §6: `y` on a connection where PLUS was offered means that somebody in between took it out of the offer.
  #checkBindingFlag(flag: string, bindingName: string | undefined): void {
    if (this.#mechanism === 'SCRAM-SHA-256-PLUS') {
      if (bindingName !== 'tls-server-end-point') throw new ProtocolViolation('channel binding of another type')
      return
    }
    if (flag === 'y' && this.#options.binding !== undefined)
      throw new ProtocolViolation('channel binding was taken out of the offer')
    if (bindingName !== undefined) throw new ProtocolViolation('channel binding without a PLUS mechanism')
  }

  /** Takes client-final and tries its proof against each of `candidates`, in constant time over all. */
  final<Keys extends ScramKeys>(data: Buffer, candidates: readonly Keys[]): ScramProof<Keys> {
    if (this.#nonce === '') throw new ProtocolViolation('client-final-message before client-first-message')
    const text = data.toString('utf8')
    const split = text.lastIndexOf(',p=')
    const withoutProof = text.slice(0, Math.max(split, 0))
    const proof = decodeBase64(text.slice(split + 3))
    if (split < 0 || proof?.length !== scramKeyBytes) throw new ProtocolViolation('malformed client-final-message')
    const bindingData =
      this.#mechanism === 'SCRAM-SHA-256-PLUS' ? (this.#options.binding ?? Buffer.alloc(0)) : Buffer.alloc(0)
    const binding = Buffer.concat([Buffer.from(this.#gs2Header), bindingData]).toString('base64')
    const isBound = constantTimeEqual(withoutProof, `c=${binding},r=${this.#nonce}`)
    const message = Buffer.from(`${this.#clientFirstBare},${this.#serverFirst},${withoutProof}`)
    this.#nonce = ''
    const proven = tryEach(proof, message, candidates)
    if (proven === undefined || !isBound) return { kind: 'refused' }
    const serverFinal = Buffer.from(`v=${hmac(proven.serverKey, message).toString('base64')}`)
    return { kind: 'proven', keys: proven, mechanism: this.#mechanism, serverFinal }
  }
}

function tryEach<Keys extends ScramKeys>(
  proof: Buffer,
  message: Buffer,
  candidates: readonly Keys[],
): Keys | undefined {
  const nobody = { storedKey: randomBytes(scramKeyBytes), serverKey: randomBytes(scramKeyBytes) }
  let proven: Keys | undefined
  for (let i = 0; i < Math.max(TRIED_KEYS, candidates.length); i++) {
    const candidate = candidates[i]
    const { storedKey } = candidate ?? nobody
    const key = xor(proof, hmac(storedKey, message))
    if (storedKey.length === scramKeyBytes && timingSafeEqual(sha256(key), storedKey)) proven ??= candidate
  }
  return proven
}

function constantTimeEqual(a: string, b: string): boolean {
  return timingSafeEqual(sha256(Buffer.from(a)), sha256(Buffer.from(b)))
}
