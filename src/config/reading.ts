// Reading the whole configuration while Halligan runs: the file, what it names, the secrets. Whatever is wrong becomes one
// bounded text without a line of the file in it, since it goes into the ledger and into alerts.

import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { HalliganError } from '../errors.ts'
import type { Config } from './config.ts'
import { errorMessage } from './error-message.ts'
import { checkConfig, parseConfig, readTextFile } from './parse.ts'
import { loadSecrets, missingSecrets, type Secrets } from './secrets.ts'

export type Reading =
  | { readonly kind: 'ok'; readonly config: Config; readonly secrets: Secrets }
  /** `sha256` is empty where the file could not be read. */
  | { readonly kind: 'bad'; readonly sha256: string; readonly problem: string }

/** More mistakes than that are one mistake. */
const MAX_PROBLEMS = 10
const MAX_PROBLEM_LENGTH = 2000

/** Reads `file` and all that it needs. Never throws. */
export function readConfiguration(file: string, env: NodeJS.ProcessEnv): Reading {
  let sha256 = ''
  const bad = (problem: string): Reading => ({ kind: 'bad', sha256, problem: problem.slice(0, MAX_PROBLEM_LENGTH) })
  try {
    const before = fileState(file)
    const text = readTextFile(file)
    sha256 = createHash('sha256').update(text).digest('hex')
    // Written to while it was read: half of it may well be valid, and is not what anyone meant.
    if (fileState(file) !== before) return bad(`${file} changed while it was read`)
    const problems = checkConfig(text, file)
    if (problems.length > 0) {
      const shown = problems.slice(0, MAX_PROBLEMS).map(({ line, column, message }) => `${line}:${column}: ${message}`)
      return bad(
        [...shown, ...(problems.length > MAX_PROBLEMS ? [`and ${problems.length - MAX_PROBLEMS} more`] : [])].join(
          '; ',
        ),
      )
    }
    const config = parseConfig(text, file)
    const secrets = loadSecrets(config.secrets, env)
    const missing = missingSecrets(config, secrets).map(({ name, neededBy }) => `"${name}", which ${neededBy} needs`)
    return missing.length === 0
      ? { kind: 'ok', config, secrets }
      : bad(`there is no secret ${missing.slice(0, MAX_PROBLEMS).join(', ')}`)
  } catch (error) {
    return bad(error instanceof HalliganError ? error.message : errorMessage(error))
  }
}

/** The same while the file is, whatever a path leads through; another for every change, a missing file among them. */
export function fileState(file: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
  } catch (error) {
    return `gone: ${error instanceof Error && 'code' in error ? String(error.code) : errorMessage(error)}`
  }
}
