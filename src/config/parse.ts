// From the text of a configuration to one checked, frozen Config, or to every mistake in it with its line.

import { createHash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { HalliganError } from '../errors.ts'
import type { User } from '../identity/user.ts'
import type { Target } from '../target.ts'
import { anchorOf, type WrittenAnchor } from './anchor-schema.ts'
import { checkOf, drillOf } from './check-schema.ts'
import type { WrittenChannel } from './channel-schema.ts'
import type { Channel, Config } from './config.ts'
import { errorMessage } from './error-message.ts'
import { schemaProblems } from './issue.ts'
import { fieldNames } from './json-schema.ts'
import { policyOf } from './policy-schema.ts'
import { describeProblems, inFileOrder, type Problem } from './problem.ts'
import { checkReferences } from './references.ts'
import { configSchema, type WrittenConfig } from './schema.ts'
import { caProblem, type WrittenTarget } from './target-schema.ts'
import { MAX_CONFIG_BYTES, parseYaml, type Path, type YamlTree } from './yaml.ts'

/** Reads a file that the configuration names (`caFile`), by absolute path. Throws when it cannot. */
export type ReadFile = (path: string) => string

/**
 * Parses the text of `file`. Throws `config_invalid` whose message lists every problem as `file:line:column: message`
 * over the lines around it.
 */
export function parseConfig(text: string, file: string, readFile: ReadFile = readTextFile): Config {
  const result = read(text, file, readFile)
  if (result.kind === 'ok') return result.config
  throw new HalliganError('config_invalid', describeProblems(result.problems, file, text), {
    hint: `mend it, then: halligan policy check ${file}`,
  })
}

/** Every problem of the text, in the order of the file; empty when it may be used. Throws nothing. */
export function checkConfig(text: string, file: string, readFile: ReadFile = readTextFile): Problem[] {
  const result = read(text, file, readFile)
  return result.kind === 'ok' ? [] : inFileOrder(result.problems)
}

/** Reads and parses a file. Throws `config_invalid`, also when it is missing, too large or writable by everyone. */
export function loadConfig(file: string): Config {
  return parseConfig(readTextFile(resolve(file)), file)
}

/**
 * A text file of at most 1 MiB. Throws `config_invalid` when it cannot be read, is no regular file, or everyone on the
 * machine may write to it.
 */
export function readTextFile(path: string): string {
  let descriptor: number | undefined
  try {
    // Not blocking: a FIFO in its place must not hold the start up.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const stat = fstatSync(descriptor)
    if (!stat.isFile()) throw unreadable(path, 'it is no regular file')
    if (stat.size > MAX_CONFIG_BYTES) throw unreadable(path, `${stat.size} bytes, at most ${MAX_CONFIG_BYTES} are read`)
    if ((stat.mode & 0o002) !== 0)
      throw unreadable(path, 'everyone on this machine may write to it', `chmod o-w ${path}`)
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(descriptor))
  } catch (error) {
    if (error instanceof HalliganError) throw error
    throw unreadable(path, errorMessage(error), undefined, error)
  } finally {
    if (descriptor !== undefined) closeSync(descriptor)
  }
}

function unreadable(path: string, why: string, hint?: string, cause?: unknown): HalliganError {
  return new HalliganError('config_invalid', `${path} cannot be read: ${why}`, { hint, cause })
}

type ReadResult =
  | { readonly kind: 'ok'; readonly config: Config }
  | { readonly kind: 'bad'; readonly problems: readonly Problem[] }

function read(text: string, file: string, readFile: ReadFile): ReadResult {
  const yaml = parseYaml(text)
  if (yaml.kind === 'bad') return yaml
  const { tree } = yaml
  const parsed = configSchema.safeParse(tree.value)
  if (!parsed.success) {
    const problems = parsed.error.issues
      .flatMap((issue) => schemaProblems(issue, fieldNames))
      .map(({ path, isKey, message, hint }) => ({ ...tree.place(path, isKey ? 'key' : 'value'), message, hint }))
    return { kind: 'bad', problems }
  }
  const certificates = readCertificates(parsed.data, file, readFile, tree)
  if (certificates.problems.length > 0) return { kind: 'bad', problems: certificates.problems }
  const config = configOf(parsed.data, text, file, certificates.pems)
  const problems = checkReferences(config).map(({ path, message, hint }) => ({ ...tree.place(path), message, hint }))
  return problems.length > 0 ? { kind: 'bad', problems } : { kind: 'ok', config: deepFreeze(config) }
}

