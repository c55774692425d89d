// The fields of a session channel's requests (RFC 4254 §6), read with bounds. Nothing is done with them here.
import { ProtocolViolation } from '../errors.ts'
import type { ProgramTerminal, WindowSize } from '../session/upstream.ts'
import { SshReader } from '../sshwire/reader.ts'
import type { ChannelRequest } from './channel.ts'

/** OpenSSH's clients send a handful; more is not a person's environment. */
const MAX_ENVIRONMENT = 64
const MAX_ENVIRONMENT_BYTES = 32 << 10

/** pty-req. Throws ProtocolViolation. */
export function readTerminal(request: ChannelRequest): ProgramTerminal {
  const reader = new SshReader(request.payload)
  const type = reader.string(256).toString('latin1')
  const size = windowOf(reader)
  const modes = Buffer.from(reader.string(4096))
  reader.end(request.type)
  return { type: /^[\x21-\x7e]*$/.test(type) ? type : 'dumb', ...size, modes }
}

/** window-change. Throws ProtocolViolation. */
export function readWindow(request: ChannelRequest): WindowSize {
  const reader = new SshReader(request.payload)
  const size = windowOf(reader)
  reader.end(request.type)
  return size
}

function windowOf(reader: SshReader): WindowSize {
  return { cols: reader.uint32(), rows: reader.uint32(), widthPx: reader.uint32(), heightPx: reader.uint32() }
}

/** signal: the name without `SIG`. Throws ProtocolViolation. */
export function readSignal(request: ChannelRequest): string {
  const name = soleString(request).toString('latin1')
  if (!/^[A-Za-z0-9@._-]{1,64}$/.test(name)) throw new ProtocolViolation('a signal has no name')
  return name
}

/** break (RFC 4335): its length in ms. Throws ProtocolViolation. */
export function readBreak(request: ChannelRequest): number {
  return new SshReader(request.payload).uint32()
}

/** The string a request consists of (exec, subsystem, signal). Throws ProtocolViolation. */
export function soleString(request: ChannelRequest): Buffer {
  const reader = new SshReader(request.payload)
  const text = reader.string()
  reader.end(request.type)
  return text
}

/** The environment that a client asks for, within bounds. */
export class RequestedEnvironment {
  readonly variables: [name: string, value: Buffer][] = []
  #bytes = 0

  /** env: false when it is not taken. Throws ProtocolViolation. */
  take(request: ChannelRequest): boolean {
    const reader = new SshReader(request.payload)
    const [name, value] = [reader.string().toString('latin1'), Buffer.from(reader.string())]
    this.#bytes += name.length + value.length
    const fits = this.variables.length < MAX_ENVIRONMENT && this.#bytes <= MAX_ENVIRONMENT_BYTES
    if (!fits || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || value.includes(0)) return false
    this.variables.push([name, value])
    return true
  }
}
