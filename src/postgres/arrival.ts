// A client's first bytes: encryption asked for and given, then a start-up message or a cancel request.

import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { SecureContext } from 'node:tls'
import { ProtocolViolation } from '../errors.ts'
import { postgresLog } from '../log.ts'
import { StartupReader } from '../pgwire/startup.ts'
import type { StartupEvent, StartupMessage } from '../pgwire/startup.ts'
import { awaitEvent } from './await-event.ts'
import { ByteReader } from './byte-reader.ts'

/** PostgreSQL 17, "SSL Session Encryption": direct TLS must name this protocol. */
const ALPN = 'postgresql'

export type Arrival =
  | { readonly kind: 'gone' }
  | { readonly kind: 'cancel'; readonly stream: Duplex; readonly processId: number; readonly secretKey: Buffer }
  | {
      readonly kind: 'startup'
      readonly stream: Duplex
      readonly reader: ByteReader
      readonly isSecure: boolean
      readonly message: StartupMessage
    }

/** Goes through the start-up until it names its purpose. Throws ProtocolViolation; the caller's deadline ends a slow one. */
export async function arrive(raw: Duplex, secureContext: SecureContext): Promise<Arrival> {
  const startup = new StartupReader()
  let stream = raw
  let reader = new ByteReader(raw)
  for (;;) {
    const event = await nextEvent(startup, reader)
    if (event === undefined) return { kind: 'gone' }
    switch (event.kind) {
      case 'gss-encryption-requested':
        stream.write('N')
        break
      case 'tls-requested':
        // CVE-2021-23214: nothing that came in clear may be taken for encrypted.
        if (raw.readableLength > 0) throw new ProtocolViolation('bytes between request and handshake')
        raw.write('S')
        stream = await handshake(raw, secureContext)
        reader = new ByteReader(stream)
        startup.secured()
        break
      case 'direct-tls':
        raw.unshift(event.bytes)
        stream = await handshake(raw, secureContext, ALPN)
        reader = new ByteReader(stream)
        startup.secured()
        break
      case 'cancel':
        return { kind: 'cancel', stream, processId: event.processId, secretKey: event.secretKey }
      case 'startup':
        reader = new ByteReader(stream, event.rest)
        return { kind: 'startup', stream, reader, isSecure: startup.isSecure, message: event }
    }
  }
}

async function nextEvent(startup: StartupReader, reader: ByteReader): Promise<StartupEvent | undefined> {
  for (;;) {
    const chunk = await reader.chunk()
    if (chunk === undefined) return undefined
    const event = startup.push(chunk)
    if (event !== undefined) return event
  }
}

async function handshake(raw: Duplex, secureContext: SecureContext, alpn?: string): Promise<TLSSocket> {
  const secure = new TLSSocket(raw, { isServer: true, secureContext, ALPNProtocols: [ALPN] })
  secure.on('error', (error) => postgresLog.debug('postgres.client-error', { error }))
  try {
    await awaitEvent(secure, 'secure')
  } catch (error) {
    throw new ProtocolViolation('TLS handshake failed', { cause: error })
  }
  if (alpn !== undefined && secure.alpnProtocol !== alpn) {
    secure.destroy()
    throw new ProtocolViolation('direct TLS without the protocol name')
  }
  return secure
}
