// Syslog over TLS (RFC 5425) or TCP (RFC 6587). The protocol acknowledges nothing. So one connection carries one alert, we
// end our side, and wait for the receiver to end its own: who answers our end with its own has read up to it, and over TLS
// it is the receiver that proved its name. That is evidence, not a promise to keep it. What was only handed to the kernel is never an acknowledgement from outside.

import type { Socket } from 'node:net'
import type { Clock, Timer } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { Channel } from './channel.ts'
import { dialTcp, dialTls, reasonOf, type Place } from './dial.ts'
import { syslogFrame, syslogMessage } from './syslog-message.ts'

export interface SyslogOptions extends Place {
  readonly name: string
  readonly transport: 'tls' | 'tcp'
  /** Only over TLS, where a close is the receiver's own. */
  readonly outside: boolean
  readonly hostname: string
  readonly clock: Clock
}

/** A receiver that hangs up by itself, having read nothing, does so at once: our end comes after, so its end is an answer. */
const holdMs = 200
/** How long the receiver may take to end its side; it has only to read a few KiB. */
const closeTimeoutMs = 5_000

/** A channel that logs. Throws `config_invalid` for an outside channel without TLS. */
export function syslogChannel(options: SyslogOptions): Channel {
  const { name, outside, transport, hostname, clock } = options
  const what = `syslog ${name}`
  if (outside && transport === 'tcp')
    throw new HalliganError('config_invalid', `${what}: over plain TCP nothing proves who took an alert`, {
      hint: 'use `transport: tls`, or `outside: false`',
    })
  return {
    name,
    outside,
    deliver: async (alert, signal) => {
      const frame = syslogFrame(syslogMessage(alert, hostname))
      const socket = await (transport === 'tls' ? dialTls : dialTcp)(what, options, signal)
      const ended = await handOver(what, socket, frame, clock, signal)
      if (outside && !ended)
        throw new HalliganError('unreachable', `${what} did not end its side: nothing shows that it read the alert`)
      return { receipt: receiptOf(transport, frame.length, ended) }
    },
  }
}

function receiptOf(transport: 'tls' | 'tcp', octets: number, ended: boolean): string {
  const how = transport === 'tls' ? 'TLS' : 'TCP'
  if (!ended) return `${how}: ${octets} octets handed over; nothing shows that they were read`
  return `${how}: ${octets} octets, then the receiver ended its side; syslog itself acknowledges nothing`
}

/** Writes all and ends our side; true when the receiver then ended its own in time. Throws `unreachable` on any error. */
async function handOver(
  what: string,
  socket: Socket,
  frame: Buffer,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>()
  let isEnded = false
  let timer: Timer | undefined
  // A receiver that ends before it got everything has not read it; what it says is nothing to us.
  socket.resume()
  socket.on('end', () => (isEnded ? resolve(true) : reject(new Error('the receiver hung up'))))
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('the connection broke off')))
  socket.write(frame, () => {
    timer = clock.after(holdMs, () => {
      isEnded = true
      socket.end()
      timer = clock.after(closeTimeoutMs, () => resolve(false))
    })
  })
  try {
    return await promise
  } catch (cause) {
    const why = signal.aborted ? 'no answer in time' : reasonOf(cause)
    throw new HalliganError('unreachable', `${what} broke off: ${why}`, { cause })
  } finally {
    timer?.cancel()
    socket.on('error', () => {}).destroy()
  }
}
