// Messages Halligan says to a server when it dials: start-up, SASL, cancel, terminate ("Message Formats").

import { encodeMessage, int32 } from './backend-encoding.ts'
import { frontendType } from './message-type.ts'

const PROTOCOL_3_0 = 196_608
const SSL_REQUEST = 80_877_103
const CANCEL_REQUEST = 80_877_102

function untyped(...body: readonly Buffer[]): Buffer {
  const length = body.reduce((sum, part) => sum + part.length, 4)
  return Buffer.concat([int32(length), ...body])
}

/** StartupMessage of protocol 3.0; `parameters` name user and database among others. */
export function encodeStartupMessage(parameters: Iterable<readonly [string, string]>): Buffer {
  const pairs = [...parameters].map(([name, value]) => Buffer.from(`${name}\0${value}\0`))
  return untyped(int32(PROTOCOL_3_0), ...pairs, Buffer.from([0]))
}

export function encodeSslRequest(): Buffer {
  return untyped(int32(SSL_REQUEST))
}

export function encodeCancelRequest(processId: number, secretKey: Buffer): Buffer {
  return untyped(int32(CANCEL_REQUEST), int32(processId), secretKey)
}

export function encodeSaslInitialResponse(mechanism: string, data: Buffer): Buffer {
  return encodeMessage(frontendType.PasswordMessage, `${mechanism}\0`, int32(data.length), data)
}

export function encodeSaslResponse(data: Buffer): Buffer {
  return encodeMessage(frontendType.PasswordMessage, data)
}

export function encodeTerminate(): Buffer {
  return encodeMessage(frontendType.Terminate)
}
