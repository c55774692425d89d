// Secrets, apart from the configuration that names them: one file each in a directory of their own, and the key that
// encrypts what the store keeps. They are held in memory, handed out by name, and shown by nothing.

import { timingSafeEqual } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { HalliganError } from '../errors.ts'
import { nameProblem } from '../identity/name.ts'
import type { Channel, ChannelUrl, CheckConfig, Config } from './config.ts'
import { errorMessage } from './error-message.ts'

export interface SecretSource {
  /** One file per secret, named as the configuration calls it. */
  readonly directory: string
  readonly key: KeySource
}

/** Where the key-encryption key is. */
export type KeySource =
  | { readonly kind: 'file'; readonly file: string }
  /** A systemd credential (`LoadCredentialEncrypted=`): a file of that name in `$CREDENTIALS_DIRECTORY`. */
  | { readonly kind: 'credential'; readonly name: string }
  | { readonly kind: 'environment'; readonly variable: string }

/** AES-256 takes 32 bytes. */
const KEY_BYTES = 32

/** A private key or a certificate chain fits many times over. */
const MAX_SECRET_BYTES = 64 * 1024
const MAX_SECRETS = 5000

/** All secrets of one installation. Printing, inspecting or serialising it shows how many there are, nothing else. */
export class Secrets {
  readonly #values: ReadonlyMap<string, string>
  readonly #key: Buffer

  /** `key` is the key-encryption key, 32 bytes. */
  constructor(values: ReadonlyMap<string, string>, key: Buffer) {
    if (key.length !== KEY_BYTES) throw badKey(`it has ${key.length} bytes`)
    this.#values = new Map(values)
    this.#key = Buffer.from(key)
  }

