// A program of the demo that the keeper ends if nobody else does.
import { spawn, type ChildProcess } from 'node:child_process'
import type { Account } from './account.ts'
import type { Keeper } from './keeper.ts'

/** The last lines a program wrote, for the error when it does not start. */
const KEPT_LOG_BYTES = 4096

export interface Held {
  readonly pid: number
  readonly child: ChildProcess
  /** Exit code, once the process ended. */
  readonly code: Promise<number | null>
  readonly ended: Promise<void>
  /** The last of what it wrote. */
  log(): string
}

/** Starts a program without standard input, as the demo's account in a process group of its own that the keeper holds; its working directory is `folder`. */
export function runHeld(what: {
  readonly folder: string
  readonly account: Account
  readonly keeper: Keeper
  readonly program: string
  readonly args: readonly string[]
}): Held {
  const { keeper, folder } = what
  const child = spawn(what.program, what.args, {
    ...what.account.ids,
    detached: true,
    cwd: folder,
    // None of our own environment: PG* variables of the caller would change the server.
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC', [keeper.mark.name]: keeper.mark.value },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = Buffer.alloc(0)
  const keep = (chunk: Buffer) => (log = Buffer.concat([log, chunk]).subarray(-KEPT_LOG_BYTES))
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const code = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', resolve)
  })
  const { pid } = child
  if (pid !== undefined) {
    keeper.hold(pid)
    child.once('exit', () => keeper.release(pid))
  }
  const ended = code.then(
    () => undefined,
    () => undefined,
  )
  return { pid: pid ?? -1, child, code, ended, log: () => log.toString('utf8').trim() }
}
