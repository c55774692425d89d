// The untyped messages before a connection's start ("Start-up", "SSL Session Encryption", "Canceling Requests"), as a
// machine over bytes: the caller does what an event says and pushes on. No socket, no timer in sight.

import { ProtocolViolation } from '../errors.ts'

/** PostgreSQL's MAX_STARTUP_PACKET_LENGTH. */
const MAX_STARTUP_BYTES = 10_000
/** Length word, request code, process id. */
const CANCEL_HEADER_BYTES = 12
/** Longest cancel key of protocol 3.2. */
const MAX_CANCEL_KEY_BYTES = 256
/** First byte of a TLS record that carries a handshake. */
const TLS_HANDSHAKE = 0x16

const CANCEL_REQUEST = 80_877_102
const SSL_REQUEST = 80_877_103
const GSSENC_REQUEST = 80_877_104

export type StartupEvent =
  /** Answer `N`; the client may go on with SSLRequest or in clear. */
  | { readonly kind: 'gss-encryption-requested' }
  /** Answer `S`, then the TLS handshake, then `secured()`. */
  | { readonly kind: 'tls-requested' }
  /** The first byte starts a TLS handshake: hand `bytes` to it, then `secured()`; ALPN must be `postgresql`. */
  | { readonly kind: 'direct-tls'; readonly bytes: Buffer }
  | { readonly kind: 'cancel'; readonly processId: number; readonly secretKey: Buffer }
  | ({ readonly kind: 'startup' } & StartupMessage)

export interface StartupMessage {
  readonly minorVersion: number
  /** As sent, without `_pq_.` options. */
  readonly parameters: ReadonlyMap<string, string>
  /** Names of `_pq_.` options: none is supported. */
  readonly protocolOptions: readonly string[]
  /** Bytes the client sent behind the message. */
  readonly rest: Buffer
}

/** Reads one connection's start. Throws ProtocolViolation on anything out of place. */
export class StartupReader {
  #pending: Buffer = Buffer.alloc(0)
  #isSecure = false
  #sawAnything = false
  #sawGss = false
  #isDone = false

  /** The TLS handshake is done: what is pushed from now on was encrypted. */
  secured(): void {
    this.#isSecure = true
    this.#sawAnything = false
  }

  get isSecure(): boolean {
    return this.#isSecure
  }

  /** Takes bytes and gives the next event, or undefined while a message is incomplete. Push nothing after the end. */
  push(bytes: Buffer): StartupEvent | undefined {
    if (this.#isDone) throw new ProtocolViolation('bytes after the end of start-up')
    this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes])
    if (this.#pending.length === 0) return undefined
    if (!this.#sawAnything && !this.#isSecure && this.#pending[0] === TLS_HANDSHAKE) {
      const handshake = this.#pending
      this.#pending = Buffer.alloc(0)
      return { kind: 'direct-tls', bytes: handshake }
    }
    this.#sawAnything = true
    return this.#next()
  }

  #next(): StartupEvent | undefined {
    const pending = this.#pending
    if (pending.length < 4) return undefined
    const length = pending.readUInt32BE(0)
    if (length < 8 || length > MAX_STARTUP_BYTES) throw new ProtocolViolation(`start-up packet of ${length} bytes`)
    if (pending.length < length) return undefined
    const packet = pending.subarray(0, length)
    const rest = pending.subarray(length)
    this.#pending = Buffer.alloc(0)
    const code = packet.readUInt32BE(4)
    if (code === CANCEL_REQUEST) return this.#cancel(packet)
    if (code === SSL_REQUEST || code === GSSENC_REQUEST) return this.#encryption(code, packet, rest)
    if (code >>> 16 !== 3) throw new ProtocolViolation(`protocol version ${code >>> 16}.${code & 0xffff}`)
    this.#isDone = true
    return { kind: 'startup', ...startupMessage(packet), rest }
  }

  #cancel(packet: Buffer): StartupEvent {
    const keyBytes = packet.length - CANCEL_HEADER_BYTES
    if (keyBytes < 4 || keyBytes > MAX_CANCEL_KEY_BYTES) throw new ProtocolViolation(`cancel key of ${keyBytes} bytes`)
    this.#isDone = true
    return {
      kind: 'cancel',
      processId: packet.readInt32BE(8),
      secretKey: Buffer.from(packet.subarray(CANCEL_HEADER_BYTES)),
    }
  }

  #encryption(code: number, packet: Buffer, rest: Buffer): StartupEvent {
    if (packet.length !== 8) throw new ProtocolViolation(`encryption request of ${packet.length} bytes`)
    if (this.#isSecure) throw new ProtocolViolation('encryption requested inside TLS')
    // CVE-2021-23214: what stands behind the request in clear must never count as sent inside the encryption.
    if (rest.length > 0) throw new ProtocolViolation(`${rest.length} bytes between request and handshake`)
    if (code === SSL_REQUEST) return { kind: 'tls-requested' }
    if (this.#sawGss) throw new ProtocolViolation('GSSENCRequest twice')
    this.#sawGss = true
    return { kind: 'gss-encryption-requested' }
  }
}

function startupMessage(packet: Buffer): Omit<StartupMessage, 'rest'> {
  if (packet[packet.length - 1] !== 0) throw new ProtocolViolation('start-up packet without end')
  const parameters = new Map<string, string>()
  const protocolOptions: string[] = []
  let at = 8
  const string = (): string => {
    const nul = packet.indexOf(0, at)
    if (nul < 0) throw new ProtocolViolation('start-up parameter without end')
    const text = packet.toString('utf8', at, nul)
    at = nul + 1
    return text
  }
  for (let name = string(); name !== ''; name = string()) {
    const value = string()
    if (name.startsWith('_pq_.')) protocolOptions.push(name)
    else parameters.set(name, value)
  }
  if (at !== packet.length) throw new ProtocolViolation('start-up packet with bytes behind its end')
  return { minorVersion: packet.readUInt16BE(6), parameters, protocolOptions }
}