/** What names a CA, and may name a file with it. */
type WithCertificates = WrittenTarget | WrittenChannel | WrittenAnchor

function readCertificates(written: WrittenConfig, file: string, readFile: ReadFile, tree: YamlTree) {
  const pems = new Map<WithCertificates, string>()
  const problems: Problem[] = []
  const things = [
    ...written.targets.map((thing, index) => ({ thing, path: ['targets', index, 'caFile'] })),
    ...written.channels.map((thing, index) => ({ thing, path: ['channels', index, 'caFile'] })),
    ...written.anchors.map((thing, index) => ({ thing, path: ['anchors', index, 'caFile'] })),
  ] satisfies { thing: WithCertificates; path: Path }[]
  for (const { thing, path } of things) {
    if (!('caFile' in thing) || thing.caFile === undefined) continue
    try {
      const pem = readFile(resolve(dirname(file), thing.caFile))
      const problem = caProblem(pem)
      if (problem !== undefined) problems.push({ ...tree.place(path), message: `${thing.caFile}: ${problem}` })
      pems.set(thing, pem)
    } catch (error) {
      problems.push({ ...tree.place(path), message: errorMessage(error) })
    }
  }
  return { pems, problems }
}

function configOf(
  written: WrittenConfig,
  text: string,
  file: string,
  pems: ReadonlyMap<WithCertificates, string>,
): Config {
  const below = (path: string) => resolve(dirname(file), path)
  const { listen, secrets } = written
  return {
    file: resolve(file),
    sha256: createHash('sha256').update(text).digest('hex'),
    hostname: written.hostname,
    listen: {
      ...listen,
      web: { ...listen.web, url: listen.web.url === undefined ? null : new URL(listen.web.url).origin },
    },
    stateDirectory: below(written.state),
    recordingsDirectory: below(written.recordings ?? `${written.state}/recordings`),
    journal: { segmentBytes: written.journal.segment },
    recording: written.recording,
    secrets: { directory: below(secrets.directory), key: keySourceOf(secrets.key, below) },
    users: written.users.map(userOf),
    targets: written.targets.map((target) => targetOf(target, pems)),
    channels: written.channels.map((channel) => channelOf(channel, pems)),
    anchors: written.anchors.map((anchor) => anchorOf(anchor, pems.get(anchor))),
    checks: written.checks.map(checkOf),
    drills: written.drills.map(drillOf),
    policies: written.policies.map(policyOf),
  }
}

function userOf({ disabled, ...user }: WrittenConfig['users'][number]): User {
  return disabled ? { ...user, isDisabled: true } : user
}

function keySourceOf(key: WrittenConfig['secrets']['key'], below: (path: string) => string): Config['secrets']['key'] {
  if (key.file !== undefined) return { kind: 'file', file: below(key.file) }
  if (key.credential !== undefined) return { kind: 'credential', name: key.credential }
  return { kind: 'environment', variable: key.environment ?? '' }
}

function targetOf(target: WrittenTarget, pems: ReadonlyMap<WithCertificates, string>): Target {
  switch (target.kind) {
    case 'ssh':
      return { ...target, hostKeys: target.hostKeys.map(({ type, blob }) => `${type} ${blob}`) }
    case 'postgres': {
      const { caFile: _caFile, serverName, ...rest } = target
      return { ...rest, ca: pems.get(target) ?? target.ca ?? '', serverName: serverName ?? target.host }
    }
    case 'command':
      return target
  }
}

function channelOf(channel: WrittenChannel, pems: ReadonlyMap<WithCertificates, string>): Channel {
  switch (channel.kind) {
    case 'slack':
    case 'teams':
      return channel
    case 'pagerduty':
      return { ...channel, url: channel.url ?? null }
    case 'webhook': {
      const { caFile: _caFile, ca, ...rest } = channel
      return { ...rest, ca: pems.get(channel) ?? ca ?? null }
    }
    case 'email': {
      const { caFile: _caFile, ca, login, port, ...rest } = channel
      const usual = channel.security === 'tls' ? 465 : 587
      return { ...rest, port: port ?? usual, login: login ?? null, ca: pems.get(channel) ?? ca ?? null }
    }
    case 'syslog': {
      const { caFile: _caFile, ca, port, ...rest } = channel
      return { ...rest, port: port ?? (channel.transport === 'tls' ? 6514 : 514), ca: pems.get(channel) ?? ca ?? null }
    }
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const held of Object.values(value)) deepFreeze(held)
  return value
}
