// `halligan verify`: offline, with the pinned public key and, best, a checkpoint that was kept elsewhere.

import { readFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { verifyInstallation, verifyPath } from '../archive/verification.ts'
import { HalliganError } from '../errors.ts'
import { parseInstallationKey, type InstallationKey } from '../ledger/note-key.ts'
import type { VerifyReport } from '../recording/finding.ts'
import { formatReport } from '../recording/report-format.ts'
import { readAnchored } from '../store/anchor-reader.ts'
import { readLedger } from '../store/ledger-reader.ts'
import { anchoredText } from './anchored-text.ts'

interface VerifyOptions {
  readonly all?: boolean
  readonly key?: string
  readonly checkpoint?: string
  readonly state: string
  readonly recordings?: string
  readonly json?: boolean
}

/** Adds `verify`; `exit` is told the status: 0 proven, 1 finding, 2 self-consistent only. */
export function addVerifyCommand(root: Command, write: (text: string) => void, exit: (status: number) => void): void {
  root
    .command('verify')
    .description('prove that recordings and ledger are what was written; works offline')
    .argument('[path]', 'a recording (.cast.zst), or a directory of them')
    .option('--all', 'everything: ledger, journal, epochs, every recording, the rules')
    .option('--key <file>', 'the public key you pinned (halligan.pub)')
    .option('--checkpoint <file>', 'a checkpoint that was kept outside the machine')
    .option('--state <directory>', 'state directory, for --all', '.halligan/demo')
    .option('--recordings <directory>', 'recordings directory, for --all; STATE/recordings when left out')
    .option('--json', 'as JSON')
    .action(async (path: string | undefined, options: VerifyOptions) => {
      const report = await verify(path, options)
      write(options.json === true ? `${JSON.stringify(report)}\n` : formatReport(report))
      if (options.all === true && options.json !== true)
        write(anchoredText(readAnchored(join(options.state, 'halligan.db')), Date.now()))
      exit(report.exitCode)
    })
}

async function verify(path: string | undefined, options: VerifyOptions): Promise<VerifyReport> {
  const key = options.key === undefined ? undefined : readKey(options.key)
  const checkpoint = options.checkpoint === undefined ? undefined : read(options.checkpoint)
  if (options.all !== true) {
    if (path === undefined)
      throw new HalliganError('usage', 'verify what?', { hint: 'give a file, a directory, or --all' })
    return verifyPath(path, { key, checkpoint })
  }
  const database = join(options.state, 'halligan.db')
  if (!existsSync(database))
    throw new HalliganError('not_found', `no state in ${options.state}`, { hint: 'name it: --state DIR' })
  const recordings = options.recordings ?? join(options.state, 'recordings')
  const stored = join(options.state, 'checkpoint')
  const installation = {
    recordings,
    journal: join(recordings, 'journal'),
    ledger: () => readLedger(database),
    checkpoint: existsSync(stored) ? read(stored) : undefined,
  }
  return verifyInstallation(installation, { key, checkpoint })
}

function readKey(file: string): InstallationKey {
  return parseInstallationKey(read(file))
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new HalliganError('not_found', `cannot read ${file}`, { cause: error })
  }
}
