// The bastion under measurement, in a process of its own: a whole Halligan on a configuration file. Started by
// installation.ts, which talks to it over the channel of the fork.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { startBastion } from '../src/bastion/bastion.ts'
import { tuneCollector } from '../src/bastion/collector.ts'
import { systemClock } from '../src/clock.ts'
import { parseConfig, readTextFile } from '../src/config/parse.ts'
import { loadSecrets } from '../src/config/secrets.ts'

/** What it can be asked for. */
export type ToBastion = 'collect' | 'stop'

/** What it says: where it listens, once; then the answer to each question. */
export interface FromBastion {
  readonly sshPort: number
  readonly sshHostKey: string
  readonly publicKeyFile: string
}

tuneCollector()
const [file = '', user = '', totpSecret = ''] = process.argv.slice(2)
const config = parseConfig(readTextFile(file), file)
const secrets = loadSecrets(config.secrets, process.env)
const bastion = await startBastion({ config, secrets, clock: systemClock(), webRoot: config.stateDirectory })
await bastion.enrol(user, totpSecret)

setFlagsFromString('--expose_gc')
const collect = runInNewContext('gc') as () => void

const say = (message: FromBastion | 'collected') => process.send?.(message)

async function stop(): Promise<void> {
  await bastion.close()
  // Not process.exit(): a profile is written when the loop has run out.
  process.disconnect?.()
}

process.on('message', (message: ToBastion) => {
  if (message === 'stop') return void stop()
  collect()
  say('collected')
})
process.once('disconnect', () => void bastion.close())
say({
  sshPort: bastion.ssh.port,
  sshHostKey: bastion.installation.sshHostPublicKey,
  publicKeyFile: bastion.installation.publicKeyFile,
})
