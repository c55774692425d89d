// The other end of the control socket, as `halligan lock` on this machine uses it; and what it does with no Halligan
// running: it takes the state directory itself and writes, and the next start acts on it before anyone is let in.

import { connect } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/config.ts'
import type { Secrets } from '../config/secrets.ts'
import { errorCodes, HalliganError, type ErrorCode } from '../errors.ts'
import { alertsTo } from '../procedure/alert.ts'
import { checkedLockReason, checkedScope } from '../procedure/lock.ts'
import { holdStateDirectory } from '../store/lock.ts'
import { openState } from '../store/state.ts'
import { type ControlRequest, shortPath } from './control.ts'

/** A lock ends sessions and grants before it answers: with hundreds of them that takes its time. */
const ANSWER_MS = 60_000
/** The longest answer: a status names what is locked. */
const MAX_ANSWER_BYTES = 1 << 20

const answerSchema = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), text: z.string(), value: z.unknown() }),
  z.object({
    ok: z.literal(false),
    code: z.enum(Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]]),
    message: z.string(),
    hint: z.string().optional(),
  }),
])

/** Asks the Halligan that runs on `stateDirectory`. Undefined when none does. Throws what it answers, and `unavailable`. */
export async function ask(stateDirectory: string, clock: Clock, request: ControlRequest): Promise<string | undefined> {
  const line = await exchange(stateDirectory, clock, `${JSON.stringify(request)}\n`)
  if (line === undefined) return undefined
  let json: unknown
  try {
    json = JSON.parse(line)
  } catch (cause) {
    throw new HalliganError('unavailable', 'the running halligan gave no whole answer', { cause })
  }
  const answer = answerSchema.safeParse(json)
  if (!answer.success) throw new HalliganError('unavailable', 'what answers on the socket is no halligan')
  if (!answer.data.ok) throw new HalliganError(answer.data.code, answer.data.message, { hint: answer.data.hint })
  return answer.data.text
}

async function exchange(stateDirectory: string, clock: Clock, request: string): Promise<string | undefined> {
  const short = openPath(stateDirectory)
  if (short === undefined) return undefined
  try {
    return await new Promise((resolve, reject) => {
      const socket = connect(short.path)
      const timer = clock.after(ANSWER_MS, () => {
        socket.destroy(new HalliganError('unavailable', `the running halligan did not answer in ${ANSWER_MS / 1000} s`))
      })
      let text = ''
      let isOpen = false
      socket.setEncoding('utf8')
      socket.on('connect', () => {
        isOpen = true
        socket.write(request)
      })
      socket.on('data', (piece: string) => {
        text += piece
        if (text.length > MAX_ANSWER_BYTES) socket.destroy(new HalliganError('unavailable', 'an answer without end'))
      })
      socket.on('error', (error: NodeJS.ErrnoException) => {
        // Nobody listens (any more): ENOENT, or a file that a crash left.
        if (!isOpen && (error.code === 'ENOENT' || error.code === 'ECONNREFUSED')) resolve(undefined)
        else reject(error instanceof HalliganError ? error : hungUp(error))
      })
      socket.on('close', () => {
        timer.cancel()
        resolve(text)
      })
    })
  } finally {
    short.close()
  }
}

function hungUp(cause: Error): HalliganError {
  return new HalliganError('unavailable', 'the running halligan hung up', {
    hint: 'it may be busy with other commands of this machine: try again',
    cause,
  })
}

/** Undefined where the state directory is not there. */
function openPath(stateDirectory: string): ReturnType<typeof shortPath> | undefined {
  try {
    return shortPath(stateDirectory)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Locks or unlocks while no Halligan runs. Throws `state_locked` when one does after all (it listens on no socket),
 * `conflict`, `not_found`, `usage`, `store_failed`.
 */
export async function writeLock(
  config: Config,
  secrets: Secrets,
  clock: Clock,
  request: Extract<ControlRequest, { do: 'lock' | 'unlock' }>,
): Promise<string> {
  const scope = checkedScope(request.scope)
  const reason = checkedLockReason(request.reason)
  const by = `local:${request.uid}`
  if (request.do === 'lock') mustExist(config, scope)
  const at = clock.now()
  const channels = config.channels.map(({ name }) => name)
  await using open = new AsyncDisposableStack()
  const held = holdStateDirectory(config.stateDirectory)
  open.defer(() => held.release())
  const file = join(config.stateDirectory, 'halligan.db')
  const state = await openState({ file, clock, keyEncryptionKey: secrets.encryptionKey() })
  open.defer(() => state.close())
  const command = { type: 'local-command', actor: by, command: `${request.do} ${scope}` } as const
  if (request.do === 'lock') {
    await state.commit({
      at,
      writes: [{ kind: 'lock', lock: { scope, by, at, reason } }],
      leaves: [command, { type: 'locked', scope, by, reason }],
      alerts: alertsTo(channels, 'access.locked', { scope, by, reason, sessions: 0 }, at),
    })
    return `${scope} is locked: halligan does not run, and the next start ends what falls under it`
  }
  await state.commit({
    at,
    writes: [{ kind: 'unlock', scope }],
    leaves: [command, { type: 'unlocked', scope, by, reason }],
    alerts: alertsTo(channels, 'access.unlocked', { scope, by, reason }, at),
  })
  return `${scope} is unlocked`
}

function mustExist(config: Config, scope: string): void {
  const names = [
    'all',
    ...config.users.map(({ name }) => `user:${name}`),
    ...config.targets.map(({ name }) => `target:${name}`),
  ]
  if (!names.includes(scope)) throw new HalliganError('not_found', `there is no ${scope.replace(':', ' ')}`)
}
