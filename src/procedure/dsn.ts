// What `dsn` and `env` print: connection settings that work as pasted. Pure text.

export interface PostgresAddress {
  /** Name or address of the bastion as its users reach it. */
  readonly host: string
  readonly port: number
}

export interface PostgresLogin extends PostgresAddress {
  readonly user: string
  readonly secret: string
  /** `orders`, or `orders/analytics` for another database than the target's first. */
  readonly database: string
  /** Path of the CA file for verify-full; null: channel binding ties the login to the bastion's certificate. */
  readonly caFile: string | null
}

/** libpq asks this long for the connection, approvals and slow disks included. */
const CONNECT_TIMEOUT_S = 120

/**
 * A connection URI. `channel_binding=require` ties the login to the bastion's certificate, so no CA file is needed; the
 * made-up `sslrootcert` keeps a root.crt of some other server from failing it (measured with libpq 15 and 18).
 */
export function dsn(login: PostgresLogin): string {
  const uri = new URL(`postgresql://${login.host}:${login.port}/`)
  const query = Object.entries({ ...tls(login), connect_timeout: String(CONNECT_TIMEOUT_S) })
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&')
  return `postgresql://${encodeURIComponent(login.user)}:${login.secret}@${uri.host}/${encodeURIComponent(login.database)}?${query}`
}

/** Shell lines for `eval`: the secret stays out of the process list. */
export function envLines(login: PostgresLogin): string {
  const { sslmode, sslrootcert, channel_binding: binding } = tls(login)
  const settings: Record<string, string> = {
    PGHOST: login.host,
    PGPORT: String(login.port),
    PGUSER: login.user,
    PGPASSWORD: login.secret,
    PGDATABASE: login.database,
    PGSSLMODE: sslmode,
    PGCHANNELBINDING: binding,
    PGSSLROOTCERT: sslrootcert,
    PGCONNECT_TIMEOUT: String(CONNECT_TIMEOUT_S),
  }
  return Object.entries(settings)
    .map(([name, value]) => `export ${name}=${quote(value)}\n`)
    .join('')
}

function tls(login: PostgresLogin): { sslmode: string; channel_binding: string; sslrootcert: string } {
  return login.caFile === null
    ? { sslmode: 'require', channel_binding: 'require', sslrootcert: 'halligan-none' }
    : { sslmode: 'verify-full', channel_binding: 'require', sslrootcert: login.caFile }
}

/** POSIX shell quoting. */
function quote(text: string): string {
  return /^[\w./:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
