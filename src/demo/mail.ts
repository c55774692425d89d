// As much of an SMTP server as takes mail (RFC 5321 §4.5.1): no TLS, no login, no delivery. One connection at a time
// costs at most one message of memory.
import type { Socket } from 'node:net'
import { mainLog } from '../log.ts'

/** RFC 5321 §4.5.3.1.4 asks for 512 octets of command line; extensions make it longer. */
const LONGEST_LINE = 2048
const LONGEST_MESSAGE = 256 * 1024
/** RFC 5321 §4.5.3.1.8 asks for room for 100. */
const MOST_RECIPIENTS = 100
/** RFC 5321 §4.5.3.2.7 says five minutes; nobody types here. */
const IDLE_LIMIT_MS = 60_000

export interface Mail {
  /** ISO 8601, UTC. */
  readonly receivedAt: string
  readonly from: string
  readonly to: readonly string[]
  /** Headers and body as received, lines ended by CR LF. */
  readonly text: string
}

type Phase = { readonly kind: 'command' } | { readonly kind: 'data'; readonly lines: string[]; sizeBytes: number }

/** Serves one connection and hands each complete message to `deliver`. */
export function serveMail(socket: Socket, now: () => number, deliver: (mail: Mail) => void): void {
  let pending = ''
  let phase: Phase = { kind: 'command' }
  let from: string | undefined
  let to: string[] = []
  const reply = (line: string) => socket.write(`${line}\r\n`)
  const reset = () => {
    phase = { kind: 'command' }
    from = undefined
    to = []
  }

  const command = (line: string) => {
    const [verb = '', ...rest] = line.split(/[ :]/)
    const address = /<([^<>\s]*)>/.exec(rest.join(' '))?.[1]
    switch (verb.toUpperCase()) {
      case 'EHLO':
        reset()
        return reply(`250-halligan-demo\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE ${LONGEST_MESSAGE}`)
      case 'HELO':
        reset()
        return reply('250 halligan-demo')
      case 'MAIL':
        if (address === undefined) return reply('501 5.5.4 say MAIL FROM:<address>')
        from = address
        to = []
        return reply('250 2.1.0 ok')
      case 'RCPT':
        if (from === undefined) return reply('503 5.5.1 MAIL first')
        if (!address) return reply('501 5.5.4 say RCPT TO:<address>')
        if (to.length >= MOST_RECIPIENTS) return reply('452 4.5.3 too many recipients')
        to.push(address)
        return reply('250 2.1.5 ok')
      case 'DATA':
        if (to.length === 0) return reply('503 5.5.1 RCPT first')
        phase = { kind: 'data', lines: [], sizeBytes: 0 }
        return reply('354 end with a line that is a dot')
      case 'RSET':
        reset()
        return reply('250 2.0.0 ok')
      case 'NOOP':
        return reply('250 2.0.0 ok')
      case 'VRFY':
        return reply('252 2.1.5 try it')
      case 'QUIT':
        reply('221 2.0.0 bye')
        return socket.end()
      default:
        return reply('502 5.5.1 not known here')
    }
  }

  const data = (line: string, into: Extract<Phase, { kind: 'data' }>) => {
    if (line !== '.') {
      into.sizeBytes += line.length + 2
      // RFC 5321 §4.5.2: a leading dot was added by the sender.
      if (into.sizeBytes <= LONGEST_MESSAGE) into.lines.push(line.startsWith('.') ? line.slice(1) : line)
      return undefined
    }
    const isWhole = into.sizeBytes <= LONGEST_MESSAGE
    if (isWhole)
      deliver({
        receivedAt: new Date(now()).toISOString(),
        from: from ?? '',
        to,
        text: `${into.lines.join('\r\n')}\r\n`,
      })
    reset()
    return reply(isWhole ? '250 2.0.0 kept' : '552 5.3.4 message too long')
  }

  socket.setEncoding('utf8')
  socket.setTimeout(IDLE_LIMIT_MS, () => socket.destroy())
  socket.on('error', (error) => mainLog.debug('demo.mail-connection', { error }))
  socket.on('data', (chunk: string) => {
    pending += chunk
    for (let end = pending.indexOf('\n'); end >= 0; end = pending.indexOf('\n')) {
      const line = pending.slice(0, end).replace(/\r$/, '')
      pending = pending.slice(end + 1)
      if (phase.kind === 'data') data(line, phase)
      else command(line)
    }
    const limit = phase.kind === 'data' ? LONGEST_MESSAGE : LONGEST_LINE
    if (pending.length > limit) {
      reply('500 5.5.6 line too long')
      socket.destroy()
    }
  })
  reply('220 halligan-demo ready')
}
