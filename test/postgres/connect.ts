// Clients for the tests of this folder, other than psql.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { Client } from 'pg'
import { int32 } from '../../src/pgwire/backend-encoding.ts'
import { decodeAuthentication } from '../../src/pgwire/backend-decoding.ts'
import { FieldReader } from '../../src/pgwire/fields.ts'
import {
  encodeSaslInitialResponse,
  encodeSaslResponse,
  encodeSslRequest,
  encodeStartupMessage,
} from '../../src/pgwire/frontend-encoding.ts'
import { ScramClient } from '../../src/pgwire/scram-client.ts'
import { ByteReader } from '../../src/postgres/byte-reader.ts'
import type { World } from './world.ts'

/** The `pg` driver, connected through the bastion. */
export async function driver(
  world: World,
  more: { password?: string; database?: string; user?: string } = {},
): Promise<Client> {
  const client = new Client({
    host: '127.0.0.1',
    port: world.port,
    user: 'alice',
    database: 'orders',
    password: more.password ?? (await world.secret()),
    ssl: { ca: world.ca, servername: 'localhost' },
    ...more,
  })
  client.on('error', () => {
    // Ends of sessions are looked at by the tests that expect them.
  })
  await client.connect()
  return client
}

/** A connection that has said nothing yet. */
export async function plain(world: World): Promise<Socket> {
  const socket = connect(world.port, '127.0.0.1')
  socket.on('error', () => {
    // Resets are what some tests are about.
  })
  await once(socket, 'connect')
  return socket
}

/** A connection with TLS, before its start-up message. */
export async function encrypted(world: World): Promise<TLSSocket> {
  const socket = await plain(world)
  socket.write(encodeSslRequest())
  await once(socket, 'readable')
  socket.read()
  const secure = connectTls({ socket, ca: world.ca, servername: 'localhost' })
  secure.on('error', () => {})
  await once(secure, 'secureConnect')
  return secure
}

/** A logged-in connection whose bytes the test writes itself; what the server said up to ReadyForQuery is read. */
export async function wire(world: World): Promise<{ socket: TLSSocket; reader: ByteReader; key: Buffer }> {
  const socket = await encrypted(world)
  const reader = new ByteReader(socket)
  socket.write(
    encodeStartupMessage([
      ['user', 'alice'],
      ['database', 'orders'],
    ]),
  )
  const scram = new ScramClient({ password: await world.secret(), binding: undefined })
  const ask = async () => {
    const { body } = await reader.message()
    return decodeAuthentication(new FieldReader().over(body, 0, body.length))
  }
  const offer = await ask()
  const initial = offer.kind === 'sasl' ? scram.initial(offer.mechanisms) : undefined
  if (initial === undefined) throw new Error('no SCRAM offered')
  socket.write(encodeSaslInitialResponse(initial.mechanism, initial.data))
  const challenge = await ask()
  if (challenge.kind !== 'sasl-continue') throw new Error('no challenge')
  socket.write(encodeSaslResponse(await scram.final(challenge.data)))
  let key: Buffer = Buffer.alloc(0)
  for (let type = 0; type !== 0x5a;) {
    const message = await reader.message()
    type = message.type
    if (type === 0x4b) key = message.body
  }
  return { socket, reader, key }
}

/** All that a socket says until it closes. */
export async function untilClosed(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  if (!socket.destroyed) await new Promise<void>((resolve) => socket.once('close', () => resolve()))
  return Buffer.concat(chunks)
}

export const cancelPacket = (key: Buffer): Buffer => Buffer.concat([int32(8 + key.length), int32(80_877_102), key])
