// `halligan doctor` over a real configuration: reads what a start would read, takes no lock, opens no state, changes nothing.

import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { anchorFindings } from '../cli/doctor-anchors.ts'
import { channelFindings } from '../cli/doctor-channels.ts'
import { fail, ok, warn, type Finding } from '../cli/doctor-finding.ts'
import { certificateFinding, clockFinding, directoryFinding, roomFinding } from '../cli/doctor-machine.ts'
import { livingOwner, portFinding } from '../cli/doctor-ports.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import { checkConfig, parseConfig, readTextFile } from '../config/parse.ts'
import { describeProblems } from '../config/problem.ts'
import { loadSecrets, missingSecrets, type Secrets } from '../config/secrets.ts'
import { HalliganError } from '../errors.ts'
import type { Channel } from '../notify/channel.ts'
import { readSetting } from '../store/anchor-reader.ts'
import { readEnrolled } from '../store/enrolled-reader.ts'
import { recordIn, settingOf, type AnchorPlace } from '../procedure/anchor-record.ts'
import { anchorPlaceOf } from './anchors.ts'
import { channelOf } from './channels.ts'

/** Names of people without a second factor that one line holds. */
const mostNamed = 20

/** Everything there is to say about the installation that `config` (a file) describes. Never throws for what it finds. */
export async function examine(
  options: { readonly config: string },
  clock: Clock,
  env: NodeJS.ProcessEnv,
): Promise<readonly Finding[]> {
  const read = readConfig(options.config)
  if (read.kind === 'bad') return [read.finding]
  const { config } = read
  const { secrets, findings } = readSecrets(config, env)
  const state = config.stateDirectory
  const owner = livingOwner(join(state, 'owner.pid'))
  const database = join(state, 'halligan.db')
  return [
    ok('configuration', `${config.file} is sound`),
    ...findings,
    directoryFinding('state directory', state),
    directoryFinding('keys', join(state, 'keys')),
    await roomFinding('room for state', state),
    await roomFinding('room for recordings', config.recordingsDirectory),
    certificateFinding('certificate', join(state, 'keys', 'postgres.crt'), clock),
    await clockFinding('clock', clock, [database, `${database}-wal`]),
    ...(await portFindings(config, owner)),
    ...peopleFindings(config, database),
    ...(secrets === undefined ? [] : await channelsFindings(config, secrets, clock)),
    ...(secrets === undefined ? [] : await anchorsFindings(config, secrets, database, clock)),
  ]
}

type Read = { readonly kind: 'ok'; readonly config: Config } | { readonly kind: 'bad'; readonly finding: Finding }

function readConfig(file: string): Read {
  const hint = 'mend it: nothing else can be looked at before'
  try {
    const text = readTextFile(resolve(file))
    const problems = checkConfig(text, resolve(file))
    if (problems.length === 0) return { kind: 'ok', config: parseConfig(text, resolve(file)) }
    return { kind: 'bad', finding: fail('configuration', describeProblems(problems, file, text), hint) }
  } catch (error) {
    if (!(error instanceof HalliganError)) throw error
    return { kind: 'bad', finding: fail('configuration', error.message, error.hint ?? hint) }
  }
}

function readSecrets(
  config: Config,
  env: NodeJS.ProcessEnv,
): { readonly secrets: Secrets | undefined; readonly findings: readonly Finding[] } {
  try {
    const secrets = loadSecrets(config.secrets, env)
    const where = config.secrets.directory
    const missing = missingSecrets(config, secrets).map(({ name, neededBy }) =>
      fail(`secret ${name}`, `${neededBy} needs it, and it is not there`, `write it to ${join(where, name)}, 0600`),
    )
    return { secrets, findings: [ok('secrets', `${where} and the key can be read, by nobody else`), ...missing] }
  } catch (error) {
    if (!(error instanceof HalliganError)) throw error
    return { secrets: undefined, findings: [fail('secrets', error.message, error.hint)] }
  }
}

async function portFindings({ listen }: Config, owner: number | undefined): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  // One after the other: two of them may be the same place.
  for (const [name, place] of Object.entries(listen)) findings.push(await portFinding(`port ${name}`, place, owner))
  return findings
}

function peopleFindings({ users }: Config, database: string): readonly Finding[] {
  const subject = 'second factors'
  if (!existsSync(database)) return [warn(subject, 'there is no state yet: nobody is enrolled')]
  try {
    const enrolled = new Set(readEnrolled(database))
    const without = users.filter(({ name }) => !enrolled.has(name)).map(({ name }) => name)
    if (without.length === 0) return [ok(subject, `all ${users.length} people have one`)]
    const named = [...without.slice(0, mostNamed), ...(without.length > mostNamed ? ['…'] : [])].join(', ')
    const what = `${without.length} of ${users.length} people have none and cannot come in: ${named}`
    return [warn(subject, what, 'invite them, or enrol them while Halligan is down: halligan user enrol NAME')]
  } catch (error) {
    if (!(error instanceof HalliganError)) throw error
    return [warn(subject, error.message, 'run doctor as the user who serves')]
  }
}

async function channelsFindings(config: Config, secrets: Secrets, clock: Clock): Promise<readonly Finding[]> {
  const made: Channel[] = []
  const findings: Finding[] = []
  for (const configured of config.channels)
    try {
      made.push(channelOf(configured, config.hostname, secrets, clock))
    } catch (error) {
      if (!(error instanceof HalliganError)) throw error
      findings.push(fail(`channel ${configured.name}`, error.message, error.hint))
    }
  return [...findings, ...(await channelFindings(made, config.hostname, clock))]
}

async function anchorsFindings(
  config: Config,
  secrets: Secrets,
  database: string,
  clock: Clock,
): Promise<readonly Finding[]> {
  const made: AnchorPlace[] = []
  const findings: Finding[] = []
  for (const configured of config.anchors)
    try {
      made.push(anchorPlaceOf(configured, config, secrets, clock))
    } catch (error) {
      if (!(error instanceof HalliganError)) throw error
      findings.push(fail(`anchor ${configured.name}`, error.message, error.hint))
    }
  try {
    const recordOf = (name: string) =>
      existsSync(database) ? recordIn(readSetting(database, settingOf(name)), name) : undefined
    return [...findings, ...(await anchorFindings(made, recordOf, clock))]
  } catch (error) {
    if (!(error instanceof HalliganError)) throw error
    return [...findings, warn('anchors', error.message, 'run doctor as the user who serves')]
  }
}
