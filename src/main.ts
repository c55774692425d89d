// The program: argv and signals. What a Halligan is made of is bastion/, what the demo adds is demo/.

import { join, resolve } from 'node:path'
import { startBastion } from './bastion/bastion.ts'
import { policiesIn } from './bastion/file-policies.ts'
import { tuneCollector } from './bastion/collector.ts'
import { examine } from './bastion/doctor.ts'
import { ask, writeLock } from './bastion/local-control.ts'
import { runLocal, type LocalCommands } from './cli/local.ts'
import type { LocalRequest, Where } from './cli/local-control-commands.ts'
import { systemClock } from './clock.ts'
import { checkConfig, loadConfig, parseConfig, readTextFile } from './config/parse.ts'
import { describeProblems } from './config/problem.ts'
import { readConfiguration } from './config/reading.ts'
import { loadSecrets, missingSecrets } from './config/secrets.ts'
import { HalliganError } from './errors.ts'
import { mainLog } from './log.ts'
import { newTotpSecret, totpUri } from './identity/totp.ts'
import { demoCode, runDemo } from './demo/demo.ts'
import { demoStateDirectory } from './demo/state-directory.ts'

tuneCollector()
const clock = systemClock()
const webRoot = resolve(import.meta.dirname, '../web/dist')
const stories = resolve(import.meta.dirname, '../test/scenario')

/** A signal to a whole process group reaches us twice, through the launcher as well: so soon it is the same one. */
const SAME_SIGNAL_MS = 2000

/**
 * Resolves at the first SIGINT, SIGTERM or SIGHUP, or when the launcher is gone; a later signal ends at once. With
 * `onHangUp` SIGHUP calls that instead, as daemons have it.
 */
function stopped(onHangUp?: () => void): Promise<void> {
  return new Promise((resolve) => {
    let askedAtUs: number | undefined
    const stop = (): void => {
      if (askedAtUs !== undefined && clock.monotonicUs() - askedAtUs > SAME_SIGNAL_MS * 1000) process.exit(1)
      askedAtUs ??= clock.monotonicUs()
      resolve()
    }
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, stop)
    process.on('SIGHUP', onHangUp ?? stop)
    // The launcher's channel closes however it went, kill -9 included. It must not keep us alive.
    if (process.channel) {
      process.on('disconnect', () => resolve())
      process.channel.unref()
    }
  })
}

async function start(configText: string, file: string): ReturnType<typeof startBastion> {
  const config = parseConfig(configText, file)
  const secrets = loadSecrets(config.secrets, process.env)
  const [missing] = missingSecrets(config, secrets)
  if (missing !== undefined)
    throw new HalliganError('config_invalid', `there is no secret "${missing.name}", which ${missing.neededBy} needs`, {
      hint: `write it to a file of that name in ${config.secrets.directory}, 0600`,
    })
  return startBastion({
    config,
    secrets,
    clock,
    webRoot,
    stories,
    read: () => readConfiguration(config.file, process.env),
  })
}

const commands: LocalCommands = {
  demo: (options) => runDemo({ ...options, clock, start, stopped, out: process.stdout }),
  demoCode: (user, state) => demoCode(user, state, clock.now()),
  serve: async ({ config: file }) => {
    const config = loadConfig(file)
    let reload: ((by: string) => Promise<string>) | undefined
    const isStopped = stopped(() => {
      // What was refused is in the log, the ledger and the alert by now.
      reload?.('SIGHUP').catch((error: unknown) => mainLog.error('configuration.not-taken-up', { error }))
    })
    const bastion = await start(readTextFile(config.file), config.file)
    reload = bastion.reload
    process.stdout.write(
      `halligan serves ssh ${bastion.ssh.host}:${bastion.ssh.port}, postgres ${bastion.postgres.host}:${bastion.postgres.port}, web ${bastion.web.url}\npin this key outside the machine: ${bastion.installation.publicKeyFile}\n`,
    )
    await isStopped
    await bastion.close()
  },
  doctor: (options) => examine(options, clock, process.env),
  policyCheck: (file) => {
    const text = readTextFile(resolve(file))
    const problems = checkConfig(text, file)
    return problems.length === 0 ? '' : describeProblems(problems, file, text)
  },
  policies: (file) => policiesIn(loadConfig(file), clock),
  enrol: async (user, { config: file }) => {
    const config = loadConfig(file)
    if (!config.users.some((one) => one.name === user))
      throw new HalliganError('not_found', `no user ${user} in ${file}`)
    const bastion = await start(readTextFile(config.file), config.file)
    try {
      const secret = newTotpSecret()
      await bastion.enrol(user, secret)
      return `${totpUri(secret, user, bastion.installation.name)}\nsecret ${secret}: it is not shown again\n`
    } finally {
      await bastion.close()
    }
  },
  control: (request, where) => control(request, where),
}

/** Tells the Halligan of a state directory; with none there, lock and unlock are written for its next start. */
async function control(request: LocalRequest, { config, state }: Where): Promise<string> {
  const demo = state === undefined ? demoStateDirectory(undefined) : resolve(state)
  const file = config ?? join(demo, 'halligan.yaml')
  const directory = config === undefined ? demo : loadConfig(config).stateDirectory
  const asked = { ...request, uid: process.getuid?.() ?? 0 }
  const text = await ask(directory, clock, asked)
  if (text !== undefined) return text
  if (asked.do !== 'lock' && asked.do !== 'unlock')
    throw new HalliganError('unavailable', `no halligan runs on ${directory}`)
  const loaded = loadConfig(file)
  return writeLock(loaded, loadSecrets(loaded.secrets, process.env), clock, asked)
}

/** What is still open when a command has ended should close by itself; what has not by then is left behind. */
const LINGER_MS = 10_000

// Whoever reads our output may have seen enough: `halligan export … | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1)
})
process.exitCode = await runLocal(commands, process.argv.slice(2), {
  write: (text) => process.stdout.write(text),
  writeError: (text) => process.stderr.write(text),
})
setTimeout(() => process.exit(), LINGER_MS).unref()