  /** The secret of that name, without the newline at its end. Throws `config_invalid` when there is none. */
  read(name: string): string {
    const value = this.#values.get(name)
    if (value !== undefined) return value
    throw new HalliganError('config_invalid', `there is no secret "${name}"`, {
      hint: `write it to a file of that name in the secrets directory, 0600`,
    })
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  /** The key that encrypts secrets at rest, 32 bytes; a copy. */
  encryptionKey(): Buffer {
    return Buffer.from(this.#key)
  }

  /** Names of the secrets that `other` has otherwise, or not at all, or that this has not. Never what they are. */
  differencesTo(other: Secrets): string[] {
    const names = [...new Set([...this.#values.keys(), ...other.#values.keys()])]
    return names.filter((name) => this.#values.get(name) !== other.#values.get(name)).sort()
  }

  /** True when both encrypt with the same key. */
  hasKeyOf(other: Secrets): boolean {
    return timingSafeEqual(this.#key, other.#key)
  }

  toString(): string {
    return `[${this.#values.size} secrets]`
  }

  toJSON(): string {
    return this.toString()
  }

  [inspect.custom](): string {
    return this.toString()
  }
}

/**
 * Reads the secrets directory and the key. Throws `config_invalid` when one is missing, empty, too large, not a regular
 * file, not ours, or open to anyone else; the message names the file, never what is in it.
 */
export function loadSecrets(source: SecretSource, env: NodeJS.ProcessEnv): Secrets {
  const values = new Map<string, string>()
  for (const name of secretFiles(source.directory)) values.set(name, readSecretFile(join(source.directory, name)))
  return new Secrets(values, readKey(source.key, env))
}

/** The secrets a configuration names and `secrets` lacks, each once, with what needs it. */
export function missingSecrets(
  config: Config,
  secrets: Secrets,
): { readonly name: string; readonly neededBy: string }[] {
  const needed = new Map<string, string>()
  for (const target of config.targets) {
    if (target.kind === 'ssh') needed.set(target.credential, `target ${target.name}`)
    if (target.kind === 'postgres')
      for (const [account, name] of Object.entries(target.credentials)) needed.set(name, `${account}@${target.name}`)
  }
  for (const channel of config.channels)
    for (const name of channelSecrets(channel)) needed.set(name, `channel ${channel.name}`)
  for (const anchor of config.anchors)
    if (anchor.kind === 'webhook')
      for (const name of [...urlSecret(anchor.url), anchor.secret])
        if (!needed.has(name)) needed.set(name, `anchor ${anchor.name}`)
  for (const check of config.checks) for (const name of checkSecrets(check)) needed.set(name, `check ${check.name}`)
  return [...needed].flatMap(([name, neededBy]) => (secrets.has(name) ? [] : [{ name, neededBy }]))
}

/** The names of the secrets a channel needs. */
export function channelSecrets(channel: Channel): readonly string[] {
  switch (channel.kind) {
    case 'webhook':
      return [...urlSecret(channel.url), channel.secret]
    case 'slack':
    case 'teams':
      return urlSecret(channel.url)
    case 'pagerduty':
      return [channel.secret]
    case 'email':
      return channel.login === null ? [] : [channel.login.secret]
    case 'syslog':
      return []
  }
}

function checkSecrets(check: CheckConfig): readonly string[] {
  return check.kind === 'pagerduty' ? [check.secret] : Object.values(check.headers)
}

function urlSecret(url: ChannelUrl): readonly string[] {
  return typeof url === 'string' ? [] : [url.secret]
}

function secretFiles(directory: string): string[] {
  try {
    // Whoever may write to the directory may put another file in a secret's place.
    if ((statSync(directory).mode & 0o022) !== 0)
      throw badSecret(directory, 'others may write to it', `chmod 700 ${directory}`)
    const entries = readdirSync(directory, { withFileTypes: true })
    if (entries.length > MAX_SECRETS) throw badSecret(directory, `it holds more than ${MAX_SECRETS} files`)
    // Dot files and directories are the platform's own (`..data` of a mounted Kubernetes secret).
    return entries
      .filter((entry) => !entry.isDirectory() && nameProblem(entry.name) === undefined)
      .map(({ name }) => name)
  } catch (error) {
    if (error instanceof HalliganError) throw error
    throw badSecret(directory, errorMessage(error), undefined, error)
  }
}

function readKey(source: KeySource, env: NodeJS.ProcessEnv): Buffer {
  switch (source.kind) {
    case 'file':
      return decodeKey(readSecretFile(source.file))
    case 'credential': {
      const directory = env['CREDENTIALS_DIRECTORY']
      if (directory === undefined || directory === '')
        throw badKey('CREDENTIALS_DIRECTORY is not set: systemd gives it to a unit with LoadCredential=')
      return decodeKey(readSecretFile(join(directory, source.name)))
    }
    case 'environment': {
      const value = env[source.variable]
      if (value === undefined || value === '') throw badKey(`the environment variable ${source.variable} is not set`)
      return decodeKey(value.trim())
    }
  }
}

function decodeKey(text: string): Buffer {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex')
  if (/^[A-Za-z0-9+/]{43}=$/.test(text)) return Buffer.from(text, 'base64')
  throw badKey('it is neither 64 hex digits nor 44 characters of base64')
}

function readSecretFile(path: string): string {
  let descriptor: number | undefined
  try {
    // Checked on the open descriptor, so that nothing can be put in its place in between; not blocking on a FIFO.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stat = fstatSync(descriptor)
    if (!stat.isFile()) throw badSecret(path, 'it is no regular file')
    if ((stat.mode & 0o077) !== 0) throw badSecret(path, 'others may read it', `chmod 600 ${path}`)
    if (stat.uid !== 0 && stat.uid !== process.getuid?.()) throw badSecret(path, `it belongs to uid ${stat.uid}`)
    if (stat.size > MAX_SECRET_BYTES) throw badSecret(path, `it has more than ${MAX_SECRET_BYTES} bytes`)
    const text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(descriptor)).replace(/\r?\n$/, '')
    if (text === '') throw badSecret(path, 'it is empty')
    return text
  } catch (error) {
    if (error instanceof HalliganError) throw error
    throw badSecret(path, errorMessage(error), undefined, error)
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

function badSecret(path: string, why: string, hint?: string, cause?: unknown): HalliganError {
  return new HalliganError('config_invalid', `${path} cannot be used as a secret: ${why}`, { hint, cause })
}

function badKey(why: string): HalliganError {
  return new HalliganError('config_invalid', `the key that encrypts secrets cannot be used: ${why}`, {
    hint: 'make one with: openssl rand -base64 32',
  })
}
