// E-mail over SMTP by nodemailer, on a connection of our own: TLS is required off this machine, nothing is looked up twice,
// no file and no URL is ever read for a message. Plain text only; the Message-ID follows from the alert's id, so that mail
// programs show what was sent twice as one.

import { createHash } from 'node:crypto'
import { isIP, type Socket } from 'node:net'
import { createTransport } from 'nodemailer'
import type { Clock } from '../clock.ts'
import { HalliganError } from '../errors.ts'
import type { Alert } from '../session/state.ts'
import type { Channel } from './channel.ts'
import { dialTcp, dialTls, isThisMachine, type Place } from './dial.ts'
import { printable } from './http-post.ts'
import { factLines, messageOf } from './message.ts'
import { cut, oneLine } from './plain-text.ts'

export interface EmailOptions extends Place {
  readonly name: string
  /** `starttls`: required, no falling back. `none`: only to this machine. */
  readonly security: 'starttls' | 'tls' | 'none'
  /** One address each, `local@domain`. */
  readonly from: string
  readonly to: readonly string[]
  readonly login: { readonly user: string; readonly password: string } | null
  readonly outside: boolean
  /** The domain of Message-IDs: the bastion's host name. */
  readonly hostname: string
  readonly clock: Clock
}

export interface Mail {
  readonly messageId: string
  readonly subject: string
  readonly text: string
  readonly references: string | undefined
}

/** A mail as it is sent. */
export interface Letter extends Mail {
  /** One short line: what receivers sort by. */
  readonly number: string
  /** Its date (ms). */
  readonly at: number
  /** Text files that go with it, by name. */
  readonly files?: Readonly<Record<string, string>>
}

/** RFC 5322 §2.1.1 keeps lines below 998; mail programs show less than this. */
const longestSubject = 200
const longestReceipt = 150
/** An attempt is cut before (attempt.ts); this is for a server that talks on. */
const smtpTimeoutMs = 15_000

/** A channel that mails. Throws `config_invalid` as `mailer` does. */
export function emailChannel(options: EmailOptions): Channel {
  const { name, outside } = options
  const mail = mailer(`email ${name}`, options)
  return {
    name,
    outside,
    deliver: (alert, signal) =>
      mail({ ...mailOf(alert, options.hostname), number: oneLine(alert.id, 80), at: alert.at }, signal),
  }
}

/** Sends one mail and resolves with what the server said when it took it. Rejects with `unreachable`. */
export type SendMail = (letter: Letter, signal: AbortSignal) => Promise<{ readonly receipt: string }>

/** A mail server, ready to send. Throws `config_invalid` for unprotected mail off this machine and for addresses that are none. */
export function mailer(what: string, options: Omit<EmailOptions, 'name' | 'outside' | 'clock'>): SendMail {
  if (options.security === 'none' && !isThisMachine(options.host))
    throw new HalliganError('config_invalid', `${what}: mail to another machine needs TLS`, {
      hint: 'use `security: starttls` or `security: tls`',
    })
  for (const address of [options.from, ...options.to])
    if (!isMailAddress(address)) throw new HalliganError('config_invalid', `${what}: an address cannot be used`)
  return async (letter, signal) => {
    const { security } = options
    const socket = await (security === 'tls' ? dialTls : dialTcp)(what, options, signal)
    try {
      return await send(what, options, socket, letter, signal)
    } finally {
      socket.destroy()
    }
  }
}

/** An addr-spec that needs no quoting (RFC 5321 §4.1.2), ASCII only: nothing of it can end a header or a command. */
export function isMailAddress(text: string): boolean {
  return /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/.test(text)
}

/** What is written, without addresses. The same at every attempt. */
export function mailOf(alert: Alert, hostname: string): Mail {
  const message = messageOf(alert)
  const grant = alert.payload['grant']
  return {
    messageId: idOf(alert.id, hostname),
    // Mail programs put everything about one grant together.
    references: typeof grant === 'string' && grant !== '' ? idOf(`grant-${grant}`, hostname) : undefined,
    subject: cut(`Halligan: ${message.title}`, longestSubject),
    text: [
      message.title,
      '',
      ...factLines(message),
      '',
      ...(message.link === null ? [] : [`Look at it: ${message.link}`, '']),
      `${oneLine(alert.type, 60)} of ${new Date(alert.at).toISOString()}`,
      `Alert ${oneLine(alert.id, 80)}: the same number twice is the same alert twice.`,
      'This message asks for nothing and lets nobody in.',
      '',
    ].join('\n'),
  }
}

async function send(
  what: string,
  options: Omit<EmailOptions, 'name' | 'outside' | 'clock'>,
  socket: Socket,
  mail: Letter,
  signal: AbortSignal,
): Promise<{ readonly receipt: string }> {
  const { host, port, security, login, from, to, ca } = options
  const transport = createTransport({
    host,
    port,
    name: options.hostname,
    getSocket: (_, done) => done(null, { connection: socket, secured: security === 'tls' }),
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    tls: {
      rejectUnauthorized: true,
      minVersion: 'TLSv1.2',
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(ca === undefined ? {} : { ca }),
    },
    ...(login === null ? {} : { auth: { user: login.user, pass: login.password } }),
    connectionTimeout: smtpTimeoutMs,
    greetingTimeout: smtpTimeoutMs,
    socketTimeout: smtpTimeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  try {
    const sent = await transport.sendMail({
      envelope: { from, to: [...to] },
      from,
      to: [...to],
      subject: mail.subject,
      text: mail.text,
      messageId: mail.messageId,
      ...(mail.references === undefined ? {} : { references: mail.references }),
      date: new Date(mail.at),
      // RFC 3834: no out-of-office answers.
      headers: { 'Auto-Submitted': 'auto-generated', 'X-Halligan-Alert': mail.number },
      attachments: Object.entries(mail.files ?? {}).map(([filename, content]) => ({ filename, content })),
      signal,
    })
    return { receipt: receiptOf(sent.response, to.length, sent.rejected.length) }
  } catch (cause) {
    const why = signal.aborted ? 'no answer in time' : reasonOf(cause)
    throw new HalliganError('unreachable', `${what} was not taken: ${why}`, { cause })
  } finally {
    transport.close()
  }
}

/** Repeating it for one address that does not exist would send it to all others for days: it is taken, and said. */
function receiptOf(response: string, recipients: number, rejected: number): string {
  const said = printable(response).slice(0, longestReceipt)
  return rejected === 0 ? said : `${said} (${rejected} of ${recipients} recipients refused)`
}

/** The server's own answer, or the code of what went wrong; other texts may hold what was sent. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return 'the connection failed'
  const response: unknown = Reflect.get(cause, 'response')
  if (typeof response === 'string' && response !== '') return printable(response).slice(0, longestReceipt)
  const code: unknown = Reflect.get(cause, 'code')
  return typeof code === 'string' ? code : 'the connection failed'
}

/** RFC 5322 §3.6.4. Alert ids are plain; anything else is hashed rather than mended, so that two never become one. */
function idOf(id: string, hostname: string): string {
  const left = /^[A-Za-z0-9-]{1,80}$/.test(id) ? id : createHash('sha256').update(id).digest('hex')
  return `<${left}@${hostname}>`
}
