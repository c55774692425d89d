// What Halligan leads to. Plain data; the config makes it, dialers and policies read it.

export type Target = SshTarget | PostgresTarget | CommandTarget

export type TargetKind = Target['kind']

interface TargetBase {
  readonly name: string
  /** Free labels; `kind` is matched as if it were one. */
  readonly labels: Readonly<Record<string, string>>
  /** Logins or roles on the target that a policy may hand out; the first is the default. */
  readonly accounts: readonly string[]
  /** Nothing of value is behind it: drills may use it, and nothing else. */
  readonly canary?: boolean
}

export interface SshTarget extends TargetBase {
  readonly kind: 'ssh'
  readonly host: string
  readonly port: number
  /** Pinned host keys, `type base64` as in known_hosts; any other key ends the dial. */
  readonly hostKeys: readonly string[]
  /** Name of the stored private key (config secrets) that logs in to the accounts. */
  readonly credential: string
}

export interface PostgresTarget extends TargetBase {
  readonly kind: 'postgres'
  readonly host: string
  readonly port: number
  readonly databases: readonly string[]
  /** PEM of the CA that signed the server's certificate; verify-full against `host` (or `serverName`). */
  readonly ca: string
  readonly serverName: string
  /** Name of the stored credential per account: a password in the secrets. */
  readonly credentials: Readonly<Record<string, string>>
}

export interface CommandTarget extends TargetBase {
  readonly kind: 'command'
  readonly argv: readonly string[]
  /** Uid and gid the command runs under; never Halligan's own, except in the loopback demo. */
  readonly runAs: { readonly uid: number; readonly gid: number } | 'demo-self'
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}
