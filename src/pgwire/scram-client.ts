// The client's side of SCRAM-SHA-256 and -PLUS, for our own leg to the target. It refuses a server that does not prove
// that it knows the password too, and an iteration count made to burn our time.

import { randomBytes, timingSafeEqual } from 'node:crypto'
import { ProtocolViolation } from '../errors.ts'
import { clientKey, decodeBase64, hmac, keysOfSalted, saltPassword, sha256, xor } from './scram.ts'
import type { ScramMechanism } from './scram.ts'

const NONCE_BYTES = 18
/** Below RFC 7677's minimum a password is too cheap to guess from the exchange. */
const MIN_ITERATIONS = 4096
/** PostgreSQL's default is 4096; a million keeps one core busy for a second. */
const MAX_ITERATIONS = 1_000_000

export interface ScramClientOptions {
  readonly password: string
  /** The tls-server-end-point data of the server's certificate; undefined where there is none. */
  readonly binding: Buffer | undefined
}

/** One exchange: `initial`, `final`, `verify`, each once. Throws ProtocolViolation when the server is not what it must be. */
export class ScramClient {
  readonly #options: ScramClientOptions
  #gs2Header = ''
  #bindingData: Buffer = Buffer.alloc(0)
  #bare = ''
  #nonce = ''
  #serverSignature: Buffer | undefined

  constructor(options: ScramClientOptions) {
    this.#options = options
  }

  /** Chooses PLUS where both can; undefined when the server offers neither. */
  initial(offered: readonly string[]): { readonly mechanism: ScramMechanism; readonly data: Buffer } | undefined {
    const binding = this.#options.binding
    const mechanism = choose(offered, binding !== undefined)
    if (mechanism === undefined) return undefined
    if (mechanism === 'SCRAM-SHA-256-PLUS' && binding !== undefined) {
      this.#gs2Header = 'p=tls-server-end-point,,'
      this.#bindingData = binding
    } else {
      // `y`: we could bind and the server did not offer it; a server that did will refuse, and so find the one between us.
      this.#gs2Header = binding === undefined ? 'n,,' : 'y,,'
    }
    this.#nonce = randomBytes(NONCE_BYTES).toString('base64')
    this.#bare = `n=,r=${this.#nonce}`
    return { mechanism, data: Buffer.from(this.#gs2Header + this.#bare) }
  }

  /** Takes server-first and gives client-final. The key derivation runs off the event loop. */
  async final(serverFirst: Buffer): Promise<Buffer> {
    const text = serverFirst.toString('latin1')
    const parsed = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/=]+),i=([1-9]\d{0,9})(,.*)?$/s.exec(text)
    if (parsed === null) throw new ProtocolViolation('malformed server-first-message')
    const [, nonce = '', saltText = '', iterationsText = ''] = parsed
    const salt = decodeBase64(saltText)
    const iterations = Number(iterationsText)
    if (salt === undefined || salt.length === 0) throw new ProtocolViolation('malformed salt')
    if (!nonce.startsWith(this.#nonce) || nonce.length === this.#nonce.length)
      throw new ProtocolViolation("server's nonce is not ours continued")
    if (iterations < MIN_ITERATIONS || iterations > MAX_ITERATIONS)
      throw new ProtocolViolation(`${iterations} SCRAM iterations`)
    const salted = await saltPassword(this.#options.password, salt, iterations)
    const binding = Buffer.concat([Buffer.from(this.#gs2Header), this.#bindingData]).toString('base64')
    const withoutProof = `c=${binding},r=${nonce}`
    const message = Buffer.from(`${this.#bare},${text},${withoutProof}`, 'latin1')
    const keys = keysOfSalted(salted)
    const proof = xor(clientKey(salted), hmac(keys.storedKey, message))
    this.#serverSignature = hmac(keys.serverKey, message)
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`)
  }

  /** Takes server-final; throws unless it proves that the server knows the password. */
  verify(serverFinal: Buffer): void {
    const signature = decodeBase64(/^v=([A-Za-z0-9+/=]+)(,.*)?$/s.exec(serverFinal.toString('latin1'))?.[1] ?? '')
    const expected = this.#serverSignature
    if (signature === undefined || expected === undefined || !timingSafeEqual(sha256(signature), sha256(expected)))
      throw new ProtocolViolation('the server did not prove that it knows the password')
    this.#serverSignature = undefined
  }
}

function choose(offered: readonly string[], canBind: boolean): ScramMechanism | undefined {
  if (canBind && offered.includes('SCRAM-SHA-256-PLUS')) return 'SCRAM-SHA-256-PLUS'
  return offered.includes('SCRAM-SHA-256') ? 'SCRAM-SHA-256' : undefined
}
