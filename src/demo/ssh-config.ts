// The client's side of the demo: an ssh_config with everything in it, so that the printed lines work as pasted whatever
// the user's own configuration, agent, home or working directory is.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HalliganError } from '../errors.ts'
import type { DemoUser } from './users.ts'

export interface SshConfigRequest {
  /** Absolute, existing; gets `ssh_config` and `known_hosts`. */
  readonly folder: string
  /** Where the bastion listens. */
  readonly host: string
  readonly port: number
  /** The bastion's host keys, `type base64`. */
  readonly hostKeys: readonly string[]
  /** `Host` entries in order: alias, login name on the bastion, and whose key. */
  readonly entries: readonly { readonly alias: string; readonly login: string; readonly user: DemoUser }[]
}

/** Absolute paths of what was written. */
export interface SshConfig {
  readonly configFile: string
  readonly knownHosts: string
}

/**
 * Writes both files. Throws `config_invalid` for a path that ssh_config cannot hold: quote, backslash, `\${` and line
 * ends have no spelling there that all OpenSSH releases read alike.
 */
export function writeSshConfig(request: SshConfigRequest): SshConfig {
  const { folder, host, port } = request
  const configFile = join(folder, 'ssh_config')
  const knownHosts = join(folder, 'known_hosts')
  const entries = request.entries.map(({ alias, login, user }) =>
    entry(alias, {
      HostName: host,
      Port: String(port),
      User: login,
      IdentityFile: quoted(user.keyFile),
      UserKnownHostsFile: quoted(knownHosts),
      ...always,
    }),
  )
  writeFileSync(knownHosts, request.hostKeys.map((key) => `[${host}]:${port} ${key}\n`).join(''), { mode: 0o644 })
  writeFileSync(configFile, entries.join('\n'), { mode: 0o644 })
  return { configFile, knownHosts }
}

const always = {
  IdentitiesOnly: 'yes',
  // An agent full of keys would use the attempts up; a multiplexed connection would outlive the lines it came from.
  IdentityAgent: 'none',
  ControlPath: 'none',
  GlobalKnownHostsFile: '/dev/null',
  StrictHostKeyChecking: 'yes',
  UpdateHostKeys: 'no',
  PreferredAuthentications: 'publickey,keyboard-interactive',
  ServerAliveInterval: '15',
} as const

function entry(alias: string, settings: Readonly<Record<string, string>>): string {
  const lines = Object.entries(settings).map(([name, value]) => `  ${name} ${value}\n`)
  return `Host ${alias}\n${lines.join('')}`
}

/** A path for ssh_config(5): in quotes because of spaces, percent signs doubled because they begin tokens. */
function quoted(path: string): string {
  if (/["\\\n\r]|\$\{/.test(path))
    throw new HalliganError('config_invalid', `ssh_config cannot hold the path ${JSON.stringify(path)}`, {
      hint: 'choose another folder with --state',
    })
  return `"${path.replaceAll('%', '%%')}"`
}
