// The operator's log: one logger per subsystem, an event name and fields, no prose. The audit log is another thing (audit.ts).
import pino from 'pino'

const root = pino(
  {
    level: process.env['HALLIGAN_LOG'] ?? 'warn',
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: ['secret', 'code', 'password', '*.secret', '*.code', '*.password'],
  },
  pino.destination({ dest: 2, sync: true }),
)

function logger(subsystem: string): Logger {
  const child = root.child({ subsystem })
  const at = (level: 'debug' | 'info' | 'warn' | 'error') => (event: string, fields: Fields) =>
    child[level]({ event, ...printable(fields) })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

type Fields = Record<string, unknown>

/** Writes one line of JSON: `event` is `subsystem.what-happened`, the fields are its facts. */
export interface Logger {
  debug(event: string, fields: Fields): void
  info(event: string, fields: Fields): void
  warn(event: string, fields: Fields): void
  error(event: string, fields: Fields): void
}

function printable(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      value instanceof Error ? (value.stack ?? value.message) : value,
    ]),
  )
}

export const sshLog: Logger = logger('ssh')
export const postgresLog: Logger = logger('postgres')
export const httpLog: Logger = logger('http')
export const sessionLog: Logger = logger('session')
export const journalLog: Logger = logger('journal')
export const storeLog: Logger = logger('store')
export const notifyLog: Logger = logger('notify')
export const searchLog: Logger = logger('search')
export const mainLog: Logger = logger('main')
